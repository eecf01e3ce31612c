"""Which nodes of a model allow class exact alone: those that turn a difference in the last bit into a large one.

Before the cut values differ between machines in their last bits. A node that rounds, compares or selects by such a
value gives another value altogether on some of them; after the cut everyone computes the same.
"""

from collections.abc import Iterator

from primitives.reasons import Reason, Refused
from vm.program import noise_bits
from vm.sandbox import operators
from vm.sandbox.meaning import Derived
from vm.tensor import FLOATS


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


def _shaken(derived: Derived) -> list[bool]:
    """Return for each value whether its last bits may differ between machines."""
    program = derived.program
    found = [False] * program.first_result
    for operation, node in zip(program.operations, derived.nodes, strict=True):
        # in float16 engines keep more bits from one operation to the next
        rounds = noise_bits(operation, program.type_of(operation.operands[0]).dtype) > 0
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
