"""What a job would cost, how it would be verified and how it may end, told before anybody signs (J84, J85)."""

from dataclasses import dataclass

from ledger.fees import gas_of
from ledger.genesis import Charter
from ledger.market import track
from ledger.market.asking import asked
from ledger.market.costs import Cost, costs_of
from ledger.market.dispute.costs import DisputedCost, disputed_costs
from ledger.market.dispute.money import DRAWN_WORKERS, claim_bond
from ledger.market.draw import can_run, can_verify_now, could_verify, not_of
from ledger.market.lifecycle import FINAL_STATES, time_allowed
from ledger.market.settlement import provider_lock, verifier_lock
from ledger.market.submitting import new_job, submit, verifiers_left
from ledger.moment import Moment, credit
from ledger.parameters import Parameters
from ledger.records import JobState, LoweringEntry, ModelEntry, Worker
from ledger.state import State, change
from ledger.transaction import Body, JobSubmit, SignedTransaction
from primitives import codec
from primitives.hashing import ZERO_HASH
from primitives.reasons import Reason, Refused
from primitives.units import BASIS, NUMBER_MAX

MILLION = 1_000_000
COLLUDING_PERCENT = (10, 20, 33)
"""Shares of the workers for which the chances are told (notes on verification economics, E3)."""
NOBODY = bytes(20)
"""Stands for a client that is not told."""
_TIME_MS = 2**42
"""A time with as many bytes as those of this century."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a worker that can provide takes for the run."""

    worker: bytes
    price: int
    is_free: bool
    """Whether it has a slot and enough bond free at its price now."""


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What comes of a false result if a part of the workers stands together with its provider."""

    percent: int
    """Of the workers that may verify."""
    all_collude_ppm: int
    """That each verifier who is drawn is one of them; millionths."""
    undetected_ppm: int
    """That no verifier rejects: not drawn, or all collude. Anybody may still challenge it."""


@dataclass(frozen=True, kw_only=True)
class Quote:
    """All that can be told of a job beforehand; amounts in grains, times in milliseconds of live time."""

    refusal: Refused | None
    """With which the network would refuse it now."""
    max_price: int
    """As given, else what half of the workers take that could provide now."""
    asks: list[Ask]
    """The cheapest first."""
    k: int
    audit_bps: int
    """The chance with which verifiers are drawn: the least of those who could provide (J52)."""
    verifiers_now: int
    """Workers that could verify now, the provider left out (J13)."""
    verifiers_idle: int
    """Those that could if all were idle."""
    dispute_workers: int
    """Fresh workers that a dispute could draw if all were idle, behind the k that verify; three are wanted (X15)."""
    chances: list[Chance]
    verifier_fees: int
    escrow: int
    provider_bond: int
    """What the provider locks at this price."""
    claim_bond: int
    """What who challenges the result holds until the dispute is decided (X12)."""
    gas: int
    fee: int
    """Of the submission, at the base fee of the next block."""
    run_ms: int
    deadlines: list[tuple[JobState, int]]
    """How long the job may stay in each state."""
    endings: list[Cost]
    """Of a job that nobody disputes."""
    rulings: list[DisputedCost]
    """Of one that somebody does."""


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What a quote is about."""

    moment: Moment
    client: bytes | None
    wanted: JobSubmit
    entry: ModelEntry
    meant: LoweringEntry

    @property
    def parties(self) -> list[bytes]:
        """Return who is known to be party of the job, and so does not verify (J32)."""
        return [each for each in (self.client, self.wanted.provider) if each is not None]


def quote(charter: Charter, state: State, wanted: JobSubmit, *, client: bytes | None, now_ms: int) -> Quote:
    """Return what is to be told of a job; `max_price` 0 in it: the price is to be proposed. Changes nothing (J84).

    Raises Refused MODEL_UNKNOWN and LOWERING_UNKNOWN, without which nothing can be told.
    """
    subject = _subject(charter, state, wanted, client, now_ms)
    moment, parameters = subject.moment, charter.parameters
    asks = _asks(subject)
    audit_bps = _audit_bps(subject, asks)
    price = wanted.max_price or _proposed(asks)
    priced = change(wanted, max_price=price)
    job = new_job(parameters, client or NOBODY, priced, subject.meant.lowering.cost)
    others = [worker for _, worker in not_of(state, subject.parties)]
    model, class_ = subject.entry.model, wanted.class_
    is_named, lock = wanted.provider is not None, verifier_lock(parameters, job.verifier_fee)
    able = [each for each in others if could_verify(each, model, class_, lock)]
    free = [each for each in others if can_verify_now(each, model, class_, lock)]
    idle = verifiers_left(able, is_named=is_named)
    units = _gas(priced)
    fee = units * moment.base_fee
    return Quote(
        refusal=_refusal(subject, priced, fee),
        max_price=price,
        asks=asks,
        k=job.k,
        audit_bps=audit_bps,
        verifiers_now=verifiers_left(free, is_named=is_named),
        verifiers_idle=idle,
        dispute_workers=min(DRAWN_WORKERS, max(0, idle - job.k)),
        chances=[chance(idle, percent, k=job.k, audit_bps=audit_bps) for percent in COLLUDING_PERCENT],
        verifier_fees=job.k * job.verifier_fee,
        escrow=job.escrow,
        provider_bond=provider_lock(job, price),
        claim_bond=claim_bond(parameters, job),
        gas=units,
        fee=fee,
        run_ms=job.run_ms,
        deadlines=_deadlines(parameters, job.run_ms),
        endings=costs_of(parameters, job),
        rulings=disputed_costs(parameters, job),
    )


