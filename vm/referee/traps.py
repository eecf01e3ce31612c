"""Whether an operation traps at one element: of the indices, of the divisor, or for POW of the result (V88)."""

from primitives.reasons import Reason, Refused
from vm.program import Op, Operation, TrapCode
from vm.referee.reach import Reach, broadcast, coordinates
from vm.tensor import FLOATS, TensorType, element_count


def trap_needs(operation: Operation, types: list[TensorType], element: int) -> tuple[TrapCode, list[Reach]]:
    """Return how the operation may trap, and what shows whether it does at an element.

    Raises Refused BAD_PROOF if it never traps, or has no such element.
    """
    op, shape = operation.op, operation.result.shape
    if op in (Op.TAKE, Op.SCATTER):
        return TrapCode.INDEX, [_one(1, element, types[1])]
    if op in (Op.DIV, Op.MOD) and types[1].dtype not in FLOATS:
        return TrapCode.DIVISION, [_one(1, element, types[1])]
    if op is Op.POW and types[1].dtype not in FLOATS:
        _one(0, element, operation.result)
        at = coordinates(element, shape)
        return TrapCode.DIVISION, [_one(slot, broadcast(at, type_.shape), type_) for slot, type_ in enumerate(types)]
    raise Refused(Reason.BAD_PROOF, what="operation", seen=op.name, wanted="one that may trap")


def _one(slot: int, element: int, type_: TensorType) -> Reach:
    count = element_count(type_.shape)
    if element >= count:
        raise Refused(Reason.BAD_PROOF, what="element", seen=element, wanted=f"below {count}")
    return Reach(slot, [(element, 1)])


def traps(operation: Operation, types: list[TensorType], read: list[int]) -> bool:
    """Tell whether the operation traps, from the elements that `trap_needs` names (G12, G13, G22, G23, G25)."""
    if operation.op in (Op.TAKE, Op.SCATTER):
        length = types[0].shape[operation.ints[0] if operation.op is Op.TAKE else 0]
        return not -length <= read[0] < length
    if operation.op is Op.POW:
        return read[0] == 0 and read[1] < 0
    return read[0] == 0
