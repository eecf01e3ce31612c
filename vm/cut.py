"""Where a program is parted: what machines compute natively and compare, and what everyone computes canonically.

The *tail* is what no contraction follows, so it is cheap, and outputs that come from the same values at the cut are the
same to the last bit. It begins at values that have names in the file, because ONNX Runtime can show no others.
"""

from collections.abc import Container

import msgspec

from vm.program import CONTRACTIONS, Program


def parted(program: Program, named: Container[int]) -> Program:
    """Return the program with its cut and its tail (V110-V112); `named` are the values that have names in the file."""
    first, operations = program.first_result, program.operations
    followed = _followed(program)
    # By value: whether it is known to whoever knows the input and the values at the cut.
    known = [True] * first
    # By value: whether a contraction has a part in it.
    contracted = [False] * first
    tail: list[bool] = []
    for at, operation in enumerate(operations):
        shown = all(known[value] or value in named for value in operation.operands)
        tail.append(not followed[at] and shown)  # V110
        contracted.append(operation.op in CONTRACTIONS or any(contracted[value] for value in operation.operands))
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


def _followed(program: Program) -> list[bool]:
    """Return for each operation whether it is a contraction, or one follows from it."""
    first, operations = program.first_result, program.operations
    found = [operation.op in CONTRACTIONS for operation in operations]
    for at in range(len(operations) - 1, -1, -1):
        if found[at]:
            for value in operations[at].operands:
                if value >= first:
                    found[value - first] = True
    return found


def _needed(program: Program, tail: list[bool], contracted: list[bool]) -> list[bool]:
    """Return the tail with what it and the outputs need of values in which no contraction has a part (V111)."""
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
