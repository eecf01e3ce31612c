import numpy as np
import pytest

from vm.canonical.arrays import Array
from vm.canonical.interpreter import Trapped, apply, run
from vm.canonical.perturbed import factors
from vm.program import Op, Operation, Program, TrapCode
from vm.tensor import DType, TensorType


def vector(dtype: DType = DType.FLOAT32, n: int = 4) -> TensorType:
    return TensorType(dtype=dtype, shape=[n])


def operation(op: Op, operands: list[int], result: TensorType | None = None) -> Operation:
    return Operation(op=op, operands=operands, result=result or vector(), ints=[], fill=b"", origin=0)


def program(operations: list[Operation], outputs: list[int]) -> Program:
    """Return a program with the input 0 and the constant 1."""
    return Program(inputs=[vector()], constants=[vector()], operations=operations, outputs=outputs, cut=[], tail=[])


X: Array = np.array([1, 2, 3, 4], np.float32)
Y: Array = np.array([10, 20, 30, 40], np.float32)
CHAIN = program(
    [operation(Op.ADD, [0, 1]), operation(Op.MUL, [2, 1]), operation(Op.SUB, [3, 2]), operation(Op.NEG, [4])], [5, 0]
)


def test_g1_a_program_is_run_in_order_and_its_outputs_are_kept() -> None:
    values = run(CHAIN, [Y], [X])
    assert sorted(values) == [0, 5]
    assert values[5].tolist() == (-((X + Y) * Y - (X + Y))).tolist()


def test_what_is_wanted_is_kept_and_every_result_is_shown() -> None:
    seen: list[tuple[int, list[float]]] = []
    values = run(CHAIN, [Y], [X], keep=[1, 3], watch=lambda number, value: seen.append((number, value.tolist())))
    assert sorted(values) == [0, 1, 3, 5]
    assert [number for number, _ in seen] == [2, 3, 4, 5]
    assert seen[1] == (3, values[3].tolist())


def test_a_tail_runs_from_the_values_that_are_given() -> None:
    whole = run(CHAIN, [Y], [X], keep=[2, 3])
    tail = run(CHAIN, [Y], [X], given={2: whole[2], 3: whole[3]}, only=[2, 3])
    assert tail[5].tobytes() == whole[5].tobytes()


def test_an_output_may_be_given_itself() -> None:
    assert run(program([], [0, 1]), [Y], [X])[1] is Y
    assert run(CHAIN, [Y], [X], given={5: Y}, only=[])[5] is Y


def test_g4_a_trap_tells_its_operation() -> None:
    whole = vector(DType.INT32)
    broken = Program(
        inputs=[whole], constants=[], operations=[operation(Op.NEG, [0], whole), operation(Op.DIV, [0, 1], whole)],
        outputs=[2], cut=[], tail=[],
    )  # fmt: skip
    with pytest.raises(Trapped) as trap:
        run(broken, [], [np.array([1, 0, 2, 3], np.int32)])
    assert (trap.value.code, trap.value.operation) == (TrapCode.DIVISION, 1)


def test_a_trap_needs_an_element() -> None:
    empty = vector(DType.INT32, 0)
    found = apply(operation(Op.DIV, [0, 1], empty), 0, [np.zeros(0, np.int32), np.zeros(1, np.int32)])
    assert found.shape == (0,)


def test_a_kernel_stands_in_where_it_serves_the_case() -> None:
    def ninety(told: Operation, operands: list[Array], perturbed: bool) -> Array | None:
        return np.full(4, 90, np.float32) if told.operands == [0, 1] else None

    values = run(CHAIN, [Y], [X], kernels={Op.ADD: ninety, Op.SUB: ninety}, keep=[2, 4])
    assert values[2].tolist() == [90] * 4
    assert values[4].tolist() == (values[2] * Y - values[2]).tolist()


