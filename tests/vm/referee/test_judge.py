"""Who is right is found right, who is wrong is found wrong, and what is not shown is refused (V85-V88)."""

import random
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from primitives import codec
from primitives.reasons import Reason, Refused
from tests.vm.referee.random_operations import drawn
from tests.vm.referee.random_programs import Small, a_witness, cases, committed, small_program
from vm.canonical.arrays import NUMPY_OF, Array
from vm.program import Op, TrapCode
from vm.referee.accusation import Accusation, Claim, decode_accusation
from vm.referee.judge import Verdict, judge
from vm.referee.opening import Opened
from vm.tensor import FLOATS, TensorType, bound_root, element_count
from vm.tiles import tile
from vm.trace import Run

TRIES = 3


def an_element(small: Small, seed: int) -> int:
    return random.Random(seed).randrange(element_count(small.program.operations[small.number].result.shape))


@pytest.mark.parametrize("op", Op, ids=lambda op: op.name)
@pytest.mark.parametrize("perturbed", [False, True], ids=["first", "perturbed"])
def test_who_computed_is_right_and_who_changed_a_bit_is_wrong(op: Op, perturbed: bool) -> None:
    for seed, small in enumerate(cases(op, TRIES)):
        element = an_element(small, seed)
        honest = a_witness(small, perturbed=perturbed)
        accusation = honest.accuse(small.number, element)
        raw = codec.encode(accusation)
        assert decode_accusation(raw) == accusation
        assert len(raw) <= tile(small.program, small.number).proof_bytes
        verdict = judge(committed(small, honest), accusation)
        assert verdict.right
        assert verdict.found == verdict.committed
        liar = a_witness(small, perturbed=perturbed)
        liar.flip(small.number, element)
        caught = judge(committed(small, liar), liar.accuse(small.number, element))
        assert not caught.right
        assert caught.found == verdict.found


def changed(hashes: list[bytes]) -> list[bytes]:
    return [bytes([hashes[0][0] ^ 1]) + hashes[0][1:], *hashes[1:]]


def with_opened(accusation: Accusation, opened: Opened) -> Accusation:
    return msgspec.structs.replace(accusation, operands=[opened, *accusation.operands[1:]])


def other_leaf(accusation: Accusation) -> Accusation:
    seen = accusation.operands[0]
    leaf = bytes([seen.leaves[0][0] ^ 1]) + seen.leaves[0][1:]
    return with_opened(accusation, msgspec.structs.replace(seen, leaves=[leaf, *seen.leaves[1:]]))


def leaf_too_short(accusation: Accusation) -> Accusation:
    seen = accusation.operands[0]
    return with_opened(accusation, msgspec.structs.replace(seen, leaves=[seen.leaves[0][:-1], *seen.leaves[1:]]))


def no_leaves(accusation: Accusation) -> Accusation:
    seen = accusation.operands[0]
    return with_opened(accusation, msgspec.structs.replace(seen, leaves=[]))


def other_shape(accusation: Accusation) -> Accusation:
    seen = accusation.operands[0]
    type_ = TensorType(dtype=seen.type.dtype, shape=[1, *seen.type.shape])
    return with_opened(accusation, msgspec.structs.replace(seen, type=type_))


def other_operand(accusation: Accusation) -> Accusation:
    operands = [accusation.operands[1], *accusation.operands[1:]]
    return msgspec.structs.replace(accusation, operands=operands)


def field(name: str, change: Callable[[Accusation], object]) -> Callable[[Accusation], Accusation]:
    def applied(accusation: Accusation) -> Accusation:
        return msgspec.structs.replace(accusation, **{name: change(accusation)})

    return applied


