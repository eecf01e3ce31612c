"""Who passes a proposal on to whom: two hops from its leader to everybody, and no line carries it often (N14)."""

from math import isqrt

from consensus.validators import ValidatorSet
from primitives.hashing import tagged

DIRECT_MAX = 10
"""Validators up to which a leader sends its proposal to all of them itself: nine bodies, and no relay can be silent."""


def relay_tree(validators: ValidatorSet, view: int) -> dict[int, list[int]]:
    """Return the validators to whom the leader of a view sends its proposal, and to whom each of them passes it on.

    About √n relays with about √n leaves each. They follow from the set's seed and the view alone, in an order that
    changes with each view: a silent relay keeps back the bodies of others for one view and no longer.
    """
    leader = validators.leader(view)
    others = [index for index in range(len(validators)) if index != leader]
    if len(validators) <= DIRECT_MAX:
        return {index: [] for index in others}
    others.sort(key=lambda index: tagged("assay/relay", validators.seed, view.to_bytes(8, "big"), bytes([index])))
    count = isqrt(len(others) - 1) + 1  # the square root, rounded up
    return {relay: others[at + count :: count] for at, relay in enumerate(others[:count])}
