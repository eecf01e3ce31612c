import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.cut import parted
from vm.program import CONTRACTIONS, Op, Operation, Program
from vm.tensor import DType, TensorType

SQUARE = TensorType(dtype=DType.FLOAT32, shape=[4, 4])


def made(op: Op, operands: list[int], origin: int) -> Operation:
    return Operation(op=op, operands=operands, result=SQUARE, ints=[], fill=b"", origin=origin)


def program(operations: list[Operation], outputs: list[int], *, inputs: int = 1, constants: int = 1) -> Program:
    return Program(
        inputs=[SQUARE] * inputs,
        constants=[SQUARE] * constants,
        operations=operations,
        outputs=outputs,
        cut=[],
        tail=[],
    )


def cut_and_tail(held: Program, *, unnamed: tuple[int, ...] = ()) -> tuple[list[int], list[int]]:
    values = held.first_result + len(held.operations)
    found = parted(held, [value for value in range(values) if value not in unnamed])
    return found.cut, found.tail


def test_the_cut_lies_after_the_last_contraction() -> None:
    # V110: 2 = x·w, 3 = relu, 4 = 3·w, 5 = softmax
    held = [made(Op.MATMUL, [0, 1], 0), made(Op.MAX, [2, 1], 1), made(Op.MATMUL, [3, 1], 2), made(Op.EXP, [4], 3)]
    assert cut_and_tail(program(held, [5])) == ([4], [3])


def test_the_cut_lies_at_a_value_that_has_a_name() -> None:
    # V110: the bias belongs to the same node as the contraction before it, whose sum the file does not name.
    held = program([made(Op.MATMUL, [0, 1], 0), made(Op.ADD, [2, 1], 0), made(Op.EXP, [3], 1)], [4])
    assert cut_and_tail(held, unnamed=(2,)) == ([3], [2])
    assert cut_and_tail(held) == ([2], [1, 2])


def test_a_label_that_a_node_takes_from_its_named_scores_is_in_the_tail() -> None:
    # V110: one node with two outputs, such as a linear classifier.
    held = program([made(Op.MATMUL, [0, 1], 0), made(Op.ARG_MAX, [2], 0)], [2, 3])
    assert cut_and_tail(held) == ([2], [1])


def test_an_output_before_the_last_contraction_is_compared_too() -> None:
    held = [made(Op.MATMUL, [0, 1], 0), made(Op.MATMUL, [2, 1], 1)]
    assert cut_and_tail(program(held, [2, 3])) == ([2, 3], [])


def test_a_value_without_a_contraction_before_it_is_computed_by_everyone() -> None:
    # V111: 2 = exp(x) goes into the contraction and around it.
    held = [made(Op.EXP, [0], 0), made(Op.MATMUL, [2, 1], 1), made(Op.ADD, [2, 3], 2)]
    assert cut_and_tail(program(held, [4])) == ([3], [0, 2])


def test_a_program_without_a_contraction_has_no_cut() -> None:
    # V112
    held = [made(Op.EXP, [0], 0), made(Op.ADD, [2, 0], 1)]
    assert cut_and_tail(program(held, [3])) == ([], [0, 1])


@pytest.mark.parametrize("outputs", [[0], [1], [0, 1]])
def test_inputs_and_constants_are_never_at_the_cut(outputs: list[int]) -> None:
    assert cut_and_tail(program([made(Op.MATMUL, [0, 1], 0)], outputs)) == ([], [])


@st.composite
def programs(draw: st.DrawFn) -> Program:
    count, start = draw(st.integers(1, 12)), 3
    operations: list[Operation] = []
    for at in range(count):
        operands = draw(st.lists(st.integers(0, start + at - 1), min_size=2, max_size=2))
        op = draw(st.sampled_from([Op.ADD, Op.ADD, Op.MATMUL]))
        operations.append(made(op, operands, draw(st.integers(at // 3, at))))
    outputs = draw(st.lists(st.integers(start, start + count - 1), min_size=1, max_size=3, unique=True))
    return program(operations, sorted(outputs), inputs=2)


@given(programs())
def test_outputs_follow_from_inputs_and_cut_without_a_contraction(held: Program) -> None:
    found = parted(held, range(0, held.first_result + len(held.operations), 2))
    known = [*range(found.first_result), *found.cut]
    for at in found.tail:
        operation = found.operations[at]
        assert operation.op not in CONTRACTIONS
        assert all(value in known for value in operation.operands)
        known.append(found.first_result + at)
    assert all(value in known for value in found.outputs)