BROKEN: dict[str, Callable[[Accusation], Accusation]] = {
    "a leaf": other_leaf,
    "a leaf's length": leaf_too_short,
    "leaves": no_leaves,
    "a shape": other_shape,
    "an operand": other_operand,
    "a weight's proof": field("constants_proof", lambda each: [bytes(32)]),
    "a digest's proof": field("run_proof", lambda each: changed(each.run_proof)),
    "a proof too long": field("run_proof", lambda each: [*each.run_proof, bytes(32)]),
    "an operation's proof": field("operation_proof", lambda each: changed(each.operation_proof)),
    "a number": field("number", lambda each: each.number + 1),
    "an element": field("element", lambda each: each.element + 1000),
    "a program": field("outline", lambda each: msgspec.structs.replace(each.outline, constants=2)),
    "an operand less": field("operands", lambda each: each.operands[:-1]),
    "no result": field("result", lambda each: None),
    "an operation": field("operation", lambda each: msgspec.structs.replace(each.operation, op=Op.SUB)),
    "a claim": field("claim", lambda each: Claim.TRAP),
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_accusation_that_does_not_show_what_it_should_is_refused(what: str) -> None:
    small = cases(Op.ADD, 1)[0]
    honest = a_witness(small)
    trace = committed(small, honest)
    with pytest.raises(Refused) as refused:
        judge(trace, BROKEN[what](honest.accuse(small.number, 0)))
    assert refused.value.reason in (Reason.BAD_PROOF, Reason.PROGRAM_INVALID)


def test_the_second_run_is_judged_where_there_is_one() -> None:
    small = cases(Op.ADD, 1)[0]
    honest = a_witness(small, perturbed=True)
    trace = msgspec.structs.replace(committed(small, honest), perturbed=None)
    with pytest.raises(Refused, match="second run"):
        judge(trace, honest.accuse(small.number, 0))


def first_element_that_traps(small: Small) -> int:
    """Return an element at which the operation traps, found by asking the referee about each."""
    witness = a_witness(small)
    operation = small.program.operations[small.number]
    types = [small.program.type_of(operand) for operand in operation.operands]
    count = element_count(operation.result.shape if operation.op is Op.POW else types[1].shape)
    trace = committed(small, witness)
    for element in range(count):
        if judge(trace, witness.accuse(small.number, element, claim=Claim.TRAP)).right:
            return element
    raise AssertionError("nothing traps")


def trapping(op: Op) -> Small:
    for seed in range(200):
        case = drawn(op, seed)
        small = small_program(case)
        if a_witness(small).trap is not None and 0 not in case.operation.result.shape:
            return small
    raise AssertionError("no case traps")


TRAPPING = [Op.TAKE, Op.SCATTER, Op.DIV, Op.MOD, Op.POW]


@pytest.mark.parametrize("op", TRAPPING, ids=lambda op: op.name)
def test_a_trap_is_shown_by_the_element_that_traps(op: Op) -> None:
    small = trapping(op)
    witness = a_witness(small)
    element = first_element_that_traps(small)
    verdict = judge(committed(small, witness), witness.accuse(small.number, element, claim=Claim.TRAP))
    wanted = TrapCode.INDEX if op in (Op.TAKE, Op.SCATTER) else TrapCode.DIVISION
    assert verdict == Verdict(right=True, committed=wanted, found=wanted)


@pytest.mark.parametrize("op", TRAPPING, ids=lambda op: op.name)
def test_who_goes_on_after_a_trap_is_wrong(op: Op) -> None:
    small = trapping(op)
    result = small.program.operations[small.number].result
    liar = a_witness(small)
    liar.change(small.number, np.zeros(result.shape, NUMPY_OF[result.dtype]))
    trace = committed(small, liar)
    element = first_element_that_traps(small)
    assert not judge(trace, liar.accuse(small.number, element, claim=Claim.TRAP)).right


@pytest.mark.parametrize("op", [Op.DIV, Op.TAKE], ids=lambda op: op.name)
def test_who_tells_a_trap_that_there_is_not_is_wrong(op: Op) -> None:
    small = next(
        small
        for small in cases(op, 40)
        if op is Op.TAKE or small.program.operations[small.number].result.dtype not in FLOATS
    )
    liar = a_witness(small)
    liar.stop(small.number, TrapCode.INDEX if op is Op.TAKE else TrapCode.DIVISION)
    assert not judge(committed(small, liar), liar.accuse(small.number, 0, claim=Claim.TRAP)).right


def test_what_never_traps_is_not_said_to() -> None:
    small = cases(Op.ADD, 1)[0]
    witness = a_witness(small)
    with pytest.raises(Refused, match="may trap"):
        judge(committed(small, witness), msgspec.structs.replace(witness.accuse(1, 0), claim=Claim.TRAP))


def test_a_run_that_ends_with_a_value_before_the_program_does_is_wrong() -> None:
    small = cases(Op.ADD, 1)[0]
    liar = a_witness(small)
    liar.stop(small.number)
    trace = committed(small, liar)
    assert trace.first.count == small.number + 1
    assert not judge(trace, liar.accuse(small.number, 0)).right


def test_a_result_of_another_type_is_wrong() -> None:
    small = cases(Op.ADD, 1)[0]
    value = small.program.first_result + small.number
    changes: list[Callable[[Array], Array]] = [
        lambda array: array[None],
        lambda array: array.reshape(-1)[:0],
        lambda array: np.zeros(array.shape, np.uint8 if array.dtype != np.uint8 else np.int8),
    ]
    for change in changes:
        liar = a_witness(small)
        liar.change(small.number, change(liar.values[value]))
        assert not judge(committed(small, liar), liar.accuse(small.number, 0)).right


def test_a_result_without_elements_is_right_if_its_tree_is_empty() -> None:
    """V87."""
    seeds = (seed for seed in range(200) if 0 in drawn(Op.CONCAT, seed).operation.result.shape)
    small = small_program(drawn(Op.CONCAT, next(seeds)))
    witness = a_witness(small)
    accusation = witness.accuse(small.number, 0)
    assert judge(committed(small, witness), accusation).right
    assert accusation.result is not None
    made_up = msgspec.structs.replace(accusation.result, proof=[bytes(32)])
    digests = list(witness.digests)
    digests[small.number] = bound_root(made_up.type, bytes(32))
    witness.say(digests)
    accusation = msgspec.structs.replace(witness.accuse(small.number, 0), result=made_up)
    assert not judge(committed(small, witness), accusation).right


def test_no_accusation_stands_against_another_trace() -> None:
    small = cases(Op.ADD, 1)[0]
    witness = a_witness(small)
    trace = committed(small, witness)
    others = [
        msgspec.structs.replace(trace, program=bytes(32)),
        msgspec.structs.replace(trace, inputs=[]),
        msgspec.structs.replace(trace, first=Run(count=3, root=bytes(32))),
    ]
    for other in others:
        with pytest.raises(Refused):
            judge(other, witness.accuse(small.number, 0))
