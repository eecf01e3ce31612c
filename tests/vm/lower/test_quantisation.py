"""Quantised operators are exactly what ONNX defines."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.vm.lower.agreement import Case
from tests.vm.lower.graphs import Array, floats

TYPES = [np.uint8, np.int8, np.uint16, np.int16]


def quantised(x: float, scale: float, zero: int, dtype: type) -> int:
    """Return saturate(round(x / scale) + zero), the quotient rounded to float32 first."""
    quotient = np.float32(np.float32(x) / np.float32(scale))
    limits = np.iinfo(dtype)
    return max(limits.min, min(limits.max, round(Fraction(float(quotient))) + zero))


@pytest.mark.parametrize("dtype", TYPES)
def test_halves_are_rounded_to_even_and_ends_are_saturated(dtype: type) -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 3.49, 1e9, -1e9, 250.5, 0], np.float32)
    zero: Array = np.array(3, dtype)
    (mine,) = Case("QuantizeLinear", [x, np.array(1, np.float32), zero]).ours()
    assert mine.tolist() == [quantised(float(each), 1, 3, dtype) for each in x]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("block", [0, 2])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_scales_along_an_axis_or_for_blocks_agree(dtype: type, block: int, axis: int) -> None:
    shape = (2, 6, 4)
    of = tuple(size // 2 if at == axis else size for at, size in enumerate(shape)) if block else (shape[axis],)
    scale = np.abs(floats(*of, seed=2)) + np.float32(0.1)
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(axis)
    zero: Array = rng.integers(limits.min, limits.max, of).astype(dtype)
    attributes: dict[str, Any] = {"axis": axis, "block_size": block} if block else {"axis": axis}
    Case("QuantizeLinear", [floats(*shape) * 50, scale, zero], **attributes).agrees()
    whole: Array = rng.integers(limits.min, limits.max, shape).astype(dtype)
    Case("DequantizeLinear", [whole, scale, zero], **attributes).agrees()


@pytest.mark.parametrize("x", [floats(5, 7), np.abs(floats(9)), np.zeros(4, np.float32)])
def test_a_range_that_is_found_at_run_time_agrees(x: Array) -> None:
    Case("DynamicQuantizeLinear", [x], outputs=3).agrees()


def test_products_of_integers_are_exact() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 256, (4, 9)).astype(np.uint8), rng.integers(0, 256, (9, 5)).astype(np.uint8)
    (mine,) = Case("MatMulInteger", [a, b, np.array(7, np.uint8), np.array(200, np.uint8)]).ours()
    assert np.array_equal(mine, (a.astype(np.int64) - 7) @ (b.astype(np.int64) - 200))
    x, w = rng.integers(0, 256, (1, 2, 5, 5)).astype(np.uint8), rng.integers(0, 256, (3, 2, 2, 2)).astype(np.uint8)
    Case("ConvInteger", [x, w, np.array(11, np.uint8), np.array(3, np.uint8)], pads=[1, 0, 1, 0]).agrees()


def test_quantised_products_agree() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 256, (4, 9)).astype(np.uint8), rng.integers(0, 256, (9, 5)).astype(np.uint8)
    scale, zero = np.array(0.02, np.float32), np.array(120, np.uint8)
    Case("QLinearMatMul", [a, scale, zero, b, scale, zero, np.array(0.3, np.float32), zero]).agrees()
    x = rng.integers(0, 256, (1, 2, 6, 6)).astype(np.uint8)
    w = rng.integers(-128, 128, (3, 2, 3, 3)).astype(np.int8)
    scales, bias = np.array([0.01, 0.02, 0.03], np.float32), rng.integers(-999, 999, 3).astype(np.int32)
    Case(
        "QLinearConv", [x, scale, zero, w, scales, np.zeros(3, np.int8), np.array(0.5, np.float32), zero, bias]
    ).agrees()
