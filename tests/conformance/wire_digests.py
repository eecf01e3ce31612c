"""One digest for each type that is decoded: of the encodings of values that are made from the type's own description.

Run as a program, it writes vectors/wire.json anew: an approval of changed formats.
"""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import msgspec
import msgspec.inspect as shapes

from primitives.codec import encode
from tests.conformance.decoded import decoded_kinds

FILE = Path(__file__).parent / "vectors" / "wire.json"
VALUES = 24
TRIES = 400
"""Seeds tried for one value: some records refuse what contradicts itself."""
LIST_MAX = 3
BYTES_MAX = 40


class Chooser:
    """Choices that follow from a seed alone: SHA-256 of the seed and a counter."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._drawn = 0

    def below(self, count: int) -> int:
        """Return a number from 0 to count − 1."""
        self._drawn += 1
        digest = hashlib.sha256(f"{self._seed}/{self._drawn}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % count

    def one_of(self, choices: Sequence[object]) -> object:
        """Return one of several."""
        return choices[self.below(len(choices))]

    def bytes(self, length: int) -> bytes:
        """Return so many bytes."""
        self._drawn += 1
        return hashlib.shake_256(f"{self._seed}/{self._drawn}".encode()).digest(length)


def make(kind: shapes.Type, choose: Chooser) -> object:
    """Return a value of a type. Raises ValueError if a record refuses it."""
    match kind:
        case shapes.IntType(ge=low, le=high):
            assert low is not None
            assert high is not None
            return choose.one_of([low, min(low + 1, high), min(low + 200, high), (low + high) // 2, high])
        case shapes.BytesType(min_length=least, max_length=most):
            low = least or 0
            high = min(BYTES_MAX if most is None else most, low + BYTES_MAX)
            return choose.bytes(low + choose.below(high - low + 1))
        case shapes.ListType(item_type=item, min_length=least, max_length=most):
            low = least or 0
            assert most is not None
            return [make(item, choose) for _ in range(low + choose.below(min(most - low, LIST_MAX) + 1))]
        case shapes.TupleType(item_types=items):
            return tuple(make(item, choose) for item in items)
        case shapes.UnionType(types=types):
            return make(types[choose.below(len(types))], choose)
        case shapes.StructType(cls=cls, fields=fields):
            return cls(**{field.name: make(field.type, choose) for field in fields})
        case shapes.LiteralType(values=allowed):
            return choose.one_of(allowed)
        case shapes.EnumType(cls=cls):
            return choose.one_of(list(cls))
        case shapes.BoolType():
            return choose.one_of([False, True])
        case shapes.StrType():
            return "words"
        case shapes.NoneType():
            return None
        case _:
            raise AssertionError(f"no record has a {type(kind).__name__}")


@cache
def values(name: str) -> list[object]:
    """Return values of a type that is decoded, always the same ones."""
    shape = shapes.type_info(decoded_kinds()[name])
    found: list[object] = []
    for seed in range(TRIES):
        try:
            found.append(make(shape, Chooser(f"{name}/{seed}")))
        except (ValueError, msgspec.ValidationError):
            continue
        if len(found) == VALUES:
            break
    assert found, f"no value of {name} could be made"
    return found


def build() -> dict[str, str]:
    """Return the digests, by the name of the type."""
    return {name: hashlib.sha256(b"".join(map(encode, values(name)))).hexdigest() for name in decoded_kinds()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1) + "\n")
