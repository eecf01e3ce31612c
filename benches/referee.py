"""The referee: a verdict on one element, and the accusation that it is given (goal: 50 ms, 256 KiB)."""

import random
from collections import defaultdict
from collections.abc import Iterator
from statistics import median
from time import perf_counter

import numpy as np

from benches.figures import Figure
from primitives import codec
from primitives.reasons import Refused
from tests.vm.models.catalogue import all_models
from tests.vm.referee.subjects import Subject, subject_of, subject_of_model
from vm.canonical.arrays import NUMPY_OF, Array
from vm.program import STEPS_MAX, Op, Operation, Program
from vm.referee.judge import judge
from vm.tensor import DType, TensorType, element_count
from vm.tiles import check_tile, tile

PER_OPERATOR = 12
"""Elements of each operator that a model has, in each run."""
REPEATS = 3
"""The fastest of so many verdicts counts: the machine has other work."""
FLOAT, INDEX = DType.FLOAT32, DType.INT64

Measured = list[tuple[float, int]]
"""Milliseconds and bytes."""


def run() -> Iterator[Figure]:
    """Yield time and proof size: the largest that are admitted, then by model, then by operator."""
    for name, subject, number in largest():
        yield _figure(f"largest {name}", [_judged(subject, subject.runs[0], number, 0, REPEATS)])
    by_operator: dict[str, Measured] = defaultdict(list)
    for case in all_models():
        try:
            subject = subject_of_model(case)
        except Refused:
            continue
        found = list(_elements(subject))
        for op, each in found:
            by_operator[op.name].append(each)
        yield _figure(case.name, [each for _, each in found])
    for name, measured in sorted(by_operator.items()):
        yield _figure(name, measured)


def _figure(what: str, measured: Measured) -> Figure:
    times, sizes = ([pair[at] for pair in measured] for at in (0, 1))
    method = (
        f"median of {len(measured)}; worst {max(times):.2f} ms; "
        f"proof median {median(sizes) / 1024:.1f}, worst {max(sizes) / 1024:.1f} KiB"
    )
    return Figure(what=what, value=median(times), unit="ms", method=method)


def _judged(subject: Subject, witness: object, number: int, element: int, repeats: int) -> tuple[float, int]:
    run = subject.runs[0] if witness is subject.runs[0] else subject.runs[1]
    accusation = run.accuse(number, element)
    took = []
    for _ in range(repeats):
        start = perf_counter()
        verdict = judge(subject.trace, accusation)
        took.append(perf_counter() - start)
        assert verdict.right
    return min(took) * 1e3, len(codec.encode(accusation))


def _elements(subject: Subject) -> Iterator[tuple[Op, tuple[float, int]]]:
    """Yield operator, time and size for elements of every operator of a job."""
    draw = random.Random(1)
    for run in subject.runs:
        numbers: dict[Op, list[int]] = defaultdict(list)
        for number, operation in enumerate(run.program.operations):
            if element_count(operation.result.shape):
                numbers[operation.op].append(number)
        for op, places in sorted(numbers.items()):
            for _ in range(PER_OPERATOR):
                number = draw.choice(places)
                element = draw.randrange(element_count(run.program.operations[number].result.shape))
                yield op, _judged(subject, run, number, element, REPEATS)


def largest() -> Iterator[tuple[str, Subject, int]]:
    """Yield operations that are as large to judge as any that are admitted, or nearly so."""
    rng = np.random.default_rng(1)

    def floats(*shape: int) -> Array:
        return rng.standard_normal(shape).astype(np.float32)

    row = floats(64, STEPS_MAX)
    yield "MATMUL", *_alone(Op.MATMUL, [row, floats(64, STEPS_MAX)], FLOAT, [64, 64], [])
    image, taps = floats(1, 96, 96, 1), floats(2, 27, 27, 1)
    yield "CONV, dilated", *_alone(Op.CONV, [image, taps], FLOAT, [1, 8, 8, 2], [2, 1, 1, 3, 3, 0, 0, 1])
    deep = floats(1, 16, 16, 448)
    yield "CONV, deep", *_alone(Op.CONV, [deep, floats(4, 3, 3, 448)], FLOAT, [1, 14, 14, 4], [2, *[1] * 4, 0, 0, 1])
    for op, dtype, shape, ints in (
        (Op.REDUCE_SUM, DType.FLOAT64, [64], []),
        (Op.CUMULATE, FLOAT, [64, STEPS_MAX], [0, 1]),
        (Op.SORT, INDEX, [64, STEPS_MAX], [0]),
        (Op.ARG_MAX, INDEX, [64], [0]),
    ):
        yield op.name, *_alone(op, [row], dtype, shape, ints)
    many = 360
    indices = np.zeros(many, np.int64)
    data, updates = floats(4, 64), floats(many, 64)
    yield "SCATTER, adding", *_alone(Op.SCATTER, [data, indices, updates], FLOAT, [4, 64], [1])
    lines = [floats(1, 8) for _ in range(256)]
    yield "CONCAT", *_alone(Op.CONCAT, lines, FLOAT, [256, 8], [0])


def _alone(op: Op, operands: list[Array], dtype: DType, shape: list[int], ints: list[int]) -> tuple[Subject, int]:
    """Return a job of one operation, whose operands are inputs up to 32 of them, else constants."""
    dtypes = {numpy: each for each, numpy in NUMPY_OF.items()}
    types = [TensorType(dtype=dtypes[each.dtype], shape=list(each.shape)) for each in operands]
    result = TensorType(dtype=dtype, shape=shape)
    operation = Operation(op=op, operands=list(range(len(types))), result=result, ints=ints, fill=b"", origin=0)
    program = Program(inputs=[], constants=types, operations=[operation], outputs=[], cut=[], tail=[])
    check_tile(tile(program, 0))
    return subject_of(program, operands, [], [op.name]), 0
