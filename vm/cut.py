"""Where a program is parted: what machines compute natively and compare, and what everyone computes canonically.

The *tail* is what no contraction follows, so it is cheap, and outputs that come from the same values at the cut are the
same to the last bit. It is judged by nodes of the file, because ONNX Runtime can show what passes between nodes alone.
"""

import msgspec

from vm.program import CONTRACTIONS, Program


def parted(program: Program) -> Program:
    """Return the program with its cut and its tail (V110-V112)."""
    tail = _tail(program)
    contracted = _contracted(program)
    needed = _needed(program, tail, contracted)
    first = program.first_result
    made = [False] * first + needed
    read = [False] * len(made)
    for at, operation in enumerate(program.operations):
        if needed[at]:
            for value in operation.operands:
                read[value] = True
    for value in program.outputs:
        read[value] = True
    cut = [value for value in range(first, len(made)) if read[value] and not made[value]]  # V112
    return msgspec.structs.replace(program, cut=cut, tail=[at for at, held in enumerate(needed) if held])


def _tail(program: Program) -> list[bool]:
    """Return for each operation whether it belongs to a node that no contraction is in or follows (V110)."""
    first, operations = program.first_result, program.operations
    feeds: dict[int, list[int]] = {operation.origin: [] for operation in operations}
    for operation in operations:
        for value in operation.operands:
            if value >= first and (maker := operations[value - first].origin) != operation.origin:
                feeds[operation.origin].append(maker)
    waiting = [operation.origin for operation in operations if operation.op in CONTRACTIONS]
    native = dict.fromkeys(waiting, True)
    while waiting:
        for maker in feeds[waiting.pop()]:
            if maker not in native:
                native[maker] = True
                waiting.append(maker)
    return [operation.origin not in native for operation in operations]


def _contracted(program: Program) -> list[bool]:
    """Return for each value whether a contraction has a part in it."""
    found = [False] * program.first_result
    for operation in program.operations:
        found.append(operation.op in CONTRACTIONS or any(found[value] for value in operation.operands))
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
