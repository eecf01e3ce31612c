"""Whatever people send, in any order: the supply is exact, nothing is negative, and every job finds its end."""

from collections.abc import Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ledger import state as rows
from ledger.market.batch import Batch
from ledger.market.canary import Planter, canary_of
from ledger.market.jackpot import Jackpots
from ledger.market.lifecycle import FINAL_STATES, SLOT_STATES
from ledger.market.order_payloads import BatchAccept, CanaryOpen
from ledger.market.withheld.records import Filing, Line
from ledger.parameters import Parameters, Tier, Tiers, TierTerms
from ledger.records import (
    Account,
    Amount,
    Clock,
    Due,
    DueKind,
    Job,
    JobState,
    LoweringEntry,
    Marker,
    ModelEntry,
    Outcome,
    Revealed,
    Tip,
    Totals,
    Track,
    Worker,
)
from ledger.stake.epochs import Epoch, EpochSet
from ledger.stake.records import Claim, Conviction, Delegation, KeyOwner, Pool, RuleVersions, Validator
from ledger.state import change
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    JobDecline,
    Payload,
    ProviderReveal,
    Transfer,
    VerifierCommit,
    VerifierReveal,
    WorkerBond,
    WorkerExit,
    WorkerRegister,
    WorkerUpdate,
)
from primitives import codec
from primitives.hashing import sha256
from primitives.reasons import Reason
from primitives.record import Record
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from tests.ledger.root_by_definition import root_by_definition

