"""What the transitions of a job do to bonds, slots and money (J11, J12, J45)."""

from ledger.market import track
from ledger.market.settlement import ending, lost_by_silence, provider_lock, verifier_lock
from ledger.moment import Moment, burn, credit, to_protocol
from ledger.records import Job, Outcome, Payout, PayoutKind, Verifier, Worker
from ledger.state import State, change, revealed_key, worker_key


def lock_provider(moment: Moment, job_id: bytes, job: Job) -> Job:  # noqa: ARG001 - the shape of an effect
    """Lock the bond and a slot of the provider (J11)."""
    assert job.provider is not None
    lock = provider_lock(job, job.price)
    worker = _worker(moment.state, job.provider)
    assert worker.free_bond >= lock
    locked = change(worker, locked=worker.locked + lock, providing=worker.providing + 1)
    moment.state.put(worker_key(job.provider), locked)
    return change(job, provider_locked=lock)


def lock_verifiers(moment: Moment, job_id: bytes, job: Job) -> Job:  # noqa: ARG001 - the shape of an effect
    """Lock the bond and a slot of each verifier that has just been drawn, now or in place of a silent one (J12)."""
    lock = verifier_lock(moment.parameters, job.verifier_fee)
    for each in job.verifiers:
        if each.commitment is not None:
            continue
        worker = _worker(moment.state, each.worker)
        assert worker.free_bond >= lock
        locked = change(worker, locked=worker.locked + lock, verifying=worker.verifying + 1)
        moment.state.put(worker_key(each.worker), locked)
    return change(
        job, verifiers=[change(each, locked=lock) if each.commitment is None else each for each in job.verifiers]
    )


def end(moment: Moment, job_id: bytes, job: Job, outcome: Outcome) -> Job:
    """Pay the escrow out and take the penalties; bonds stay locked behind a settlement (J45)."""
    state = moment.state
    entry = state.model(job.model)
    assert entry is not None
    ended = ending(job, outcome, moment.parameters, owner=entry.model.publisher)
    assert sum(each.amount for each in ended.payouts) == job.escrow + sum(each.amount for each in ended.penalties)
    for payout in ended.payouts:
        pay(state, payout)
    lost = {each.worker: each.amount for each in ended.penalties}
    for address, amount in lost.items():
        worker = _worker(state, address)
        state.put(worker_key(address), change(worker, bond=worker.bond - amount, locked=worker.locked - amount))
    after = change(
        job,
        outcome=outcome,
        escrow=0,
        provider_locked=job.provider_locked - (lost.get(job.provider, 0) if job.provider is not None else 0),
        verifiers=[change(each, locked=each.locked - lost.get(each.worker, 0)) for each in job.verifiers],
        payouts=[*job.payouts, *ended.payouts],
        penalties=[*job.penalties, *ended.penalties],
    )
    _note(moment, job, outcome)
    return after if outcome is Outcome.SETTLED else release_bonds(moment, job_id, after)


def _note(moment: Moment, job: Job, outcome: Outcome) -> None:
    """Note in the provider's record what a verified job has come to (J52); disputes note what they find themselves."""
    assert job.provider is not None or outcome is not Outcome.SETTLED
    if job.provider is not None and outcome is Outcome.SETTLED:
        track.settled(moment, job.provider)
    if job.provider is not None and outcome is Outcome.REJECTED:
        track.rejected(moment, job.provider)


def dismiss(moment: Moment, job: Job, silent: list[Verifier]) -> Job:
    """Take from verifiers who fell silent what they lose, which is burned, and free the rest and their slots (J54)."""
    state = moment.state
    penalties = lost_by_silence(silent, moment.parameters)
    for each, lost in zip(silent, penalties, strict=True):
        worker = _worker(state, each.worker)
        freed = change(
            worker,
            bond=worker.bond - lost.amount,
            locked=worker.locked - each.locked,
            verifying=worker.verifying - 1,
        )
        state.put(worker_key(each.worker), freed)
    burned = Payout(kind=PayoutKind.BURNED, to=None, amount=sum(each.amount for each in penalties))
    pay(state, burned)
    return change(
        job,
        payouts=[*job.payouts, *([burned] if burned.amount else [])],
        penalties=[*job.penalties, *(each for each in penalties if each.amount)],
    )


def release_bonds(moment: Moment, job_id: bytes, job: Job) -> Job:  # noqa: ARG001 - the shape of an effect
    """Release what the job still holds of its parties' bonds (J45)."""
    if job.provider is not None:
        _release(moment.state, job.provider, job.provider_locked)
    for each in job.verifiers:
        _release(moment.state, each.worker, each.locked)
    return change(job, provider_locked=0, verifiers=[change(each, locked=0) for each in job.verifiers])


def _release(state: State, address: bytes, amount: int) -> None:
    if amount:
        worker = _worker(state, address)
        state.put(worker_key(address), change(worker, locked=worker.locked - amount))


def free_slots(state: State, job_id: bytes, job: Job) -> None:
    """Free the slots of a job whose parties have nothing left to run, and forget the values to compare with (J45)."""
    state.put(revealed_key(job_id), None)
    if job.provider is not None:
        worker = _worker(state, job.provider)
        state.put(worker_key(job.provider), change(worker, providing=worker.providing - 1))
    for each in job.verifiers:
        worker = _worker(state, each.worker)
        state.put(worker_key(each.worker), change(worker, verifying=worker.verifying - 1))


def pay(state: State, payout: Payout) -> None:
    """Credit an account or a pot."""
    if payout.kind is PayoutKind.BURNED:
        burn(state, payout.amount)
    elif payout.kind is PayoutKind.PROTOCOL_SHARE:
        to_protocol(state, payout.amount)
    else:
        assert payout.to is not None
        credit(state, payout.to, payout.amount)


def _worker(state: State, address: bytes) -> Worker:
    """Return a worker that a job holds: it can't have left (L52)."""
    worker = state.worker(address)
    assert worker is not None
    return worker
