"""Whatever is well-formed is run by the interpreter, and judged by the referee as it was run (G5, V87)."""

import random

import msgspec
import pytest

from primitives.reasons import Refused
from tests.vm.referee.agreement import disagreement
from tests.vm.referee.random_operations import Drawn, drawn, values
from vm.program import Op, Operation
from vm.tensor import DType, TensorType
from vm.tiles import Sizes, tile_of
from vm.wellformed import check_operation

FITTING = 8
"""Mutants of each operator that are well-formed still."""
TRIES = 600
SIZES = (0, 0, 1, 1, 2, 3, 5)
INTS = (-(2**31), -2, -1, 0, 1, 2, 3, 2**31)


def mutated(case: Drawn, draw: random.Random) -> tuple[Operation, list[TensorType]]:
    """Return the operation with one or two numbers in it, or in the shapes of its operands, changed."""
    operation, types = case.operation, case.types
    for _ in range(draw.randint(1, 2)):
        what = draw.choice(["ints", "operand", "operand", "result", "dtype"])
        if what == "ints" and operation.ints:
            ints = list(operation.ints)
            ints[draw.randrange(len(ints))] = draw.choice(INTS)
            operation = msgspec.structs.replace(operation, ints=ints)
        elif what == "operand":
            at = draw.randrange(len(types))
            types[at] = TensorType(dtype=types[at].dtype, shape=_changed(types[at].shape, draw))
        elif what == "result":
            result = TensorType(dtype=operation.result.dtype, shape=_changed(operation.result.shape, draw))
            operation = msgspec.structs.replace(operation, result=result)
        else:
            dtype = draw.choice(list(DType))
            types = [TensorType(dtype=dtype, shape=each.shape) for each in types]
            result = TensorType(dtype=dtype, shape=operation.result.shape)
            operation = msgspec.structs.replace(operation, result=result)
    return operation, types


def _changed(shape: list[int], draw: random.Random) -> list[int]:
    changed = list(shape)
    match draw.randrange(3):
        case 0 if changed:
            changed[draw.randrange(len(changed))] = draw.choice(SIZES)
        case 1 if changed:
            changed.pop(draw.randrange(len(changed)))
        case _:
            changed.insert(draw.randint(0, len(changed)), draw.choice(SIZES))
    return changed


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
def test_what_is_well_formed_runs_and_is_judged(op: Op) -> None:
    fitting = 0
    for seed in range(TRIES):
        draw = random.Random(f"mutant {op.name} {seed}")
        case = drawn(op, seed)
        operation, types = mutated(case, draw)
        try:
            check_operation(operation, types)
        except Refused:
            continue
        fitting += 1
        tile_of(operation, 0, types, Sizes(len(types), 1, 1))
        changed = Drawn(operation, case.number, [values(draw, each.dtype, each.shape) for each in types])
        assert disagreement(changed, perturbed=seed % 2 == 1, at_most=4) is None
        if fitting == FITTING:
            return
    raise AssertionError(f"{fitting} of {TRIES} mutants are well-formed")
