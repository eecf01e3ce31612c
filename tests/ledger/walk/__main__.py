"""`python -m tests.ledger.walk`: walks of random people until so many steps are taken; exit 1 at the first fault.

What walks have come by is remembered for the code as it is, so that a night that was stopped goes on.
"""

import sys

from tests.ledger.walk.campaign import campaign
from tests.ledger.walk.walk import Walk

if __name__ == "__main__":
    sys.exit(campaign(Walk, prog="python -m tests.ledger.walk", about=__doc__, state="walk", steps=100_000))
