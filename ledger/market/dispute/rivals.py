"""Which traces of a dispute stand, and which two of them fight the next duel (X34)."""

from ledger.market.dispute import duel
from ledger.market.dispute.records import Claimant, Dispute, Fall, OpenedTrace, Role
from ledger.market.dispute.rows import dispute_trace_key
from ledger.moment import Moment
from ledger.state import State, change
from vm.trace import Trace

AGREED_SILENT = 2
"""Drawn workers whose silence says that there is nothing to claim, if no other drawn one contradicts them (X19)."""


def claimants_of(dispute: Dispute, trace: int) -> list[Claimant]:
    """Return who opened a trace, in order of their claims."""
    return [each for each in dispute.claims if each.trace == trace]


def beaten(dispute: Dispute, trace: int) -> list[Claimant]:
    """Return who opened a trace that this one has beaten by the referee's verdict."""
    lost = [at for at, each in enumerate(dispute.traces) if each.beaten_by == trace]
    return [each for at in lost for each in claimants_of(dispute, at)]


def agreed_to_claim_nothing(dispute: Dispute) -> bool:
    """Tell whether two or more workers were drawn and none opened a trace: they found nothing to claim (X19)."""
    drawn = [each for each in dispute.claims if each.role is Role.DRAWN]
    return len(drawn) >= AGREED_SILENT and all(each.trace is None for each in drawn)


def standing(dispute: Dispute) -> list[int]:
    """Return the places of the traces that have not been struck, in order of the first claim to each (X34)."""
    order = dict.fromkeys(each.trace for each in dispute.claims if each.trace is not None)
    return [at for at in order if dispute.traces[at].fall is None]


def trace_at(state: State, dispute_id: bytes, dispute: Dispute, at: int) -> Trace:
    """Return an opened trace by its place among the dispute's."""
    row = state.find(OpenedTrace, dispute_trace_key(dispute_id, dispute.traces[at].root))
    assert row is not None
    return row.trace


def pair(moment: Moment, dispute_id: bytes, dispute: Dispute) -> Dispute:
    """Return the dispute with the duel of the first two traces that stand (X34)."""
    left, right = standing(dispute)[:2]
    job = moment.state.job(dispute.job)
    assert job is not None
    entry = moment.state.lowering(job.model, job.lowering)
    assert entry is not None
    traces = [trace_at(moment.state, dispute_id, dispute, at) for at in (left, right)]
    begun = duel.start((left, right), traces[0], traces[1], entry.lowering)
    return change(dispute, duel=begun, duels=dispute.duels + 1)


def strike(dispute: Dispute, fallen: list[tuple[int, Fall, int | None]]) -> Dispute:
    """Return the dispute with its duel over, and those struck who fell in it."""
    traces = list(dispute.traces)
    for at, fall, by in fallen:
        traces[at] = change(traces[at], fall=fall, beaten_by=by)
    return change(dispute, traces=traces, duel=None)
