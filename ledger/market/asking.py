"""What a worker asks for a job: a price for any, and one that grows with the run's static cost (J8)."""

from ledger.market.pace import gas_of_run
from ledger.records import Worker
from primitives.units import mul_div_ceil
from vm.cost import Cost
from vm.manifest import Class

GAS_UNIT = 1_000_000
"""A second of one core."""


def asked(worker: Worker, cost: Cost, class_: Class) -> int:
    """Return the least that a worker takes for a run, in grains, rounded up to its good (J8)."""
    return worker.ask + mul_div_ceil(worker.gas_ask, gas_of_run(cost, class_), GAS_UNIT)
