"""Workers: registration, bond, terms, exit (L51)."""

from ledger.limits import WORKERS_MAX
from ledger.moment import Moment, debit
from ledger.records import Amount, Worker
from ledger.state import TOTALS, change, unbonding_key, worker_key
from ledger.transaction import WorkerBond, WorkerExit, WorkerRegister, WorkerUpdate
from primitives.reasons import Reason, Refused


def register(moment: Moment, sender: bytes, payload: WorkerRegister) -> None:
    """Make the sender a worker. Raises Refused WORKER_EXISTS, BOND_TOO_SMALL, BUSY, INSUFFICIENT_BALANCE (L51)."""
    state = moment.state
    if state.worker(sender) is not None:
        raise Refused(Reason.WORKER_EXISTS, worker=sender)
    if payload.bond < moment.parameters.worker_bond_min:
        raise Refused(Reason.BOND_TOO_SMALL, seen=payload.bond, wanted=moment.parameters.worker_bond_min)
    totals = state.totals()
    if totals.workers >= WORKERS_MAX:
        raise Refused(Reason.BUSY, seen=totals.workers, wanted=f"fewer than {WORKERS_MAX} workers")
    debit(state, sender, payload.bond)
    worker = Worker(
        operator=sender,
        peer=payload.peer,
        bond=payload.bond,
        locked=0,
        capacity=payload.capacity,
        providing=0,
        verifying=0,
        ask=payload.ask,
        gas_ask=payload.gas_ask,
        classes=payload.classes,
        max_model_bytes=payload.max_model_bytes,
        registered=moment.height,
    )
    state.put(worker_key(sender), worker)
    state.put(TOTALS, change(totals, workers=totals.workers + 1))


def add_bond(moment: Moment, sender: bytes, payload: WorkerBond) -> None:
    """Add to the sender's bond. Raises Refused WORKER_UNKNOWN, ZERO_AMOUNT, INSUFFICIENT_BALANCE."""
    worker = known_worker(moment, sender)
    if payload.amount == 0:
        raise Refused(Reason.ZERO_AMOUNT, wanted="more than 0")
    debit(moment.state, sender, payload.amount)
    moment.state.put(worker_key(sender), change(worker, bond=worker.bond + payload.amount))


def update_terms(moment: Moment, sender: bytes, payload: WorkerUpdate) -> None:
    """Change ask and capacity; jobs that are under way go on. Raises Refused WORKER_UNKNOWN."""
    worker = known_worker(moment, sender)
    terms = change(worker, ask=payload.ask, gas_ask=payload.gas_ask, capacity=payload.capacity)
    moment.state.put(worker_key(sender), terms)


def leave(moment: Moment, sender: bytes, payload: WorkerExit) -> None:
    """Start the unbonding of a part, or of all. Raises Refused WORKER_UNKNOWN, BOND_LOCKED, BOND_TOO_SMALL (L52)."""
    worker = known_worker(moment, sender)
    state = moment.state
    if payload.amount is None:
        if worker.locked or worker.providing or worker.verifying:
            jobs = worker.providing + worker.verifying
            raise Refused(Reason.BOND_LOCKED, seen=worker.locked, wanted=0, jobs=jobs)
        state.put(worker_key(sender), None)
        totals = state.totals()
        state.put(TOTALS, change(totals, workers=totals.workers - 1))
        _unbond(moment, sender, worker.bond)
        return
    if payload.amount == 0:
        raise Refused(Reason.ZERO_AMOUNT, wanted="more than 0")
    if payload.amount > worker.free_bond:
        raise Refused(Reason.BOND_LOCKED, seen=worker.free_bond, wanted=payload.amount)
    if worker.bond - payload.amount < moment.parameters.worker_bond_min:
        left = worker.bond - payload.amount
        raise Refused(Reason.BOND_TOO_SMALL, seen=left, wanted=moment.parameters.worker_bond_min)
    state.put(worker_key(sender), change(worker, bond=worker.bond - payload.amount))
    _unbond(moment, sender, payload.amount)


def known_worker(moment: Moment, address: bytes) -> Worker:
    """Return the worker with this address. Raises Refused WORKER_UNKNOWN."""
    worker = moment.state.worker(address)
    if worker is None:
        raise Refused(Reason.WORKER_UNKNOWN, worker=address)
    return worker


def _unbond(moment: Moment, address: bytes, amount: int) -> None:
    """Have `amount` paid to the account when the unbonding time is over (L53)."""
    key = unbonding_key(moment.time_ms + moment.parameters.unbonding_ms, address)
    waiting = moment.state.find(Amount, key)
    before = 0 if waiting is None else waiting.grains
    moment.state.put(key, Amount(grains=before + amount))
