"""Who holds what is owed, what it has at stake, and how it loses that (H30)."""

from ledger.market import track
from ledger.market.dispute.records import DisputeStage, Role
from ledger.market.dispute.rows import dispute_key, disputes_of
from ledger.market.lifecycle import advance
from ledger.market.withheld.money import spent
from ledger.market.withheld.records import Filing
from ledger.moment import Moment, burn, credit
from ledger.records import Job, JobEvent, JobState, Payout, PayoutKind, Penalty
from ledger.state import change, job_key, worker_key


def at_stake(job: Job, holder: bytes) -> int:
    """Return what a job holds of the bond of one of its parties, in grains."""
    if job.provider == holder:
        return job.provider_locked
    return sum(each.locked for each in job.verifiers if each.worker == holder)


def convict(moment: Moment, filing: Filing) -> int:
    """Take what the holder has at stake, and return it; the job ends by it, unless it is disputed (H30, H31)."""
    job = moment.state.job(filing.job)
    assert job is not None
    lost = at_stake(job, filing.holder)
    if job.provider == filing.holder:
        track.convicted(moment, filing.holder)  # as if it had lied: else liars would rather withhold
    if job.provider == filing.holder and job.state is not JobState.DISPUTED:
        advance(moment, filing.job, job, JobEvent.WITHHOLD, who=filing.holder)
    else:
        _take(moment, filing, job, lost)
    return lost


def _take(moment: Moment, filing: Filing, job: Job, lost: int) -> None:
    """Take the bond of a party while its job goes on; a client that has paid is made whole at once (H31).

    The rest waits for what the disputes find: else who withholds would leave nothing for those who convict it.
    """
    state = moment.state
    worker = state.worker(filing.holder)
    assert worker is not None  # it can't leave while a job holds its bond (L52)
    state.put(worker_key(filing.holder), change(worker, bond=worker.bond - lost, locked=worker.locked - lost))
    is_provider = job.provider == filing.holder
    whole = min(spent(job), lost) if is_provider and not job.escrow else 0
    credit(state, job.client, whole)
    kept = lost - whole if job.state is JobState.DISPUTED else 0
    burn(state, lost - whole - kept)
    payouts = [
        Payout(kind=PayoutKind.MADE_WHOLE, to=job.client, amount=whole),
        Payout(kind=PayoutKind.BURNED, to=None, amount=lost - whole - kept),
    ]
    after = change(
        job,
        forfeited=job.forfeited + kept,
        provider_locked=0 if is_provider else job.provider_locked,
        verifiers=[change(each, locked=0) if each.worker == filing.holder else each for each in job.verifiers],
        payouts=[*job.payouts, *(each for each in payouts if each.amount)],
        penalties=[*job.penalties, Penalty(worker=filing.holder, amount=lost)],
    )
    state.put(job_key(filing.job), after)


def discharge(moment: Moment, filing: Filing) -> None:
    """Let a worker that was drawn for a dispute go, with its bond: it can't run what it does not get (H31)."""
    state = moment.state
    for identity, dispute in disputes_of(state, filing.job):
        mine = [each for each in dispute.claims if each.who == filing.filer and each.role is Role.DRAWN]
        if dispute.stage is not DisputeStage.CLAIMING or not mine or mine[0].commitment is not None:
            continue
        worker = state.worker(filing.filer)
        assert worker is not None  # it can't leave while a dispute holds its bond (L52)
        freed = change(worker, locked=worker.locked - mine[0].bond, verifying=worker.verifying - 1)
        state.put(worker_key(filing.filer), freed)
        others = [each for each in dispute.claims if each.who != filing.filer]
        state.put(dispute_key(identity), change(dispute, claims=others))