KINDS: dict[bytes, type[Record]] = {
    rows.ACCOUNT: Account,
    rows.WORKER: Worker,
    rows.MODEL: ModelEntry,
    rows.JOB: Job,
    rows.TIP: Tip,
    rows.TOTALS: Totals,
    rows.CLOCK: Clock,
    rows.DEADLINE: Due,
    rows.DRAW: Marker,
    rows.UNBONDING: Amount,
    rows.REVEALED: Revealed,
    rows.EPOCH_SET: EpochSet,
    rows.EPOCH: Epoch,
    rows.VALIDATOR: Validator,
    rows.DELEGATION: Delegation,
    rows.POOL: Pool,
    rows.CLAIM: Claim,
    rows.KEY_OWNER: KeyOwner,
    rows.CONVICTION: Conviction,
    rows.VERSIONS: RuleVersions,
    rows.ROLL: Marker,
    rows.LOWERING: LoweringEntry,
    rows.TRACK: Track,
    rows.BATCH: Batch,
    rows.CANARY: Planter,
    rows.JACKPOT: Jackpots,
    rows.WITHHELD: Filing,
    rows.WITHHELD_OF_JOB: Marker,
    rows.WITHHELD_LINE: Line,
}
# Short deadlines, so that few steps see them; a bond that is soon used up.
SHORT = Parameters(
    accept_ms=6_000,
    commit_ms=6_000,
    draw_ms=8_000,
    verify_ms=8_000,
    reveal_ms=6_000,
    check_ms=8_000,
    contest_ms=6_000,
    challenge_ms=9_000,
    canary_spacing_ms=5_000,
    protocol_share_bps=5_000,
    unbonding_ms=5_000,
    worker_bond_min=KARAT,
    audit_trust=1,
    tiers=Tiers(spot=TierTerms(q_bps=2_000, k=1, bond_multiple=3)),
)
SALT = sha256(b"of all canaries")
PEOPLE = ["client", "publisher", *(f"worker {at}" for at in range(7))]
people = st.sampled_from(PEOPLE)
workers = st.sampled_from(PEOPLE[2:])
amounts = st.sampled_from([0, 1, KARAT // 3, 5 * KARAT, 90 * KARAT, 2_000 * KARAT])
prices = st.sampled_from([KARAT // 100, KARAT // 3, 5 * KARAT])
tiers = st.sampled_from([Tier.SPOT, Tier.STANDARD, Tier.HIGH])
shifts = st.sampled_from([0.0, 0.0, 0.5])
absences = st.lists(st.sampled_from([0, 0, 0, 1, 2, 3]), min_size=2, max_size=10)
moments = st.sampled_from([1, 900, 1_000, 2_500, 86_400_000])


class Economy(RuleBasedStateMachine):
    """Any payload by anybody, and the steps of jobs by the right parties or the wrong ones."""

    def __init__(self) -> None:
        super().__init__()
        genesis = kit.a_genesis(workers=6, parameters=SHORT)
        self.world = kit.a_world(change(genesis, accounts=kit.a_genesis(workers=7).accounts))
        kit.publish(self.world)
        self.checked = 0

    def send(self, name: str, payload: Payload) -> None:
        self.world.block(self.world.sign(name, payload))

    def some_job(self, pick: int) -> bytes:
        """Return a job, an unfinished one where there is one; or an id that no job has."""
        jobs = list(self.world.state.jobs())
        open_jobs = [(job_id, job) for job_id, job in jobs if job.state not in FINAL_STATES] or jobs
        return open_jobs[pick % len(open_jobs)][0] if open_jobs else bytes(32)

    @rule(payer=people, payee=st.sampled_from([*PEOPLE, "stranger"]), amount=amounts)
    def transfer(self, payer: str, payee: str, amount: int) -> None:
        self.send(payer, Transfer(to=kit.address(payee), amount=amount))

    @rule(name=people, bond=amounts, capacity=st.integers(0, 3))
    def register(self, name: str, bond: int, capacity: int) -> None:
        payload = WorkerRegister(
            peer=bytes(32), bond=bond, capacity=capacity, ask=0, gas_ask=0, classes=1, max_model_bytes=2**30
        )
        self.send(name, payload)

    @rule(name=workers, amount=amounts)
    def add_bond(self, name: str, amount: int) -> None:
        self.send(name, WorkerBond(amount=amount))

    @rule(name=workers, capacity=st.integers(0, 4))
    def update(self, name: str, capacity: int) -> None:
        self.send(name, WorkerUpdate(ask=0, gas_ask=0, capacity=capacity))

    @rule(name=workers, amount=st.none() | amounts)
    def leave(self, name: str, amount: int | None) -> None:
        self.send(name, WorkerExit(amount=amount))

    @rule(name=people, file=st.sampled_from([b"one", b"two"]))
    def publish(self, name: str, file: bytes) -> None:
        self.send(name, change(kit.a_publication(), model=kit.a_model(name, file=file)))

    @rule(name=people, provider=st.none() | workers, price=amounts, tier=st.sampled_from(Tier), at_risk=amounts)
    def submit(self, name: str, provider: str | None, price: int, tier: Tier, at_risk: int) -> None:
        self.send(name, kit.a_submission(provider=provider, max_price=price, tier=tier, at_risk=at_risk))

    @rule(name=workers, pick=st.integers(0, 9), price=amounts)
    def accept(self, name: str, pick: int, price: int) -> None:
        self.send(name, JobAccept(job=self.some_job(pick), price=price))

    @rule(name=workers, pick=st.integers(0, 9))
    def decline(self, name: str, pick: int) -> None:
        self.send(name, JobDecline(job=self.some_job(pick), reason=Reason.RUN_TIME_LIMIT))

    @rule(pick=st.integers(0, 9), absent=absences, shift=shifts)
    def play(self, pick: int, absent: list[int], shift: float) -> None:
        """Go on with some job."""
        self.go_on(self.some_job(pick), absent, shift)

    @rule(name=people, provider=st.none() | workers, price=prices, inputs=st.integers(1, 5))
    def submit_batch(self, name: str, provider: str | None, price: int, inputs: int) -> None:
        items = [bytes([at]) for at in range(inputs)]
        self.send(name, kit.a_batch(*items, provider=provider, max_price=price))

    @rule(name=workers, pick=st.integers(0, 9), items=st.lists(st.integers(0, 4), min_size=1, max_size=3))
    def accept_batch(self, name: str, pick: int, items: list[int]) -> None:
        job = self.world.state.job(self.some_job(pick))
        batch = bytes(32) if job is None or job.batch is None else job.batch
        self.send(name, BatchAccept(batch=batch, items=sorted(items), price=1))

    @rule(name=workers, pick=st.integers(0, 9), is_provider=st.booleans())
    def open_canary(self, name: str, pick: int, is_provider: bool) -> None:
        job = self.world.state.job(self.some_job(pick))
        if is_provider and job is not None and job.provider is not None:
            name = self.world.name(job.provider)
        self.send(name, CanaryOpen(job=self.some_job(pick), salt=SALT))

    @rule(name=people, provider=workers, price=prices, tier=tiers, absent=absences, shift=shifts)
    def play_a_new_job(self, name: str, provider: str, price: int, tier: Tier, absent: list[int], shift: float) -> None:
        """Submit a job that can be provided, and take it some steps further; its provider may call it a canary."""
        canary = canary_of(
            genesis=self.world.charter.hash, client=kit.address(name), provider=kit.address(provider), salt=SALT
        )
        asked = kit.a_submission(provider=provider, max_price=price, tier=tier)
        raw = self.world.sign(name, change(asked, canary=canary))
        self.world.block(raw)
        self.go_on(kit.transaction_id_of(self.world.charter, raw), absent, shift)

    def go_on(self, job_id: bytes, absent: list[int], shift: float) -> None:
        """Do what a job waits for, a step for each of `absent`: so many verifiers take no part in it."""
        for missing in absent:
            job = self.world.state.job(job_id)
            if job is None or job.state in (*FINAL_STATES, JobState.SETTLED):
                return
            self.world.block(*self.next_parts(job_id, job, missing, shift))

    def next_parts(self, job_id: bytes, job: Job, missing: int, shift: float) -> Iterable[bytes]:
        provider = "worker 0" if job.provider is None else self.world.name(job.provider)
        mine = kit.values(provider, shift=shift if job.commitment is None else self.shift_of(job_id, job, provider))
        drawn = [self.world.name(each.worker) for each in job.verifiers[missing:]]
        match job.state:
            case JobState.OPEN:
                named = provider if job.named is None else self.world.name(job.named)
                yield self.world.sign(named, JobAccept(job=job_id, price=job.max_price // 2))
            case JobState.ACCEPTED:
                commits = mine.commitment(self.world.charter, job_id, provider)
                yield self.world.sign(provider, JobCommit(job=job_id, commitment=commits))
            case JobState.VERIFYING:
                for name in drawn:
                    commits = kit.values(name).commitment(self.world.charter, job_id, name)
                    yield self.world.sign(name, VerifierCommit(job=job_id, commitment=commits))
            case JobState.REVEALING:
                shown = ProviderReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs)
                yield self.world.sign(provider, shown)
            case JobState.CHECKING:
                honest = self.shift_of(job_id, job, provider) == 0
                for name in drawn:
                    own = kit.values(name)
                    verdict = Decision.ACCEPT if honest else Decision.REJECT
                    yield self.world.sign(
                        name,
                        VerifierReveal(job=job_id, salt=own.salt, cut=own.cut, outputs=own.outputs, verdict=verdict),
                    )
            case _:
                return

    def shift_of(self, job_id: bytes, job: Job, provider: str) -> float:
        """Return how far the provider's committed values are off."""
        honest = kit.values(provider).commitment(self.world.charter, job_id, provider)
        return 0.0 if job.commitment == honest else 0.5

    @rule(passed_ms=moments, count=st.integers(1, 4))
    def wait(self, passed_ms: int, count: int) -> None:
        self.world.blocks(count, passed_ms=passed_ms)

    @invariant()
    def the_supply_is_exact(self) -> None:
        assert kit.supply_of(self.world.state) == self.world.state.totals().supply

    @invariant()
    def now_and_then_the_store_is_sound(self) -> None:
        self.checked += 1
        if self.checked % 8 == 0:
            self.the_store_is_sound()

    def the_store_is_sound(self) -> None:
        for key, raw in self.world.reader.rows.items():
            codec.decode(KINDS[key[:1]], raw, at_most=2**20)  # refuses negative numbers, too
        assert self.world.chain.head.tree.root == root_by_definition(self.world.reader.rows)

    @invariant()
    def locks_and_slots_are_those_of_the_jobs(self) -> None:
        state = self.world.state
        for address, worker in state.workers():
            held = providing = verifying = 0
            for _, job in state.jobs():
                busy = job.state is JobState.OPEN or job.state in SLOT_STATES
                if job.provider == address:
                    held += job.provider_locked
                    providing += busy
                for each in job.verifiers:
                    if each.worker == address:
                        held += each.locked
                        verifying += busy
            assert (worker.locked, worker.providing, worker.verifying) == (held, providing, verifying)
            assert worker.locked <= worker.bond

    @invariant()
    def every_unfinished_job_stands_in_the_deadline_index_once(self) -> None:
        state = self.world.state
        due = sorted(
            (job.due_live_ms or 0, DueKind.JOB, job_id) for job_id, job in state.jobs() if job.state not in FINAL_STATES
        )
        assert sorted(state.deadlines()) == due
        waiting = [job_id for job_id, job in state.jobs() if job.state is JobState.COMMITTED]
        assert sorted(job_id for _, job_id in state.draws()) == sorted(waiting)
        shown = [job_id for job_id, job in state.jobs() if job.state is JobState.CHECKING]
        assert sorted(key[1:] for key, _ in state.scan(Revealed, rows.REVEALED)) == sorted(shown)

    @invariant()
    def what_has_ended_was_paid_out(self) -> None:
        for _, job in self.world.state.jobs():
            assert (job.outcome is None) == (job.escrow > 0)
            if job.outcome is Outcome.SETTLED:
                assert sum(each.amount for each in job.payouts) >= job.price

    def teardown(self) -> None:
        """Nobody does anything any more: time alone ends every job and returns every bond."""
        self.world.blocks(40, passed_ms=2_000)
        assert all(job.state in FINAL_STATES for _, job in self.world.state.jobs())
        assert all(not worker.locked for _, worker in self.world.state.workers())
        assert list(self.world.state.unbonding()) == []
        self.the_supply_is_exact()
        self.the_store_is_sound()


Economy.TestCase.settings = settings(stateful_step_count=30)
TestEconomy = Economy.TestCase
