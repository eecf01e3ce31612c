"""The verdict on one element of somebody's trace: what they committed to against what the operands give (DESIGN 7).

The operands are taken as the trace has them: what comes before the first difference is agreed. Who had to name which
element, and who pays, is the dispute's affair.
"""

from collections.abc import Sequence
from typing import NamedTuple

from primitives import codec, merkle
from primitives.reasons import Reason, Refused
from vm.canonical.trapped import Trapped
from vm.program import Op, TrapCode, outline_root
from vm.referee.accusation import Accusation, Claim
from vm.referee.known_answers import check_known_answers
from vm.referee.membership import is_in_tail
from vm.referee.opening import Opened, elements, opened_root, shown_bytes
from vm.referee.reach import Reach, needs
from vm.referee.recompute import front, recompute
from vm.referee.traps import trap_needs, traps
from vm.tensor import TensorType, element_count
from vm.tiles import Sizes, check_tile, tile_of
from vm.trace import Run, Trace, ends_early, trap_digest
from vm.wellformed import check_operation


class Verdict(NamedTuple):
    """Whether the trace is right about the element, with what it says and what the operands give."""

    right: bool
    committed: bytes | TrapCode | None
    """None where the trace says a value, and the question is whether the operation traps, or of what type it is."""
    found: bytes | TrapCode | None


def judge(trace: Trace, accusation: Accusation, *, tail: bool = False) -> Verdict:
    """Return the verdict on an element of a trace, of a whole program or of its `tail` alone (V87, V132).

    `trace` is what the accused committed to: that it is of the right program and inputs is checked before. Raises
    Refused BAD_PROOF, PROGRAM_INVALID or TILE_TOO_LARGE where the accusation does not show what it should: it is void.
    """
    check_known_answers()
    operation, types = accusation.operation, [opened.type for opened in accusation.operands]
    told = accusation.outline
    _must(len(types) == len(operation.operands), "operands", len(types), len(operation.operands))
    check_operation(operation, types)
    sizes = Sizes(len(told.inputs), told.constants, told.operations)
    check_tile(tile_of(operation, accusation.number, types, sizes))
    _check_program(trace, accusation)
    _check_tail(accusation, tail=tail)
    run = trace.perturbed if accusation.perturbed else trace.first
    if run is None:
        raise Refused(Reason.BAD_PROOF, what="run", wanted="a trace with a second run")
    if accusation.claim is Claim.TRAP:
        return _judge_trap(trace, run, accusation, types)
    return _judge_value(trace, run, accusation, types)


def _must(holds: object, what: str, seen: int | bytes, wanted: int | bytes | str) -> None:
    if not holds:
        raise Refused(Reason.BAD_PROOF, what=what, seen=seen, wanted=wanted)


def _check_program(trace: Trace, accusation: Accusation) -> None:
    """Raise Refused BAD_PROOF unless the operation stands where it is said to in the trace's program."""
    told, number = accusation.outline, accusation.number
    _must(outline_root(told) == trace.program, "program", outline_root(told), trace.program)
    root = merkle.root_from_set(
        [codec.encode(accusation.operation)], places=[number], count=told.operations, proof=accusation.operation_proof
    )
    _must(root == told.operations_root, "operation", root, told.operations_root)
    _must(len(trace.inputs) == len(told.inputs), "inputs", len(trace.inputs), len(told.inputs))
    first = len(told.inputs) + told.constants
    for operand in accusation.operation.operands:
        _must(operand < first + number, "operand", operand, first + number)


def _check_tail(accusation: Accusation, *, tail: bool) -> None:
    """Raise Refused BAD_PROOF unless the operation is one that the trace has recomputed (V132)."""
    shown, number = accusation.tail, accusation.number
    _must((shown is not None) == tail, "trace", int(tail), "one of the tail, and proof that the operation is in it")
    if shown is not None:
        _must(is_in_tail(accusation.outline, number, shown), "operation", number, "one of the tail")


