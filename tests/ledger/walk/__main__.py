"""`python -m tests.ledger.walk`: walks of random people until so many steps are taken; exit 1 at the first fault.

What walks have come by is remembered for the code as it is, so that a night that was stopped goes on.
"""

import sys

from tests.ledger.walk.campaign import campaign
from tests.ledger.walk.contentious import Contentious
from tests.ledger.walk.walk import Walk


def walk_of(seed: int) -> Walk:
    """Return every third walk as one of people who dispute on and on."""
    return Contentious(seed) if seed % 3 == 2 else Walk(seed)


if __name__ == "__main__":
    sys.exit(campaign(walk_of, prog="python -m tests.ledger.walk", about=__doc__, state="walk", steps=100_000))
