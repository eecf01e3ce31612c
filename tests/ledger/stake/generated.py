"""The part of docs/spec/staking.md that comes from the code. Run as a program, it writes it."""

from ledger.stake.lifecycle import LIFE_CYCLE
from tests.ledger.pages import SPEC, life_cycle, rewritten

PAGE = SPEC / "staking.md"


def written(page: str) -> str:
    """Return the page with its generated parts as the code gives them."""
    return rewritten(page, {"life-cycle": life_cycle(LIFE_CYCLE, born="")})


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
