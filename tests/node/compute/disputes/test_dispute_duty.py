"""What is owed in each stage of a dispute, by whom, and in whose turn: on records made by hand."""

import pytest

from ledger.market.dispute.duel import UNTYPED
from ledger.market.dispute.payloads import WHOLE, Subject, tail_of
from ledger.market.dispute.records import (
    Claimant,
    Claimed,
    Dispute,
    DisputeStage,
    Duel,
    DuelStep,
    Fall,
    Part,
    Role,
    Side,
)
from ledger.records import Job
from ledger.state import change
from node.compute.disputes.duty import TURN_MS, Answer, Duty, owed
from testnet.kit import ledger_builders as kit
from vm import dispute_protocol as vm
from vm.place import Place, ResultPlace
from vm.program import Outline
from vm.tensor import DType, TensorType

WINDOW_MS, NOW_MS = 20_000, 100_000
FLOATS = TensorType(dtype=DType.FLOAT32, shape=[64])
OUTLINE = Outline(
    inputs=[FLOATS],
    outputs=[3],
    cut=[2],
    tail=bytes(32),
    constants=2,
    operations=9,
    constants_root=bytes(32),
    operations_root=bytes(32),
)
ME, ALLY, RIVAL, STRANGER = (kit.address(f"worker {at}") for at in (3, 1, 2, 4))
PLACE = ResultPlace(perturbed=False, number=5, element=7)


@pytest.fixture(scope="module")
def job() -> Job:
    """Return a settled job: worker 0 provided it, three others verified."""
    world = kit.a_world()
    kit.publish(world)
    found = world.state.job(kit.run_job(world))
    assert found is not None
    return found


def a_claim(who: bytes, *, role: Role = Role.CHALLENGER, claimed: bool = True, trace: int | None = None) -> Claimant:
    commitment = b"c" * 32 if claimed else None
    return Claimant(who=who, role=role, bond=1, commitment=commitment, height=1, trace=trace, carriage=0)


def a_dispute(
    stage: DisputeStage,
    *claims: Claimant,
    duel: Duel | None = None,
    subject: Subject = WHOLE,
    fall: Fall | None = None,
) -> Dispute:
    return Dispute(
        job=b"j" * 32,
        subject=subject,
        round=0,
        past=False,
        stage=stage,
        outcome=None,
        opened_height=1,
        due_live_ms=NOW_MS + WINDOW_MS,
        outline=OUTLINE,
        heard=0,
        spare_ms=0,
        escrow=1,
        claims=list(claims),
        traces=[Claimed(root=bytes([at]) * 32, fall=fall if at == 0 else None, beaten_by=None) for at in range(2)],
        duel=duel,
        duels=0,
        ill_conditioned=False,
        traps=False,
        findings=[],
        payouts=[],
        penalties=[],
    )


def a_side(trace: int, *, told: bool = False, asked: Place | None = None, tried: list[int] | None = None) -> Side:
    return Side(
        trace=trace,
        committed=bytes(32),
        high=4_000,
        told=[bytes(32)] if told else None,
        type=FLOATS,
        leaf=None,
        asked=asked,
        right=None,
        tried=tried or [],
    )


def a_duel(step: DuelStep, mine: Side, *, part: Part = Part.FIRST, width: int = 2) -> Duel:
    return Duel(part=part, place=0, step=step, low=16, width=width, number=5, sides=[mine, a_side(1)])


def due(dispute: Dispute, job: Job, *, me: bytes = ME, live_ms: int = NOW_MS) -> object:
    return owed(me, dispute, job, live_ms=live_ms, window_ms=WINDOW_MS)


def verifier_of(job: Job) -> bytes:
    return job.verifiers[0].worker


@pytest.mark.parametrize("stage", [DisputeStage.DRAWING, DisputeStage.CLAIMING])
def test_the_accused_claim_in_defence_and_strangers_do_not(stage: DisputeStage, job: Job) -> None:
    """D20."""
    dispute = a_dispute(stage, a_claim(RIVAL))
    assert job.provider is not None
    assert due(dispute, job, me=job.provider) is Duty.CLAIM
    assert due(dispute, job, me=verifier_of(job)) is Duty.CLAIM
    assert due(dispute, job, me=kit.address("client")) is Duty.NONE


def test_about_a_tail_only_its_party_defends_itself(job: Job) -> None:
    assert job.provider is not None
    dispute = a_dispute(DisputeStage.CLAIMING, a_claim(kit.address("client")), subject=tail_of(job.provider))
    assert due(dispute, job, me=job.provider) is Duty.CLAIM
    assert due(dispute, job, me=verifier_of(job)) is Duty.NONE


