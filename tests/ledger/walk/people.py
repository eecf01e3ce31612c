"""How people go about a job or a dispute: it follows from both, so the same is found each time that it is asked."""

from functools import cache

from primitives.hashing import sha256
from tests.ledger.market.dispute.played import Held, off_by, right, wrong_label

GREY, FALSE = 30.0, 200.0
"""Units of σ: between what is paid and what is slashed, and beyond."""


def character(about: bytes, name: str) -> int:
    """Return a number below 256."""
    return sha256(about + name.encode())[0]


@cache
def _kinds() -> list[Held]:
    return [right()] * 10 + [off_by(GREY), off_by(FALSE), wrong_label()]


def held_by(job_id: bytes, name: str) -> Held:
    """Return what somebody computed for a job."""
    kinds = _kinds()
    return kinds[character(job_id, name) % len(kinds)]


def is_silent(about: bytes, name: str) -> bool:
    """Tell whether somebody never does what is waited for."""
    return character(about, name) > 235
