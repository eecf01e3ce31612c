"""The parts of docs/spec/withheld.md that come from the code. Run as a program, it writes them."""

from ledger.market.withheld.lifecycle import LIFE_CYCLE
from ledger.market.withheld.money import carriage
from ledger.market.withheld.payloads import CHUNK_BYTES, FILING_CHUNKS_MAX
from ledger.parameters import Parameters, Tier
from primitives.content import ContentId
from primitives.units import KARAT
from tests.ledger.pages import SPEC, life_cycle, rewritten

PAGE = SPEC / "withheld.md"
SIZES = {"5 KB": 5_000, "64 KiB": CHUNK_BYTES, "1 MiB": FILING_CHUNKS_MAX * CHUNK_BYTES}


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
    return rewritten(page, {"withheld": life_cycle(LIFE_CYCLE, born="FILE"), "withheld costs": costs()})


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
