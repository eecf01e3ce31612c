"""The parts of docs/spec/withheld.md that come from the code. Run as a program, it writes them."""

import re
from pathlib import Path

from ledger.market.withheld.lifecycle import FINAL_STATES, LIFE_CYCLE
from ledger.market.withheld.money import carriage
from ledger.market.withheld.payloads import CHUNK_BYTES, FILING_CHUNKS_MAX
from ledger.parameters import Parameters, Tier
from primitives.content import ContentId
from primitives.units import KARAT

PAGE = Path(__file__).parents[4] / "docs" / "spec" / "withheld.md"
SIZES = {"5 KB": 5_000, "64 KiB": CHUNK_BYTES, "1 MiB": FILING_CHUNKS_MAX * CHUNK_BYTES}


def life_cycle() -> str:
    """Return the table of transitions, and the diagram of it."""
    lines = ["| state | event | if | next state | effect |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.state.name} | {row.event.name} | {row.guard.words} | {row.next.name} | {row.effect.words} |"
        for row in LIFE_CYCLE.rows
    ]
    arrows = dict.fromkeys(f"    {row.state.name} --> {row.next.name}: {row.event.name}" for row in LIFE_CYCLE.rows)
    ends = [f"    {state.name} --> [*]" for state in FINAL_STATES]
    diagram = ["", "```mermaid", "stateDiagram-v2", "    [*] --> WAITING: FILE", *arrows, *ends, "```"]
    return "\n".join([*lines, *diagram])


def costs() -> str:
    """Return what a filing costs whom (H33)."""
    parameters = Parameters()
    terms = parameters.tiers.of(Tier.HIGH)
    bond = terms.bond_multiple * KARAT + terms.k * parameters.verifier_fee

    def karat(grains: int) -> str:
        return f"{grains / KARAT:+.4f}" if grains else "0"

    lines = [
        "| content | filer, answered | holder that answers | filer, not answered | provider that does not |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, length in SIZES.items():
        content = ContentId(root=bytes(32), length=length)
        paid = sum(carriage(parameters, content, at) for at in range(-(-length // CHUNK_BYTES)))
        lines.append(f"| {name} | {karat(-paid)} | {karat(paid)} | 0 | {karat(-bond)} |")
    return "\n".join(lines)


def written(page: str) -> str:
    """Return the page with its generated parts as the code gives them."""
    for name, text in {"withheld": life_cycle(), "withheld costs": costs()}.items():
        begin, end = rf"<!-- {name}: written by [^>]*-->", f"<!-- end of {name} -->"
        parts = re.fullmatch(rf"(.*{begin}\n).*({end}.*)", page, re.DOTALL)
        assert parts is not None, name
        page = parts[1] + text + "\n" + parts[2]
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
