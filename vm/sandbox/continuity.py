"""Which nodes of a model allow class exact alone: those that turn a difference in the last bit into a large one.

Before the cut values differ between machines in their last bits. A node that rounds, compares or selects by such a
value gives another value altogether on some of them; after the cut everyone computes the same.
"""

from collections.abc import Iterator

from primitives.reasons import Reason, Refused
from vm.program import NOISE_BITS_SUM, Op, noise_bits
from vm.sandbox import operators
from vm.sandbox.meaning import Derived
from vm.tensor import FLOATS, DType


def hindrances(derived: Derived) -> Iterator[Refused]:
    """Yield a refusal NOT_NATIVE for each node that allows class exact alone (V113, V114)."""
    told: set[object] = set()
    for refused in (*discontinuities(derived), *hazards(derived)):
        if refused.facts["node"] not in told:
            told.add(refused.facts["node"])
            yield refused


def discontinuities(derived: Derived) -> Iterator[Refused]:
    """Yield a refusal NOT_NATIVE for each such node before the cut, in the order of the program (V113)."""
    program, first = derived.program, derived.program.first_result
    shaken, shown = _shaken(derived), _shown(derived)
    tail = frozenset(program.tail)
    told: set[str] = set()
    for at, operation in enumerate(program.operations):
        place = derived.places[at]
        types = [program.type_of(value).dtype for value in operation.operands if shaken[value]]
        if at in tail or place in told or not types:
            continue
        counts = operation.result.dtype not in FLOATS and any(dtype in FLOATS for dtype in types)
        if operators.is_discontinuous(derived.nodes[at]) or (counts and first + at in shown):
            told.add(place)
            yield Refused(
                Reason.NOT_NATIVE,
                node=place,
                why="it turns a difference in the last bit into another value, before the last product of matrices",
                change="serve the model in class exact, or move this node behind the last product",
            )


def hazards(derived: Derived) -> Iterator[Refused]:
    """Yield a refusal NOT_NATIVE for each node before the cut that engines compute otherwise for some inputs (V114).

    What is beyond an integer type becomes another integer on each kind of processor, and a division by 0 of integers
    ends the process: with such a node whoever chooses the input chooses who is wrong.
    """
    program, tail = derived.program, frozenset(derived.program.tail)
    told: set[str] = set()
    for at, operation in enumerate(program.operations):
        place, whole = derived.places[at], operation.result.dtype not in (*FLOATS, DType.BOOL)
        if at in tail or place in told or not whole:
            continue
        from_float = program.type_of(operation.operands[0]).dtype in FLOATS
        if operation.op is Op.CAST and from_float and derived.nodes[at].op_type in ("Cast", "CastLike"):
            why, change = "numbers that do not fit the integer type differ between machines", "give integers as input"
        elif operation.op in (Op.DIV, Op.MOD) and not _divides(derived, operation.operands[1]):
            why, change = "the divisor may be 0, or -1", "divide by a constant"
        else:
            continue
        told.add(place)
        yield Refused(Reason.NOT_NATIVE, node=place, why=why, change=f"serve the model in class exact, or {change}")


def _divides(derived: Derived, value: int) -> bool:
    """Return whether a value is a constant by which every integer can be divided."""
    at = value - len(derived.program.inputs)
    if not 0 <= at < len(derived.constants):
        return False
    return not bool(((derived.constants[at] == 0) | (derived.constants[at] == -1)).any())


def _shaken(derived: Derived) -> list[bool]:
    """Return for each value whether its last bits may differ between machines."""
    program = derived.program
    found = [False] * program.first_result
    for operation, node in zip(program.operations, derived.nodes, strict=True):
        # in float16 engines keep more bits from one operation to the next
        bits = noise_bits(operation, program.type_of(operation.operands[0]).dtype)
        rounds = bits not in (0, NOISE_BITS_SUM)  # a sum by itself is rounded alike everywhere
        rounds = rounds or (operators.is_inexact(node) and operation.result.dtype in FLOATS)
        found.append(rounds or any(found[value] for value in operation.operands))
    return found


def _shown(derived: Derived) -> frozenset[int]:
    """Return the values that another node reads, or that are outputs."""
    program, first = derived.program, derived.program.first_result
    shown = set(program.outputs)
    for at, operation in enumerate(program.operations):
        for value in operation.operands:
            if value >= first and derived.nodes[value - first] is not derived.nodes[at]:
                shown.add(value)
    return frozenset(shown)
