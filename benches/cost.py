"""Static cost against runs: its counts against what a run holds, its gas against the time that both engines take."""

import itertools
import math
from collections.abc import Iterator
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np

from benches.canonical import native_run
from benches.figures import Figure
from tests.vm.models.case import Array, Case
from tests.vm.models.catalogue import all_models
from vm import compiled
from vm.canonical import fast, interpreter
from vm.canonical.arrays import normal
from vm.canonical.kernels import Kernels
from vm.cost import Cost, Head, cost, head_of
from vm.prices import is_view
from vm.program import CONTRACTIONS, ELEMENTARY, Op, Program
from vm.sandbox.meaning import derive

RUNS = 7
"""At least; the fastest counts, since the machine has other work."""
LONG_S = 0.1
"""And short runs as often as fit."""


class Point(NamedTuple):
    """A model: what its cost says, and what its runs took, in microseconds."""

    name: str
    told: Cost
    work: Head
    canonical: float
    head: float
    tail: float


def run() -> Iterator[Figure]:
    """Yield how exact the counts are, how gas goes with time, and the prices that fit this machine best."""
    library = compiled.make()
    points: list[Point] = []
    wrong: list[str] = []
    for case in all_models():
        derived = derive(case.proto, case.shapes)
        program, constants = derived.program, derived.constants
        inputs = [normal(case.feeds[0][name]) for name in case.inputs]
        told = cost(program)
        counts = (told.macs, told.elementary, told.moved_bytes, told.trace_bytes, told.operations)
        if counted(program, constants, inputs) != counts:
            wrong.append(case.name)
        kernels = fast.kernels(library, program=program)
        whole = canonical_us(program, constants, inputs, kernels)
        tail = tail_us(program, constants, inputs, kernels)
        work = head_of(program)
        head = native_us(case) if work.nodes else 0.0
        points.append(Point(case.name, told, work, whole, head, tail))
    method = f"of {len(points)} models: multiplications, elementary, bytes, operations; not {', '.join(wrong) or 'one'}"
    yield Figure(what="counts that a run confirms", value=len(points) - len(wrong), unit="", method=method)
    yield from _fit("canonical", [(each.name, each.told.gas, each.canonical) for each in points])
    yield from _fit("native", [(each.name, each.told.native_gas, each.head + each.tail) for each in points])
    yield from _prices([(each.work, each.head) for each in points if each.head])
    for each in points:
        figures = (
            f"gas {each.told.gas:,}; native {each.head:,.0f} + tail {each.tail:,.0f}, gas {each.told.native_gas:,}"
        )
        yield Figure(what=each.name, value=each.canonical, unit="us", method=f"canonical, {figures}")


def _fit(what: str, pairs: list[tuple[str, int, float]]) -> Iterator[Figure]:
    """Yield correlation, typical error and the worst underestimate of gas."""
    gas, took = [float(pair[1]) for pair in pairs], [pair[2] for pair in pairs]
    logs = [[math.log(value) for value in values] for values in (gas, took)]
    method = "gas and microseconds over the models"
    yield Figure(
        what=f"{what}: rank correlation", value=_correlation(_ranks(gas), _ranks(took)), unit="", method=method
    )
    yield Figure(what=f"{what}: correlation of logarithms", value=_correlation(*logs), unit="", method=method)
    errors = [abs(math.log(each / told)) for told, each in zip(gas, took, strict=True)]
    yield Figure(what=f"{what}: median error", value=100 * (math.exp(median(errors)) - 1), unit="%", method=method)
    worst = max(pairs, key=lambda pair: pair[2] / pair[1])
    yield Figure(what=f"{what}: worst underestimate", value=worst[2] / worst[1], unit="x", method=worst[0])
    best = min(pairs, key=lambda pair: pair[2] / pair[1])
    yield Figure(what=f"{what}: worst overestimate", value=best[1] / best[2], unit="x", method=best[0])


def _prices(pairs: list[tuple[Head, float]]) -> Iterator[Figure]:
    """Yield the native prices, none negative, with the least squares of relative errors, in nanoseconds."""
    took = np.array([pair[1] for pair in pairs])
    rows = np.array([(*work, 1) for work, _ in pairs], float) / took[:, None]
    best, prices = math.inf, np.zeros(rows.shape[1])
    for chosen in itertools.product((False, True), repeat=rows.shape[1]):
        columns = np.flatnonzero(chosen)
        found = np.linalg.lstsq(rows[:, columns], np.ones(len(took)), rcond=None)[0] if len(columns) else np.zeros(0)
        error = float(np.square(rows[:, columns] @ found - 1).sum())
        if (found >= 0).all() and error < best:
            best, prices = error, np.zeros(rows.shape[1])
            prices[columns] = found
    for name, price in zip([*Head._fields, "run"], prices, strict=True):
        yield Figure(what=f"native: fitted price, {name}", value=1e3 * float(price), unit="ns", method="of one")


def _ranks(values: list[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda at: values[at])
    ranks = [0.0] * len(values)
    for rank, at in enumerate(order):
        ranks[at] = float(rank)
    return ranks


def _correlation(left: list[float], right: list[float]) -> float:
    return float(np.corrcoef(left, right)[0, 1])


def canonical_us(program: Program, constants: list[Array], inputs: list[Array], kernels: Kernels) -> float:
    """Return the microseconds of a canonical run."""
    return _fastest(lambda: interpreter.run(program, constants, inputs, kernels=kernels))


def tail_us(program: Program, constants: list[Array], inputs: list[Array], kernels: Kernels) -> float:
    """Return the microseconds of the tail."""
    given = interpreter.run(program, constants, inputs, keep=program.cut)
    given = {at: given[at] for at in program.cut}
    return _fastest(
        lambda: interpreter.run(program, constants, inputs, kernels=kernels, given=given, only=program.tail)
    )


def native_us(case: Case) -> float:
    """Return the microseconds of a run in ONNX Runtime, on one thread."""
    return _fastest(native_run(case))


def _fastest(call: object) -> float:
    assert callable(call)
    call()
    took: list[float] = []
    while len(took) < RUNS or sum(took) < LONG_S:
        start = perf_counter()
        call()
        took.append(perf_counter() - start)
    return min(took) * 1e6


def counted(program: Program, constants: list[Array], inputs: list[Array]) -> tuple[int, int, int, int, int]:
    """Return multiplications, elementary elements, bytes moved and traced, and operations, from the arrays of a run."""
    values = dict(enumerate([*inputs, *constants]))
    interpreter.run(program, constants, inputs, watch=values.__setitem__)
    macs = elementary = moved = traced = 0
    for number, operation in enumerate(program.operations):
        result, operands = values[program.first_result + number], [values[at] for at in operation.operands]
        traced += result.nbytes
        if operation.op in CONTRACTIONS:
            length = operands[0].shape[-1] if operation.op is Op.MATMUL else operands[1][0].size
            macs += result.size * length
        if operation.op in ELEMENTARY:
            elementary += result.size
        if is_view(operation):
            assert result.tobytes() == operands[0].tobytes()
            continue
        read = [each.nbytes for each in operands]
        if operation.op in (Op.MOVE, Op.TAKE):
            read[0] = min(read[0], result.nbytes)
        moved += result.nbytes + sum(read)
    return macs, elementary, moved, traced, len(program.operations)
