"""Duels on the chain: who is asked what, who falls by silence, and what spoils nothing (X30 to X37)."""

import pytest

from ledger.market.dispute.payloads import DisputeBeyond, DisputeDefend, DisputeLeaf, DisputeTell
from ledger.market.dispute.records import DisputeOutcome, DisputeStage, DuelStep, Fall
from ledger.parameters import Parameters
from ledger.records import JobState
from ledger.state import change
from primitives.reasons import Reason
from testnet.kit import ledger_builders as kit
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, Court
from vm.trace import trace_root


def a_duel(*, allies: int = 1) -> Court:
    """Return a dispute about a settled job: the truth, of so many allies, against one lie."""
    world = played.a_world()
    court = Court(world, played.a_job_played(world, played.right()))
    for at in range(allies):
        court.claim(f"challenger {at}", played.truth())
    court.claim("challenger 8", played.lie(1, 33))
    court.open_all()
    assert court.dispute.stage is DisputeStage.DUEL
    return court


def until(court: Court, step: DuelStep) -> None:
    while court.dispute.duel is not None and court.dispute.duel.step is not step:
        for name in court.claims:
            move = court.move(name)
            if move is not None:
                court.world.must(*move)


SILENCES = [
    (DuelStep.RUN, "challenger 0"),
    (DuelStep.VALUE, "challenger 8"),
    (DuelStep.LEAF, "challenger 0"),
    (DuelStep.DEFENCE, "challenger 0"),
    (DuelStep.DEFENCE, "challenger 8"),
]


@pytest.mark.parametrize(("step", "silent"), SILENCES, ids=lambda each: getattr(each, "name", each))
def test_who_is_silent_in_a_step_is_struck_x35(step: DuelStep, silent: str) -> None:
    court = a_duel()
    until(court, step)
    court.silent = {silent}
    court.fight()
    falls = [each.fall for each in court.dispute.traces]
    if silent == "challenger 0":
        # The liar's own proof shows that it is wrong, so in the last step both are struck.
        assert falls == [Fall.SILENT, Fall.WRONG if step is DuelStep.DEFENCE else None]
    else:
        assert falls == [None, Fall.WRONG if step is DuelStep.DEFENCE else Fall.SILENT]


def test_both_silent_are_both_struck_and_the_dispute_is_decided_x35() -> None:
    court = a_duel()
    court.silent = set(court.claims)
    court.fight()
    assert court.dispute.stage is DisputeStage.DECIDED
    assert court.dispute.outcome is DisputeOutcome.NONE_STANDS


def test_a_step_has_its_whole_time_from_when_it_begins_x3() -> None:
    court = a_duel()
    first = court.dispute.due_live_ms
    until(court, DuelStep.VALUE)
    live = court.world.state.clock().live_ms
    assert first is not None
    assert court.dispute.due_live_ms == live + Parameters().dispute_step_ms > first


def test_what_is_not_asked_or_does_not_give_what_was_committed_to_is_refused_x4_x31_x32() -> None:
    court = a_duel()
    world, root = court.world, trace_root(played.truth().trace)
    move = court.move("challenger 0")
    assert move is not None
    told = move[1]
    assert isinstance(told, DisputeTell)
    leaf = DisputeLeaf(dispute=court.id, root=root, leaf=b"x")
    proof = DisputeDefend(dispute=court.id, root=root, proof=b"x")
    beyond = DisputeBeyond(dispute=court.id, party=kit.address(PROVIDER), proof=b"x")
    for wrong in (
        change(told, roots=told.roots[:-1]),
        change(told, roots=[*told.roots[:-1], bytes(32)]),
        change(told, value_type=kit.ROW),
        change(told, root=bytes(32)),
        leaf,
        proof,
    ):
        assert world.do("challenger 0", wrong).reason == Reason.DISPUTE_NOT_ASKED
    assert world.do("challenger 0", beyond).reason == Reason.DISPUTE_WRONG_STAGE
    assert world.do("challenger 0", change(told, dispute=bytes(32))).reason == Reason.DISPUTE_UNKNOWN
    assert world.do("stranger", told).ok  # anybody may tell what gives the root
    assert world.do("challenger 0", told).reason == Reason.DISPUTE_NOT_ASKED


