"""A market in memory in which people act by a plan: transactions, draws, disputes and money are the ledger's own."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.market.canary import canary_of
from ledger.market.dispute.payloads import WHOLE
from ledger.market.dispute.records import DisputeStage
from ledger.market.order_payloads import CanaryOpen
from ledger.market.settlement import GAS_PER_FEE
from ledger.parameters import Parameters, Tier
from ledger.records import Job, JobState
from ledger.state import change
from ledger.transaction import (
    Decision,
    JobAccept,
    JobCommit,
    LoweringPublish,
    ModelPublish,
    ProviderReveal,
    VerifierCommit,
    VerifierReveal,
)
from primitives.hashing import sha256
from primitives.units import KARAT
from testnet.kit.ledger_builders import World, a_cost, a_genesis, a_submission, a_worker, a_world, address
from tests.ledger.market.dispute.played import CONTENT, LOWERING, MODEL, Court, Held, lie, off_by, packed, right, truth
from vm.lowering import lowering_id
from vm.manifest import model_id

WORKERS = 21
"""A third of them are seven."""
PROVIDER = "worker 0"
CLIENT = "client"
RIGHT, FALSE = right(), off_by(200.0)
"""What honest parties hold, and what nobody is paid for."""
SALT = sha256(b"salt of a canary")
FINAL = (JobState.PAST_CHALLENGE, JobState.VOID)
JOB_BLOCKS_MAX = 3_000


@dataclass(kw_only=True)
class Plan:
    """How a job is gone about; who is not named is honest."""

    tier: Tier
    price: int
    provided: Held
    """What the provider commits to."""
    colluding: Sequence[str] = ()
    """Verifiers that take the provider's values for their own, and accept."""
    absent: Sequence[str] = ()
    """Verifiers that do nothing."""
    rejecting: dict[str, Held] = field(default_factory=dict)
    """Verifiers that show these values, and reject."""
    is_canary: bool = False
    false_claim: str | None = None
    """Who claims a lie about the settled job."""


@dataclass(kw_only=True)
class Ran:
    """What came of a job."""

    job: Job
    ran: list[str]
    """Who ran the model for it, once for each run: provider, verifiers, claimants."""


