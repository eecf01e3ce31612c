"""Disputes to their end: who is found right, and where every grain goes."""

from ledger.market.dispute.records import DisputeOutcome
from ledger.records import JobState, Outcome
from ledger.transaction import Decision
from testnet.kit import ledger_builders as kit
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, Court

REJECTS, ACCEPTS = (Decision.REJECT,) * 3, (Decision.ACCEPT,) * 3


def test_a_lying_provider_is_convicted_after_a_reject() -> None:
    world = played.a_world()
    false = played.off_by(1_000)
    job_id = played.a_job_played(world, false, REJECTS)
    assert world.job(job_id).state is JobState.CONTESTED
    court = Court(world, job_id)
    rejecter = played.drawn_of(world, job_id)[0]
    court.claim(rejecter, played.truth())
    court.claim(PROVIDER, played.lie())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.fight()
    court.prove_deviation(rejecter, PROVIDER, false)
    court.finish()
    job = world.job(job_id)
    assert court.dispute.outcome is DisputeOutcome.UPHELD
    assert (job.state, job.outcome) == (JobState.VOID, Outcome.CONVICTED)
    assert world.worker(PROVIDER).locked == 0
    assert kit.supply_of(world.state) == world.state.totals().supply
