"""The life of a filing as a table, and the line in which filings wait for block space (H1, H14)."""

from ledger.events import WithheldAnswered, WithheldAsked, WithheldLapsed
from ledger.market.withheld.clock import stop_until
from ledger.market.withheld.holder import at_stake, convict, discharge
from ledger.market.withheld.records import (
    ASKED_CHUNKS_MAX,
    HOLDER_CHUNKS_MAX,
    HOLDER_WAITING_MAX,
    WAITING_MAX,
    Filing,
    FilingEvent,
    FilingState,
    Line,
)
from ledger.market.withheld.rows import filing_key, filing_of_job_key, known_filing, line_of, longest_wait_ms
from ledger.moment import Moment, credit
from ledger.records import Due, DueKind, Marker
from ledger.state import WITHHELD_LINE, change, deadline_key
from ledger.transitions import ALWAYS, NOTHING, Effect, Guard, Table, rows
from primitives.reasons import Reason, Refused


def _ask(moment: Moment, _filing_id: bytes, filing: Filing) -> Filing:
    return change(filing, due_live_ms=moment.live_ms + moment.parameters.withheld_ms)


def _give_up(moment: Moment, _filing_id: bytes, filing: Filing) -> Filing:
    discharge(moment, filing)
    credit(moment.state, filing.filer, filing.carriage)
    return change(filing, carriage=0)


def _convict(moment: Moment, filing_id: bytes, filing: Filing) -> Filing:
    lost = convict(moment, filing)
    return change(_give_up(moment, filing_id, filing), lost=lost)


def _at_stake(moment: Moment, filing: Filing) -> bool:
    job = moment.state.job(filing.job)
    assert job is not None
    return at_stake(job, filing.holder) > 0


ALL_SHOWN = Guard[Filing](words="every chunk is on the chain", holds=lambda _, filing: not filing.missing)
AT_STAKE = Guard[Filing](words="the job holds a bond of the holder", holds=_at_stake)
ASK = Effect(words="start the holder's clock", act=_ask)
GIVE_UP = Effect(words="give the carriage back, and let who was drawn for a dispute go", act=_give_up)
CONVICT = Effect(words="take what the holder locked; give the carriage back, and let who was drawn go", act=_convict)

S, E = FilingState, FilingEvent
FINAL_STATES = (S.ANSWERED, S.LAPSED, S.MOOT)
LIFE_CYCLE: Table[FilingState, FilingEvent, Filing] = Table(
    first=S.WAITING,
    final=FINAL_STATES,
    by_itself=(E.ASK, E.DUE),
    rows=rows(
        (S.WAITING, E.ASK, AT_STAKE, S.ASKED, ASK),
        (S.WAITING, E.ASK, ALWAYS, S.MOOT, GIVE_UP),
        (S.WAITING, E.CHUNK, ALL_SHOWN, S.ANSWERED, NOTHING),
        (S.WAITING, E.CHUNK, ALWAYS, S.WAITING, NOTHING),
        (S.ASKED, E.CHUNK, ALL_SHOWN, S.ANSWERED, NOTHING),
        (S.ASKED, E.CHUNK, ALWAYS, S.ASKED, NOTHING),
        (S.ASKED, E.DUE, AT_STAKE, S.LAPSED, CONVICT),
        (S.ASKED, E.DUE, ALWAYS, S.MOOT, GIVE_UP),
    ),
)


def stand_in_line(moment: Moment, filing_id: bytes, filing: Filing) -> None:
    """Write a new filing, ask its holder if there is block space, and stop the filer's clock (H14, H15).

    Raises Refused BUSY if too many wait, or too many about this holder.
    """
    line = line_of(moment.state)
    same = sum(known_filing(moment.state, each).holder == filing.holder for each in line.waiting)
    for what, seen, most in (
        ("filings that wait", len(line.waiting), WAITING_MAX),
        ("filings that wait for this holder", same, HOLDER_WAITING_MAX),
    ):
        if seen >= most:
            raise Refused(Reason.BUSY, what=what, seen=seen, wanted=f"fewer than {most}")
    moment.state.put(filing_key(filing_id), filing)
    moment.state.put(filing_of_job_key(filing.job, filing_id), Marker())
    moment.state.put(WITHHELD_LINE, change(line, waiting=[*line.waiting, filing_id]))
    _ask_next(moment)
    if known_filing(moment.state, filing_id).state is FilingState.WAITING:
        _stop_clock(moment, filing_id)


