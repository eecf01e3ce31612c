"""Changes to inputs: of bits and bytes, of the structure of MessagePack, of the tokens of texts; all from one seed."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

import msgspec

INPUT_BYTES_MAX: Final = 1 << 16
"""Larger inputs are cut: what depends on size alone is tested elsewhere, and speed matters here."""
_CHANGES_MAX: Final = 4
_PIECE_MAX: Final = 64
_NUMBERS: Final = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**31,
    2**32 - 1,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -1,
)
_HEADS: Final = bytes(
    (0xC0, 0xC1, 0xC4, 0xC5, 0xC6, 0xCC, 0xCD, 0xCE, 0xCF, 0xD3, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xCB, 0xD4)
)
"""First bytes of MessagePack values that say a length or a number, and those that no record has."""
_WORDS: Final = (
    b"null", b"true", b"-1", b"9" * 5_000, b"0", b"1e999", b"9" * 40, b"1.5", b'""',
    b'"\\ud800"', b"[]", b"{}", b"[" * 5_000, b'{"a":' * 200,
    b"\x00", b"\xff\xfe", b"\xe2\x80\xae", b"'''", b"=", b"\n",
    b"\\ud800", b"[x]", b"nan", b"inf", b"0x10", b"1979-05-27", b"id", b"\\u0000",
)  # fmt: skip


class Mutator:
    """Makes new inputs from old ones."""

    def __init__(self, random: Random, *, is_text: bool) -> None:
        self._random = random
        if is_text:
            self._changes: Sequence[Callable[[bytes, bytes], bytes]] = (
                self._word, self._word, self._line, self._bit, self._cut, self._repeat, self._splice, self._number,
            )  # fmt: skip
        else:
            self._changes = (
                self._shape, self._shape, self._shape, self._bit, self._byte, self._cut, self._repeat,
                self._splice, self._head,
            )  # fmt: skip

    def next(self, pool: Sequence[bytes]) -> bytes:
        """Return a changed member of `pool`."""
        raw = self._random.choice(pool)
        for _ in range(1 + self._random.randrange(_CHANGES_MAX) * self._random.randrange(2)):
            raw = self._random.choice(self._changes)(raw, self._random.choice(pool))
        return raw[:INPUT_BYTES_MAX]

    def _at(self, raw: bytes) -> int:
        return self._random.randrange(len(raw) + 1)

    def _bit(self, raw: bytes, _: bytes) -> bytes:
        if not raw:
            return b"\x01"
        changed = bytearray(raw)
        changed[self._random.randrange(len(raw))] ^= 1 << self._random.randrange(8)
        return bytes(changed)

    def _byte(self, raw: bytes, _: bytes) -> bytes:
        at = self._at(raw)
        return raw[:at] + bytes([self._random.choice((0, 0xFF, 0x7F, self._random.randrange(256)))]) + raw[at + 1 :]

    def _head(self, raw: bytes, _: bytes) -> bytes:
        """Lie about a kind or a length."""
        at = self._at(raw)
        length = self._random.choice(_NUMBERS) & 0xFFFFFFFF
        lie = bytes([self._random.choice(_HEADS)]) + length.to_bytes(4, "big")[-self._random.choice((1, 2, 4)) :]
        return raw[:at] + lie + raw[at + self._random.randrange(6) :]

    def _cut(self, raw: bytes, _: bytes) -> bytes:
        start = self._at(raw)
        stop = len(raw) if self._random.randrange(2) else start + self._random.randrange(_PIECE_MAX)
        return raw[:start] + raw[stop:]

    def _repeat(self, raw: bytes, _: bytes) -> bytes:
        start = self._at(raw)
        piece = raw[start : start + self._random.randrange(1, _PIECE_MAX)]
        return raw[:start] + piece * self._random.choice((2, 2, 3, 50)) + raw[start:]

    def _splice(self, raw: bytes, other: bytes) -> bytes:
        return raw[: self._at(raw)] + other[self._at(other) :]

    def _word(self, raw: bytes, _: bytes) -> bytes:
        quote = raw.find(b'"', self._at(raw)) + 1 if self._random.randrange(2) else 0
        at = quote or self._at(raw)
        return raw[:at] + self._random.choice(_WORDS) + raw[at + self._random.choice((0, 0, 1, 4, 12)) :]

    def _number(self, raw: bytes, _: bytes) -> bytes:
        """Put another number where one stands."""
        places = [at for at, byte in enumerate(raw) if 48 <= byte <= 57]
        if not places:
            return raw
        at = self._random.choice(places)
        return raw[:at] + str(self._random.choice(_NUMBERS)).encode() + raw[at + 1 :]

    def _line(self, raw: bytes, other: bytes) -> bytes:
        """Drop, double or move a line, or take one of another text."""
        lines, more = raw.split(b"\n"), other.split(b"\n")
        at = self._random.randrange(len(lines))
        match self._random.randrange(4):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines.insert(self._random.randrange(len(lines)), lines.pop(at))
            case _:
                lines.insert(at, self._random.choice(more))
        return b"\n".join(lines)

    def _shape(self, raw: bytes, other: bytes) -> bytes:
        """Change one value within a MessagePack message, however deep, and encode it again."""
        value = _parsed(raw)
        if not isinstance(value, list):
            return self._bit(raw, other)
        donor = _parsed(other)
        return msgspec.msgpack.encode(self._changed(value, donor, depth=0))

    def _changed(self, value: object, donor: object, *, depth: int) -> object:
        if isinstance(value, list) and value and self._random.randrange(6):
            at = self._random.randrange(len(value))
            return [*value[:at], self._changed(value[at], donor, depth=depth + 1), *value[at + 1 :]]
        if isinstance(value, list):
            return self._list(value, donor)
        if isinstance(value, bytes):
            return self._bytes(value, donor, depth)
        if isinstance(value, int):
            near = (value + 1, value - 1, value ^ 1, value * 2)
            return self._bounded(self._random.choice((*near, *near, *_NUMBERS)))
        return self._random.choice((None, 0, b"", [], True, "", donor))

    def _bounded(self, number: int) -> int:
        return max(-(2**63), min(number, 2**64 - 1))

    def _list(self, value: list[object], donor: object) -> object:
        at = self._random.randrange(len(value) + 1)
        match self._random.randrange(7):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return value[:at] + value[at : at + 1] * 2 + value[at + 1 :]
            case 2:
                shuffled = list(value)
                self._random.shuffle(shuffled)
                return shuffled
            case 3 if isinstance(donor, list) and donor:
                return [*value[:at], self._random.choice(donor), *value[at + 1 :]]
            case 4:
                return value * self._random.choice((2, 40))
            case 5:
                return self._random.choice((None, 0, b"", [value]))
            case _:
                return [*value, self._random.choice((None, 0, b""))]

    def _bytes(self, value: bytes, donor: object, depth: int) -> object:
        """Change a byte string: as the message that it may hold, or to another of its length, or of another."""
        inner = _parsed(value) if len(value) > 2 else None
        if isinstance(inner, list) and self._random.randrange(4):
            return msgspec.msgpack.encode(self._changed(inner, donor, depth=depth + 1))
        match self._random.randrange(6):
            case 0:
                return bytes(len(value))
            case 1:
                return b"\xff" * len(value)
            case 2:
                return self._random.randbytes(len(value))
            case 3:
                return value[:-1]
            case 4:
                return value + b"\x00"
            case _:
                return self._bit(value, b"")


def _parsed(raw: bytes) -> object:
    """Return what MessagePack bytes hold; None if they are none."""
    try:
        return msgspec.msgpack.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError, TypeError):
        return None
