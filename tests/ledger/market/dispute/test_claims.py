"""Who may claim, what it costs, who is drawn, and which claims and openings are refused (X1, X10 to X18)."""

from collections.abc import Sequence

import msgspec
import pytest

from ledger.apply import kept_place
from ledger.market.dispute.money import claim_bond
from ledger.market.dispute.payloads import WHOLE, DisputeClaim, Subject, SubjectKind, tail_of
from ledger.market.dispute.records import CHALLENGERS_MAX, DisputeStage, Fall, Role
from ledger.market.settlement import verifier_lock
from ledger.parameters import Parameters, Tier
from ledger.records import JobState
from ledger.state import change
from ledger.transaction import Decision, JobAccept, JobCommit, Payload, Transfer, WorkerUpdate, open_transaction
from primitives.reasons import Reason
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import CUT, PROVIDER, Court
from tests.vm.referee.jobs import cut_of
from vm.lowering import lowering_id
from vm.manifest import Class, model_id

LOCK = verifier_lock(Parameters(), Parameters().verifier_fee)


def a_settled_job(*, workers: int = 12, parameters: Parameters | None = None) -> tuple[World, bytes]:
    world = played.a_world(workers=workers, parameters=parameters)
    return world, played.a_job_played(world, played.right())


def kept(world: World, name: str, payload: Payload) -> bool:
    transaction = open_transaction(world.sign(name, payload), world.charter.hash)
    return kept_place(world.state, transaction) is not None


def test_a_claim_takes_a_bond_that_covers_the_costs_three_times_x12() -> None:
    world, job_id = a_settled_job()
    court, before = Court(world, job_id), world.balance("challenger 0")
    receipt = world.do("challenger 0", court.a_claim("challenger 0", played.truth()))
    bond = claim_bond(Parameters(), world.job(job_id))
    assert bond == 3 * (3 * Parameters().verifier_fee + Parameters().dispute_carriage)
    assert before - world.balance("challenger 0") == bond + receipt.fee
    assert court.dispute.escrow == bond
    assert world.job(job_id).state is JobState.DISPUTED
    assert kit.supply_of(world.state) == world.state.totals().supply


def test_who_cannot_pay_the_bond_cannot_claim_x12() -> None:
    world, job_id = a_settled_job()
    payload = Court(world, job_id).a_claim("nobody", played.truth())
    assert not kept(world, "stranger", payload)
    poor = world.balance("stranger") - 1
    world.must("stranger", Transfer(to=kit.address("client"), amount=poor - 10**9))
    assert world.do("stranger", payload).reason == Reason.INSUFFICIENT_BALANCE


@pytest.mark.parametrize(
    ("subject", "class_", "reason"),
    [
        (Subject(kind=SubjectKind.WHOLE, party=kit.address(PROVIDER)), Class.NATIVE, Reason.SUBJECT_INVALID),
        (tail_of(kit.address("stranger")), Class.NATIVE, Reason.SUBJECT_INVALID),
        (Subject(kind=SubjectKind.TAIL, party=None), Class.NATIVE, Reason.SUBJECT_INVALID),
        (tail_of(kit.address(PROVIDER)), Class.EXACT, Reason.SUBJECT_INVALID),
        (tail_of(kit.address(PROVIDER)), Class.NATIVE, None),
    ],
)
def test_a_dispute_is_about_the_whole_or_the_tail_of_a_party_x1(
    subject: Subject, class_: Class, reason: Reason | None
) -> None:
    world = played.a_world()
    job_id = played.a_job_played(world, played.right(), class_=class_)
    receipt = world.do("challenger 0", Court(world, job_id, subject).a_claim("challenger 0", played.truth()))
    assert receipt.reason == (reason or 0)


def test_no_dispute_opens_about_a_job_whose_window_is_over_x1() -> None:
    world = played.a_world(parameters=Parameters(challenge_ms=10_000))
    job_id = played.a_job_played(world, played.right())
    court = Court(world, job_id)
    other = court.a_claim("challenger 0", played.truth())
    world.until(lambda _: world.job(job_id).state is JobState.PAST_CHALLENGE)
    assert world.do("challenger 0", other).reason == Reason.JOB_WRONG_STATE
    unknown = change(other, job=bytes(32))
    assert world.do("challenger 0", unknown).reason == Reason.JOB_UNKNOWN


def test_a_subject_has_one_dispute_and_a_claimant_one_claim_x1_x10() -> None:
    world, job_id = a_settled_job()
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    assert world.do("challenger 0", court.a_claim("challenger 0", played.lie())).reason == Reason.ALREADY_COMMITTED
    tail = Court(world, job_id, tail_of(kit.address(PROVIDER)), cut=cut_of(CUT))
    tail.claim("challenger 0", played.tail(CUT))
    assert world.job(job_id).disputes == 2
    court.open_all()
    tail.open_all()
    late = court.a_claim("challenger 1", played.truth())
    assert world.do("challenger 1", late).reason == Reason.DISPUTE_WRONG_STAGE  # X16
    court.finish()
    assert world.job(job_id).disputes == 1
    assert world.job(job_id).state is JobState.DISPUTED  # X50: the other one is open
    tail.finish()
    assert world.job(job_id).state is JobState.PAST_CHALLENGE


