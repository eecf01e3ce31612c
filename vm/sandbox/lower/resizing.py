"""Rules for Resize and Upsample: along each axis a few taps per element, at places and with weights known beforehand.

Coordinates are computed in float32, step by step as ONNX Runtime does, so that both round to the same neighbours.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import NUMPY_OF, Array
from vm.program import Op
from vm.sandbox.lower.builder import COUNTED_MAX, Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.movement import checked_axis
from vm.sandbox.lower.table import lowers
from vm.tensor import DType

TAPS_MAX = 256
"""Elements that one is blended from along an axis; a photo shrunk sixty times with antialiasing takes as many."""
WHOLE_WITHIN = 1e-6
"""A few units of float32's last place, relative."""
_F = np.float32


@dataclass(frozen=True)
class _Axis:
    """How one axis is resized: from one size to another, by a factor, within a region."""

    size: int
    wanted: int
    scale: np.float32
    start: np.float32
    end: np.float32


@dataclass(frozen=True)
class _Way:
    """What the attributes say of all axes."""

    mode: str
    coordinates: str
    nearest: str
    cubic: float
    exclude_outside: bool
    antialias: bool
    extrapolation: float


@lowers("Resize", "Upsample")
def _resize(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    way = _way(node)
    axes = node.integers("axes") if node.op == "Resize" and node.version >= 18 else None
    chosen = list(range(x.rank)) if axes is None else [checked_axis(node, axis, x.rank) for axis in axes]
    found = _sizes(node, operands, x, chosen)
    builder.check_shape(x.dtype, [found[at][0] if at in found else size for at, size in enumerate(x.shape)])
    region = _region(node, operands, way, chosen)
    narrow, stays = x.dtype, all(wanted == x.shape[axis] for axis, (wanted, _) in found.items())
    for axis, (wanted, scale) in found.items():
        how = _Axis(x.shape[axis], wanted, scale, *region.get(axis, (_F(0), _F(1))))
        cropped = way.coordinates == "tf_crop_and_resize" and not (how.start == 0 and how.end == 1)
        if wanted == how.size and scale == 1 and not cropped:
            continue
        if wanted == how.size and (stays or (way.antialias and not cropped)):
            told = "sizes instead of scales: ONNX Runtime copies what keeps its size, ONNX does not"
            raise node.declined("coordinate_transformation_mode", wanted="another one" if cropped else told)
        if wanted > COUNTED_MAX:
            raise node.refused(f"{wanted} along an axis", reason=Reason.VALUE_TOO_LARGE, wanted=COUNTED_MAX)
        if way.coordinates == "align_corners" and _is_odd(how) and _by_scales(node, operands):
            told = "sizes instead of scales: ONNX and ONNX Runtime differ where a scaled size is not whole"
            raise node.declined("coordinate_transformation_mode", wanted=told)
        if how.size == 0 or wanted == 0:
            if wanted:
                raise node.refused("no elements to resize", reason=Reason.GRAPH_INVALID)
            x = builder.narrow(x, axis, 0, 0)
        else:
            x = _along(builder, node, x, axis, how, way)
    return [builder.cast(builder.unary(Op.ROUND, x), narrow) if x.dtype is not narrow else x]


def _way(node: Node) -> _Way:
    """Read the attributes; before opset 11 places were asymmetric and nearest ones rounded down."""
    modes = {"nearest": "nearest", "linear": "linear", "bilinear": "linear", "cubic": "cubic"}
    mode = node.text("mode", "nearest")
    if mode not in modes:
        raise node.declined("mode", wanted="nearest, linear or cubic")
    if node.op == "Upsample" or node.version < 11:
        return _Way(modes[mode], "asymmetric", "floor", -0.75, exclude_outside=False, antialias=False, extrapolation=0)
    coordinates, nearest = node.text("coordinate_transformation_mode"), node.text("nearest_mode")
    if coordinates not in _PLACES:
        raise node.declined("coordinate_transformation_mode", wanted=", ".join(_PLACES))
    if nearest not in _NEAREST:
        raise node.declined("nearest_mode", wanted=", ".join(_NEAREST))
    return _Way(
        mode=modes[mode],
        coordinates=coordinates,
        nearest=nearest,
        cubic=node.number("cubic_coeff_a"),
        exclude_outside=node.flag("exclude_outside"),
        antialias=node.flag("antialias", 0) and modes[mode] != "nearest",
        extrapolation=node.number("extrapolation_value"),
    )


def _sizes(node: Node, operands: Operands, x: Value, chosen: list[int]) -> dict[int, tuple[int, np.float32]]:
    """Return for each axis that is resized its new size and the factor. Raises Refused."""
    policy = (
        node.text("keep_aspect_ratio_policy", "stretch") if node.op == "Resize" and node.version >= 18 else "stretch"
    )
    scales_at = 1 if node.op == "Upsample" or node.version < 11 else 2
    if node.op == "Upsample" and node.version < 9:
        scales: Array | None = np.array(node.numbers("scales") or [], _F)
    else:
        scales = operands.known(scales_at).reshape(-1) if operands.get(scales_at) is not None else None
    if scales is not None and scales.size:
        if len(scales) != len(chosen) or not (scales > 0).all() or not np.isfinite(scales).all():
            raise node.refused(f"scales {scales.tolist()}", reason=Reason.GRAPH_INVALID)
        return {axis: (math.floor(x.shape[axis] * float(s)), _F(s)) for axis, s in zip(chosen, scales, strict=True)}
    sizes = operands.get_ints(3) if len(operands) > 3 else None
    if sizes is None or len(sizes) != len(chosen) or min(sizes, default=0) < 0:
        raise node.refused(f"sizes {sizes}", reason=Reason.GRAPH_INVALID, wanted=f"{len(chosen)} sizes or scales")
    if policy == "stretch":
        return {axis: (s, _F(s) / _F(max(x.shape[axis], 1))) for axis, s in zip(chosen, sizes, strict=True)}
    if policy not in ("not_larger", "not_smaller"):
        raise node.declined("keep_aspect_ratio_policy", wanted="stretch, not_larger or not_smaller")
    factors = [_F(s) / _F(max(x.shape[axis], 1)) for axis, s in zip(chosen, sizes, strict=True)]
    factor = min(factors) if policy == "not_larger" else max(factors)
    return {axis: (math.floor(float(factor * _F(x.shape[axis])) + 0.5), factor) for axis in chosen}


def _is_odd(how: _Axis) -> bool:
    """Return whether the scaled size is not whole, but for what float32 makes of a whole one."""
    return abs(float(how.scale) * how.size - how.wanted) > WHOLE_WITHIN * how.wanted


def _by_scales(node: Node, operands: Operands) -> bool:
    return len(operands) < 4 or operands.get(3) is None or operands[3].size == 0


def _region(node: Node, operands: Operands, way: _Way, chosen: list[int]) -> dict[int, tuple[np.float32, np.float32]]:
    """Return for each axis where the region begins and ends, as parts of the axis."""
    if way.coordinates != "tf_crop_and_resize":
        return {}
    roi = operands.known(1).reshape(-1)
    if len(roi) != 2 * len(chosen) or not np.isfinite(roi).all():
        raise node.refused(f"a region of {len(roi)} numbers", reason=Reason.GRAPH_INVALID, wanted=2 * len(chosen))
    return {axis: (_F(roi[at]), _F(roi[len(chosen) + at])) for at, axis in enumerate(chosen)}


def _half_pixel(o: Array, a: _Axis) -> Array:
    return (o + _F(0.5)) / a.scale - _F(0.5)


def _half_pixel_symmetric(o: Array, a: _Axis) -> Array:
    adjustment = _F(a.wanted) / (a.scale * _F(a.size))
    offset = _F(a.size) / _F(2) * (_F(1) - adjustment)
    return offset + _half_pixel(o, a)


def _align_corners(o: Array, a: _Axis) -> Array:
    return o * _F(0) if a.wanted == 1 else o * _F(a.size - 1) / _F(a.wanted - 1)


def _cropped(o: Array, a: _Axis) -> Array:
    if a.wanted == 1:
        return o * _F(0) + _F(0.5) * (a.start + a.end) * _F(a.size - 1)
    return a.start * _F(a.size - 1) + o * (a.end - a.start) * _F(a.size - 1) / _F(a.wanted - 1)


_PLACES: dict[str, Callable[[Array, _Axis], Array]] = {
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": lambda o, a: _half_pixel(o, a) if a.wanted > 1 else o * _F(0),
    "align_corners": _align_corners,
    "asymmetric": lambda o, a: o / a.scale,
    "tf_half_pixel_for_nn": lambda o, a: (o + _F(0.5)) / a.scale,
    "tf_crop_and_resize": _cropped,
}
_NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda p: np.floor(p) + (p - np.floor(p) > _F(0.5)),
    "round_prefer_ceil": lambda p: np.floor(p) + (p - np.floor(p) >= _F(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _along(builder: Builder, node: Node, x: Value, axis: int, how: _Axis, way: _Way) -> Value:
    """Return `x` with one axis resized."""
    places = _PLACES[way.coordinates](np.arange(how.wanted).astype(_F), how).astype(_F)
    if way.mode == "nearest":
        if _is_torn(places, how, way):
            told = "sizes that are whole multiples: the nearest element hangs on the last bit of a coordinate"
            raise node.declined("coordinate_transformation_mode", wanted=told)
        near = np.clip(_NEAREST[way.nearest](places), 0, how.size - 1).astype(np.int64)
        resized = builder.take(x, builder.constant(near), axis)
    else:
        taps, weights = _taps(places, how, way)
        if len(taps) > TAPS_MAX:
            raise node.refused(f"{len(taps)} elements for one", wanted=f"at most {TAPS_MAX}")
        resized = _blended(builder, x, axis, taps, weights)
    if way.coordinates != "tf_crop_and_resize":
        return resized
    outside = ((places < 0) | (places > how.size - 1)).reshape([-1] + [1] * (x.rank - axis - 1))
    return builder.select(builder.constant(outside), builder.scalar(way.extrapolation, resized.dtype), resized)


def _is_torn(places: Array, how: _Axis, way: _Way) -> bool:
    """Return whether a place lies so near to a border between two elements that ONNX Runtime may choose the other.

    In the usual ways both compute the same float32; in these ONNX Runtime's steps are not documented.
    """
    settled = ("half_pixel", "pytorch_half_pixel", "align_corners", "tf_crop_and_resize")
    rounds = way.nearest.startswith("round")
    whole = float(how.scale).is_integer() or (1 / float(how.scale)).is_integer()
    if way.coordinates in settled or (way.coordinates == "asymmetric" and not rounds) or whole:
        return False
    wide = places.astype(np.float64) + (0.5 if rounds else 0)
    return bool((np.abs(wide - np.round(wide)) < WHOLE_WITHIN * (1 + np.abs(wide))).any())


def _blended(builder: Builder, x: Value, axis: int, taps: Array, weights: Array) -> Value:
    """Return sums over taps of x at places times weights; integers become float32 and stay so."""
    wide = x if x.dtype in (DType.FLOAT32, DType.FLOAT64) else builder.cast(x, DType.FLOAT32)
    total: Value | None = None
    for places, weight in zip(taps, weights, strict=True):
        if not weight.any():
            continue
        taken = builder.take(wide, builder.constant(places), axis)
        factor = weight.astype(NUMPY_OF[wide.dtype]).reshape([-1] + [1] * (x.rank - axis - 1))
        part = taken if (weight == 1).all() else builder.mul(taken, builder.constant(factor))
        total = part if total is None else builder.add(total, part)
    assert total is not None
    return builder.cast(total, x.dtype) if x.dtype is DType.FLOAT16 else total


def _taps(places: Array, how: _Axis, way: _Way) -> tuple[Array, Array]:
    """Return places [taps, wanted], within the axis, and their weights, which add up to 1."""
    reach = 1 if way.mode == "linear" else 2
    shrink = min(float(how.scale), 1.0) if way.antialias else 1.0
    if way.mode == "linear" and not way.antialias:
        places = np.clip(places, 0, how.size - 1)
    half = reach / shrink
    first = np.floor(places.astype(np.float64) - half).astype(np.int64) + 1
    count = math.ceil(2 * half) if way.antialias else 2 * reach
    at = first + np.arange(count + (1 if way.antialias else 0)).reshape(-1, 1)
    distance = np.abs(at - places.astype(np.float64)) * shrink
    weights = np.maximum(1 - distance, 0) if way.mode == "linear" else _cubic(distance, way.cubic)
    outside = (at < 0) | (at >= how.size)
    if way.exclude_outside:
        weights = np.where(outside, 0, weights)
    total = weights[0]
    for row in weights[1:]:
        total = total + row
    return np.clip(at, 0, how.size - 1), weights / np.where(total == 0, 1, total)


def _cubic(distance: Array, a: float) -> Array:
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))