def _stop_clock(moment: Moment, filing_id: bytes) -> None:
    """Stop the filer's clock for the longest that the line may take from where the filing stands (H15)."""
    until = moment.live_ms + longest_wait_ms(moment.state, moment.parameters, filing_id)
    stop_until(moment, known_filing(moment.state, filing_id).job, until)


def _ask_next(moment: Moment) -> None:
    """Ask the holders of the filings that wait, in turn, while there is block space (H14)."""
    while (first := _next(moment)) is not None:
        filing = known_filing(moment.state, first)
        line = line_of(moment.state)
        waiting = [each for each in line.waiting if each != first]
        behind = [each for each in waiting if known_filing(moment.state, each).holder == filing.holder]
        others = [each for each in waiting if each not in behind]
        moment.state.put(WITHHELD_LINE, Line(asked=[*line.asked, first], waiting=[*others, *behind]))
        advance(moment, first, filing, FilingEvent.ASK)
        for each in behind:
            _stop_clock(moment, each)


def _next(moment: Moment) -> bytes | None:
    """Return the filing whose turn it is: the first whose holder is asked for little enough, if it fits (H14)."""
    line = line_of(moment.state)
    asked = [known_filing(moment.state, each) for each in line.asked]
    room = ASKED_CHUNKS_MAX - sum(len(each.chunks) for each in asked)
    passed_over: set[bytes] = set()
    for identity in line.waiting:
        filing = known_filing(moment.state, identity)
        if not _at_stake(moment, filing):
            return identity  # it takes no block space
        if filing.holder in passed_over:
            continue  # or small filings about a holder could keep a large one from its turn for ever
        theirs = sum(len(each.chunks) for each in asked if each.holder == filing.holder)
        if theirs + len(filing.chunks) <= HOLDER_CHUNKS_MAX:
            return identity if len(filing.chunks) <= room else None
        passed_over.add(filing.holder)
    return None


def advance(moment: Moment, filing_id: bytes, filing: Filing, event: FilingEvent) -> None:
    """Write the filing after `event`, which is already noted in `filing`."""
    row = LIFE_CYCLE.row(moment, filing, filing.state, event)
    after = change(row.effect.act(moment, filing_id, filing), state=row.next)
    if row.next in FINAL_STATES and filing.due_live_ms is not None:
        moment.state.put(deadline_key(filing.due_live_ms, filing_id), None)
        after = change(after, due_live_ms=None)
    moment.state.put(filing_key(filing_id), after)
    _tell(moment, filing_id, after, event)
    if row.next is FilingState.ASKED and event is FilingEvent.ASK:
        assert after.due_live_ms is not None
        moment.state.put(deadline_key(after.due_live_ms, filing_id), Due(kind=DueKind.WITHHELD))
        stop_until(moment, filing.job, after.due_live_ms)  # H15
    elif row.next in FINAL_STATES:
        _leave_line(moment, filing_id)
        if event is not FilingEvent.ASK:
            _ask_next(moment)


def _leave_line(moment: Moment, filing_id: bytes) -> None:
    """Take a filing that has ended out of the line."""
    line = line_of(moment.state)
    asked, waiting = ([each for each in ids if each != filing_id] for ids in (line.asked, line.waiting))
    moment.state.put(WITHHELD_LINE, Line(asked=asked, waiting=waiting))


def _chunks(moment: Moment, filings: list[bytes]) -> int:
    """Return how many chunks filings name together."""
    return sum(len(known_filing(moment.state, each).chunks) for each in filings)


def _tell(moment: Moment, filing_id: bytes, filing: Filing, event: FilingEvent) -> None:
    """Say what happened to whoever acts on it."""
    if event is FilingEvent.ASK and filing.state is FilingState.ASKED:
        moment.events.append(WithheldAsked(filing=filing_id, job=filing.job, holder=filing.holder))
    elif filing.state is FilingState.ANSWERED:
        moment.events.append(WithheldAnswered(filing=filing_id, job=filing.job, filer=filing.filer))
    elif filing.state is FilingState.LAPSED:
        moment.events.append(WithheldLapsed(filing=filing_id, job=filing.job, holder=filing.holder, lost=filing.lost))