def test_challengers_fill_eight_places_and_never_those_of_the_parties_x13() -> None:
    world, job_id = a_settled_job()
    court = Court(world, job_id)
    for at in range(CHALLENGERS_MAX):
        court.claim(f"challenger {at}", played.lie(1, at))
    court.drawn()
    ninth = court.a_claim("challenger 8", played.truth())
    assert world.do("challenger 8", ninth).reason == Reason.CLAIMS_FULL
    before = world.balance(PROVIDER)
    claim = court.a_claim(PROVIDER, played.truth())
    assert kept(world, PROVIDER, claim)
    receipt = world.do(PROVIDER, claim)
    assert receipt.ok
    assert world.balance(PROVIDER) == before - receipt.fee  # X12: its lock answers for it


def test_the_drawn_are_three_fresh_workers_who_lock_what_a_verifier_does_x15() -> None:
    world, job_id = a_settled_job()
    court, parties = Court(world, job_id), {PROVIDER, *played.drawn_of(world, job_id)}
    challenger = next(name for name in (f"worker {at}" for at in range(12)) if name not in parties)
    court.claim(challenger, played.truth())
    drawn = court.drawn()
    assert len(set(drawn)) == 3
    assert not {challenger, *parties} & set(drawn)
    assert all((world.worker(name).locked, world.worker(name).verifying) == (LOCK, 1) for name in drawn)
    claims = court.a_claim(drawn[0], played.truth())
    assert kept(world, drawn[0], claims)
    assert not kept(world, "challenger 0", claims)
    assert world.do(drawn[0], claims).ok
    assert world.worker(drawn[0]).locked == LOCK


def test_where_fewer_are_free_as_many_are_drawn_x15() -> None:
    world, job_id = a_settled_job(workers=6)
    for name in (f"worker {at}" for at in range(6)):
        if name != PROVIDER and name not in played.drawn_of(world, job_id):
            world.must(name, WorkerUpdate(ask=0, gas_ask=0, capacity=0))
            break
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    assert len(court.drawn()) == 1


def set_capacity(world: World, capacity: int, names: Sequence[str]) -> None:
    for name in names:
        world.must(name, WorkerUpdate(ask=0, gas_ask=0, capacity=capacity))


def test_jobs_that_keep_all_verifiers_busy_leave_slots_for_disputes_x15() -> None:
    world = played.a_world(workers=8)
    others = [f"worker {at}" for at in range(8) if f"worker {at}" != PROVIDER]
    set_capacity(world, 1, others)
    job_id = played.a_job_played(world, played.right())
    meant = {
        "model": model_id(played.MODEL),
        "lowering": lowering_id(played.LOWERING),
        "input": played.CONTENT.held.content,
    }
    busy = world.must("client", change(kit.a_submission(provider=PROVIDER, tier=Tier.MAX), **meant))
    world.must(PROVIDER, JobAccept(job=busy, price=1))
    world.must(PROVIDER, JobCommit(job=busy, commitment=bytes(32)))
    world.until(lambda _: world.job(busy).state is JobState.VERIFYING)
    assert all(world.worker(name).verifying == 1 for name in others)
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    assert len(court.drawn()) == 3


def three_disputes(world: World, job_id: bytes) -> tuple[list[str], Court]:
    """Return three workers that two disputes have taken all slots of, and a third dispute."""
    parties = [PROVIDER, *played.drawn_of(world, job_id)]
    fresh = [f"worker {at}" for at in range(7) if f"worker {at}" not in parties]
    set_capacity(world, 1, fresh)
    for at, party in enumerate(parties[:2]):
        busy = Court(world, job_id, tail_of(kit.address(party)))
        busy.claim(f"challenger {at}", played.truth())
        assert set(busy.drawn()) == set(fresh)
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    world.blocks(8)
    assert court.dispute.stage is DisputeStage.DRAWING
    return fresh, court


def test_a_dispute_waits_for_workers_that_are_busy_with_others_x15() -> None:
    world, job_id = a_settled_job(workers=7)
    fresh, court = three_disputes(world, job_id)
    due = court.dispute.due_live_ms
    assert due is not None
    set_capacity(world, 2, fresh)
    assert set(court.drawn()) == set(fresh)
    assert world.state.clock().live_ms < due


def test_when_its_time_is_over_whoever_is_free_is_drawn_x15() -> None:
    world, job_id = a_settled_job(workers=7, parameters=Parameters(draw_ms=30_000))
    fresh, court = three_disputes(world, job_id)
    set_capacity(world, 2, fresh[:1])
    due = court.dispute.due_live_ms
    assert due is not None
    assert court.drawn() == fresh[:1]
    assert due <= world.state.clock().live_ms < due + 1_000


