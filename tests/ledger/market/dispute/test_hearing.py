"""One proof in a block: whose turn it is, and what time others' proofs take from nobody (X37)."""

from ledger.apply import kept_place
from ledger.market.dispute import hearing
from ledger.market.dispute.awaited import turn
from ledger.market.dispute.lifecycle import SPARE_TIMES
from ledger.market.dispute.payloads import DisputeBeyond, DisputePayload
from ledger.market.dispute.records import DisputeStage, Fall, Heard
from ledger.market.dispute.rows import HEARD, find_dispute, proofs_heard
from ledger.moment import Moment
from ledger.parameters import Parameters
from ledger.transaction import open_transaction
from primitives.reasons import Reason
from testnet.kit import ledger_builders as kit
from tests.ledger.market.dispute.crowded import HONEST, LIAR, STEP_MS, idle_proofs, taken, two_disputes


def test_who_has_proofs_heard_elsewhere_takes_no_time_from_a_duel_x37() -> None:
    _, court, crowd = two_disputes()
    idle = idle_proofs(crowd)
    taken(court, idle, 12)  # more than twice the time of the step, for less than 0.2 karat
    assert court.dispute.stage is DisputeStage.DUEL
    court.silent = {LIAR}
    court.fight()
    assert [each.fall for each in court.dispute.traces] == [None, Fall.WRONG]


def test_who_waits_has_its_whole_time_besides_what_was_taken_x37() -> None:
    world, court, crowd = two_disputes()
    begun, heard = world.state.clock().live_ms, court.dispute.heard
    due = court.dispute.due_live_ms
    assert due is not None
    taken(court, idle_proofs(crowd), 3)
    world.until(lambda _: court.dispute.stage is not DisputeStage.DUEL)
    assert world.state.clock().live_ms == due + 3 * Parameters().live_step_ms_max > begun + STEP_MS
    assert court.dispute.heard == heard + 3


def test_who_is_taken_up_with_own_proofs_of_nothing_takes_no_time_from_allies_x37() -> None:
    world, _, crowd = two_disputes()
    due, idle = crowd.dispute.due_live_ms, idle_proofs(crowd)
    assert due is not None
    for _ in range(3):
        assert world.do(*next(idle)).ok
    world.until(lambda _: crowd.dispute.stage is not DisputeStage.JUDGING)
    assert world.state.clock().live_ms == due + 3 * Parameters().live_step_ms_max


def test_no_step_lasts_for_ever_whatever_the_referee_hears_x37_x38() -> None:
    world, court, _ = two_disputes()
    due, clock = court.dispute.due_live_ms, world.state.clock()
    assert due is not None
    state = world.state.child()
    moment = Moment(
        charter=world.charter,
        state=state,
        height=clock.height + 1,
        time_ms=clock.time_ms + 1,
        live_ms=due,
        beacon=clock.beacon,
        base_fee=clock.base_fee,
        events=[],
    )
    last, after = due, find_dispute(state, court.id)
    for proofs in range(10_000, 20_000, 100):
        state.put(HEARD, Heard(proofs=proofs))
        hearing.lapse(moment, court.id)
        after = find_dispute(state, court.id)
        assert after is not None
        if after.due_live_ms is None:
            break
        last = after.due_live_ms
    assert after is not None
    assert after.stage is DisputeStage.DECIDED
    assert last - due == SPARE_TIMES * (STEP_MS + world.job(court.job_id).run_ms)


def test_a_dispute_with_many_proofs_heard_lets_others_go_first_n53() -> None:
    world, court, crowd = two_disputes()
    idle = idle_proofs(crowd)

    def place(name: str, payload: DisputePayload) -> tuple[int, int] | None:
        return turn(world.state, kit.address(name), payload)

    move, first = court.move(HONEST), next(idle)
    assert move is not None
    begun = place(*move)
    assert begun is not None
    assert begun < (place(*first) or ())  # the duel's time is over first
    assert world.do(*first).ok
    assert place(*first) is None
    second = next(idle)
    late = place(*second)
    assert late is not None
    assert (late[0], begun[0]) == (1, 0)
    assert place("stranger", second[1]) is None


def test_a_proof_about_who_is_not_judged_has_no_place_to_take_x18_x37() -> None:
    world, _, crowd = two_disputes()
    for party in (kit.address("stranger"), kit.address("client")):
        nobody = DisputeBeyond(dispute=crowd.id, party=party, proof=b"nothing")
        transaction = open_transaction(world.sign("client", nobody), world.charter.hash)
        assert kept_place(world.state, transaction) is None
        assert world.do("client", nobody).reason == Reason.SUBJECT_INVALID
    assert proofs_heard(world.state) == 0
