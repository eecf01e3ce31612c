import pytest
from hypothesis import given
from hypothesis import strategies as st

from vm.cut import JOINED_PICOSECONDS_MAX, VALUES_MIN, parted
from vm.prices import picoseconds
from vm.program import CONTRACTIONS, Op, Operation, Program
from vm.tensor import SMALL_VALUES_BYTES_MAX, DType, TensorType, bytes_of, element_count

SQUARE = TensorType(dtype=DType.FLOAT32, shape=[4, 4])


def floats(*shape: int, dtype: DType = DType.FLOAT32) -> TensorType:
    return TensorType(dtype=dtype, shape=list(shape))


def made(op: Op, operands: list[int], origin: int, result: TensorType = SQUARE) -> Operation:
    return Operation(op=op, operands=operands, result=result, ints=[], fill=b"", origin=origin)


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


def layers(*results: TensorType) -> Program:
    """Return a chain of products, each of a node of its own, with an EXP after each, of a node of its own, too."""
    operations: list[Operation] = []
    for at, result in enumerate(results):
        operations.append(made(Op.MATMUL, [2 * at + 1 if at else 0, 1], 2 * at, result))
        operations.append(made(Op.EXP, [2 * at + 2], 2 * at + 1, result))
    return program(operations, [2 * len(results) + 1])


def test_a_cut_of_few_values_is_moved_to_the_contraction_before() -> None:
    # V115: 2 = x·w of 16 values, 3 = exp, 4 = 3·w of 3, 5 = exp
    assert cut_and_tail(layers(SQUARE, floats(1, 3))) == ([2], [1, 2, 3])
    assert cut_and_tail(layers(SQUARE, floats(1, VALUES_MIN))) == ([4], [3])


def test_a_cut_is_moved_over_several_contractions_to_one_of_many_values() -> None:
    # V115
    assert cut_and_tail(layers(SQUARE, floats(1, 8), floats(1, 3))) == ([2], [1, 2, 3, 4, 5])


def test_a_cut_that_finds_no_more_values_before_it_stays() -> None:
    # V115: a single contraction; a narrower one before it; more values further back than it goes
    assert cut_and_tail(layers(floats(1, 3))) == ([2], [1])
    assert cut_and_tail(layers(floats(1, 2), floats(1, 3))) == ([4], [3])
    assert cut_and_tail(layers(SQUARE, *[floats(1, 2)] * 4, floats(1, 3))) == ([12], [11])
    # the most there is, if it is not enough
    assert cut_and_tail(layers(floats(1, 8), floats(1, 3))) == ([2], [1, 2, 3])


def test_a_cut_is_not_moved_to_values_that_engines_do_not_show_or_that_are_not_compared() -> None:
    # V115
    for result in (floats(4, 4, dtype=DType.FLOAT16), floats(4, 4, dtype=DType.INT32)):
        held = layers(SQUARE, floats(1, 3))
        operations = [*held.operations]
        operations[0] = made(Op.MATMUL, [0, 1], 0, result)
        operations[1] = made(Op.EXP, [2], 1, result)
        assert cut_and_tail(program(operations, [5])) == ([4], [3])
    assert cut_and_tail(layers(SQUARE, floats(1, 3)), unnamed=(2,)) == ([3], [2, 3])
    assert cut_and_tail(layers(SQUARE, floats(1, 3)), unnamed=(2, 3)) == ([4], [3])


def test_where_much_passes_from_one_contraction_to_the_next_the_cut_is_moved_no_further_than_needed() -> None:
    # V115: 2 = x·w, 3 = its largest, or an EXP of as many values, 4 = 3·w
    large, ample, few, scores = floats(64, 20), floats(16, 16), floats(1, 20), floats(1, 3)
    for first, second, cut in ((large, few, 3), (floats(32, 20), few, 3), (ample, few, 2), (ample, ample, 2)):
        held = [
            made(Op.MATMUL, [0, 1], 0, first),
            made(Op.EXP, [2], 1, second),
            made(Op.MATMUL, [3, 1], 2, scores),
        ]
        assert cut_and_tail(program(held, [4])) == ([cut], [1, 2][cut - 2 :])
    assert bytes_of(large) > SMALL_VALUES_BYTES_MAX


def test_a_contraction_that_takes_long_does_not_join_the_tail() -> None:
    # V115: 3 = exp of a million values
    held = [
        made(Op.MATMUL, [0, 1], 0),
        made(Op.EXP, [2], 1, floats(1000, 1000)),
        made(Op.MATMUL, [3, 1], 2, floats(1, 3)),
    ]
    assert picoseconds(held[1], [SQUARE]) > JOINED_PICOSECONDS_MAX
    assert cut_and_tail(program(held, [4])) == ([4], [])


def test_the_contractions_of_a_node_join_together() -> None:
    # V115: node 1 is a recurrence of two steps, of which the file names the last alone
    held = [
        made(Op.MATMUL, [0, 1], 0),
        made(Op.MATMUL, [2, 1], 1, floats(1, 4)),
        made(Op.MATMUL, [3, 1], 1, floats(1, 4)),
        made(Op.EXP, [4], 2, floats(1, 4)),
    ]
    assert cut_and_tail(program(held, [5]), unnamed=(3,)) == ([2], [1, 2, 3])


WIDE = st.just(SQUARE)


@st.composite
def programs(draw: st.DrawFn, shapes: st.SearchStrategy[TensorType] = WIDE) -> Program:
    count, start = draw(st.integers(1, 12)), 3
    operations: list[Operation] = []
    for at in range(count):
        operands = draw(st.lists(st.integers(0, start + at - 1), min_size=2, max_size=2))
        op = draw(st.sampled_from([Op.ADD, Op.ADD, Op.MATMUL]))
        operations.append(made(op, operands, draw(st.integers(at // 3, at)), draw(shapes)))
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


@given(programs(st.sampled_from([SQUARE, floats(1, 2), floats(2, 3)])))
def test_a_cut_that_is_moved_gives_more_values_and_the_outputs_still_follow(held: Program) -> None:
    # V115
    found = parted(held, range(held.first_result + len(held.operations)))
    known = [*range(found.first_result), *found.cut]
    for at in found.tail:
        assert all(value in known for value in found.operations[at].operands)
        known.append(found.first_result + at)
    assert all(value in known for value in found.outputs)
    moved = any(found.operations[at].op in CONTRACTIONS for at in found.tail)
    assert not moved or sum(element_count(found.type_of(value).shape) for value in found.cut) > 2
