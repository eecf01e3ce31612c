"""Movement, indexing, reductions, resizing and elementwise work agree with ONNX Runtime on drawn attributes."""

import math
import random
from typing import Any

import numpy as np
import pytest
from onnx import helper

from primitives.reasons import Refused
from tests.vm.lower.agreement import Case
from tests.vm.lower.graphs import Array, floats
from vm.program import STEPS_MAX
from vm.sandbox import operators
from vm.sandbox.lower.schemas import MICROSOFT
from vm.sandbox.lower.table import ML, served
from vm.sandbox_protocol import Kind

SEEDS = range(12)
CURVES = [
    "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign", "Mish", "HardSigmoid", "HardSwish", "Gelu",
    "Shrink", "ThresholdedRelu", "Sigmoid", "Tanh", "Erf", "Exp", "Log", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan",
    "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Sqrt", "Round", "Ceil", "Floor", "Sign", "Abs", "Neg", "IsNaN",
    "IsInf",
]  # fmt: skip
SPECIAL = np.array([0, 1, -1, 0.5, -2.5, 1e-40, 80, -80, np.inf, -np.inf, np.nan], np.float32)


def whole(*numbers: int) -> Array:
    return np.array(numbers, np.int64)


def drawn(seed: int, least: int = 1, most: int = 4) -> tuple[random.Random, Array]:
    rng = random.Random(seed)
    shape = [rng.randint(1, 5) for _ in range(rng.randint(least, most))]
    return rng, floats(*shape, seed=seed)


@pytest.mark.parametrize("op", CURVES)
def test_a_curve_agrees_on_common_and_special_numbers(op: str) -> None:
    Case(op, [np.concatenate([SPECIAL, floats(40) * 3])], opset=20).agrees()


@pytest.mark.parametrize("power", [2, 3, 1, 0, -1, 0.5, 2.5])
def test_powers_agree(power: float) -> None:
    Case("Pow", [np.abs(floats(20)) + np.float32(0.1), np.array(power, np.float32)]).agrees()


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8, np.int8, np.float32, np.float64])
def test_arithmetic_and_comparison_agree_in_each_type(kind: type) -> None:
    numbers = np.random.default_rng(1).integers(1, 100, (2, 3, 4))
    a, b = numbers[0].astype(kind), numbers[1].astype(kind)
    for op in ("Add", "Sub", "Mul", "Div", "Equal", "Less", "Greater", "Max", "Min"):
        Case(op, [a, b], free=2).agrees()
    Case("Mod", [a, b], free=2, fmod=1).agrees()


@pytest.mark.parametrize("seed", SEEDS)
def test_slices_agree(seed: int) -> None:
    rng, x = drawn(seed)
    axes = rng.sample(range(x.ndim), rng.randint(1, x.ndim))
    starts, ends = ([rng.choice([rng.randint(-8, 8), 2**62, -(2**62)]) for _ in axes] for _ in range(2))
    steps = [rng.choice([1, 2, -1, -2, 3]) for _ in axes]
    Case("Slice", [x, whole(*starts), whole(*ends), whole(*axes), whole(*steps)]).agrees()


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize("seed", SEEDS[:4])
def test_pads_agree(mode: str, seed: int) -> None:
    rng = random.Random(seed)
    x = floats(3, 4, seed=seed)
    pads = [rng.randint(-1 if mode == "constant" else 0, 2) for _ in range(4)]
    Case(
        "Pad", [x, whole(*pads), np.array(1.5, np.float32)] if mode == "constant" else [x, whole(*pads)], mode=mode
    ).agrees()


@pytest.mark.parametrize("seed", SEEDS)
def test_reductions_agree(seed: int) -> None:
    rng, x = drawn(seed)
    axes = whole(*rng.sample(range(-x.ndim, 0), rng.randint(0, x.ndim)))
    attributes: dict[str, Any] = {"keepdims": rng.randint(0, 1), "noop_with_empty_axes": rng.randint(0, 1)}
    for op in ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "LogSumExp", "SumSquare"):
        Case(f"Reduce{op}", [x, axes], opset=18, **attributes).agrees()


