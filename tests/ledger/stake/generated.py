"""The part of docs/spec/staking.md that comes from the code. Run as a program, it writes it."""

import re
from pathlib import Path

from ledger.stake.lifecycle import LIFE_CYCLE

PAGE = Path(__file__).parents[3] / "docs" / "spec" / "staking.md"
BEGIN, END = r"<!-- life-cycle: written by [^>]*-->", "<!-- end of life-cycle -->"


def life_cycle() -> str:
    """Return the table of transitions, and the diagram of it."""
    lines = ["| state | event | if | next state | effect |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.state.name} | {row.event.name} | {row.guard.words} | {row.next.name} | {row.effect.words} |"
        for row in LIFE_CYCLE.rows
    ]
    arrows = [f"    {row.state.name} --> {row.next.name}: {row.event.name}" for row in LIFE_CYCLE.rows]
    return "\n".join([*lines, "", "```mermaid", "stateDiagram-v2", "    [*] --> NEW", *arrows, "```"])


def written(page: str) -> str:
    """Return the page with the part as the code gives it."""
    parts = re.fullmatch(rf"(.*{BEGIN}\n).*({END}.*)", page, re.DOTALL)
    assert parts is not None
    return parts[1] + life_cycle() + "\n" + parts[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
