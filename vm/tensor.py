"""Tensors as they are hashed, sent and compared, and bundles of named tensors: a job's inputs and outputs."""

import enum
import struct
from typing import Annotated

import msgspec

from primitives import codec, merkle
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record

RANK_MAX = 8
"""Beyond any operator that is admitted; keeps headers small."""
DIMENSION_MAX = 2**31 - 1
"""ONNX Runtime's own arithmetic is safe up to here."""
NAME_BYTES_MAX = 256
"""Names from exporters reach 120 bytes (tf2onnx); they travel with every bundle."""
BUNDLE_TENSORS_MAX = 32
"""Inputs of the largest models we know: 24 (a transformer's past keys and values are not served yet)."""
BUNDLE_BYTES_MAX = 16 * 1024 * 1024
"""The longest encoded bundle: a job's input, which every drawn verifier fetches."""
SMALL_VALUES_BYTES_MAX = 4096
"""The most value bytes that a bundle may hold which goes on chain whole (DESIGN 6.7)."""
SMALL_BUNDLE_BYTES_MAX = 16 * 1024
"""The longest encoding of such a bundle: its values, and 32 names and shapes of at most 310 bytes each."""
CUT_VALUES_BYTES_MAX = 64 * 1024
"""Of a cut: who judges a row's noise reads the value whole, in two runs, in 140 KiB of proof and 30 ms (V89)."""
OUTPUT_VALUES_BYTES_MAX = 1024 * 1024
"""Of outputs: as much as the chain can be made to carry where a provider withholds them (DESIGN 6.9)."""
CUT_BUNDLE_BYTES_MAX = CUT_VALUES_BYTES_MAX + SMALL_BUNDLE_BYTES_MAX - SMALL_VALUES_BYTES_MAX
OUTPUT_BUNDLE_BYTES_MAX = OUTPUT_VALUES_BYTES_MAX + SMALL_BUNDLE_BYTES_MAX - SMALL_VALUES_BYTES_MAX
ROOT_LEAF_BYTES = 128
"""Leaf of a tensor's tree: what a referee reads of one operand in one piece."""


class DType(enum.IntEnum):
    """Element types, by their numbers in ONNX's TensorProto (V1)."""

    FLOAT32 = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    BOOL = 9
    FLOAT16 = 10
    FLOAT64 = 11
    UINT32 = 12
    UINT64 = 13


ITEM_BYTES = {
    DType.FLOAT32: 4,
    DType.UINT8: 1,
    DType.INT8: 1,
    DType.UINT16: 2,
    DType.INT16: 2,
    DType.INT32: 4,
    DType.INT64: 8,
    DType.BOOL: 1,
    DType.FLOAT16: 2,
    DType.FLOAT64: 8,
    DType.UINT32: 4,
    DType.UINT64: 8,
}
FRACTION_BITS = {DType.FLOAT16: 10, DType.FLOAT32: 23, DType.FLOAT64: 52}
"""Of the IEEE formats: what follows the exponent."""
FLOATS = tuple(FRACTION_BITS)
_WORD_CODES = {2: "H", 4: "I", 8: "Q"}

Dimension = Annotated[int, msgspec.Meta(ge=0, le=DIMENSION_MAX)]
Shape = Annotated[list[Dimension], msgspec.Meta(max_length=RANK_MAX)]
Name = Annotated[bytes, msgspec.Meta(min_length=1, max_length=NAME_BYTES_MAX)]


class TensorType(Record):
    """What a tensor is, without its values."""

    dtype: DType
    shape: Shape


class Tensor(Record):
    """Values in C order, little-endian, one byte 0 or 1 for a bool."""

    dtype: DType
    shape: Shape
    data: bytes


class NamedTensor(Record):
    """One tensor of a bundle."""

    name: Name
    tensor: Tensor


class Bundle(Record):
    """Named tensors in the order of the model's ports (or of the cut's values); its encoding is content (V5)."""

    tensors: Annotated[list[NamedTensor], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]


def element_count(shape: list[int]) -> int:
    """Return the number of elements; 1 for a scalar."""
    count = 1
    for dimension in shape:
        count *= dimension
    return count


def check_tensor(tensor: Tensor) -> None:
    """Raise Refused MALFORMED unless the data has the length that type and shape give, and bools are 0 or 1 (V2)."""
    wanted = element_count(tensor.shape) * ITEM_BYTES[tensor.dtype]
    if len(tensor.data) != wanted:
        raise Refused(Reason.MALFORMED, what="tensor data bytes", seen=len(tensor.data), wanted=wanted)
    if tensor.dtype is DType.BOOL and tensor.data.translate(None, b"\x00\x01"):
        raise Refused(Reason.MALFORMED, what="bool", wanted="bytes 0 and 1")


