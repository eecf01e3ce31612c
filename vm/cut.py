"""Where a program is parted: what machines compute natively and compare, and what everyone computes canonically.

The *tail* is what no contraction follows, so it is cheap, and outputs that come from the same values at the cut are the
same to the last bit. It begins at values that have names in the file, because ONNX Runtime can show no others.

A handful of values says little about who computed them (ADR 0023), so where the cut would hold fewer, it is moved back:
the last contractions join the tail, as far as that is cheap.
"""

from collections.abc import Container

import msgspec

from vm.prices import picoseconds
from vm.program import CONTRACTIONS, Operation, Program
from vm.scale import ELEMENTS_MIN
from vm.tensor import BUNDLE_TENSORS_MAX, SMALL_VALUES_BYTES_MAX, DType, bytes_of, element_count

VALUES_MIN = ELEMENTS_MIN
"""From here on a row has a scale and a noise of its own."""
MOVES_MAX = 4
"""Layers of contractions that join the tail; each is looked at in a pass over the program."""
JOINED_PICOSECONDS_MAX = 500_000_000
"""Half a millisecond: what the tail may take where contractions have joined it, a fortieth of a job of 20 ms."""
AMPLE_BYTES = 1024
"""Each party's cut goes on chain, so of two larger ones the smaller is taken; below, what is left matters more."""

_WIDE = (DType.FLOAT32, DType.FLOAT64)
_Nodes = frozenset[int]
"""Nodes of the file, by their places there."""
_NONE: _Nodes = frozenset()
_NOBODY, _SEVERAL = -1, -2


def parted(program: Program, named: Container[int]) -> Program:
    """Return the program with its cut and its tail (V110-V112, V115); `named` are the values with names in the file."""
    best, joined = _parted(program, named, joined=_NONE, last=_NONE), _NONE
    if not best.cut:
        return best
    for _ in range(MOVES_MAX):
        if _elements(best) >= VALUES_MIN:
            break
        last = _last_nodes(program, joined)
        joined |= last
        # As far back as the next contraction, which shows most; or no further than needed, where values may be fewer.
        moved = (_parted(program, named, joined=joined, last=nodes) for nodes in (_NONE, last))
        best = min((best, *(each for each in moved if _is_fit(each, named))), key=_worth)
    return best


def _worth(program: Program) -> tuple[int, int]:
    """Return what is least for the best cut: many values, up to what is enough, in few bytes, above what is little."""
    return -min(_elements(program), VALUES_MIN), max(_bytes(program), AMPLE_BYTES)


def _elements(program: Program) -> int:
    return sum(element_count(program.type_of(value).shape) for value in program.cut)


def _bytes(program: Program) -> int:
    return sum(bytes_of(program.type_of(value)) for value in program.cut)


def _is_fit(program: Program, named: Container[int]) -> bool:
    """Tell whether a cut that was moved back can be compared, is small, and has a tail that is cheap (V115)."""
    takes = sum(
        picoseconds(operation, [program.type_of(operand) for operand in operation.operands])
        for operation in (program.operations[at] for at in program.tail)
    )
    return (
        all(value in named and program.type_of(value).dtype in _WIDE for value in program.cut)
        and len(program.cut) <= BUNDLE_TENSORS_MAX
        and _bytes(program) <= SMALL_VALUES_BYTES_MAX
        and takes <= JOINED_PICOSECONDS_MAX
    )


def _is_native(operation: Operation, joined: _Nodes) -> bool:
    """Tell whether an operation is a contraction that machines compute natively."""
    return operation.op in CONTRACTIONS and operation.origin not in joined


def _last_nodes(program: Program, joined: _Nodes) -> _Nodes:
    """Return the nodes with native contractions that no native contraction of another node follows."""
    first, operations = program.first_result, program.operations
    # By operation: the node whose native contractions follow from it, unless it is nobody's, or several nodes'.
    after = [_NOBODY] * len(operations)
    found: dict[int, None] = {}
    followed: dict[int, None] = {}
    for at in range(len(operations) - 1, -1, -1):
        operation, told = operations[at], after[at]
        if _is_native(operation, joined):
            found[operation.origin] = None
            if told not in (_NOBODY, operation.origin):
                followed[operation.origin] = None
            told = _either(told, operation.origin)
        for value in operation.operands:
            if value >= first:
                after[value - first] = _either(after[value - first], told)
    return frozenset(node for node in found if node not in followed)


def _either(one: int, other: int) -> int:
    """Return the node that two are: if they are different ones, several."""
    if other in (one, _NOBODY):
        return one
    return other if one == _NOBODY else _SEVERAL


def _parted(program: Program, named: Container[int], *, joined: _Nodes, last: _Nodes) -> Program:
    """Return the program with cut and tail, contractions of `joined` nodes being operations like any other.

    What leads to nodes of `last` alone stays out of the tail (V115).
    """
    first, operations = program.first_result, program.operations
    followed = _followed(program, joined, last)
    # By value: whether it is known to whoever knows the input and the values at the cut.
    known = [True] * first
    # By value: whether a native contraction has a part in it.
    contracted = [False] * first
    tail: list[bool] = []
    for at, operation in enumerate(operations):
        shown = all(known[value] or value in named for value in operation.operands)
        tail.append(not followed[at] and shown)  # V110
        contracted.append(_is_native(operation, joined) or any(contracted[value] for value in operation.operands))
        known.append(tail[at] or not contracted[-1])
    needed = _needed(program, tail, contracted)
    read = [False] * len(known)
    for at, operation in enumerate(operations):
        if needed[at]:
            for value in operation.operands:
                read[value] = True
    for value in program.outputs:
        read[value] = True
    cut = [first + at for at, inside in enumerate(needed) if read[first + at] and not inside]  # V112
    return msgspec.structs.replace(program, cut=cut, tail=[at for at, inside in enumerate(needed) if inside])


def _followed(program: Program, joined: _Nodes, last: _Nodes) -> list[bool]:
    """Return for each operation whether it is a native contraction, or one or a contraction of `last` follows it."""
    first, operations = program.first_result, program.operations
    found = [_is_native(operation, joined) for operation in operations]
    for at in range(len(operations) - 1, -1, -1):
        is_last = operations[at].op in CONTRACTIONS and operations[at].origin in last
        for value in operations[at].operands:
            if value >= first and (found[at] or (is_last and operations[value - first].origin not in last)):
                found[value - first] = True
    return found


def _needed(program: Program, tail: list[bool], contracted: list[bool]) -> list[bool]:
    """Return the tail with what it and the outputs need of values in which no native contraction has a part (V111)."""
    first = program.first_result
    needed = list(tail)

    def want(value: int) -> None:
        if value >= first and not contracted[value]:
            needed[value - first] = True

    for value in program.outputs:
        want(value)
    for at in range(len(needed) - 1, -1, -1):
        if needed[at]:
            for value in program.operations[at].operands:
                want(value)
    return needed
