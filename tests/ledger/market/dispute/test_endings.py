"""Disputes to their end on the chain: who is found right, and that every grain and every lock is accounted for."""

from ledger.market.dispute.money import claim_bond
from ledger.market.dispute.payloads import past_id, tail_of
from ledger.market.dispute.records import Dispute, DisputeOutcome, DisputeStage, Fall, OpenedTrace
from ledger.market.dispute.rows import DISPUTE_TRACE, dispute_draws, find_dispute
from ledger.market.settlement import verifier_lock
from ledger.parameters import Parameters, Tier
from ledger.records import Job, JobState, Outcome, PayoutKind
from ledger.transaction import Decision, WorkerUpdate, open_transaction
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import again, played, withholding
from tests.ledger.market.dispute.played import CUT, PRICE, PROVIDER, Court
from tests.vm.referee.jobs import cut_of
from vm.manifest import Class
from vm.referee.blaming import conditioned

REJECTS, ACCEPTS = (Decision.REJECT,) * 3, (Decision.ACCEPT,) * 3
FALSE = played.off_by(1_000)
LOCK = verifier_lock(Parameters(), Parameters().verifier_fee)
FEE = Parameters().verifier_fee


class Ledger:
    """What somebody has in a world: balance and bond."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.before = {name: self._now(name) for name in played.PEOPLE}
        self.before |= {f"worker {at}": self._now(f"worker {at}") for at in range(12)}
        self.since = len(world.finals)

    def _now(self, name: str) -> int:
        worker = self.world.state.worker(kit.address(name))
        return self.world.balance(name) + (0 if worker is None else worker.bond)

    def gained(self, name: str) -> int:
        """Return what somebody has gained, transaction fees aside."""
        fees = 0
        for final in self.world.finals[self.since :]:
            for raw, receipt in zip(final.block.transactions, final.outcome.receipts, strict=True):
                if open_transaction(raw, self.world.charter.hash).sender == kit.address(name):
                    fees += receipt.fee
        return self._now(name) - self.before[name] + fees


def ended(court: Court) -> tuple[Job, Dispute]:
    """Wait until all is over; nothing is left locked, waiting or unaccounted for."""
    world = court.world
    court.finish()
    job = world.job(court.job_id)
    assert job.state in (JobState.VOID, JobState.PAST_CHALLENGE)
    assert job.escrow == job.provider_locked == court.dispute.escrow == 0
    assert all(not worker.locked and not worker.verifying for _, worker in world.state.workers())
    assert list(world.state.deadlines()) == []
    assert list(dispute_draws(world.state)) == []
    assert list(world.state.scan(OpenedTrace, DISPUTE_TRACE)) == []
    assert kit.supply_of(world.state) == world.state.totals().supply
    return job, court.dispute


def test_a_lying_provider_is_convicted_after_a_reject() -> None:
    """X51: though it swears to a trace of its own, which the referee finds wrong."""
    world = played.a_world()
    money = Ledger(world)
    job_id = played.a_job_played(world, FALSE, REJECTS)
    lost = world.job(job_id).provider_locked
    assert world.job(job_id).state is JobState.CONTESTED
    court, rejecters = Court(world, job_id), played.drawn_of(world, job_id)
    court.claim(rejecters[0], played.truth())
    court.claim(PROVIDER, played.lie())
    drawn = court.all_drawn_claim(played.truth())
    assert len(drawn) == 3
    assert not {PROVIDER, *rejecters} & set(drawn)
    court.open_all()
    court.fight()
    court.prove_deviation(rejecters[0], PROVIDER, FALSE)
    job, dispute = ended(court)
    assert dispute.outcome is DisputeOutcome.UPHELD
    assert [each.fall for each in dispute.traces] == [None, Fall.WRONG]
    assert (job.state, job.outcome) == (JobState.VOID, Outcome.CONVICTED)
    assert money.gained("client") == 0
    assert money.gained(PROVIDER) == -lost
    assert all(money.gained(name) > FEE for name in (*drawn, rejecters[0]))
    assert [money.gained(name) for name in rejecters[1:]] == [FEE, FEE]
    assert world.state.track(kit.address(PROVIDER)).convicted == 1


def test_nobody_who_convicts_the_liar_of_a_cheap_job_is_out_of_pocket() -> None:
    """J11: the provider has locked what that costs, though the price would not cover it."""
    world = played.a_world()
    people = ["client", *(f"worker {at}" for at in range(1, 12))]
    before = {name: world.balance(name) for name in people}
    job_id = played.a_job_played(world, FALSE, REJECTS, price=KARAT // 1_000)
    court, rejecters = Court(world, job_id), played.drawn_of(world, job_id)
    court.claim(rejecters[0], played.truth())
    drawn = court.all_drawn_claim(played.truth())
    court.open_all()
    court.prove_deviation(rejecters[0], PROVIDER, FALSE)
    assert ended(court)[0].outcome is Outcome.CONVICTED
    right = [*rejecters, *drawn]
    assert all(world.balance(name) > before[name] for name in right)  # what their transactions cost included


def test_a_bystander_convicts_the_liar_of_a_job_that_nobody_verified() -> None:
    world = played.a_world(parameters=played.NEVER_DRAWN)
    world.trust(PROVIDER, 10**9)
    money = Ledger(world)
    job_id = played.a_job_played(world, FALSE, (), tier=Tier.SPOT)
    assert world.job(job_id).state is JobState.UNVERIFIED
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.prove_deviation("challenger 0", PROVIDER, FALSE)
    job, _ = ended(court)
    assert job.outcome is Outcome.CONVICTED
    assert money.gained("client") == 0
    assert money.gained(PROVIDER) == -(12 * PRICE + FEE)
    assert money.gained("challenger 0") > 12 * PRICE * 3 // 10 // 5


def test_a_client_that_had_paid_is_made_whole_out_of_the_liars_bond_x57() -> None:
    world = played.a_world()
    money = Ledger(world)
    job_id = played.a_job_played(world, FALSE, ACCEPTS, verifiers=dict.fromkeys(range(3), FALSE))
    assert world.job(job_id).state is JobState.SETTLED
    verifiers = played.drawn_of(world, job_id)
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    for name in (PROVIDER, *verifiers):
        court.prove_deviation("challenger 0", name, FALSE)
    job, _ = ended(court)
    assert job.outcome is Outcome.CONVICTED
    assert money.gained("client") == 0
    assert [money.gained(name) for name in verifiers] == [FEE - LOCK] * 3


def test_a_liar_who_challenges_an_honest_provider_loses_its_bond() -> None:
    world = played.a_world()
    money = Ledger(world)
    job_id = played.a_job_played(world, played.right(), ACCEPTS)
    bond = claim_bond(Parameters(), world.job(job_id))
    court = Court(world, job_id)
    court.claim("challenger 0", played.lie())
    court.claim(PROVIDER, played.truth())
    court.open_all()
    court.fight()
    job, dispute = ended(court)
    assert [each.fall for each in dispute.traces] == [Fall.WRONG, None]
    assert (job.state, job.outcome) == (JobState.PAST_CHALLENGE, Outcome.SETTLED)
    assert money.gained("challenger 0") == -bond
    assert money.gained(PROVIDER) > PRICE * 93 // 100 + job.run_fee


def test_who_rejects_what_is_right_is_slashed_x54() -> None:
    world = played.a_world()
    money = Ledger(world)
    near = played.off_by(3)
    job_id = played.a_job_played(world, near, (Decision.REJECT, *ACCEPTS[:2]), verifiers={0: played.off_by(2, 7)})
    rejecter = played.drawn_of(world, job_id)[0]
    court = Court(world, job_id)
    court.claim(rejecter, played.lie())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.fight()
    court.prove_deviation(rejecter, PROVIDER, near)  # of 3 σ, which changes nothing
    job, _ = ended(court)
    assert job.outcome is Outcome.CLEARED
    assert money.gained(PROVIDER) == PRICE * 93 // 100
    assert money.gained(rejecter) == -LOCK - claim_bond(Parameters(), job)


def test_who_could_not_have_accepted_is_judged_by_its_own_values_alone_x54() -> None:
    """J24: the lowering tolerates less than honest machines differ by."""
    near = played.off_by(7)
    for own, lost in ((played.off_by(12, down=True), 0), (played.off_by(1_000, 7), LOCK)):
        world = played.a_world(lowering=played.TIGHT)
        money = Ledger(world)
        held = {0: own, 1: near, 2: near}
        verdicts = (Decision.REJECT, *ACCEPTS[:2])
        job_id = played.a_job_played(world, near, verdicts, verifiers=held, lowering=played.TIGHT)
        rejecter, *others = played.drawn_of(world, job_id)
        assert [each.forced for each in world.job(job_id).verifiers] == [True, False, False]
        court = Court(world, job_id)
        court.claim("stranger", played.truth())
        court.all_drawn_claim(played.truth())
        court.open_all()
        court.prove_deviation("stranger", rejecter, own)
        job, _ = ended(court)
        assert job.outcome is Outcome.CLEARED
        assert money.gained(PROVIDER) == PRICE * 93 // 100
        assert [money.gained(name) for name in others] == [FEE, FEE]
        assert money.gained(rejecter) == (FEE if not lost else -lost)


def test_the_grey_zone_is_unpaid_and_forfeits_the_costs_x55() -> None:
    world = played.a_world()
    money = Ledger(world)
    grey = played.off_by(30)
    job_id = played.a_job_played(world, grey, REJECTS)
    rejecter = played.drawn_of(world, job_id)[0]
    court = Court(world, job_id)
    court.claim(rejecter, played.truth())
    drawn = court.all_drawn_claim(played.truth())
    court.open_all()
    court.prove_deviation(rejecter, PROVIDER, grey)
    job, dispute = ended(court)
    assert job.outcome is Outcome.GREY
    assert money.gained("client") == 0
    costs = sum(job.run_fee + each.carriage for each in dispute.claims)
    assert money.gained(PROVIDER) == -3 * FEE - costs
    assert all(money.gained(name) > FEE for name in drawn)
    assert world.state.track(kit.address(PROVIDER)).forced == Parameters().audit_forced


def test_a_label_that_does_not_follow_from_right_values_is_slashed_x52() -> None:
    world = played.a_world()
    false = played.wrong_label()
    others = dict.fromkeys(range(3), played.off_by(2))  # else the chain itself would see that the labels differ
    job_id = played.a_job_played(world, false, REJECTS, verifiers=others)
    rejecter = played.drawn_of(world, job_id)[0]
    follows = played.tail(CUT)
    court = Court(world, job_id, tail_of(kit.address(PROVIDER)), cut=cut_of(CUT))
    court.claim(rejecter, follows)
    court.claim(PROVIDER, played.lie(4, 0, of=follows))
    court.all_drawn_claim(follows)
    court.open_all()
    court.fight()
    court.prove_outputs(rejecter, PROVIDER, false, follows)
    job, dispute = ended(court)
    assert [each.fall for each in dispute.traces] == [None, Fall.WRONG]
    assert job.outcome is Outcome.CONVICTED


def test_in_class_exact_an_output_that_differs_is_slashed_x43() -> None:
    world = played.a_world()
    false = played.wrong_label()
    job_id = played.a_job_played(world, false, REJECTS, class_=Class.EXACT)
    court = Court(world, job_id)
    rejecter = played.drawn_of(world, job_id)[0]
    court.claim(rejecter, played.truth(Class.EXACT))
    court.all_drawn_claim(played.truth(Class.EXACT))
    court.open_all()
    court.prove_outputs(rejecter, PROVIDER, false, played.truth(Class.EXACT))
    job, _ = ended(court)
    assert job.outcome is Outcome.CONVICTED


def test_two_rivals_both_false_are_both_struck_x33() -> None:
    world = played.a_world()
    money = Ledger(world)
    job_id = played.a_job_played(world, FALSE, REJECTS)
    court = Court(world, job_id)
    court.claim("challenger 0", played.lie(1, 3))
    court.claim("challenger 1", played.lie(1, 3, bit=1))
    court.open_all()
    court.fight()
    job, dispute = ended(court)
    assert [each.fall for each in dispute.traces] == [Fall.WRONG, Fall.WRONG]
    assert (dispute.outcome, job.outcome) == (DisputeOutcome.NONE_STANDS, Outcome.UNDECIDED)
    assert money.gained("client") == 0
    assert money.gained("challenger 1") == -claim_bond(Parameters(), job)


def test_a_false_trace_that_is_right_where_it_differs_stands_and_convicts_nobody_x45() -> None:
    world = played.a_world()
    job_id = played.a_job_played(world, played.right(), ACCEPTS)
    court = Court(world, job_id)
    court.claim("challenger 0", played.lie(1, 3))
    court.claim("challenger 1", played.lie(1, 5))
    court.open_all()
    court.fight()
    job, dispute = ended(court)
    assert [each.fall for each in dispute.traces] == [Fall.WRONG, None]
    assert dispute.outcome is DisputeOutcome.UNCONFIRMED
    assert job.outcome is Outcome.SETTLED


def test_an_unopposed_false_claim_without_a_drawn_workers_agreement_slashes_nobody_x45() -> None:
    world = played.a_world(workers=4)  # nobody is left to draw
    money = Ledger(world)
    job_id = played.a_job_played(world, played.right(), ACCEPTS)
    court = Court(world, job_id)
    court.claim("challenger 0", played.lie())
    assert court.drawn() == []
    court.open_all()
    job, dispute = ended(court)
    assert dispute.outcome is DisputeOutcome.UNCONFIRMED
    assert (job.state, job.outcome) == (JobState.PAST_CHALLENGE, Outcome.SETTLED)
    assert money.gained("challenger 0") == 0
    assert money.gained(PROVIDER) == PRICE * 93 // 100


def test_a_job_with_a_nan_at_its_cut_is_ill_conditioned_and_slashes_nobody_x53() -> None:
    world = played.a_world(parameters=played.NEVER_DRAWN)
    world.trust(PROVIDER, 10**9)
    money = Ledger(world)
    content, runs = played.with_a_nan()
    job_id = played.a_job_played(world, FALSE, (), tier=Tier.SPOT, content=content)
    court = Court(world, job_id)
    court.claim("challenger 0", runs)
    court.all_drawn_claim(runs)
    court.open_all()
    assert court.prove("challenger 0", PROVIDER, conditioned(runs, played.TOLERANCE)).ok
    assert court.dispute.ill_conditioned
    job, _ = ended(court)
    assert job.outcome is Outcome.ILL_CONDITIONED
    assert (money.gained("client"), money.gained(PROVIDER)) == (-FEE, FEE)


def test_no_dispute_cuts_the_time_short_in_which_others_may_challenge_x50() -> None:
    """J45: whoever lied had only to open one about something else, and was past its challenge in three minutes."""
    world = played.a_world()
    job_id = played.a_job_played(world, FALSE, ACCEPTS, verifiers=dict.fromkeys(range(3), FALSE))
    verifier = kit.address(played.drawn_of(world, job_id)[0])
    settled = world.job(job_id).history[-1].live_ms
    other, tail = Court(world, job_id, tail_of(verifier), cut=cut_of(FALSE.cut)), played.tail(FALSE.cut)
    other.claim("challenger 8", tail)
    other.all_drawn_claim(tail)
    other.open_all()
    world.until(lambda _: other.dispute.stage is DisputeStage.DECIDED)
    assert all(not worker.verifying for _, worker in world.state.workers())  # who was drawn has nothing left to run
    job = world.job(job_id)
    assert (job.state, job.disputes) == (JobState.DISPUTED, 0)
    assert job.due_live_ms == settled + Parameters().challenge_ms
    court = Court(world, job_id)
    court.claim("stranger", played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.prove_deviation("stranger", PROVIDER, FALSE)
    job, _ = ended(court)
    assert job.outcome is Outcome.CONVICTED


def test_a_job_that_is_cleared_ends_when_its_challenge_window_does_x50() -> None:
    world = played.a_world()
    job_id = played.a_job_played(world, played.right(), ACCEPTS)
    settled = world.job(job_id).history[-1].live_ms
    court = Court(world, job_id)
    court.claim("stranger", played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    job, _ = ended(court)
    assert (job.state, job.ruled) == (JobState.PAST_CHALLENGE, Outcome.CLEARED)
    assert 0 <= job.history[-1].live_ms - settled - Parameters().challenge_ms < Parameters().live_step_ms_max


def test_a_liar_that_withholds_from_who_was_drawn_saves_nothing_by_it() -> None:
    """H31: what it loses is there for those who convict it, as if it had answered."""
    found = []
    for withheld in (0, 1):
        world = withholding.a_world()
        money = Ledger(world)
        job, _ = ended(withholding.convict(world, withheld_from=withheld))
        assert (job.outcome, money.gained("client"), job.forfeited) == (Outcome.CONVICTED, 0, 0)
        found.append((money.gained(PROVIDER), money.gained("challenger 0")))
    assert found[0][0] == found[1][0]
    assert found[1][1] > found[0][1] > FEE  # one fewer shares the bounty


def test_a_dispute_that_is_upheld_is_not_opened_anew_x5() -> None:
    world = played.a_world()
    job_id = played.a_job_played(world, played.right(), ACCEPTS)
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    world.until(lambda _: court.dispute.stage is DisputeStage.DECIDED)
    assert world.job(job_id).state is JobState.DISPUTED
    refused = world.do("stranger", court.a_claim("stranger", played.lie()))
    assert refused.reason == Reason.DISPUTE_WRONG_STAGE


def test_a_claim_that_nobody_confirms_closes_a_dispute_to_nobody_x5() -> None:
    """X1: a friend of the liar has a false claim decided at once; who comes later keeps the liar from being paid."""
    world = again.a_world()
    money = Ledger(world)
    first = again.used_up(world)
    assert (first.dispute.outcome, first.dispute.round) == (DisputeOutcome.UNCONFIRMED, 0)
    held = world.job(first.job_id)
    assert (held.state, held.disputes) == (JobState.DISPUTED, 0)
    job, dispute = ended(again.claimed_anew(first))
    assert (dispute.round, dispute.outcome) == (1, DisputeOutcome.UNCONFIRMED)
    assert job.outcome is Outcome.UNDECIDED  # the client gets everything back
    assert [money.gained(name) for name in ("client", PROVIDER, "challenger 0")] == [0, 0, 0]
    past = find_dispute(world.state, past_id(first.id, 0))
    assert past is not None
    assert (past.past, past.escrow) == (True, 0)
    assert [each.kind for each in past.payouts] == [PayoutKind.BOND_RETURNED]
    refused = world.do("stranger", first.a_claim("stranger", played.lie()))
    assert refused.reason == Reason.DISPUTE_WRONG_STAGE  # the job is over


def test_no_later_claim_takes_back_what_speaks_against_the_provider_x5() -> None:
    world = again.a_world()
    job_id = played.a_job_played(world, FALSE, (), tier=Tier.SPOT)
    world.must("worker 1", WorkerUpdate(ask=0, gas_ask=0, capacity=0))
    court = Court(world, job_id)
    court.claim("client", played.truth())
    again.judged(court)
    court.prove_deviation("client", PROVIDER, FALSE)
    keeps_it_open = Court(world, job_id, tail_of(kit.address(PROVIDER)), cut=cut_of(FALSE.cut))
    keeps_it_open.claim("challenger 0", played.tail(FALSE.cut))
    world.until(lambda _: court.dispute.stage is DisputeStage.DECIDED)
    assert (court.dispute.outcome, world.job(job_id).disputes) == (DisputeOutcome.UNCONFIRMED, 1)
    refused = world.do("challenger 1", court.a_claim("challenger 1", played.lie()))
    assert refused.reason == Reason.DISPUTE_WRONG_STAGE


def test_behind_its_window_no_dispute_of_a_job_is_opened_anew_x5() -> None:
    world = again.a_world()
    court = again.used_up(world)
    until = world.job(court.job_id).due_live_ms
    assert until is not None
    world.until(lambda state: state.clock().live_ms >= until - 2_000, at_most=1_000)
    keeps_it_open = Court(world, court.job_id, tail_of(kit.address(PROVIDER)), cut=cut_of(FALSE.cut))
    keeps_it_open.claim("challenger 1", played.tail(FALSE.cut))
    world.until(lambda state: state.clock().live_ms >= until)
    assert world.job(court.job_id).state is JobState.DISPUTED
    refused = world.do("client", court.a_claim("client", played.truth()))
    assert refused.reason == Reason.DISPUTE_WRONG_STAGE
