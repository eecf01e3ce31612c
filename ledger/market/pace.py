"""How long a run may take: deadlines grow with the static cost of what is run (J7)."""

from primitives.reasons import Reason, Refused
from vm.cost import Cost

RUN_TIMES = 4
"""Of the canonical time that the cost tells: for a busy machine, half as fast as that of the prices."""
RUN_GAS_MAX = 900_000_000
"""A quarter of an hour on that machine: longer runs would lock bonds for hours."""
GAS_PER_MS = 1_000
"""One gas is a microsecond (V80)."""


def run_ms(cost: Cost) -> int:
    """Return what a run may take, in milliseconds of live time, rounded up; at most an hour (J7).

    It is the same in both classes: before a worker runs a model natively it checks itself against a canonical run.
    """
    return -(-RUN_TIMES * cost.gas // GAS_PER_MS)


def check_cost(cost: Cost) -> None:
    """Raise Refused LOWERING_INVALID for a program that takes longer than jobs may (J6)."""
    if cost.gas > RUN_GAS_MAX:
        raise Refused(Reason.LOWERING_INVALID, what="gas", seen=cost.gas, wanted=f"at most {RUN_GAS_MAX}")
