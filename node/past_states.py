"""The last final states, and proofs of their rows: a state's root stands in the child of its block alone (L33)."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.block import Header, decode_block
from ledger.proven import PROVEN_HEADERS_MAX, ProvenRows, prove_rows
from ledger.state import Reader, State
from ledger.tree import StateTree
from node.store.store import Store
from primitives.reasons import Reason, Refused

STATES_MAX = 64
"""States that are kept: half a minute of a busy chain, in which a client asks for several rows of one state."""
CHANGES_MAX = 32_768
"""Rows written by the blocks between them, of about 2 KB each in the trees: 64 MB."""
STATES_MIN = 2
"""Kept however much they changed: the last one, whose root is in no block yet, and the one before."""


@dataclass(frozen=True, kw_only=True)
class PastState:
    """The state after a final block."""

    height: int
    tree: StateTree
    rows: Reader
    """As they were then."""
    changes: int
    """Rows written since the kept state before."""


class PastStates:
    """The kept states, in order of height."""

    def __init__(self) -> None:
        self._states: deque[PastState] = deque()

    def keep(self, state: PastState) -> None:
        """Add the state after the last final block, and let go of the oldest ones."""
        self._states.append(state)
        while len(self._states) > STATES_MAX or (len(self._states) > STATES_MIN and self._changes() > CHANGES_MAX):
            self._states.popleft()

    def _changes(self) -> int:
        return sum(each.changes for each in self._states)

    def prove(self, store: Store, keys: Sequence[bytes], height: int | None) -> ProvenRows:
        """Return the rows at `keys` after the block at `height`, or after the last whose root a final block carries.

        Raises Refused NOT_FOUND if that state is not kept, is the last one, or too far below a certificate (R11).
        """
        carried = list(self._states)[:-1]
        found = carried[-1:] if height is None else [each for each in carried if each.height == height]
        if not found:
            raise _not_kept(height, carried)
        (past,) = found
        certified = store.certificate_from(past.height + 1)
        if certified is None or certified[0] - past.height > PROVEN_HEADERS_MAX:
            raise _not_kept(past.height, carried)
        headers = [_header(store, at) for at in range(past.height + 1, certified[0] + 1)]
        validators = State(self._states[-1].rows).epoch_set(headers[-1].epoch)
        assert validators is not None, "the state holds the validators of a block that has just become final"
        rows = prove_rows(past.tree, past.rows.get, keys)
        return ProvenRows(headers=headers, certificate=certified[1], validators=validators, rows=rows)


def _not_kept(height: int | None, kept: list[PastState]) -> Refused:
    first, last = (kept[0].height, kept[-1].height) if kept else (None, None)
    return Refused(Reason.NOT_FOUND, what="state that can be proved", seen=height, first=first, last=last)


def _header(store: Store, height: int) -> Header:
    raw = store.block(height)
    assert raw is not None, "blocks of the last states are not pruned"
    return decode_block(raw).header
