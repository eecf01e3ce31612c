"""What pages of the specification show of the code: lives with their diagrams, between marks that name the program."""

import enum
import re
from pathlib import Path
from typing import TypeVar

from ledger.transitions import Table

SPEC = Path(__file__).parents[2] / "docs" / "spec"
S = TypeVar("S", bound=enum.IntEnum)
E = TypeVar("E", bound=enum.IntEnum)
T = TypeVar("T")


def life_cycle(table: Table[S, E, T], *, born: str, state: str = "state") -> str:
    """Return a table of transitions, and the diagram of it; `born` is what begins the life."""
    lines = [f"| {state} | event | if | next {state} | effect |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.state.name} | {row.event.name} | {row.guard.words} | {row.next.name} | {row.effect.words} |"
        for row in table.rows
    ]
    arrows = [f"    [*] --> {table.first.name}{born and f': {born}'}"]
    arrows += dict.fromkeys(f"    {row.state.name} --> {row.next.name}: {row.event.name}" for row in table.rows)
    arrows += [f"    {state.name} --> [*]" for state in table.final]
    return "\n".join([*lines, "", "```mermaid", "stateDiagram-v2", *arrows, "```"])


def rewritten(page: str, parts: dict[str, str]) -> str:
    """Return a page with parts of it, by name, as the code gives them."""
    for name, text in parts.items():
        begin, end = rf"<!-- {name}: written by [^>]*-->", f"<!-- end of {name} -->"
        around = re.fullmatch(rf"(.*{begin}\n).*({end}.*)", page, re.DOTALL)
        assert around is not None, name
        page = around[1] + text + "\n" + around[2]
    return page
