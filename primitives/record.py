"""The base of every record that is sent, stored, hashed or signed."""

from typing import dataclass_transform

import msgspec


# So that type checkers know what subclasses inherit; frozen and keyword-only need not be repeated.
@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Record(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """An immutable value, encoded as a MessagePack array of its fields in order.

    A record of a closed union gives `tag=N` (a small integer) and is encoded as `[N, field, ...]`. Wire and state
    records are never extended: a change is a new tagged variant, and old ones decode for ever (P1).
    """
