"""Tensors as numpy arrays, and their normal form."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vm.tensor import DType, Tensor

Array = NDArray[Any]

NUMPY_OF: dict[DType, np.dtype[Any]] = {
    DType.FLOAT32: np.dtype("<f4"),
    DType.UINT8: np.dtype("u1"),
    DType.INT8: np.dtype("i1"),
    DType.UINT16: np.dtype("<u2"),
    DType.INT16: np.dtype("<i2"),
    DType.INT32: np.dtype("<i4"),
    DType.INT64: np.dtype("<i8"),
    DType.BOOL: np.dtype("?"),
    DType.FLOAT16: np.dtype("<f2"),
    DType.FLOAT64: np.dtype("<f8"),
    DType.UINT32: np.dtype("<u4"),
    DType.UINT64: np.dtype("<u8"),
}
DTYPE_OF = {numpy: dtype for dtype, numpy in NUMPY_OF.items()}
BLOCK = 1 << 14
"""Elements computed at once where that takes temporaries in float64: they stay in the cache of a core."""
_QUIET = {
    np.dtype(f"<f{size}"): np.array(word, f"<u{size}").view(f"<f{size}")[()]
    for size, word in ((2, 0x7E00), (4, 0x7FC00000), (8, 0x7FF8 << 48))
}
"""The one NaN of each type."""


def normal(array: Array) -> Array:
    """Return a copy in C order, little-endian, with one NaN and no negative zero: V3, fast."""
    copied = np.array(array, dtype=NUMPY_OF[DTYPE_OF[array.dtype.newbyteorder("<")]], order="C")
    return mended(copied) if copied.dtype.kind == "f" else copied


def mended(array: Array) -> Array:
    """Put a float array that nobody else holds into normal form, in place, and return it."""
    np.add(array, array.dtype.type(0), out=array)  # -0 + 0 is +0 in every rounding mode but one
    wrong = np.isnan(array)
    if wrong.any():
        array[wrong] = _QUIET[array.dtype]
    return array


def array_of(tensor: Tensor) -> Array:
    """Return a tensor's values, in normal form."""
    return normal(np.frombuffer(tensor.data, dtype=NUMPY_OF[tensor.dtype]).reshape(tensor.shape))


def tensor_of(array: Array) -> Tensor:
    """Return the tensor of an array whose type `DTYPE_OF` holds; in normal form if the array is."""
    return Tensor(dtype=DTYPE_OF[array.dtype], shape=list(array.shape), data=array.tobytes())
