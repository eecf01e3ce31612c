"""Content that is withheld: filings, chunks, the line, and who loses (H1 to H33)."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from primitives.content import ContentId, Slice, check_slice
from primitives.reasons import Refused
from testnet.audit import disputes, jobs
from testnet.audit.holdings import ASKED_MAX, FILING_MAX, At, Content, End, Holdings, Job, Part
from testnet.audit.rules import KIND_GAS, PIECE_BYTES, PIECE_GAS, Kind, RefusedError, Why, must, tagged
from testnet.audit.trials import DRAWN, TAIL, Dispute, Stage, shown_by

KINDS = (Kind.WITHHELD_FILE, Kind.WITHHELD_CHUNK)
MODEL, INPUT, CUT, OUTPUT = 1, 2, 3, 4
CHUNK_LEAVES, CHUNK_BYTES, ENVELOPE_BYTES = 64, 64 << 10, 1_024
WAITING_MAX = 128
ONES_ASKED_MAX, ONES_WAITING_MAX = 16, 16
"""Of one holder."""
ENDS_A_JOB = (
    At.VERIFYING,
    At.REVEALING,
    At.CHECKING,
    At.SAMPLING,
    At.CONTESTED,
    At.UNVERIFIED,
    At.SETTLED,
)
"""States in which a job ends if its provider withholds (J1)."""


class Where(IntEnum):
    """The states of a filing (H1)."""

    WAITING = 1
    ASKED = 2
    ANSWERED = 3
    LAPSED = 4
    MOOT = 5


@dataclass
class Filing:
    """What somebody asks for on the chain."""

    id: bytes
    job: bytes
    stage: int
    holder: bytes
    filer: bytes
    content: Content
    chunks: list[int]
    carriage: int
    filed: int
    shown: list[int] = field(default_factory=list)
    where: Where = Where.WAITING

    @property
    def is_open(self) -> bool:
        """Tell whether it still waits."""
        return self.where in (Where.WAITING, Where.ASKED)


def filings_of(holdings: Holdings, job: bytes) -> list[Filing]:
    """Return the filings about a job, by id."""
    return [each for _, each in sorted(holdings.filings.items()) if each.job == job]


def carriage_of(holdings: Holdings, content: Content, chunk: int) -> int:
    """Return what is paid for a chunk (H13)."""
    pieces = -(-(min(CHUNK_BYTES, content[1] - chunk * CHUNK_BYTES) + ENVELOPE_BYTES) // PIECE_BYTES)
    return holdings.tell("base_fee_min") * (KIND_GAS[Kind.WITHHELD_CHUNK] + PIECE_GAS * pieces)


def _owed(holdings: Holdings, name: bytes, stage: int, holder: bytes, filer: bytes) -> Content:
    """Return what a holder owes now (H2 to H8). Raises RefusedError."""
    must(name in holdings.jobs, Why.JOB_UNKNOWN)
    job = holdings.jobs[name]
    open_ = disputes.disputes_of(holdings, name) if job.state is At.DISPUTED else []
    meaning = holdings.meaning(job)
    found: Content | None = None
    if stage in (MODEL, INPUT):
        mine = _part(job, filer)
        verifies = job.state is At.VERIFYING and mine is not None and mine.commitment is None
        if job.provider == holder and (verifies or any(_is_drawn(each, filer) for each in open_)):
            root, length = holdings.models[job.model][0]
            found = (root, length) if stage == MODEL else job.input
    elif stage == CUT and not meaning.cut_is_whole(job.class_):
        found = _cut(job, open_, holder, filer)
    elif stage == OUTPUT and not meaning.outputs_are_whole:
        found = _output(job, open_, holder, filer)
    if found is None:
        raise RefusedError(Why.NOTHING_OWED)
    return found


def _part(job: Job, who: bytes) -> Part | None:
    return next((each for each in job.verifiers if each.worker == who), None)


def _is_drawn(dispute: Dispute, who: bytes) -> bool:
    """Tell whether somebody is drawn for a dispute and has not claimed yet (H7)."""
    mine = dispute.claim_of(who)
    return dispute.stage is Stage.CLAIMING and mine is not None and mine.role == DRAWN and mine.commitment is None


def _judges(dispute: Dispute, who: bytes) -> bool:
    """Tell whether somebody's claim stands in a dispute that is JUDGING (H8)."""
    mine = dispute.claim_of(who)
    return dispute.stage is Stage.JUDGING and mine is not None and mine.trace in dispute.standing


def _cut(job: Job, open_: list[Dispute], holder: bytes, filer: bytes) -> Content | None:
    mine, shown = _part(job, filer), shown_by(job, holder)
    compares = job.state is At.CHECKING and mine is not None and mine.commitment is not None and mine.verdict is None
    of_tail = [each for each in open_ if each.kind == TAIL and each.party == holder]
    judged = any(_judges(each, filer) for each in open_) or any(_is_drawn(each, filer) for each in of_tail)
    if shown is None or not (judged or (job.provider == holder and compares)):
        return None
    return shown[0]


