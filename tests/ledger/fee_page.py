"""The table of gas in docs/spec/ledger.md, which comes from the code. Run as a program, it writes it."""

import re
from pathlib import Path

from ledger.fees import KIND_GAS

PAGE = Path(__file__).parents[2] / "docs" / "spec" / "ledger.md"
_PART = re.compile(r"(<!-- gas: written by [^>]*-->\n).*(<!-- end of gas -->)", re.DOTALL)


def written(page: str) -> str:
    """Return the page with the table as the code gives it."""
    rows = [f"| {kind.__name__} | {units:,} |" for kind, units in KIND_GAS.items()]
    table = "\n".join(["| kind of payload | gas |", "| --- | --- |", *rows])
    new, count = _PART.subn(lambda found: f"{found[1]}\n{table}\n\n{found[2]}", page)
    assert count == 1
    return new


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