def test_without_reveals_a_dispute_goes_on_without_drawn_workers_x15() -> None:
    world, job_id = a_settled_job()
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    while court.dispute.stage is DisputeStage.DRAWING:
        world.block(proposer=0)  # of four with equal stake: a quarter
    assert court.dispute.stage is DisputeStage.CLAIMING
    assert [each.role for each in court.dispute.claims] == [Role.CHALLENGER]


def test_an_opening_is_of_the_claims_own_trace_and_of_the_jobs_program_x11_x17() -> None:
    world, job_id = a_settled_job()
    court = Court(world, job_id)
    truth = played.truth()
    court.claim("challenger 0", truth)
    foreign = played.lie(1, 2)
    foreign.trace = msgspec.structs.replace(truth.trace, program=bytes(32))
    court.claim("challenger 1", foreign)
    short = played.lie(1, 3)
    short.trace = msgspec.structs.replace(truth.trace, perturbed=None, noise=[])
    court.claim("challenger 2", short)
    empty = played.lie(1, 4)
    empty.trace = msgspec.structs.replace(truth.trace, first=change(truth.trace.first, count=0), noise=[])
    court.claim("challenger 3", empty)
    own = court.an_opening("challenger 0")
    assert world.do("challenger 0", own).reason == Reason.DISPUTE_WRONG_STAGE  # X4
    world.until(lambda _: court.dispute.stage is DisputeStage.OPENING)
    assert kept(world, "challenger 0", own)  # X18
    assert not kept(world, "stranger", own)
    assert world.do("stranger", own).reason == Reason.NOT_A_PARTY
    for name in ("challenger 1", "challenger 2", "challenger 3"):
        assert world.do(name, court.an_opening(name)).reason == Reason.MALFORMED
    for wrong in (change(own, salt=bytes(32)), court.an_opening("challenger 0", played.lie())):
        assert world.do("challenger 0", wrong).reason == Reason.COMMITMENT_MISMATCH
    copied = court.an_opening("challenger 1", truth)
    assert world.do("challenger 1", copied).reason == Reason.COMMITMENT_MISMATCH
    assert world.do("challenger 0", change(own, outline=change(own.outline, constants=9))).reason == Reason.MALFORMED
    assert world.do("challenger 0", change(own, dispute=bytes(32))).reason == Reason.DISPUTE_UNKNOWN
    world.must("challenger 0", own)
    assert world.do("challenger 0", own).reason == Reason.ALREADY_REVEALED
    court.finish()
    bond = claim_bond(Parameters(), world.job(job_id))
    burned = [each.amount for each in court.dispute.payouts if each.kind.name == "BURNED"]
    assert sum(burned) > 2 * bond  # X16: what was not opened


def test_allies_stand_together_and_are_refunded_together_x14() -> None:
    world, job_id = a_settled_job()
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    court.claim("challenger 1", played.truth())
    court.claim("challenger 2", played.lie())
    court.open_all()
    court.silent = {"challenger 0"}
    assert len(court.dispute.traces) == 2
    court.fight()
    assert [each.fall for each in court.dispute.traces] == [None, Fall.WRONG]
    court.finish()
    returned = [each.to for each in court.dispute.payouts if each.kind.name == "BOND_RETURNED"]
    assert returned == [kit.address("challenger 0"), kit.address("challenger 1")]


def test_a_rejecter_has_a_place_kept_for_the_claim_that_it_owes_x18() -> None:
    world = played.a_world()
    rejects = (Decision.REJECT, Decision.REJECT, Decision.REJECT)
    job_id = played.a_job_played(world, played.off_by(1_000), rejects)
    court = Court(world, job_id)
    rejecter = played.drawn_of(world, job_id)[0]
    claim = court.a_claim(rejecter, played.truth())
    assert kept(world, rejecter, claim)
    assert not kept(world, PROVIDER, claim)
    assert court.subject == WHOLE
    elsewhere = Court(world, job_id, tail_of(kit.address(rejecter)), cut=cut_of(CUT))
    elsewhere.claim("stranger", played.tail(CUT))
    assert kept(world, rejecter, claim)  # whoever disputes something else takes that from nobody


def test_who_rejected_has_a_place_for_a_claim_about_parties_alone_x18() -> None:
    world = played.a_world()
    job_id = played.a_job_played(world, played.off_by(1_000), (Decision.REJECT,) * 3)
    rejecter = played.drawn_of(world, job_id)[0]
    for party, has_place in ((PROVIDER, True), ("nobody", False)):
        about = tail_of(kit.address(party))
        assert kept(world, rejecter, DisputeClaim(job=job_id, subject=about, commitment=bytes(32))) is has_place
