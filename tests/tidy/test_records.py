"""Whatever is decoded has one encoding, bounded numbers, and lists of a stated length (P2, P3, P4)."""

from collections.abc import Iterator
from typing import Annotated

import msgspec
import msgspec.inspect as shapes

from primitives.record import Record
from tests.conformance.decoded import decoded_kinds, decoded_names
from tests.tidy.sources import Source


def unfit(kind: shapes.Type, at: str, seen: set[type]) -> Iterator[str]:
    """Find what may be decoded that has no limit, or more than one encoding."""
    match kind:
        case shapes.ListType(max_length=None) | shapes.VarTupleType(max_length=None):
            yield f"{at} has no limit"
        case shapes.IntType(ge=None) | shapes.IntType(le=None):
            yield f"{at} is a number without bounds"
        case shapes.FloatType() | shapes.DictType() | shapes.AnyType() | shapes.SetType() | shapes.FrozenSetType():
            yield f"{at} is a {type(kind).__name__}"
        case _:
            pass
    match kind:
        case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
            yield from unfit(item, at + "[]", seen)
        case shapes.UnionType(types=types) | shapes.TupleType(item_types=types):
            for one in types:
                yield from unfit(one, at, seen)
        case shapes.StructType(cls=cls, fields=fields) if cls not in seen:
            seen.add(cls)
            for field in fields:
                yield from unfit(field.type, f"{cls.__module__} {cls.__qualname__}.{field.name}", seen)
        case _:
            pass


def test_everything_that_is_decoded_is_bounded() -> None:
    seen: set[type] = set()
    found = [
        what for kind in decoded_kinds().values() for what in unfit(shapes.type_info(kind), "the value itself", seen)
    ]
    assert not found, "\n".join(found)


def test_what_several_parts_decode_is_looked_at() -> None:
    seen: set[type] = set()
    for kind in decoded_kinds().values():
        list(unfit(shapes.type_info(kind), "", seen))
    assert {"consensus", "ledger", "vm", "node"} <= {cls.__module__.split(".")[0] for cls in seen}
    assert len(seen) > 50


class Inner(Record):
    numbers: list[Annotated[int, msgspec.Meta(ge=0, le=9)]]


class Sound(Record):
    name: bytes
    numbers: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=9)]], msgspec.Meta(max_length=4)]


class Unsound(Record):
    number: int
    weight: float
    listed: Annotated[list[Inner], msgspec.Meta(max_length=4)]
    looked_up: Annotated[dict[bytes, bytes], msgspec.Meta(max_length=4)]


def test_an_unbounded_field_is_found() -> None:
    assert not list(unfit(shapes.type_info(Sound), "", set()))
    found = {what.split()[1] for what in unfit(shapes.type_info(Unsound), "", set())}
    assert found == {"Unsound.number", "Unsound.weight", "Inner.numbers", "Unsound.looked_up"}


def test_a_decoded_name_is_found() -> None:
    text = "decode(Block, raw, at_most=9)\ncodec.decode(Vote, raw, at_most=9)\nraw.decode(Code, x)\ndecode(kind, raw)"
    assert list(decoded_names(Source(name="sample.py", text=text))) == ["Block", "Vote"]
