"""Poolings, normalisations, softmax and its losses agree with ONNX Runtime in all their attributes."""

from typing import Any

import numpy as np
import pytest

from primitives.reasons import Refused
from tests.vm.lower.agreement import Case
from tests.vm.lower.graphs import Array, floats

MANY = range(8)


def ints(drawn: Array) -> list[int]:
    return [int(each) for each in drawn]


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("seed", MANY)
def test_a_pooling_agrees_whatever_its_attributes(op: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rank = 1 + seed % 3
    own: dict[str, dict[str, Any]] = {
        "MaxPool": {"storage_order": seed % 2},
        "AveragePool": {"count_include_pad": seed % 2},
        "LpPool": {"p": 1 + seed % 3},
    }
    Case(
        op, [floats(2, 3, *[7] * rank)], outputs=2 if op == "MaxPool" else 1, kernel_shape=[3] * rank,
        strides=ints(rng.integers(1, 4, rank)), dilations=ints(rng.integers(1, 3, rank)), ceil_mode=seed // 4,
        pads=ints(rng.integers(0, 3, 2 * rank)), **own[op],
    ).agrees()  # fmt: skip


def test_a_window_of_padding_alone_is_the_least_number_as_in_onnx_runtime() -> None:
    Case("MaxPool", [floats(1, 1, 2)], kernel_shape=[2], dilations=[3], pads=[1, 1]).agrees()


@pytest.mark.parametrize("op", ["GlobalMaxPool", "GlobalAveragePool"])
def test_a_global_pooling_agrees(op: str) -> None:
    Case(op, [floats(2, 3, 70, 70)]).agrees()


def test_integers_are_pooled_as_integers() -> None:
    x = np.random.default_rng(1).integers(-128, 128, (1, 2, 5, 5)).astype(np.int8)
    Case("MaxPool", [x], kernel_shape=[3, 3], pads=[1, 1, 1, 1]).agrees()


def test_padding_on_which_engines_disagree_is_refused_by_name() -> None:  # G107
    case = Case("MaxPool", [floats(1, 1, 7)], kernel_shape=[2], dilations=[2], auto_pad="SAME_UPPER")
    with pytest.raises(Refused, match="auto_pad=SAME_UPPER"):
        case.ours()


def test_elements_go_back_to_where_a_pooling_took_them_from() -> None:
    places = np.array([[[[5, 7], [13, 15]]]], np.int64)
    Case("MaxUnpool", [floats(1, 1, 2, 2), places], kernel_shape=[2, 2], strides=[2, 2]).agrees()


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("kind", ["half_pixel", "output_half_pixel"])
def test_aligned_regions_agree(mode: str, kind: str) -> None:
    regions = np.array([[0.5, 0.5, 5, 4], [-1, -2, 3, 9], [2, 2, 2, 2]], np.float32)
    Case(
        "RoiAlign", [floats(2, 3, 6, 7), regions, np.array([0, 1, 1])], opset=16, mode=mode, output_height=2,
        output_width=3, sampling_ratio=2, spatial_scale=0.5, coordinate_transformation_mode=kind,
    ).agrees()  # fmt: skip


def test_columns_are_added_up_to_images() -> None:
    image, block = np.array([6, 5]), np.array([2, 3])
    Case("Col2Im", [floats(2, 3 * 6, 10), image, block], strides=[2, 1], pads=[0, 1, 0, 1], dilations=[2, 1]).agrees(
        1e-5
    )


@pytest.mark.parametrize(
    ("op", "shapes", "attributes"),
    [
        ("BatchNormalization", [(2, 3, 4), (3,), (3,), (3,)], {"epsilon": 1e-3}),
        ("InstanceNormalization", [(2, 3, 4, 5), (3,), (3,)], {}),
        ("LayerNormalization", [(2, 3, 4), (4,), (4,)], {"axis": -1}),
        ("LayerNormalization", [(2, 3, 4), (3, 4)], {"axis": 1, "epsilon": 1e-2}),
        ("GroupNormalization", [(2, 6, 4), (6,), (6,)], {"num_groups": 3}),
        ("MeanVarianceNormalization", [(2, 3, 4, 5)], {"axes": [0, 2]}),
        ("LpNormalization", [(2, 3, 4)], {"axis": 1, "p": 1}),
        ("LpNormalization", [(2, 3, 4)], {"axis": -1, "p": 2}),
        ("LRN", [(2, 6, 4, 5)], {"size": 3, "alpha": 0.1, "beta": 0.5, "bias": 1.5}),
    ],
)
def test_a_normalisation_agrees(op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any]) -> None:
    operands: list[Array | None] = [floats(*shape, seed=at) for at, shape in enumerate(shapes)]
    if op == "BatchNormalization":
        operands.append(np.abs(floats(3, seed=9)))
    Case(op, operands, **attributes).agrees()


def test_a_layer_that_is_normalised_far_from_zero_keeps_its_accuracy() -> None:
    x = (floats(4, 64).astype(np.float64) + 1000).astype(np.float32)
    (mine,) = Case("LayerNormalization", [x, np.ones(64, np.float32)]).ours()
    wide = x.astype(np.float64)
    wanted = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    assert np.abs(mine - wanted).max() < 1e-6


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize(("opset", "axis"), [(13, -1), (13, 1), (11, 1), (11, 2)])
def test_softmax_and_its_kin_agree(op: str, opset: int, axis: int) -> None:
    Case(op, [floats(2, 3, 4) * 10], opset=opset, axis=axis).agrees()


def test_a_softmax_over_many_classes_agrees() -> None:
    Case("Softmax", [floats(2, 18_710) * 5]).agrees()


def test_what_is_masked_out_of_a_softmax_is_zero() -> None:
    x = np.array([[1, -np.inf, 2], [-1e4, 0, -1e4]], np.float32)
    (mine,) = Case("Softmax", [x]).ours()
    assert mine[0, 1] == mine[1, 0] == 0
    assert mine[1, 1] == 1


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_losses_agree(reduction: str) -> None:
    target = np.array([[0, 2], [4, 1], [1, 3]])
    for op in ("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"):
        Case(
            op, [floats(3, 5, 2), target, np.abs(floats(5, seed=2))], opset=13, reduction=reduction, ignore_index=2
        ).agrees()
