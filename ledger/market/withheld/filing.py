"""Filings: what each payload about them checks and changes (H10, H20). Who, may they, pay, change."""

from typing import assert_never

from ledger.events import WithheldFiled
from ledger.market.withheld import lifecycle
from ledger.market.withheld.chunks import check_chunk, chunk_count
from ledger.market.withheld.money import carriage
from ledger.market.withheld.owed import owed
from ledger.market.withheld.payloads import (
    FILING_CHUNKS_MAX,
    WithheldChunk,
    WithheldFile,
    WithheldPayload,
)
from ledger.market.withheld.records import Filing, FilingEvent, FilingState, Produced, filing_id
from ledger.market.withheld.rows import filings_of, find_filing, known_filing
from ledger.moment import Moment, credit, debit
from ledger.state import State, change
from primitives.content import ContentId
from primitives.reasons import Reason, Refused

OPEN_STATES = (FilingState.WAITING, FilingState.ASKED)


def file(moment: Moment, sender: bytes, payload: WithheldFile) -> None:
    """Ask a holder for chunks on the chain, and pay for their carriage.

    Raises Refused JOB_UNKNOWN, NOTHING_OWED, ALREADY_FILED, CHUNK_UNKNOWN, INSUFFICIENT_BALANCE, BUSY (H10 to H14).
    """
    content = owed(moment.state, payload.job, payload.stage, payload.holder, sender)
    identity = filing_id(job=payload.job, stage=payload.stage, holder=payload.holder, filer=sender)
    if find_filing(moment.state, identity) is not None:
        raise Refused(Reason.ALREADY_FILED, job=payload.job, stage=payload.stage.name.lower())  # H12
    _check_chunks(moment, sender, payload, content)
    held = sum(carriage(moment.parameters, content, chunk) for chunk in payload.chunks)
    debit(moment.state, sender, held)
    filing = Filing(
        job=payload.job,
        stage=payload.stage,
        holder=payload.holder,
        filer=sender,
        content=content,
        chunks=payload.chunks,
        produced=[],
        state=FilingState.WAITING,
        carriage=held,
        filed=moment.live_ms,
        due_live_ms=None,
        lost=0,
    )
    moment.events.append(
        WithheldFiled(filing=identity, job=payload.job, stage=payload.stage, holder=payload.holder, filer=sender)
    )
    lifecycle.stand_in_line(moment, identity, filing)


def _check_chunks(moment: Moment, sender: bytes, payload: WithheldFile, content: ContentId) -> None:
    """Raise Refused CHUNK_UNKNOWN or ALREADY_FILED unless the chunks may be named (H12)."""
    chunks, count = payload.chunks, chunk_count(content)
    if chunks != sorted(set(chunks)) or chunks[-1] >= count:
        raise Refused(Reason.CHUNK_UNKNOWN, seen=chunks[-1], wanted=f"ascending, below {count}")
    named = len(chunks)
    for _, other in filings_of(moment.state, payload.job):
        if other.filer == sender and other.state in OPEN_STATES:
            named += len(other.chunks)
        if other.content == content:
            shown = [each for each in other.produced if each.chunk in chunks]
            if shown:  # a published copy excuses
                raise Refused(Reason.ALREADY_FILED, chunk=shown[0].chunk, seen=f"shown in block {shown[0].height}")
    if named > FILING_CHUNKS_MAX:
        raise Refused(Reason.ALREADY_FILED, seen=named, wanted=f"at most {FILING_CHUNKS_MAX} chunks outstanding")


def produce(moment: Moment, sender: bytes, payload: WithheldChunk) -> None:
    """Show a chunk: all filings that name it have it then, and the first of them pays the sender.

    Raises Refused CHUNK_NOT_ASKED, BAD_PROOF or CONTENT_MISMATCH (H20).
    """
    waiting = awaiting(moment.state, payload)
    if not waiting:
        raise Refused(Reason.CHUNK_NOT_ASKED, job=payload.job, chunk=payload.chunk)
    content = waiting[0][1].content
    check_chunk(content, payload)
    price = carriage(moment.parameters, content, payload.chunk)
    for at, (identity, _) in enumerate(waiting):
        filing = known_filing(moment.state, identity)  # the end of the one before may have begun this one's turn
        if filing.state not in OPEN_STATES:
            continue
        credit(moment.state, sender if at == 0 else filing.filer, price)
        shown = Produced(chunk=payload.chunk, height=moment.height)
        noted = change(filing, produced=[*filing.produced, shown], carriage=filing.carriage - price)
        lifecycle.advance(moment, identity, noted, FilingEvent.CHUNK)


def awaiting(state: State, payload: WithheldChunk) -> list[tuple[bytes, Filing]]:
    """Return the filings that ask for a chunk, the earliest first."""
    found = [
        (identity, filing)
        for identity, filing in filings_of(state, payload.job)
        if (filing.stage, filing.holder) == (payload.stage, payload.holder)
        and filing.state in OPEN_STATES
        and payload.chunk in filing.missing
    ]
    return sorted(found, key=lambda each: (each[1].filed, each[0]))


def place(state: State, sender: bytes, payload: WithheldPayload) -> bytes | None:
    """Return what names the place that a block keeps for this very transaction, or None if it keeps none (H21, L36).

    A chunk that is not the right one has none: nobody can fill with wrong ones what is kept for right ones.
    """
    stage = bytes([payload.stage])
    try:
        match payload:
            case WithheldFile():
                owed(state, payload.job, payload.stage, payload.holder, sender)
                identity = filing_id(job=payload.job, stage=payload.stage, holder=payload.holder, filer=sender)
                return None if find_filing(state, identity) is not None else payload.job + sender + stage
            case WithheldChunk():
                asked = [each for _, each in awaiting(state, payload) if each.state is FilingState.ASKED]
                if payload.holder != sender or not asked:
                    return None
                check_chunk(asked[0].content, payload)
                return payload.job + sender + stage + payload.chunk.to_bytes(4, "big")
            case _:
                assert_never(payload)
    except Refused:
        return None


def lapse(moment: Moment, identity: bytes) -> None:
    """End the holder's time (H22)."""
    lifecycle.advance(moment, identity, known_filing(moment.state, identity), FilingEvent.DUE)