def words(tensor: Tensor) -> tuple[int, ...]:
    """Return the bit patterns of a float tensor's elements as unsigned integers."""
    assert tensor.dtype in FLOATS
    size = ITEM_BYTES[tensor.dtype]
    return struct.unpack(f"<{len(tensor.data) // size}{_WORD_CODES[size]}", tensor.data)


def normalised(tensor: Tensor) -> Tensor:
    """Return the tensor with every NaN replaced by the one quiet NaN and -0 by +0 (V3)."""
    if tensor.dtype not in FLOATS:
        return tensor
    bits, fraction = 8 * ITEM_BYTES[tensor.dtype], FRACTION_BITS[tensor.dtype]
    sign, infinity = 1 << bits - 1, (1 << bits - 1) - (1 << fraction)
    quiet = infinity | 1 << fraction - 1
    patterns = words(tensor)
    changed = [quiet if word & ~sign > infinity else 0 if word == sign else word for word in patterns]
    code = _WORD_CODES[bits // 8]
    return Tensor(dtype=tensor.dtype, shape=tensor.shape, data=struct.pack(f"<{len(changed)}{code}", *changed))


def bytes_of(type_: TensorType) -> int:
    """Return how many bytes of data a tensor of this type has."""
    return element_count(type_.shape) * ITEM_BYTES[type_.dtype]


def leaf_count(type_: TensorType) -> int:
    """Return how many leaves the tree of a tensor has."""
    return -(-bytes_of(type_) // ROOT_LEAF_BYTES)


def bound_root(type_: TensorType, tree_root: bytes) -> bytes:
    """Return the root of a tensor whose data has this tree, 32 bytes (V4)."""
    shape = type_.shape
    header = bytes([type_.dtype, len(shape)]) + b"".join(dimension.to_bytes(8, "big") for dimension in shape)
    return tagged("assay/tensor", header, tree_root)


def leaf_hashes(data: bytes) -> list[bytes]:
    """Return the hashes of the leaves of a tensor's data (V4)."""
    return merkle.leaf_hashes(data, ROOT_LEAF_BYTES)


def tensor_root(tensor: Tensor) -> bytes:
    """Return the root of a tensor, 32 bytes: its header and the tree over its 128-byte leaves (V4)."""
    type_ = TensorType(dtype=tensor.dtype, shape=tensor.shape)
    return bound_root(type_, merkle.root_of_hashes(leaf_hashes(tensor.data)))


def decode_bundle(raw: bytes, *, at_most: int = BUNDLE_BYTES_MAX) -> Bundle:
    """Return the bundle that `raw` encodes.

    Raises Refused TOO_LARGE or MALFORMED; so do names that occur twice and tensors that `check_tensor` refuses (V5).
    """
    bundle = codec.decode(Bundle, raw, at_most=at_most)
    names = [each.name for each in bundle.tensors]
    for earlier, later in zip(sorted(names), sorted(names)[1:], strict=False):
        if earlier == later:
            raise Refused(Reason.MALFORMED, what="bundle", why="a name occurs twice", seen=later)
    for each in bundle.tensors:
        check_tensor(each.tensor)
    return bundle


def value_bytes(bundle: Bundle) -> int:
    """Return how many bytes of values a bundle holds."""
    return sum(len(each.tensor.data) for each in bundle.tensors)


def decode_small_bundle(raw: bytes) -> Bundle:
    """Return the bundle that `raw` encodes: the cut or outputs of a job, which go on chain whole (V6).

    Raises Refused as `decode_result` does, for more than 4 KiB of values.
    """
    return decode_result(raw, values_max=SMALL_VALUES_BYTES_MAX)


def decode_result(raw: bytes, *, values_max: int) -> Bundle:
    """Return the bundle that `raw` encodes: the cut or outputs of a job, of at most so many bytes of values (V6).

    Raises Refused as `decode_bundle` does, TOO_LARGE for more values, and MALFORMED for floats that are not in normal
    form (V3): equal values have one encoding, hence one root.
    """
    bundle = decode_bundle(raw, at_most=values_max + SMALL_BUNDLE_BYTES_MAX - SMALL_VALUES_BYTES_MAX)
    if value_bytes(bundle) > values_max:
        raise Refused(Reason.TOO_LARGE, seen=value_bytes(bundle), wanted=values_max)
    for each in bundle.tensors:
        if normalised(each.tensor) != each.tensor:
            raise Refused(Reason.MALFORMED, what="tensor", seen=each.name, wanted="one NaN and no negative zero")
    return bundle