def _judge_value(trace: Trace, run: Run, accusation: Accusation, types: list[TensorType]) -> Verdict:
    operation, opened, element = accusation.operation, accusation.result, accusation.element
    if opened is None:
        raise Refused(Reason.BAD_PROOF, what="result", wanted="the element that is judged")
    count = element_count(operation.result.shape)
    if opened.type != operation.result or not count:
        return _judge_type(trace, run, accusation, opened)
    _must(element < count, "element", element, count)
    own = [(element, 1)]
    reaches, trap = reaches_of(accusation, types)
    _check_roots(trace, run, accusation, reaches, opened_root(opened, own))
    committed = shown_bytes(opened, own)  # not in normal form, it is wrong
    if trap is not None:
        return Verdict(right=False, committed=committed, found=trap.code)
    read = [elements(accusation.operands[slot], ranges) for slot, ranges in reaches]
    try:
        found = recompute(operation, accusation.number, types, element, read, perturbed=accusation.perturbed)
    except Trapped as trapped:
        return Verdict(right=False, committed=committed, found=trapped.code)
    ends = ends_early(run, accusation.number, accusation.outline)
    return Verdict(right=committed == found and not ends, committed=committed, found=found)


def _judge_type(trace: Trace, run: Run, accusation: Accusation, opened: Opened) -> Verdict:
    """Return the verdict on a result of another type than the operation's, or without any element."""
    _check_roots(trace, run, accusation, [], opened_root(opened, []))
    same = opened.type == accusation.operation.result and opened.proof == [merkle.EMPTY_ROOT]
    ends = ends_early(run, accusation.number, accusation.outline)
    return Verdict(right=same and not ends, committed=None, found=None)


def reaches_of(accusation: Accusation, types: list[TensorType]) -> tuple[list[Reach], Trapped | None]:
    """Return what the element reads; where an index lies outside the indices alone, and the trap."""
    operation, element = accusation.operation, accusation.element
    asked = needs(operation, types, element)
    if operation.op not in (Op.TAKE, Op.SCATTER):
        return asked, None
    opened_root(accusation.operands[1], asked[0].ranges)  # as many leaves as are read
    length = types[0].shape[operation.ints[0] if operation.op is Op.TAKE else 0]
    indices = elements(accusation.operands[1], asked[0].ranges).tolist()
    try:
        counted = [front(index, length, accusation.number) for index in indices]
    except Trapped as trap:
        return asked, trap
    return needs(operation, types, element, counted), None


def _check_roots(trace: Trace, run: Run, accusation: Accusation, reaches: Sequence[Reach], own: bytes) -> None:
    """Raise Refused BAD_PROOF unless operands and result are those of the trace, the operands opened at `reaches`."""
    told, number = accusation.outline, accusation.number
    first = len(told.inputs) + told.constants
    read = {reach.operand: reach.ranges for reach in reaches}
    seen: dict[int, bytes] = {first + number: own}
    for slot, (value, opened) in enumerate(zip(accusation.operation.operands, accusation.operands, strict=True)):
        root = opened_root(opened, read.get(slot, []))
        _must(seen.setdefault(value, root) == root, "operand", root, seen[value])
    for value, root in sorted(seen.items()):
        if value < len(told.inputs):
            _must(root == trace.inputs[value], "input", root, trace.inputs[value])
    constants = {value - len(told.inputs): root for value, root in seen.items() if len(told.inputs) <= value < first}
    _check_set("constants", constants, told.constants, accusation.constants_proof, told.constants_root)
    results = {value - first: root for value, root in seen.items() if value >= first}
    _check_set("results", results, run.count, accusation.run_proof, run.root)


def _check_set(what: str, roots: dict[int, bytes], count: int, proof: list[bytes], wanted: bytes) -> None:
    if not roots:
        _must(not proof, what, len(proof), "no hash")
        return
    at = sorted(roots)
    seen = merkle.root_from_set([roots[place] for place in at], places=at, count=count, proof=proof)
    _must(seen == wanted, what, seen, wanted)


def _judge_trap(trace: Trace, run: Run, accusation: Accusation, types: list[TensorType]) -> Verdict:
    operation, number, opened = accusation.operation, accusation.number, accusation.result
    code, reaches = trap_needs(operation, types, accusation.element)
    if opened is None:
        _must(run.count == number + 1, "results of a run that traps", run.count, number + 1)
        _check_roots(trace, run, accusation, reaches, trap_digest(code, number))
    else:
        _check_roots(trace, run, accusation, reaches, opened_root(opened, []))
    committed = code if opened is None else None
    read = [elements(accusation.operands[slot], ranges).tolist()[0] for slot, ranges in reaches]
    found = code if traps(operation, types, read) else None
    return Verdict(right=found is committed, committed=committed, found=found)
