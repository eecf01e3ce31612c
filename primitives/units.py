"""Numbers with a unit in their type."""

from typing import Annotated, NewType

import msgspec

Grains = NewType("Grains", int)
"""Money (P13). 1 karat = 10⁹ grains."""
Height = NewType("Height", int)
"""The number of a block; genesis is 0."""
View = NewType("View", int)
"""A view of one epoch; the first is 1, and 0 stands for the epoch's genesis block."""
Epoch = NewType("Epoch", int)
UnixMs = NewType("UnixMs", int)
"""Block time, milliseconds since 1970: what people read (P15)."""
LiveMs = NewType("LiveMs", int)
"""Live time: grows per block by min(block interval, 2 s). Every deadline that can cost money runs on it."""
BasisPoints = NewType("BasisPoints", int)
"""Hundredths of a per cent."""

KARAT = Grains(10**9)
BASIS = 10_000

NUMBER_MAX = 2**63 - 1
"""The largest number in a record (P3): msgspec's bounds are int64, and 2⁶³ grains are 9.2 billion karat."""

U64 = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
U32 = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
U8 = Annotated[int, msgspec.Meta(ge=0, le=255)]
Bps = Annotated[int, msgspec.Meta(ge=0, le=BASIS)]


def mul_div_floor(value: int, times: int, over: int) -> int:
    """Return value × times ÷ over, rounded down (P14)."""
    return value * times // over


def mul_div_ceil(value: int, times: int, over: int) -> int:
    """Return value × times ÷ over, rounded up (P14)."""
    return -(-value * times // over)
