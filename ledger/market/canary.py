"""Canaries: jobs that are provided wrongly on purpose, to find verifiers who do not verify (J90 to J95)."""

from ledger.market.lifecycle import LIFE_CYCLE, advance, expect
from ledger.market.order_payloads import CanaryOpen
from ledger.moment import Moment
from ledger.records import JobEvent
from ledger.state import CANARY, State, change
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U64


class Planter(Record):
    """What the chain remembers of a provider that has opened a canary; its address is the key."""

    opened: U64
    """How many."""
    live_ms: U64
    """When it opened the last one."""


def planter_key(provider: bytes) -> bytes:
    """Return the key of a provider's canaries."""
    return CANARY + provider


def find_planter(state: State, provider: bytes) -> Planter | None:
    """Return what the chain remembers of a provider's canaries."""
    return state.find(Planter, planter_key(provider))


def canary_of(*, genesis: bytes, client: bytes, provider: bytes, salt: bytes) -> bytes:
    """Return what a submission carries that its client means to be a canary, 32 bytes (J90).

    It binds network, client and provider (addresses of 20 bytes); without the salt nobody can tell it from chance.
    """
    return tagged("assay/canary", genesis, client, provider, salt)


def open_canary(moment: Moment, sender: bytes, payload: CanaryOpen) -> None:
    """Note a provider's confession that its values are wrong on purpose.

    Raises Refused JOB_UNKNOWN, JOB_WRONG_STATE, NOT_A_PARTY, CANARY_OPENED, CANARY_MISMATCH, CANARY_TOO_SOON (J91).
    """
    state = moment.state
    job = state.job(payload.job)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=payload.job)
    expect(job, JobEvent.CANARY)
    if job.provider != sender:
        raise Refused(Reason.NOT_A_PARTY, seen=sender, wanted=job.provider)
    if job.canary_opened:
        raise Refused(Reason.CANARY_OPENED, job=payload.job)
    found = canary_of(genesis=moment.charter.hash, client=job.client, provider=sender, salt=payload.salt)
    if found != job.canary:
        raise Refused(Reason.CANARY_MISMATCH, seen=found, wanted=job.canary)
    before = find_planter(state, sender)
    if before is not None and moment.live_ms < before.live_ms + moment.parameters.canary_spacing_ms:
        again = before.live_ms + moment.parameters.canary_spacing_ms
        raise Refused(Reason.CANARY_TOO_SOON, seen=moment.live_ms, wanted=again)  # J92
    opened = 1 if before is None else before.opened + 1
    state.put(planter_key(sender), Planter(opened=opened, live_ms=moment.live_ms))
    advance(moment, payload.job, change(job, canary_opened=True), JobEvent.CANARY, who=sender)


def place(state: State, sender: bytes, payload: CanaryOpen) -> bytes | None:
    """Return what names the place that a block keeps for a confession that may still come, else None (L36, J91).

    A provider has one for all its jobs: it opens no two canaries at a time (J92), so it can fill no block in vain.
    """
    job = state.job(payload.job)
    if job is None or job.provider != sender or job.canary_opened:
        return None
    waits = any(row.state is job.state and row.event is JobEvent.CANARY for row in LIFE_CYCLE.rows)
    return b"canary" + sender if waits else None
