"""Where the data of a tensor stands in an encoded bundle: types and names give every byte of the rest (V130)."""

from typing import NamedTuple

from primitives import codec
from vm.tensor import Name, TensorType, bytes_of

_BIN_8, _BIN_16 = 1 << 8, 1 << 16


class Layout(NamedTuple):
    """Names and types of the tensors of a bundle, in order."""

    names: list[Name]
    types: list[TensorType]


class Span(NamedTuple):
    """Bytes `low` to `high` (excluded) of an encoded bundle."""

    low: int
    high: int


def _array_head(count: int) -> bytes:
    """Return MessagePack's header of a short array."""
    return codec.encode([0] * count)[:-count] if count else codec.encode([])


def _data_head(length: int) -> bytes:
    """Return MessagePack's header of a byte string."""
    if length < _BIN_8:
        return bytes([0xC4, length])
    if length < _BIN_16:
        return b"\xc5" + length.to_bytes(2, "big")
    return b"\xc6" + length.to_bytes(4, "big")


def heads(layout: Layout) -> list[bytes]:
    """Return what stands before the data of each tensor: behind that of the one before it, or at the beginning."""
    found: list[bytes] = []
    for name, type_ in zip(layout.names, layout.types, strict=True):
        head = b"" if found else _array_head(1) + _array_head(len(layout.types))
        head += _array_head(2) + codec.encode(name) + _array_head(3) + codec.encode(int(type_.dtype))
        found.append(head + codec.encode(type_.shape) + _data_head(bytes_of(type_)))
    return found or [_array_head(1) + _array_head(0)]


def spans(layout: Layout) -> list[Span]:
    """Return where the data of each tensor stands."""
    found: list[Span] = []
    at = 0
    for head, type_ in zip(heads(layout), layout.types, strict=False):
        low = at + len(head)
        at = low + bytes_of(type_)
        found.append(Span(low, at))
    return found


def bundle_length(layout: Layout) -> int:
    """Return how many bytes a bundle of this layout takes, encoded."""
    return sum(map(len, heads(layout))) + sum(bytes_of(type_) for type_ in layout.types)


def data_offset(layout: Layout, tensor: int, byte: int) -> int:
    """Return where a byte of a tensor's data stands in the encoded bundle."""
    return spans(layout)[tensor].low + byte
