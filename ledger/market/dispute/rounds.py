"""Rounds: a dispute that has decided nothing is opened anew while its job may still be challenged (X5)."""

from ledger.market import lifecycle as job_life
from ledger.market.dispute.payloads import past_id
from ledger.market.dispute.records import ROUNDS_MAX, Dispute, DisputeOutcome, DisputeStage
from ledger.market.dispute.rows import dispute_key, dispute_of_job_key, dispute_trace_key
from ledger.market.dispute.verdicts import ruling_of
from ledger.moment import Moment
from ledger.records import Job, JobState, Marker, Outcome
from ledger.state import change


def may_begin(moment: Moment, job: Job, dispute: Dispute) -> bool:
    """Tell whether a claim about the same opens a dispute anew: it would clear the job, and nobody has confirmed it.

    What speaks against the provider is not taken back by a claim that comes later.
    """
    if dispute.stage is not DisputeStage.DECIDED or dispute.outcome is DisputeOutcome.UPHELD:
        return False
    if job.state is not JobState.DISPUTED or dispute.round + 1 >= ROUNDS_MAX:
        return False
    is_open = moment.live_ms < job_life.challengeable_until(moment.parameters, job)
    return is_open and ruling_of(job, [dispute]).outcome is Outcome.CLEARED


def begin(moment: Moment, identity: bytes, dispute: Dispute) -> None:
    """Lay a round aside, with its money, and forget its traces: the id is free for the next."""
    for trace in dispute.traces:
        moment.state.put(dispute_trace_key(identity, trace.root), None)
    aside = past_id(identity, dispute.round)
    moment.state.put(dispute_key(aside), change(dispute, past=True))
    moment.state.put(dispute_of_job_key(dispute.job, aside), Marker())
