"""Write the pages that follow from others: `make reference`. A test fails while a page is not what this writes."""

import re
from collections.abc import Callable
from pathlib import Path

from node.config import Config, render_config
from node.rpc.reference import reference_page
from primitives.reasons import Reason
from scripts.cli_page import cli_page

ROOT = Path(__file__).resolve().parents[1]

_MEMBER = re.compile(r"^    ([A-Z_]+) = (\d+)(?:  # (.+))?$", re.MULTILINE)
_HEADER = """# Reasons

For everybody who was refused something: what the number means.
Receipts, answers of a node and the command line (`error[AS-202]`) show the same number for the same fault,
with the value seen and the value wanted.
Written by `make reference` from `primitives/reasons.py`.

| number | reason | meaning |
| --- | --- | --- |
"""


def meanings() -> dict[str, str]:
    """Return what the code says of each reason beside its number; nothing where it says nothing."""
    code = (ROOT / "primitives" / "reasons.py").read_text(encoding="utf-8")
    return {name: meaning for name, _, meaning in _MEMBER.findall(code)}


def reasons_page() -> str:
    """Return docs/reference/reasons.md."""
    told = meanings()
    rows = [f"| {int(reason)} | {reason.name.lower().replace('_', ' ')} | {told[reason.name]} |\n" for reason in Reason]
    return _HEADER + "".join(rows)


_DECISIONS = """# Decisions

For people who ask why. One page each: context, options with what each costs, decision, consequences.
A page is not edited after its day: a later one supersedes it and says so.
This list is written by `make reference`.

| number | decision |
| --- | --- |
"""


def decisions_page() -> str:
    """Return docs/adr/README.md, from the first line of each decision (`# 0001: Title`)."""
    rows = []
    for page in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md")):
        number, _, title = page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").partition(": ")
        rows.append(f"| [{number}]({page.name}) | {title} |\n")
    return _DECISIONS + "".join(rows)


_SETTINGS = """# Settings of a node

For whoever runs a node: `config.toml` of its home, as `assay init` writes it.
Every key may be left out; what stands here is taken then. A key that is not here is an error.
Written by `make reference` from `node/config.py`.

"""


def settings_page() -> str:
    """Return docs/reference/config.md."""
    return f"{_SETTINGS}```toml\n{render_config(Config())}```\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/adr/README.md": decisions_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/config.md": settings_page,
    "docs/reference/reasons.md": reasons_page,
    "docs/reference/rpc.md": reference_page,
}

if __name__ == "__main__":
    for name, build in PAGES.items():
        (ROOT / name).write_text(build(), encoding="utf-8")
