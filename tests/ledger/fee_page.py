"""The table of gas in docs/spec/ledger.md, which comes from the code. Run as a program, it writes it."""

from ledger.fees import KIND_GAS
from tests.ledger.pages import SPEC, rewritten

PAGE = SPEC / "ledger.md"


def written(page: str) -> str:
    """Return the page with the table as the code gives it."""
    rows = [f"| {kind.__name__} | {units:,} |" for kind, units in KIND_GAS.items()]
    table = "\n".join(["| kind of payload | gas |", "| --- | --- |", *rows])
    return rewritten(page, {"gas": f"\n{table}\n"})


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