class Market:
    """A world at work; the chances of its draws follow from a seed."""

    def __init__(self, seed: int, parameters: Parameters, *, run_s: int = 0) -> None:
        genesis = a_genesis(workers=WORKERS, accounts=(CLIENT, "publisher", "stranger"), parameters=parameters)
        workers = [a_worker(f"worker {at}", ask=0, bond=1_000 * KARAT) for at in range(WORKERS)]
        self.world: World = a_world(change(genesis, beacon=sha256(b"economy %d" % seed), workers=workers))
        self.world.names |= {address(f"worker {at}"): f"worker {at}" for at in range(WORKERS)}
        self.world.must("publisher", ModelPublish(model=MODEL, lowering=LOWERING))
        self._lowering = LOWERING
        if run_s:
            gas = run_s * GAS_PER_FEE
            self._lowering = change(LOWERING, cost=a_cost(gas=gas, native_gas=gas))
            self.world.must("publisher", LoweringPublish(lowering=self._lowering))
        self._jobs = 0

    def holdings(self, names: Sequence[str]) -> int:
        """Return what people own, bonds included, in grains."""
        found = sum(self.world.balance(name) for name in names)
        return found + sum(self.world.worker(name).bond for name in names if name.startswith("worker"))

    def play(self, plan: Plan) -> Ran:
        """Play one job to its end."""
        world, ran = self.world, list[str]()
        job_id = self._order(plan)
        mine = packed(plan.provided, PROVIDER)
        world.must(PROVIDER, JobAccept(job=job_id, price=plan.price))
        world.must(PROVIDER, JobCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, PROVIDER)))
        world.until(lambda _: world.job(job_id).state is not JobState.COMMITTED)
        shown = self._commit(plan, job_id, ran)
        world.until(
            lambda _: world.job(job_id).state not in (JobState.COMMITTED, JobState.VERIFYING), at_most=JOB_BLOCKS_MAX
        )
        if world.job(job_id).state is JobState.REVEALING:
            world.must(PROVIDER, ProviderReveal(job=job_id, salt=mine.salt, cut=mine.cut, outputs=mine.outputs))
            self._reveal(plan, job_id, shown)
        self._after(plan, job_id, ran)
        world.until(lambda _: world.job(job_id).state in FINAL, at_most=JOB_BLOCKS_MAX)
        return Ran(job=world.job(job_id), ran=ran)

    def _order(self, plan: Plan) -> bytes:
        self._jobs += 1
        canary = sha256(b"no canary %d" % self._jobs)
        if plan.is_canary:
            canary = canary_of(
                genesis=self.world.charter.hash, client=address(CLIENT), provider=address(PROVIDER), salt=SALT
            )
        wanted = change(
            a_submission(provider=PROVIDER, tier=plan.tier, max_price=plan.price),
            model=model_id(MODEL),
            lowering=lowering_id(self._lowering),
            input=CONTENT.held.content,
            canary=canary,
        )
        return self.world.must(CLIENT, wanted)

    def _commit(self, plan: Plan, job_id: bytes, ran: list[str]) -> dict[str, Held]:
        """Have the drawn verifiers commit; return what each holds."""
        held: dict[str, Held] = {}
        while True:
            drawn = [self.world.name(each.worker) for each in self.world.job(job_id).verifiers if not each.commitment]
            left = [name for name in drawn if name not in plan.absent]
            if self.world.job(job_id).state is not JobState.VERIFYING or not drawn:
                return held
            for name in left:
                if name in plan.colluding:
                    held[name] = plan.provided
                else:
                    held[name] = plan.rejecting.get(name, RIGHT)
                    ran += [] if name in plan.rejecting else [name]
                values = packed(held[name], name)
                commits = values.commitment(self.world.charter, job_id, name)
                self.world.must(name, VerifierCommit(job=job_id, commitment=commits))
            if not left:
                self.world.block(passed_ms=2_000)

    def _reveal(self, plan: Plan, job_id: bytes, held: dict[str, Held]) -> None:
        for name, values in held.items():
            own = packed(values, name)
            verdict = Decision.ACCEPT if values is plan.provided else Decision.REJECT
            shown = VerifierReveal(job=job_id, salt=own.salt, cut=own.cut, outputs=own.outputs, verdict=verdict)
            self.world.must(name, shown)

    def _after(self, plan: Plan, job_id: bytes, ran: list[str]) -> None:
        """Have the canary opened, and those claim who have reason to."""
        world = self.world
        challengeable = (JobState.CONTESTED, JobState.SETTLED, JobState.UNVERIFIED)
        if plan.is_canary and world.job(job_id).state in challengeable:
            world.must(PROVIDER, CanaryOpen(job=job_id, salt=SALT))
        job = world.job(job_id)
        if job.state not in challengeable:
            return
        rejecters = [world.name(each.worker) for each in job.verifiers if each.verdict is Decision.REJECT]
        honest = [name for name in rejecters if name not in plan.rejecting]
        if plan.false_claim is not None:
            self._dispute(plan, job_id, plan.false_claim, ran)
        elif plan.is_canary:
            self._dispute(plan, job_id, PROVIDER, ran)  # who planted it has accepted values judged (J91)
        elif honest and job.state is JobState.CONTESTED:
            self._dispute(plan, job_id, honest[0], ran)

    def _dispute(self, plan: Plan, job_id: bytes, opener: str, ran: list[str]) -> None:
        """Play a dispute that somebody opens: whoever was drawn for it is honest."""
        court = Court(self.world, job_id, WHOLE)
        court.claim(opener, lie() if opener == plan.false_claim else truth())
        ran += court.all_drawn_claim(truth())
        court.open_all()
        court.fight()
        if court.dispute.stage is DisputeStage.JUDGING and opener != plan.false_claim:
            held = {PROVIDER: plan.provided, **plan.rejecting}
            held |= dict.fromkeys(plan.colluding, plan.provided)
            judged = [PROVIDER, *(self.world.name(each.worker) for each in self.world.job(job_id).verifiers)]
            for party in judged:
                if held.get(party, RIGHT) is not RIGHT:
                    court.prove_deviation(opener, party, held[party])
        court.finish()
