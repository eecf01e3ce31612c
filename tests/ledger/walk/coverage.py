"""Which rows of the tables, and which kinds of transactions, a walk has come by."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

from ledger.market import lifecycle as job
from ledger.market.dispute import lifecycle as dispute
from ledger.market.withheld import lifecycle as filing
from ledger.moment import Moment
from ledger.stake import lifecycle as validator
from ledger.transaction import Payload
from ledger.transitions import Row, Table

LIVES = {"job": job, "dispute": dispute, "filing": filing, "validator": validator}
KINDS = [kind.__name__ for kind in get_args(Payload)]


def _name(life: str, row: Row[Any, Any, Any]) -> str:
    """Return what tells a row from all others."""
    guard = f" if {row.guard.words}" if row.guard.words else ""
    return f"{life} {row.state.name} {row.event.name}{guard}"


ROWS = [_name(life, row) for life, module in LIVES.items() for row in module.LIFE_CYCLE.rows]


class _Watched(Table[Any, Any, Any]):
    """A table that counts the rows that are taken."""

    def counting(self, life: str, seen: Counter[str]) -> "_Watched":
        """Return itself, told where to count."""
        object.__setattr__(self, "_told", (life, seen))
        return self

    def row(self, moment: Moment, it: Any, state: Any, event: Any) -> Row[Any, Any, Any]:  # any life
        """Return the row that is taken, counted."""
        taken = super().row(moment, it, state, event)
        life, seen = self.__dict__["_told"]
        seen[_name(life, taken)] += 1
        return taken


@contextmanager
def watching(seen: Counter[str]) -> Iterator[None]:
    """Count the rows that are taken meanwhile."""
    kept = {life: module.LIFE_CYCLE for life, module in LIVES.items()}
    for life, module in LIVES.items():
        vars(module)["LIFE_CYCLE"] = _Watched(**vars(kept[life])).counting(life, seen)
    try:
        yield
    finally:
        for life, module in LIVES.items():
            vars(module)["LIFE_CYCLE"] = kept[life]