def test_long_axes_agree() -> None:
    x = floats(2, 2 * STEPS_MAX + 77)
    x[0, 7] = x[0, STEPS_MAX + 9] = 9
    for last in (0, 1):
        Case("ArgMax", [x], axis=1, select_last_index=last).agrees()
        Case("TopK", [x, whole(17)], outputs=2, largest=last).agrees()
        Case("CumSum", [x, np.array(1)], exclusive=last, reverse=last).agrees(1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_elements_at_indices_agree(seed: int) -> None:
    rng, x = drawn(seed, most=3)
    numbers, free = np.random.default_rng(seed), rng.choice([1, 3])
    axis = rng.randrange(x.ndim)
    shape = [rng.randint(1, size) for size in x.shape]
    indices = numbers.integers(-x.shape[axis], x.shape[axis], shape)
    Case("GatherElements", [x, indices], free=free, axis=axis).agrees()
    Case("Gather", [x, indices], free=free, axis=axis).agrees()
    way = rng.choice(["add", "mul", "max", "min"])
    Case("ScatterElements", [x, indices, floats(*shape)], free=free, axis=axis, reduction=way).agrees()
    depth = rng.randint(1, x.ndim)
    rows = np.stack([numbers.integers(-size, size, 4) for size in x.shape[:depth]], -1)
    Case("GatherND", [x, rows], free=free).agrees()
    Case("ScatterND", [x, rows, floats(4, *x.shape[depth:])], free=free, reduction=way).agrees()
    Case("TopK", [x, whole(rng.randint(0, x.shape[axis]))], outputs=2, axis=axis, largest=rng.randint(0, 1)).agrees()


def test_more_updates_than_a_fold_may_have_are_made_in_order() -> None:
    places = np.random.default_rng(1).permutation(9000)[: STEPS_MAX + 500]
    updates = floats(STEPS_MAX + 500)
    for free in (1, 3):
        Case("ScatterElements", [floats(9000), places, updates], free=free).agrees()


@pytest.mark.parametrize("seed", SEEDS)
def test_sums_of_products_by_letters_agree(seed: int) -> None:
    rng = random.Random(seed)
    sizes = {letter: rng.randint(1, 4) for letter in "abcd"}
    terms = ["".join(rng.sample("abcd", rng.randint(1, 3))) for _ in range(rng.randint(1, 3))]
    used = sorted(set("".join(terms)))
    result, more = "".join(rng.sample(used, rng.randint(0, len(used)))), seed % 3 == 0
    dots = "..." if more else ""
    arrays: list[Array | None] = [floats(*([2] if more else []), *(sizes[c] for c in term)) for term in terms]
    equation = ",".join(dots + term for term in terms) + "->" + dots + result
    Case("Einsum", arrays, equation=equation, free=len(arrays)).agrees()


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("places", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
def test_resizing_agrees(mode: str, places: str) -> None:
    x = floats(1, 2, 5, 7)
    for seed in range(4):
        rng = random.Random(seed)
        sizes = whole(1, 2, rng.randint(1, 14), rng.randint(1, 14))
        ways: dict[str, dict[str, Any]] = {
            "nearest": {"nearest_mode": "floor" if places == "asymmetric" else "round_prefer_floor"},
            "linear": {"antialias": seed % 2},
            "cubic": {"exclude_outside": seed % 2, "cubic_coeff_a": -0.5},
        }
        Case("Resize", [x, None, None, sizes], mode=mode, coordinate_transformation_mode=places, **ways[mode]).agrees()


def test_a_scale_that_leaves_the_size_is_refused_where_onnx_runtime_only_copies() -> None:
    scales = np.array([1, 1, 1.3, 1], np.float32)
    attributes: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    with pytest.raises(Refused, match="sizes instead of scales"):
        Case("Resize", [floats(1, 2, 2, 5), None, scales], **attributes).ours()
    scales = np.array([1, 1, 1.3, 2], np.float32)
    with pytest.raises(Refused, match="sizes instead of scales"):
        Case("Resize", [floats(1, 2, 2, 5), None, scales], antialias=1, **attributes).ours()
    Case("Resize", [floats(1, 2, 2, 5), None, scales], **attributes).agrees()
    attributes["coordinate_transformation_mode"] = "tf_crop_and_resize"
    region = np.array([0, 0, 0.25, 0, 1, 1, 0.75, 1], np.float32)
    with pytest.raises(Refused, match="tf_crop_and_resize"):
        Case("Resize", [floats(1, 1, 4, 4), region, None, whole(1, 1, 4, 4)], **attributes).ours()


def test_a_nearest_element_that_hangs_on_the_last_bit_is_refused_by_name() -> None:
    attributes: dict[str, Any] = {
        "mode": "nearest",
        "coordinate_transformation_mode": "half_pixel_symmetric",
        "nearest_mode": "floor",
    }
    with pytest.raises(Refused, match="coordinate_transformation_mode=half_pixel_symmetric"):
        Case("Resize", [floats(1, 9), None, None, whole(1, 5)], **attributes).ours()


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("aligned", [0, 1])
def test_sampling_a_grid_agrees(mode: str, padding: str, aligned: int) -> None:
    x, grid = floats(2, 3, 4, 5), floats(2, 3, 4, 2) * np.float32(1.5)
    Case("GridSample", [x, grid], free=2, mode=mode, padding_mode=padding, align_corners=aligned).agrees(1e-5)


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_what_repeats_marks_and_turns_agrees(seed: int) -> None:
    rng = random.Random(seed)
    shape = [rng.randint(1, 4) for _ in range(3)]
    x = floats(*shape, seed=seed)
    Case("Tile", [x, whole(*(rng.randint(0, 3) for _ in shape))]).agrees()
    Case("Trilu", [x, np.array(rng.randint(-4, 4))], upper=rng.randint(0, 1)).agrees()
    marks = np.random.default_rng(seed).integers(-5, 5, shape)
    Case("OneHot", [marks, np.array(4), np.array([0, 2], np.float32)], axis=rng.randint(-4, 3)).agrees()
    lengths = np.random.default_rng(seed).integers(1, shape[0] + 1, shape[1])
    Case("ReverseSequence", [x, lengths], free=2, batch_axis=1, time_axis=0).agrees()
    Case("Compress", [x, np.random.default_rng(seed).random(shape[1]) > 0.5], axis=1).agrees()
    Case("Split", [floats(7, 4)], outputs=3, axis=0, num_outputs=3).agrees()


def test_running_products_multiply_what_came_before() -> None:
    x = floats(3, 6)
    for exclusive in (False, True):
        (mine,) = Case("CumProd", [x, np.array(1)], opset=26, exclusive=int(exclusive)).ours()
        for row in range(3):
            wanted = [math.prod(x[row, : at + (not exclusive)].tolist()) for at in range(6)]
            assert np.allclose(mine[row], wanted, rtol=1e-6)


def test_every_operator_that_is_lowered_has_its_kind() -> None:
    kinds = operators.CONTRACTIONS | operators.INEXACT | operators.DISCONTINUOUS | operators.EXACT
    named = kinds | operators.CONTROL_FLOW
    assert [name for _, name in served() if name not in named] == []
    assert {domain for domain, _ in served()} == {"", ML, MICROSOFT}
    assert Kind.UNKNOWN not in {operators.kind_of(helper.make_node(name, [], [])) for _, name in served()}