def test_g2_no_result_has_a_negative_zero_or_a_second_nan() -> None:
    zero, infinite = np.zeros(4, np.float32), np.full(4, np.inf, np.float32)
    assert apply(operation(Op.NEG, [0]), 0, [zero]).tobytes() == bytes(16)
    assert apply(operation(Op.SUB, [0, 1]), 0, [infinite, infinite]).tobytes() == b"\x00\x00\xc0\x7f" * 4


def drawn(number: int, index: int, bits: int) -> float:
    """Return the factor for one element, in Python's integers."""
    mixed = ((number << 40 ^ index) + 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    mixed ^= mixed >> 31
    part = (mixed >> 47) % 2**16 / 2**16
    return 1 + (-1 if mixed >> 63 else 1) * (0.5 + part) * 2.0**-bits


@pytest.mark.parametrize("number", [0, 1, 99_999])
def test_g82_factors_are_those_of_splitmix64(number: int) -> None:
    found = factors(number, 1000, 21)
    assert found.tolist() == [drawn(number, index, 21) for index in range(1000)]
    assert found[900:].tolist() == factors(number, 100, 21, 900).tolist()
    assert 400 < int((found < 1).sum()) < 600


def test_g82_hardly_any_two_results_are_scaled_alike() -> None:
    apart = abs(factors(1, 10_000, 21) - factors(2, 10_000, 21)) * 2**21
    assert (apart < 1 / 64).mean() < 0.02
    assert apart.max() < 3


def test_g82_only_what_depends_on_order_and_method_is_scaled() -> None:
    x = np.linspace(0.5, 4, 4).astype(np.float32)
    for op, bits in ((Op.EXP, 21), (Op.ADD, 23), (Op.SUB, 23), (Op.MUL, 0), (Op.SQRT, 0), (Op.NEG, 0)):
        operands = [x, Y] if op < Op.NEG else [x]
        told = operation(op, list(range(len(operands))))
        plain, second = (apply(told, 7, operands, perturbed=each) for each in (False, True))
        wanted = plain.astype(np.float64) * factors(7, 4, bits) if bits else plain
        assert second.tobytes() == wanted.astype(np.float32).tobytes()


def test_g82_in_float16_every_rounding_is_scaled() -> None:
    x = np.linspace(0.5, 4, 4).astype(np.float16)
    half = vector(DType.FLOAT16)
    for told, operands in (
        (operation(Op.SQRT, [0], half), [x]),
        (operation(Op.CAST, [0], half), [x.astype(np.float64)]),
        (operation(Op.ADD, [0, 1], half), [x, x]),
    ):
        plain, second = (apply(told, 3, operands, perturbed=each) for each in (False, True))
        assert second.tobytes() == (plain * factors(3, 4, 10)).astype(np.float16).tobytes()
        assert (plain != second).any()
    whole = operation(Op.CAST, [0], half)
    assert apply(whole, 3, [np.arange(4)], perturbed=True).tolist() == [0, 1, 2, 3]


def test_g80_the_second_run_contracts_from_the_end() -> None:
    a = np.array([[2.0**24, 1.0, 1.0]], np.float32)
    told = operation(Op.MATMUL, [0, 1], TensorType(dtype=DType.FLOAT32, shape=[1, 1]))
    ones = np.ones((1, 3), np.float32)
    assert apply(told, 0, [a, ones])[0, 0] == 2.0**24
    assert apply(told, 0, [a, ones], perturbed=True)[0, 0] != 2.0**24 * (1 + 2.0**-21)
    assert abs(apply(told, 0, [a, ones], perturbed=True)[0, 0] - (2.0**24 + 2)) <= 8 + 2


def test_g81_the_second_run_folds_in_float32_one_by_one() -> None:
    x = np.array([2.0**24, 1.0, 1.0, 1.0])
    told = operation(Op.REDUCE_SUM, [0], TensorType(dtype=DType.FLOAT64, shape=[]))
    assert apply(told, 0, [x]) == 2.0**24 + 3
    assert apply(told, 0, [x], perturbed=True) == 2.0**24 * factors(0, 1, 21)[0]