def test_an_ally_who_means_harm_takes_nothing_from_the_others_x33() -> None:
    court = a_duel(allies=2)
    until(court, DuelStep.DEFENCE)
    world, root = court.world, trace_root(played.truth().trace)
    spoils = DisputeDefend(dispute=court.id, root=root, proof=b"no proof at all")
    assert world.do("stranger", spoils).reason == Reason.NOT_A_PARTY
    assert world.do("challenger 1", spoils).ok  # heard, and it shows nothing
    assert world.do("challenger 1", spoils).reason == Reason.DISPUTE_NOT_ASKED
    court.silent = {"challenger 1"}
    court.fight()
    assert [each.fall for each in court.dispute.traces] == [None, Fall.WRONG]


def test_a_block_hears_one_proof_x37() -> None:
    court = a_duel()
    until(court, DuelStep.DEFENCE)
    world = court.world
    moves = [court.move(name) for name in ("challenger 8", "challenger 0")]
    signed = [world.sign(*move) for move in moves if move is not None]
    assert len(signed) == 2
    assert len(world.block(*signed).outcome.receipts) == 1


def test_the_first_two_fight_and_who_stands_meets_the_next_x34() -> None:
    world = played.a_world()
    court = Court(world, played.a_job_played(world, played.right()))
    for at in range(3):
        court.claim(f"challenger {at}", played.lie(1, at))
    court.claim("challenger 3", played.truth())
    court.open_all(but=["challenger 1"])
    world.until(lambda _: court.dispute.stage is DisputeStage.DUEL)
    court.fight()
    assert court.dispute.duels == 2
    assert [each.fall for each in court.dispute.traces] == [Fall.WRONG, Fall.WRONG, None]
    court.finish()
    assert court.dispute.outcome is DisputeOutcome.UNCONFIRMED


def test_a_halt_of_the_chain_strikes_nobody() -> None:
    court = a_duel()
    live = court.world.state.clock().live_ms
    court.world.block(passed_ms=3_600_000)
    assert court.world.state.clock().live_ms == live + 2_000
    assert court.dispute.stage is DisputeStage.DUEL
    court.fight()
    assert [each.fall for each in court.dispute.traces] == [None, Fall.WRONG]


def test_in_judging_each_may_try_once_about_each_party_and_strangers_may_not_x40_x41() -> None:
    world = played.a_world()
    false = played.off_by(1_000)
    job_id = played.a_job_played(world, false, verifiers=dict.fromkeys(range(3), false))
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    assert court.dispute.stage is DisputeStage.JUDGING
    nothing = DisputeBeyond(dispute=court.id, party=kit.address(PROVIDER), proof=b"no proof at all")
    assert world.do("stranger", nothing).reason == Reason.NOT_A_PARTY
    assert world.do("client", nothing).ok
    assert world.do("client", nothing).reason == Reason.ALREADY_REVEALED
    assert world.do("client", change(nothing, party=kit.address("stranger"))).reason == Reason.SUBJECT_INVALID
    [finding] = court.dispute.findings
    assert finding.thousandths == 0
    court.prove_deviation("challenger 0", PROVIDER, false)
    [finding] = court.dispute.findings
    assert 990_000 < finding.thousandths < 1_010_000
    paid = [each.carriage for each in court.dispute.claims]
    court.prove_deviation(world.name(court.dispute.claims[1].who), PROVIDER, false)  # nothing new: at its own cost
    assert [each.carriage for each in court.dispute.claims] == paid
    court.finish()
    assert world.job(job_id).state is JobState.VOID


def test_by_the_whole_trace_of_class_native_no_output_is_judged_x42_x43() -> None:
    world = played.a_world()
    false = played.wrong_label()
    job_id = played.a_job_played(world, false, verifiers=dict.fromkeys(range(3), false))
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.prove_outputs("challenger 0", PROVIDER, false, played.tail(played.CUT))
    assert not court.dispute.findings[0].output
    court.finish()
    assert world.job(job_id).state is JobState.PAST_CHALLENGE