def test_who_is_drawn_claims_once_and_then_waits(job: Job) -> None:
    drawn = a_claim(ME, role=Role.DRAWN, claimed=False)
    assert due(a_dispute(DisputeStage.CLAIMING, drawn), job) is Duty.CLAIM
    claimed = change(drawn, commitment=b"c" * 32)
    assert due(a_dispute(DisputeStage.CLAIMING, claimed), job) is Duty.WAIT


def test_a_claim_is_opened_once_and_one_that_was_never_made_is_not(job: Job) -> None:
    assert due(a_dispute(DisputeStage.OPENING, a_claim(ME)), job) is Duty.OPEN
    assert due(a_dispute(DisputeStage.OPENING, a_claim(ME, trace=0)), job) is Duty.WAIT
    assert due(a_dispute(DisputeStage.OPENING, a_claim(ME, role=Role.DRAWN, claimed=False)), job) is Duty.WAIT


@pytest.mark.parametrize("stage", [DisputeStage.DUEL, DisputeStage.JUDGING])
def test_who_is_struck_or_never_opened_owes_nothing_more(stage: DisputeStage, job: Job) -> None:
    assert due(a_dispute(stage, a_claim(ME, trace=0), fall=Fall.WRONG), job) is Duty.NONE
    assert due(a_dispute(stage, a_claim(ME)), job) is Duty.NONE
    assert due(a_dispute(stage, a_claim(RIVAL, trace=0)), job) is Duty.NONE


def test_allies_act_in_the_order_of_their_claims(job: Job) -> None:
    """D25."""
    claims = a_claim(ALLY, trace=0), a_claim(RIVAL, trace=1), a_claim(ME, trace=0)
    dispute = a_dispute(DisputeStage.JUDGING, *claims)
    assert due(dispute, job, me=ALLY) is Duty.PROVE
    assert due(dispute, job) is Duty.WAIT
    assert due(dispute, job, live_ms=NOW_MS + TURN_MS) is Duty.PROVE


@pytest.mark.parametrize(
    ("duel", "asked"),
    [
        (
            a_duel(DuelStep.RUN, a_side(0)),
            vm.RunAsked(perturbed=False, part=vm.Part(low=16, high=4_000, width=2)),
        ),
        (
            a_duel(DuelStep.RUN, a_side(0), part=Part.PERTURBED),
            vm.RunAsked(perturbed=True, part=vm.Part(low=16, high=4_000, width=2)),
        ),
        (
            a_duel(DuelStep.ROWS, a_side(0), part=Part.NOISE),
            vm.NoiseAsked(place=0, part=vm.Part(low=16, high=4_000, width=2)),
        ),
        (a_duel(DuelStep.VALUE, a_side(0), width=UNTYPED), vm.ValueAsked(perturbed=False, value=8, part=None)),
        (
            a_duel(DuelStep.VALUE, a_side(0)),
            vm.ValueAsked(perturbed=False, value=8, part=vm.Part(low=16, high=4_000, width=2)),
        ),
        (
            a_duel(DuelStep.VALUE, a_side(0), part=Part.INPUT, width=UNTYPED),
            vm.ValueAsked(perturbed=False, value=0, part=None),
        ),
        (a_duel(DuelStep.LEAF, a_side(0)), vm.LeafAsked(perturbed=False, value=8, leaf=16)),
        (a_duel(DuelStep.DEFENCE, a_side(0, asked=PLACE)), vm.DefenceAsked(at=PLACE)),
    ],
)
def test_each_step_of_a_duel_asks_its_question(duel: Duel, asked: object, job: Job) -> None:
    dispute = a_dispute(DisputeStage.DUEL, a_claim(ME, trace=0), a_claim(RIVAL, trace=1), duel=duel)
    assert due(dispute, job) == Answer(step=duel.step, asked=asked)  # type: ignore[arg-type]  # one of the union


@pytest.mark.parametrize(
    "duel",
    [
        a_duel(DuelStep.RUN, a_side(0, told=True)),
        a_duel(DuelStep.LEAF, change(a_side(0), leaf=b"leaf")),
        a_duel(DuelStep.DEFENCE, a_side(0)),
        a_duel(DuelStep.DEFENCE, change(a_side(0, asked=PLACE), right=True)),
        a_duel(DuelStep.DEFENCE, a_side(0, asked=PLACE, tried=[0])),
        change(a_duel(DuelStep.RUN, a_side(0)), sides=[a_side(2), a_side(1)]),
    ],
)
def test_what_is_done_or_asked_of_others_is_waited_for(duel: Duel, job: Job) -> None:
    dispute = a_dispute(DisputeStage.DUEL, a_claim(ME, trace=0), a_claim(RIVAL, trace=1), duel=duel)
    assert due(dispute, job) is Duty.WAIT


def test_a_decided_dispute_asks_nothing(job: Job) -> None:
    assert due(change(a_dispute(DisputeStage.DECIDED, a_claim(ME, trace=0)), due_live_ms=None), job) is Duty.NONE