def chance(workers: int, percent: int, *, k: int, audit_bps: int) -> Chance:
    """Return what comes of a false result if `percent` of `workers` stand with its provider, rounded up (J85).

    Verifiers are drawn without replacement; the weights of workers, which bonds make, count as equal here.
    """
    colluding = workers * percent // 100
    ways = total = 1
    for at in range(k):
        ways, total = ways * max(0, colluding - at), total * max(1, workers - at)
    undetected = BASIS * total - audit_bps * (total - ways)
    return Chance(
        percent=percent,
        all_collude_ppm=-(-ways * MILLION // total),
        undetected_ppm=-(-undetected * MILLION // (BASIS * total)),
    )


def _subject(charter: Charter, state: State, wanted: JobSubmit, client: bytes | None, now_ms: int) -> _Subject:
    entry = state.model(wanted.model)
    if entry is None:
        raise Refused(Reason.MODEL_UNKNOWN, model=wanted.model)
    meant = state.lowering(wanted.model, wanted.lowering)
    if meant is None:
        raise Refused(Reason.LOWERING_UNKNOWN, model=wanted.model, lowering=wanted.lowering)
    clock = state.clock()
    moment = Moment(
        charter=charter,
        state=state.child(),
        height=clock.height + 1,
        time_ms=max(now_ms, clock.time_ms + 1),
        live_ms=clock.live_ms,
        beacon=clock.beacon,
        base_fee=clock.base_fee,
        events=[],
    )
    return _Subject(moment=moment, client=client, wanted=wanted, entry=entry, meant=meant)


def _audit_bps(subject: _Subject, asks: list[Ask]) -> int:
    """Return the least chance of being drawn among the jobs of those who could provide (J52)."""
    moment, tier = subject.moment, subject.wanted.tier
    rates = [track.audit_bps(moment.parameters, moment.state.track(each.worker), tier) for each in asks]
    return min(rates, default=moment.parameters.tiers.of(tier).q_bps)


def _asks(subject: _Subject) -> list[Ask]:
    """Return what those take that could provide: the named one alone, or all but the client (J11)."""
    wanted, parameters = subject.wanted, subject.moment.parameters
    found = []
    for address, worker in subject.moment.state.workers():
        named = wanted.provider in (None, address) and address != subject.client
        if not named or not worker.capacity or not can_run(worker, subject.entry.model, wanted.class_):
            continue
        price = min(asked(worker, subject.meant.lowering.cost, wanted.class_), NUMBER_MAX)
        job = new_job(parameters, NOBODY, change(wanted, max_price=price), subject.meant.lowering.cost)
        found.append(Ask(worker=address, price=price, is_free=_is_free(worker, provider_lock(job, price))))
    return sorted(found, key=lambda each: (each.price, each.worker))


def _is_free(worker: Worker, lock: int) -> bool:
    return worker.providing < worker.capacity and worker.free_bond >= lock


def _proposed(asks: list[Ask]) -> int:
    """Return a price that half of the workers take who are free now, or half of all if none is; 1 if there is none."""
    prices = [each.price for each in asks if each.is_free] or [each.price for each in asks]
    return max(1, prices[len(prices) // 2]) if prices else 1


def _gas(wanted: JobSubmit) -> int:
    """Return the gas of the submission, signed."""
    body = Body(sender=ZERO_HASH, nonce=2**16, fee_cap=2**16, tip=0, valid_until=_TIME_MS, payload=wanted)
    envelope = SignedTransaction(body=codec.encode(body), signature=bytes(64))
    return gas_of(wanted, len(codec.encode(envelope)))


def _refusal(subject: _Subject, wanted: JobSubmit, fee: int) -> Refused | None:
    """Return what the very code that executes submissions refuses now, for a client that can pay if none is told."""
    moment = subject.moment
    sender = subject.client or NOBODY
    if subject.client is None:
        credit(moment.state, sender, NUMBER_MAX)
    else:
        account = moment.state.account(sender)
        if account.balance < fee:
            return Refused(Reason.INSUFFICIENT_BALANCE, seen=account.balance, wanted=fee)
        credit(moment.state, sender, -fee)
    try:
        submit(moment, sender, ZERO_HASH, wanted)
    except Refused as refusal:
        return refusal
    return None


def _deadlines(parameters: Parameters, run: int) -> list[tuple[JobState, int]]:
    told = ((state, time_allowed(parameters, state, run)) for state in JobState if state not in FINAL_STATES)
    return [(state, allowed) for state, allowed in told if allowed is not None]
