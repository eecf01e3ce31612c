"""The canonical codec: MessagePack arrays, and one encoding for each value.

MessagePack has several encodings of one integer, and decoders take them all; so decoding re-encodes and compares.
"""

from typing import TypeVar

import msgspec

from primitives.reasons import Reason, Refused

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[object, msgspec.msgpack.Decoder[object]] = {}


def encode(value: object) -> bytes:
    """Encode a record (or a list, tuple, integer or byte string of them)."""
    return _encoder.encode(value)


def decode(kind: type[T], raw: bytes, *, at_most: int) -> T:
    """Decode `raw` as `kind`, a record type or a union of them.

    Raises Refused TOO_LARGE if `raw` is longer than `at_most` bytes, and MALFORMED if it does not decode or is not
    the canonical encoding of what it decodes to.
    """
    if len(raw) > at_most:  # P4
        raise Refused(Reason.TOO_LARGE, seen=len(raw), wanted=at_most)
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        value = decoder.decode(raw)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as fault:
        raise Refused(Reason.MALFORMED, what=str(kind), why=str(fault)) from None
    if _encoder.encode(value) != raw:  # P2
        raise Refused(Reason.MALFORMED, what=str(kind), why="not in canonical form")
    return value  # type: ignore[return-value]  # the decoder was made for `kind`
