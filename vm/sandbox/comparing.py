"""The comparison of `vm.compare` for whole tensors at once: numpy finds the elements that decide, integers decide.

Sums of squares in float64 are off by far less than the margin, so the element that deviates most is always among the
candidates, and the verdict is that of the exact rule to the last bit.
"""

import numpy as np

from vm.canonical.arrays import Array, array_of
from vm.compare import Verdict, compare, compare_elements
from vm.manifest import Ratio
from vm.noise import FLOOR, IN_SIGMA_MAX, NOISE_MAX, OWN, THOUSANDTHS, UNIT_BITS
from vm.scale import ELEMENTS_MIN, SPREAD, TYPICAL, row_length
from vm.tensor import DType, Tensor

_MARGIN = 1e-6
"""Of a squared deviation: float64 sums of 2^28 squares are off by less than 2^-24."""
_RESOLUTION = 2e-18
"""Squares of deviations are told in units of 1e-18, rounded up: those within one are equal."""
_FAST = (DType.FLOAT16, DType.FLOAT32)
"""Whose squares float64 holds."""
_CANDIDATES_MAX = 4096
"""With more of them the exact rule is as fast on all."""


def fast_compare(reference: Tensor, other: Tensor, tolerance: Ratio) -> Verdict:
    """Return the verdict of `vm.compare.compare` (V20 to V25)."""
    alike = (reference.dtype, reference.shape) == (other.dtype, other.shape)
    if not alike or reference.dtype not in _FAST or not reference.data or not np.all(_finite(reference, other)):
        return compare(reference, other, tolerance)
    found = _candidates(reference, other)
    if len(found) > _CANDIDATES_MAX:
        return compare(reference, other, tolerance)
    return compare_elements(reference, other, tolerance, found)


def _finite(reference: Tensor, other: Tensor) -> Array:
    """Return for each element whether both are finite, or both the same special value (V22)."""
    left, right = array_of(reference), array_of(other)
    same: Array = (left == right) | (np.isnan(left) & np.isnan(right))
    return same | (np.isfinite(left) & np.isfinite(right))


def _candidates(reference: Tensor, other: Tensor) -> list[int]:
    """Return the elements one of which deviates most, ascending; none if all are equal."""
    length = row_length(reference)
    left, right = (array_of(each).astype(np.float64).reshape(-1, length) for each in (reference, other))
    squares, _ = _scales(left)
    finite = np.isfinite(left)
    size = np.where(finite, left, 0.0)
    error = np.where(finite, right, 0.0) - size
    off = error * error / np.maximum(size * size, squares[:, None])
    worst = off.max()
    if worst == 0:
        return []
    near = off >= worst * (1 - _MARGIN) - _RESOLUTION
    return [int(at) for at in np.flatnonzero(near & (off > 0))]


def estimate(canonical: Array, perturbed: Array, native: Array) -> tuple[int, int, int]:
    """Return what `vm.noise.Noise` finds (V102 to V104), in float64: for values that are too large to judge anybody by.

    That is σ² of the noisiest element in units of 2^-80; the largest deviation of the native value in thousandths of
    σ; and its element.
    """
    length = max(1, canonical.shape[-1] if canonical.shape else 1)
    first, second, seen = (each.astype(np.float64).reshape(-1, length) for each in (canonical, perturbed, native))
    scale, inside = _scales(first)
    moved, off = _deviations(first, second, scale), _deviations(first, seen, scale)
    moved[np.isnan(first)] = np.inf
    means = np.where(inside, moved, 0.0).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    few = inside.sum(axis=1) < ELEMENTS_MIN
    if few.any():
        flat, flat_second = first.reshape(1, -1), second.reshape(1, -1)
        whole_scale, whole = _scales(flat)
        squares = _deviations(flat, flat_second, whole_scale)
        means[few] = np.where(whole, squares, 0.0).sum() / max(int(whole.sum()), 1)
    unit = 2.0**UNIT_BITS
    most = NOISE_MAX / unit
    units = np.clip(np.maximum(means[:, None], moved / OWN), FLOOR / unit, most)
    told = np.sqrt(off / units) * THOUSANDTHS
    if not told.size:
        return FLOOR, 0, 0
    worst = int(told.argmax())
    return min(int(units.max() * unit), NOISE_MAX), int(min(told.max(), IN_SIGMA_MAX // 2)), worst


def _deviations(reference: Array, other: Array, scale: Array) -> Array:
    """Return the square of the deviation of each element; infinity where no number says it (V101)."""
    same = (reference == other) | (np.isnan(reference) & np.isnan(other))
    both = np.isfinite(reference) & np.isfinite(other)
    size = np.where(both, reference, 0.0)
    error = np.where(both, other, 0.0) - size
    with np.errstate(over="ignore"):
        square = error * error / np.maximum(size * size, scale[:, None])
    return np.where(same, 0.0, np.where(both, square, np.inf))


def _scales(rows: Array) -> tuple[Array, Array]:
    """Return S² of each row of a float64 matrix to within a part in 2^24, and which elements make it (V23)."""
    inside = _members(rows)
    square, count = _mean(rows, inside), inside.sum(axis=1)
    few = count < ELEMENTS_MIN
    if few.any():
        flat = rows.reshape(1, -1)
        members = _members(flat)
        square[few] = _mean(flat, members)[0] if members.any() else 1.0
    return square, inside


def _members(rows: Array) -> Array:
    """Return which elements of each row make its scale, by itself."""
    sizes, typical = np.abs(rows), _typical(rows)
    inside: Array = _counted(rows) & (sizes >= typical / SPREAD) & (sizes <= typical * SPREAD)
    return inside


def _counted(rows: Array) -> Array:
    counted: Array = np.isfinite(rows) & (rows != 0)
    return counted


def _typical(rows: Array) -> Array:
    """Return the typical magnitude of each row, infinity if it has none."""
    counted = _counted(rows)
    ordered = np.sort(np.where(counted, np.abs(rows), np.inf), axis=1)
    places = np.maximum(counted.sum(axis=1) - 1, 0) // TYPICAL
    typical: Array = np.take_along_axis(ordered, places[:, None], axis=1)
    return typical


def overlooked(canonical: Array) -> tuple[int, int]:
    """Return how many elements are too small to have a part in the scale that judges them, and how many count (V23).

    Nobody would see what somebody makes of them: all that they are is less than what honest machines may be off.
    """
    length = max(1, canonical.shape[-1] if canonical.shape else 1)
    rows = canonical.astype(np.float64).reshape(-1, length)
    typical, few = _typical(rows), _members(rows).sum(axis=1) < ELEMENTS_MIN
    if few.any():
        typical[few] = _typical(rows.reshape(1, -1))
    counted = _counted(rows)
    return int((counted & (np.abs(rows) < typical / SPREAD)).sum()), int(counted.sum())


def _mean(rows: Array, inside: Array) -> Array:
    kept = np.where(inside, rows, 0.0)
    with np.errstate(over="ignore"):
        mean: Array = (kept * kept).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return mean