def _output(job: Job, open_: list[Dispute], holder: bytes, filer: bytes) -> Content | None:
    shown = shown_by(job, holder)
    if shown is not None and any(_judges(each, filer) for each in open_):
        return shown[1]
    if job.client != filer or job.state not in (At.SETTLED, At.UNVERIFIED, At.DISPUTED):
        return None
    mine = _part(job, holder)
    return job.sealed if job.provider == holder else None if mine is None else mine.sealed


def is_kept(holdings: Holdings, sender: bytes, payload: list[Any]) -> bool:
    """Tell whether a block keeps a place for it (H21)."""
    name, stage, holder = payload[1:4]
    try:
        if payload[0] == Kind.WITHHELD_FILE:
            _owed(holdings, name, stage, holder, sender)
            return _filing_id(name, stage, holder, sender) not in holdings.filings
        asked = [each for each in _awaiting(holdings, payload) if each.where is Where.ASKED]
        if holder != sender or not asked:
            return False
        _check_chunk(asked[0].content, payload)
    except RefusedError:
        return False
    return True


def _filing_id(job: bytes, stage: int, holder: bytes, filer: bytes) -> bytes:
    return tagged(b"assay/withheld", job + bytes([stage]) + holder + filer)


def carry_out(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    """File, or show a chunk. Raises RefusedError."""
    if payload[0] == Kind.WITHHELD_FILE:
        _file(holdings, sender, payload)
    else:
        _show(holdings, sender, payload)


def _file(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    _, name, stage, holder, chunks = payload
    content = _owed(holdings, name, stage, holder, sender)
    identity = _filing_id(name, stage, holder, sender)
    must(identity not in holdings.filings, Why.ALREADY_FILED)  # H12
    count = -(-content[1] // CHUNK_BYTES)
    must(chunks == sorted(set(chunks)) and chunks[-1] < count, Why.CHUNK_UNKNOWN)
    others = filings_of(holdings, name)
    for other in others:
        must(other.content != content or not set(other.shown) & set(chunks), Why.ALREADY_FILED)
    mine = [len(other.chunks) for other in others if other.filer == sender and other.is_open]
    must(len(chunks) + sum(mine) <= FILING_MAX, Why.ALREADY_FILED)
    carriage = sum(carriage_of(holdings, content, chunk) for chunk in chunks)
    must(holdings.balances.get(sender, 0) >= carriage, Why.INSUFFICIENT_BALANCE)
    about = [each for each in holdings.waiting if holdings.filings[each].holder == holder]
    must(len(holdings.waiting) < WAITING_MAX and len(about) < ONES_WAITING_MAX, Why.BUSY)  # H14
    holdings.take(sender, carriage)
    filing = Filing(identity, name, stage, holder, sender, content, chunks, carriage, holdings.live_ms)
    holdings.filings[identity] = filing
    holdings.waiting.append(identity)
    _ask_next(holdings)
    if filing.where is Where.WAITING:
        _stop_in_line(holdings, filing)


def _stop_in_line(holdings: Holdings, filing: Filing) -> None:
    """Leave the filer its whole time after the longest that the line may take (H15)."""
    _stop(holdings, filing, holdings.over_by(filing))


def _chunks(holdings: Holdings, names: list[bytes]) -> int:
    return sum(len(holdings.filings[each].chunks) for each in names)


def _stake(holdings: Holdings, filing: Filing) -> int:
    """Return what a job still holds of the holder's bond."""
    job = holdings.jobs[filing.job]
    mine = _part(job, filing.holder)
    return job.provider_locked if job.provider == filing.holder else 0 if mine is None else mine.locked


def _whose_turn(holdings: Holdings) -> Filing | None:
    """Return the first filing that waits, but for those whose holders are asked enough, if it fits (H14)."""
    too_much: list[bytes] = []
    for name in holdings.waiting:
        filing = holdings.filings[name]
        if not _stake(holdings, filing):
            return filing
        if filing.holder in too_much:
            continue
        theirs = [each for each in holdings.asked if holdings.filings[each].holder == filing.holder]
        if _chunks(holdings, [*theirs, name]) <= ONES_ASKED_MAX:
            return filing if _chunks(holdings, [*holdings.asked, name]) <= ASKED_MAX else None
        too_much.append(filing.holder)
    return None


def _ask_next(holdings: Holdings) -> None:
    """Ask the holders of the filings that wait, as many as fit, and let others come before the same again (H14)."""
    while filing := _whose_turn(holdings):
        holdings.waiting.remove(filing.id)
        holdings.waiting.sort(key=lambda name: holdings.filings[name].holder == filing.holder)
        if _stake(holdings, filing):
            holdings.asked.append(filing.id)
            filing.where = Where.ASKED
            due = holdings.live_ms + holdings.tell("withheld_ms")
            holdings.set_due(filing.id, due)
            _stop(holdings, filing, due)
        else:
            _give_up(holdings, filing)
            filing.where = Where.MOOT
        for name in holdings.waiting:
            if holdings.filings[name].holder == filing.holder:
                _stop_in_line(holdings, holdings.filings[name])


def _give_up(holdings: Holdings, filing: Filing) -> None:
    """Give the carriage back, and let go who was drawn for a dispute (H31)."""
    for dispute in disputes.disputes_of(holdings, filing.job):
        claim = dispute.claim_of(filing.filer)
        if claim is not None and _is_drawn(dispute, filing.filer):
            worker = holdings.workers[filing.filer]
            worker.locked, worker.verifying = worker.locked - claim.bond, worker.verifying - 1
            dispute.claims.remove(claim)
    holdings.give(filing.filer, filing.carriage)
    filing.carriage = 0


def _stop(holdings: Holdings, filing: Filing, until: int) -> None:
    """Leave the filer its whole time after `until` (H15)."""
    job = holdings.jobs[filing.job]
    if job.state is At.DISPUTED:
        for dispute in disputes.disputes_of(holdings, job.id):
            if dispute.stage in (Stage.CLAIMING, Stage.JUDGING) and dispute.due is not None:
                name, _ = disputes.TIMES[dispute.stage]
                due = until + holdings.tell(name) + job.run_ms
                disputes.postpone(holdings, dispute, max(0, due - dispute.due))
        if job.due is not None:
            job.due = max(job.due, until + 1)
            holdings.set_due(job.id, job.due)
        return
    allowed = jobs.time_of(holdings, job, job.state)
    if job.due is None or allowed is None:
        return
    job.due = max(job.due, until + (allowed if job.state in (At.VERIFYING, At.CHECKING, At.SAMPLING) else 1))
    holdings.set_due(job.id, job.due)


def _awaiting(holdings: Holdings, payload: list[Any]) -> list[Filing]:
    """Return the filings that ask for a chunk, the earliest first (H20)."""
    _, name, stage, holder, chunk, *_ = payload
    found = [
        each
        for each in filings_of(holdings, name)
        if (each.stage, each.holder) == (stage, holder)
        and each.is_open
        and chunk in each.chunks
        and chunk not in each.shown
    ]
    return sorted(found, key=lambda each: (each.filed, each.id))


def _check_chunk(content: Content, payload: list[Any]) -> None:
    """Check that a chunk is the right one (H20). Raises RefusedError."""
    _, _, _, _, chunk, data, proof = payload
    must(len(data) == min(CHUNK_BYTES, content[1] - chunk * CHUNK_BYTES), Why.BAD_PROOF)
    try:
        piece = Slice(start=chunk * CHUNK_LEAVES, data=data, proof=proof)
        check_slice(ContentId(root=content[0], length=content[1]), piece)
    except Refused as refused:
        raise RefusedError(Why(refused.reason)) from None


def _show(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    """Show a chunk: the earliest filing pays, the others get their carriage back (H20)."""
    waiting, chunk = _awaiting(holdings, payload), payload[4]
    must(waiting, Why.CHUNK_NOT_ASKED)
    _check_chunk(waiting[0].content, payload)
    price = carriage_of(holdings, waiting[0].content, chunk)
    for at, filing in enumerate(waiting):
        if filing.where not in (Where.WAITING, Where.ASKED):
            continue  # the end of the one before was its end, too
        holdings.give(sender if at == 0 else filing.filer, price)
        filing.shown.append(chunk)
        filing.carriage -= price
        if len(filing.shown) == len(filing.chunks):
            _end(holdings, filing, Where.ANSWERED)


def _end(holdings: Holdings, filing: Filing, where: Where) -> None:
    """End a filing, and give its place to who waits (H14)."""
    filing.where = where
    holdings.set_due(filing.id, None)
    for line in (holdings.asked, holdings.waiting):
        if filing.id in line:
            line.remove(filing.id)
    _ask_next(holdings)


def lapse(holdings: Holdings, filing: Filing) -> None:
    """End the holder's time (H22, H30, H31)."""
    stake = _stake(holdings, filing)
    if stake:
        _convict(holdings, holdings.jobs[filing.job], filing.holder, stake)
    _give_up(holdings, filing)
    _end(holdings, filing, Where.LAPSED if stake else Where.MOOT)


def _convict(holdings: Holdings, job: Job, holder: bytes, stake: int) -> None:
    """Take what the holder locked; a client that had paid is made whole (H30, H31)."""
    if holder == job.provider:
        holdings.distrust(holder)
        if job.state in ENDS_A_JOB:
            jobs.end_void(holdings, job, End.WITHHELD)
            return
    whole = min(job.paid_out, stake) if holder == job.provider and not job.escrow else 0
    job.paid_out -= whole
    holdings.give(job.client, whole)
    if job.state is At.DISPUTED:
        job.forfeited += stake - whole
    else:
        holdings.burned += stake - whole
    jobs.lose(holdings, job, holder, stake)
