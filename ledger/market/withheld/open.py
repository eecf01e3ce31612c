"""What waits for an answer now (H14)."""

from ledger.market.withheld.records import Filing
from ledger.state import State


def open_filings(state: State) -> list[tuple[bytes, Filing]]:
    """Return the filings that are not ended (id and row), those whose holder's clock runs first."""
    line = state.withheld_line()
    found = [(identity, state.filing(identity)) for identity in (*line.asked, *line.waiting)]
    return [(identity, filing) for identity, filing in found if filing is not None]
