"""`python -m tests.testnet.audit`: the books against the ledger after every block of random walks; 1 if they differ.

What walks have come by is remembered for the code as it is, so that a night that was stopped goes on.
"""

import sys

from testnet.audit.rules import BeyondError, WrongError
from tests.ledger.walk.campaign import campaign
from tests.testnet.audit.walked import AuditedWalk

if __name__ == "__main__":
    sys.exit(
        campaign(
            AuditedWalk,
            prog="python -m tests.testnet.audit",
            about=__doc__,
            state="audit",
            steps=20_000,
            code=("testnet/audit", "tests/testnet/audit"),
            finds=(BeyondError, WrongError),
        )
    )
