"""The rows of disputes in the state (L40)."""

from collections.abc import Iterator

from ledger.market.dispute.records import Dispute, Heard
from ledger.records import Marker
from ledger.state import ROWS_MAX, State, number

DISPUTE = b"\x17"
DISPUTE_TRACE = b"\x18"
"""‖ dispute ‖ root of the trace."""
DISPUTE_OF_JOB = b"\x19"
"""‖ job ‖ dispute."""
DISPUTE_DRAW = b"\x21"
"""‖ height of the first claim, 8 bytes ‖ dispute: waits for the beacon."""
HEARD = b"\x23"


def dispute_key(identity: bytes) -> bytes:
    """Return the key of a dispute."""
    return DISPUTE + identity


def dispute_trace_key(identity: bytes, root: bytes) -> bytes:
    """Return the key of a trace that was opened in a dispute."""
    return DISPUTE_TRACE + identity + root


def dispute_of_job_key(job_id: bytes, identity: bytes) -> bytes:
    """Return the key of the row that says that a dispute is about a job."""
    return DISPUTE_OF_JOB + job_id + identity


def dispute_draw_key(height: int, identity: bytes) -> bytes:
    """Return the key of an entry of the queue of disputes for which nobody is drawn yet."""
    return DISPUTE_DRAW + number(height) + identity


def find_dispute(state: State, identity: bytes) -> Dispute | None:
    """Return a dispute."""
    return state.find(Dispute, dispute_key(identity))


def disputes(state: State, *, limit: int = ROWS_MAX) -> Iterator[tuple[bytes, Dispute]]:
    """Return disputes (id and row), by id."""
    return ((key[1:], row) for key, row in state.scan(Dispute, DISPUTE, limit=limit))


def disputes_of(state: State, job_id: bytes) -> list[tuple[bytes, Dispute]]:
    """Return the disputes about a job (id and row), by id."""
    found: list[tuple[bytes, Dispute]] = []
    for key, _ in state.scan(Marker, DISPUTE_OF_JOB + job_id):
        row = find_dispute(state, key[33:])
        assert row is not None
        found.append((key[33:], row))
    return found


def dispute_draws(state: State, *, limit: int = ROWS_MAX) -> Iterator[tuple[int, bytes]]:
    """Return disputes that wait for their draw (height of the first claim, and id), the earliest first."""
    rows = state.scan(Marker, DISPUTE_DRAW, limit=limit)
    return ((int.from_bytes(key[1:9], "big"), key[9:]) for key, _ in rows)


def proofs_heard(state: State) -> int:
    """Return how many proofs the referee has heard, in all disputes (X37)."""
    row = state.find(Heard, HEARD)
    return 0 if row is None else row.proofs
