"""The rows of the state about filings: where they stand, and who waits for an answer now (H14)."""

from collections.abc import Iterator

from ledger.market.withheld.payloads import FILING_CHUNKS_MAX
from ledger.market.withheld.records import ASKED_CHUNKS_MAX, Filing, Line
from ledger.parameters import Parameters
from ledger.records import Marker
from ledger.state import WITHHELD, WITHHELD_LINE, WITHHELD_OF_JOB, State

_EMPTY = Line(asked=[], waiting=[])


def filing_key(identity: bytes) -> bytes:
    """Return the key of a filing."""
    return WITHHELD + identity


def filing_of_job_key(job_id: bytes, identity: bytes) -> bytes:
    """Return the key of the row that says that a filing is about a job."""
    return WITHHELD_OF_JOB + job_id + identity


def find_filing(state: State, identity: bytes) -> Filing | None:
    """Return a filing."""
    return state.find(Filing, filing_key(identity))


def known_filing(state: State, identity: bytes) -> Filing:
    """Return a filing that was made: it stays in the state."""
    filing = find_filing(state, identity)
    assert filing is not None
    return filing


def filings_of(state: State, job_id: bytes) -> Iterator[tuple[bytes, Filing]]:
    """Return the filings about a job (id and row), by id."""
    for key, _ in state.scan(Marker, WITHHELD_OF_JOB + job_id):
        yield key[33:], known_filing(state, key[33:])


def line_of(state: State) -> Line:
    """Return which filings are open."""
    return state.find(Line, WITHHELD_LINE) or _EMPTY


def longest_wait_ms(state: State, parameters: Parameters, identity: bytes) -> int:
    """Return how long it takes at most until a filing that waits in line is answered or has lapsed (H14, H15)."""
    line = line_of(state)
    before = [*line.asked, *line.waiting[: line.waiting.index(identity)]]
    ahead = sum(len(known_filing(state, each).chunks) for each in before)
    # Whoever is asked is done within the answer time, and then the next are; only what does not fit is left over.
    turns = 1 + -(-ahead // (ASKED_CHUNKS_MAX - FILING_CHUNKS_MAX + 1))
    return (turns + 1) * parameters.withheld_ms


def open_filings(state: State) -> list[tuple[bytes, Filing]]:
    """Return the filings that are not ended (id and row), those whose holder's clock runs first."""
    line = line_of(state)
    return [(identity, known_filing(state, identity)) for identity in (*line.asked, *line.waiting)]
