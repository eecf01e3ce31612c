"""How long a run may take: deadlines grow with the static cost of what is run (J7)."""

from primitives.reasons import Reason, Refused
from vm.cost import TRACE_BYTES_MAX, Cost
from vm.manifest import Class

RUN_TIMES = 4
"""Of the canonical time that the cost tells: for a busy machine, half as fast as that of the prices."""
RUN_GAS_MAX = 900_000_000
"""A quarter of an hour on that machine: longer runs would lock bonds for hours."""
TRACE_BYTES_PER_MS = 12_500
"""Of results: a dispute takes both runs, and a hash of each 128 bytes. Measured 20 ns for a byte; four times that."""
GAS_PER_MS = 1_000
"""One gas is a microsecond (V80)."""


def run_ms(cost: Cost) -> int:
    """Return what a run may take, in milliseconds of live time; at most an hour and a half (J7).

    It is the same in both classes: before a worker runs a model natively it checks itself against two canonical runs,
    and who rejects or is disputed has to tell the trace of both.
    """
    return -(-RUN_TIMES * cost.gas // GAS_PER_MS) + cost.trace_bytes // TRACE_BYTES_PER_MS


def gas_of_run(cost: Cost, class_: Class) -> int:
    """Return the gas of one run in a class (J8)."""
    return cost.native_gas if class_ is Class.NATIVE else cost.gas


def check_cost(cost: Cost) -> None:
    """Raise Refused LOWERING_INVALID for a program that takes longer than jobs may (J6)."""
    if cost.trace_bytes > TRACE_BYTES_MAX:
        wanted = f"at most {TRACE_BYTES_MAX}"
        raise Refused(Reason.LOWERING_INVALID, what="bytes of all results", seen=cost.trace_bytes, wanted=wanted)
    if cost.gas > RUN_GAS_MAX:
        raise Refused(Reason.LOWERING_INVALID, what="gas", seen=cost.gas, wanted=f"at most {RUN_GAS_MAX}")
