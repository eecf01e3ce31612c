"""Convolutions and products: they agree with ONNX Runtime in all their attributes, and long ones are parted."""

import numpy as np
import pytest

from primitives.reasons import Reason, Refused
from tests.vm.lower.agreement import Case
from tests.vm.lower.graphs import floats, lowered, ops
from vm.program import STEPS_MAX, Op

MANY = range(12)


def ints(drawn: np.ndarray) -> list[int]:
    return [int(each) for each in drawn]


@pytest.mark.parametrize("seed", MANY)
def test_a_convolution_agrees_whatever_its_attributes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rank, groups = 1 + seed % 3, int(rng.integers(1, 4))
    x, w = floats(2, 2 * groups, *[6] * rank), floats(3 * groups, 2, *ints(rng.integers(1, 4, rank)))
    padding = {"pads": ints(rng.integers(0, 3, 2 * rank))} if seed % 2 else {"auto_pad": "SAME_UPPER"}
    dilations = ints(rng.integers(1, 3, rank)) if seed % 2 else [1] * rank
    bias = floats(3 * groups) if seed % 4 else None
    Case(
        "Conv", [x, w, bias], group=groups, strides=ints(rng.integers(1, 4, rank)), dilations=dilations, **padding
    ).agrees()


@pytest.mark.parametrize("seed", MANY)
def test_a_transposed_convolution_agrees_whatever_its_attributes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rank, groups = 1 + seed % 3, int(rng.integers(1, 4))
    x, w = floats(2, 2 * groups, *[4] * rank), floats(2 * groups, 3, *ints(rng.integers(1, 4, rank)))
    strides = ints(rng.integers(1, 4, rank))
    Case(
        "ConvTranspose", [x, w, floats(3 * groups)], group=groups, strides=strides,
        dilations=ints(rng.integers(1, 3, rank)), pads=ints(rng.integers(0, 2, 2 * rank)),
        output_padding=[stride - 1 for stride in strides],
    ).agrees()  # fmt: skip


def test_phases_that_read_the_same_taps_are_one_convolution() -> None:
    case = Case("ConvTranspose", [floats(1, 4, 5, 5), floats(4, 3, 2, 2)], strides=[2, 2])
    assert ops(lowered(case.proto, case.inputs)).count(Op.CONV) == 1
    case.agrees()


def test_a_network_of_convolutions_keeps_its_channels_last() -> None:
    case = Case("Conv", [floats(1, 4, 5, 5), floats(3, 4, 3, 3), floats(3)])
    assert ops(lowered(case.proto, case.inputs)) == [Op.MOVE, Op.CONV, Op.ADD, Op.MOVE]


@pytest.mark.parametrize("shape", [(1, 600, 3, 3), (1, 1, 70, 70)])
def test_a_convolution_that_is_too_long_is_parted(shape: tuple[int, ...]) -> None:
    case = Case("Conv", [floats(*shape), floats(2, *shape[1:])])
    made = lowered(case.proto, case.inputs).program
    for operation in made.operations:
        if operation.op is Op.CONV:
            _, *taps, channels = made.type_of(operation.operands[1]).shape
            assert np.prod(taps) * channels <= STEPS_MAX
    case.agrees(1e-5)


@pytest.mark.parametrize(("a", "b"), [((3, 4), (4, 5)), ((4,), (4,)), ((2, 1, 3, 4), (5, 4, 2)), ((2, 3, 4), (4,))])
def test_products_of_matrices_are_those_of_numpy(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    Case("MatMul", [floats(*a), floats(*b, seed=2)]).agrees()


def test_a_product_that_is_too_long_is_parted() -> None:  # G106
    case = Case("MatMul", [floats(2, 10_000), floats(10_000, 3, seed=2)])
    assert ops(lowered(case.proto, case.inputs)).count(Op.MATMUL) == 3
    case.agrees(1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_a_general_product_agrees(seed: int) -> None:
    turned, other = seed % 2, seed // 2
    a = floats(4, 3) if turned else floats(3, 4)
    b = floats(5, 4, seed=2) if other else floats(4, 5, seed=2)
    Case("Gemm", [a, b, floats(5, seed=3)], transA=turned, transB=other, alpha=0.5, beta=2.0).agrees()


@pytest.mark.parametrize("seed", range(6))
def test_a_deformed_convolution_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups, sets = 1 + seed % 2, 1 + seed // 3
    x, w = floats(2, 4, 6, 5), floats(4, 4 // groups, 2, 3, seed=2)
    out = [(6 + 1 - 2) // 1 + 1, (5 + 1 - 3) // 1 + 1]
    offset = rng.standard_normal((2, sets * 12, *out)).astype(np.float32)
    Case(
        "DeformConv", [x, w, offset, floats(4), floats(2, sets * 6, *out)],
        group=groups, offset_group=sets, pads=[1, 0, 0, 1],
    ).agrees()  # fmt: skip


def test_groups_that_do_not_part_the_channels_are_refused_by_name() -> None:
    case = Case("Conv", [floats(1, 4, 5, 5), floats(3, 3, 3, 3)])
    with pytest.raises(Refused) as caught:
        case.ours()
    assert caught.value.reason is Reason.OPERATOR_REFUSED
    assert "group" in str(caught.value)
