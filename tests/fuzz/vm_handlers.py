"""Targets of the virtual machine: accusations, before a referee whose trace an accomplice has made to fit."""

from functools import cache

import msgspec

from primitives import codec, merkle
from primitives.reasons import Reason, Refused
from tests.fuzz.target import Target, plainly
from tests.vm.referee.random_programs import VM_VERSION, a_witness, cases
from vm.program import Op, TrapCode, outline_root
from vm.referee.accusation import Accusation, Claim, decode_accusation
from vm.referee.judge import judge, reaches_of
from vm.referee.opening import opened_root
from vm.referee.traps import trap_needs
from vm.tensor import element_count
from vm.trace import Run, Trace, trap_digest
from vm.wellformed import check_operation

_OPS = (Op.MOVE, Op.CONCAT, Op.TAKE, Op.SCATTER, Op.DIV, Op.POW, Op.SELECT, Op.CAST, Op.TANH, Op.REDUCE_SUM,
        Op.ARG_MAX, Op.CUMULATE, Op.SORT, Op.MATMUL, Op.CONV)  # fmt: skip
_TRAPPING = (Op.TAKE, Op.SCATTER)


def _accusations() -> list[bytes]:
    """Return accusations of some operators, in either run, and claims that an operation traps."""
    found: list[bytes] = []
    for op in _OPS:
        for perturbed in (False, True):
            small = cases(op, 1)[0]
            witness = a_witness(small, perturbed=perturbed)
            found.append(codec.encode(witness.accuse(small.number, 0)))
            if op in _TRAPPING:
                found.append(codec.encode(witness.accuse(small.number, 0, claim=Claim.TRAP)))
    return found


def _feed(raw: bytes) -> None:
    judge(*forged(decode_accusation(raw)))


def forged(accusation: Accusation) -> tuple[Trace, Accusation]:
    """Return a trace, and the accusation with an outline, that have whatever roots its proofs lead to."""
    operation, types = accusation.operation, [opened.type for opened in accusation.operands]
    told, number = accusation.outline, accusation.number
    if len(types) != len(operation.operands):
        raise Refused(Reason.BAD_PROOF, what="operands", seen=len(types), wanted=len(operation.operands))
    check_operation(operation, types)
    count = element_count(operation.result.shape)
    if accusation.claim is Claim.VALUE and accusation.element >= count:
        raise Refused(Reason.BAD_PROOF, what="element", seen=accusation.element, wanted=count)
    result = accusation.result
    own = trap_digest(TrapCode.INDEX, number)
    if accusation.claim is Claim.TRAP:
        reaches = trap_needs(operation, types, accusation.element)[1]
        own = own if result is None else opened_root(result, [])
    else:
        reaches, _ = reaches_of(accusation, types)
        own = own if result is None else opened_root(result, [(accusation.element, 1)])
    read = {reach.operand: reach.ranges for reach in reaches}
    first = len(told.inputs) + told.constants
    roots = {first + number: own}
    for slot, (value, opened) in enumerate(zip(operation.operands, accusation.operands, strict=True)):
        roots.setdefault(value, opened_root(opened, read.get(slot, [])))
    count = max(number + 1, told.operations)
    told = msgspec.structs.replace(
        told,
        operations=count,
        operations_root=merkle.root_from_set(
            [codec.encode(operation)], places=[number], count=count, proof=accusation.operation_proof
        ),
        constants_root=_root(
            {value - len(told.inputs): root for value, root in roots.items() if len(told.inputs) <= value < first},
            told.constants,
            accusation.constants_proof,
        ),
    )
    results = {value - first: root for value, root in roots.items() if value >= first}
    run = Run(count=count, root=_root(results, count, accusation.run_proof))
    trace = Trace(
        vm_version=VM_VERSION,
        program=outline_root(told),
        inputs=[roots.get(value, bytes(32)) for value in range(len(told.inputs))],
        first=run,
        perturbed=run,
        noise=[],
    )
    return trace, msgspec.structs.replace(accusation, outline=told)


def _root(roots: dict[int, bytes], count: int, proof: list[bytes]) -> bytes:
    if not roots:
        return bytes(32)
    places = sorted(roots)
    return merkle.root_from_set([roots[place] for place in places], places=places, count=count, proof=proof)


def vm_handlers() -> list[Target]:
    """Return the targets of this module."""
    return [Target(name="judge", seeds=cache(_accusations), open=plainly(_feed), weight=4)]
