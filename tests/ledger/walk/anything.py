"""Records of any type with any content, of what is lying about: ids, addresses and amounts that mean something."""

import random
from typing import Any

import msgspec
from msgspec import inspect

from primitives.units import KARAT

AMOUNTS = (0, 1, 7, KARAT // 100, KARAT // 2, KARAT, 30 * KARAT, 2**63 - 1)
LIST_MAX = 3
BYTES_MAX = 40
KNOWN = 0.9
"""How often an id or an address is one that exists."""


class Anything:
    """A source of values, of which ids and addresses mostly exist."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.known: dict[int, list[bytes]] = {20: [], 32: []}
        """Addresses and hashes that exist, by their length."""

    def record(self, kind: type[Any]) -> Any:  # any record
        """Return a record of this type: its form is right, what it says need not be."""
        return self._value(inspect.type_info(kind))

    def _value(self, kind: inspect.Type) -> Any:
        match kind:
            case inspect.IntType():
                return self._int(kind)
            case inspect.BytesType():
                return self._bytes(kind)
            case inspect.ListType():
                return self._list(kind)
            case inspect.StructType():
                return self._struct(kind)
            case inspect.EnumType():
                return self._chance.choice(list(kind.cls))
            case inspect.UnionType():
                return self._value(self._chance.choice(kind.types))
            case inspect.NoneType():
                return None
            case inspect.BoolType():
                return self._chance.random() < 0.5
            case inspect.Metadata():
                return self._value(kind.type)
            case _:
                raise AssertionError(f"no way to make {kind}")

    def _int(self, kind: inspect.IntType) -> int:
        low, high = kind.ge or 0, kind.le if kind.le is not None else 2**63 - 1
        seen = self._chance.choice([low, high, self._chance.choice(AMOUNTS), self._chance.randrange(20)])
        return min(max(seen, low), high)

    def _bytes(self, kind: inspect.BytesType) -> bytes:
        low = kind.min_length or 0
        if low == kind.max_length and self.known.get(low) and self._chance.random() < KNOWN:
            return self._chance.choice(self.known[low])
        high = min(kind.max_length if kind.max_length is not None else BYTES_MAX, max(low, BYTES_MAX))
        return self._chance.randbytes(self._chance.randint(low, high))

    def _list(self, kind: inspect.ListType) -> list[Any]:
        low = kind.min_length or 0
        high = min(kind.max_length if kind.max_length is not None else LIST_MAX, max(low, LIST_MAX))
        return [self._value(kind.item_type) for _ in range(self._chance.randint(low, high))]

    def _struct(self, kind: inspect.StructType) -> msgspec.Struct:
        made: msgspec.Struct = kind.cls(**{field.name: self._value(field.type) for field in kind.fields})
        return made
