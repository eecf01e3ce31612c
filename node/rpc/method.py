"""What a method of the API is: a row of the one table from which dispatch, discovery and documents come."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, dataclass_transform

import msgspec
from msgspec import Meta, field

from node.rpc.services import Services

HexHash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="32 bytes in hexadecimal.")]
Amount = Annotated[str, Meta(pattern="^[0-9]{1,20}$", description="Grains, in decimal.")]
AddressText = Annotated[str, Meta(max_length=90, description="An address of this network, bech32m.")]
Length = Annotated[int, Meta(ge=0, le=2**53 - 1, description="Bytes.")]
HeightNumber = Annotated[int, Meta(ge=0, le=2**53 - 1)]
PageLimit = Annotated[int, Meta(ge=1, le=1_000, description="Items of one page.")]
PAGE = 100
"""Items of a page, unless the client asks for another number."""


# So that type checkers know what subclasses inherit.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object with exactly these members (R4)."""


class Nothing(Shape):
    """No parameters."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method; its description is the docstring of the function that answers it."""

    name: str
    params: type[Shape]
    result: type[Shape]
    answer: Callable[[Services, Any], Awaitable[Shape]]
    """Takes the services and the params; raises Refused."""
    is_admin: bool = False
    """Whether it is answered only over the socket in the home, to whom the home belongs (R12)."""

    @property
    def description(self) -> str:
        """What the method does, one line."""
        return (self.answer.__doc__ or "").strip().splitlines()[0]
