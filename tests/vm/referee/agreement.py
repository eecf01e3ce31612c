"""Whether the referee and the interpreter agree on an operation, element by element."""

import random

import numpy as np

from tests.vm.referee.random_operations import Drawn
from vm.canonical import interpreter
from vm.canonical.arrays import Array
from vm.canonical.trapped import Trapped
from vm.program import Op
from vm.referee.reach import Range, needs
from vm.referee.recompute import front, recompute
from vm.tensor import element_count


def pieces(array: Array, ranges: list[Range]) -> Array:
    """Return the elements of ranges, one after the other."""
    flat = array.reshape(-1)
    return np.concatenate([flat[:0], *(flat[first : first + count] for first, count in ranges)])


def judged(case: Drawn, element: int, *, perturbed: bool) -> bytes | Trapped:
    """Return what the referee finds for an element, from the ranges that it asks for alone."""
    operation, number, types = case.operation, case.number, case.types
    try:
        chosen = None
        if operation.op in (Op.TAKE, Op.SCATTER):
            asked = needs(operation, types, element)
            length = types[0].shape[operation.ints[0] if operation.op is Op.TAKE else 0]
            read = pieces(case.operands[1], asked[0].ranges)
            chosen = [front(index, length, number) for index in read.tolist()]
        reaches = needs(operation, types, element, chosen)
        opened = [pieces(case.operands[slot], ranges) for slot, ranges in reaches]
        return recompute(operation, number, types, element, opened, perturbed=perturbed)
    except Trapped as trap:
        return trap


def disagreement(case: Drawn, *, perturbed: bool, at_most: int) -> str | None:
    """Return what the two find differently, for at most so many elements; None if nothing."""
    count = element_count(case.operation.result.shape)
    chosen = random.Random(case.number).sample(range(count), min(count, at_most))
    try:
        whole = interpreter.apply(case.operation, case.number, case.operands, perturbed=perturbed)
    except Trapped as trap:
        found = [judged(case, element, perturbed=perturbed) for element in range(count)]
        fits = not count or any(isinstance(each, Trapped) and each.code is trap.code for each in found)
        return None if fits else f"{case.operation}: only the interpreter traps"
    wanted = whole.reshape(-1)
    for element in chosen:
        seen = judged(case, element, perturbed=perturbed)
        if seen != wanted[element].tobytes():
            return f"{case.operation}, element {element}: {seen!r} instead of {wanted[element].tobytes()!r}"
    return None
