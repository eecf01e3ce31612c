"""What the sides of a duel do: tell, open, defend; and what falls due (X30 to X38)."""

from collections.abc import Callable

from ledger.events import DisputeHeard
from ledger.market.dispute import claims, duel, judgement, lifecycle, rivals
from ledger.market.dispute.parties import grounds
from ledger.market.dispute.payloads import DisputeBeyond, DisputeDefend, DisputeLeaf, DisputeTell
from ledger.market.dispute.records import Claimant, Dispute, DisputeEvent, DisputeStage, Duel, DuelStep, Heard
from ledger.market.dispute.rows import HEARD, find_dispute, proofs_heard
from ledger.moment import Moment
from ledger.state import change
from primitives.reasons import Reason, Refused
from vm.place import Place
from vm.referee.defence import decode_defence, judge_defence
from vm.referee.membership import AbsentProof


def tell(moment: Moment, sender: bytes, payload: DisputeTell, *, carriage: int) -> None:
    """Tell parts for a side of a duel; anybody may, for they must give what was committed to.

    Raises Refused DISPUTE_UNKNOWN, DISPUTE_WRONG_STAGE, DISPUTE_NOT_ASKED (X31, X32).
    """
    dispute, fought, at = _side(moment, payload.dispute, payload.root)
    after = _asked(lambda: duel.tell(fought, at, payload.roots, payload.value_type))
    _acted(moment, payload.dispute, _paid(dispute, sender, carriage), after)


def open_leaf(moment: Moment, sender: bytes, payload: DisputeLeaf, *, carriage: int) -> None:
    """Open a leaf for a side of a duel; anybody may.

    Raises Refused DISPUTE_UNKNOWN, DISPUTE_WRONG_STAGE, DISPUTE_NOT_ASKED (X32).
    """
    dispute, fought, at = _side(moment, payload.dispute, payload.root)
    after = _asked(lambda: duel.open_leaf(fought, at, payload.leaf))
    _acted(moment, payload.dispute, _paid(dispute, sender, carriage), after)


def _asked(act: Callable[[], Duel]) -> Duel:
    """Return the duel after an act. Raises Refused DISPUTE_NOT_ASKED for what does not give what is asked now.

    To a node that is a block behind, the answer to the next step looks so: whoever sent it did no wrong (L25).
    """
    try:
        return act()
    except Refused as refused:
        raise Refused(Reason.DISPUTE_NOT_ASKED, why=str(refused)) from None


def defend(moment: Moment, sender: bytes, payload: DisputeDefend, *, carriage: int) -> None:
    """Show the referee that a trace is right where it differs; each of its claimants has one try.

    A proof that shows nothing uses the try up, and changes nothing else: so nobody keeps the referee busy for long.
    Raises Refused DISPUTE_UNKNOWN, DISPUTE_WRONG_STAGE, NOT_A_PARTY, DISPUTE_NOT_ASKED (X33).
    """
    dispute, fought, at = _side(moment, payload.dispute, payload.root)
    claimant = place_of(dispute, fought, at, sender)
    if claimant is None:
        raise Refused(Reason.NOT_A_PARTY, seen=sender, wanted="a claimant of this trace")
    asked = duel.check_defence(fought, at, claimant=claimant)
    _count(moment)
    right: bool | None
    try:
        right = _judged(moment, payload, dispute, fought, at, asked)
    except Refused:
        right = None
    moment.events.append(DisputeHeard(dispute=payload.dispute, job=dispute.job, root=payload.root, right=right))
    after = duel.heard(fought, at, claimant=claimant, right=right)
    _acted(moment, payload.dispute, _paid(dispute, sender, carriage if right else 0), after)


def _judged(moment: Moment, payload: DisputeDefend, dispute: Dispute, fought: Duel, at: int, asked: Place) -> bool:
    """Return whether the trace is right at the place. Raises Refused where the proof does not show it."""
    job = moment.state.job(dispute.job)
    assert job is not None
    model = moment.state.model(job.model)
    lowering = moment.state.lowering(job.model, job.lowering)
    assert model is not None
    assert lowering is not None
    shown = decode_defence(payload.proof)
    side = fought.sides[at]
    if isinstance(shown, AbsentProof) and side.committed != duel.ABSENT_LEAF:
        # Of a value the proof would say that it is not absent: an ally could spoil a defence with it.
        raise Refused(Reason.BAD_PROOF, what="proof", seen="that nothing is there", wanted="of the value")
    trace = rivals.trace_at(moment.state, payload.dispute, dispute, side.trace)
    stands_on = grounds(job, model.model, lowering.lowering, dispute.subject.party)
    return judge_defence(trace, shown, asked, stands_on)


def _side(moment: Moment, dispute_id: bytes, root: bytes) -> tuple[Dispute, Duel, int]:
    """Return the dispute with its duel, and the side of the trace with this root.

    Raises Refused DISPUTE_UNKNOWN, DISPUTE_WRONG_STAGE, DISPUTE_NOT_ASKED.
    """
    dispute = find_dispute(moment.state, dispute_id)
    if dispute is None:
        raise Refused(Reason.DISPUTE_UNKNOWN, dispute=dispute_id)
    lifecycle.expect(dispute, DisputeEvent.ACT)
    assert dispute.duel is not None
    at = side_of(dispute, root)
    if at is None:
        raise Refused(Reason.DISPUTE_NOT_ASKED, seen=root, wanted="one of the two traces of the duel")
    return dispute, dispute.duel, at


def side_of(dispute: Dispute, root: bytes) -> int | None:
    """Return which side of the duel a trace is on, by its root."""
    sides = [] if dispute.duel is None else dispute.duel.sides
    return next((at for at, side in enumerate(sides) if dispute.traces[side.trace].root == root), None)


def place_of(dispute: Dispute, fought: Duel, at: int, who: bytes) -> int | None:
    """Return the place of a claimant of a side's trace among all."""
    trace = fought.sides[at].trace
    return next((n for n, each in enumerate(dispute.claims) if each.who == who and each.trace == trace), None)


def _paid(dispute: Dispute, sender: bytes, carriage: int) -> Dispute:
    """Note what a claimant has paid for carriage (X60)."""

    def noted(each: Claimant) -> Claimant:
        return change(each, carriage=each.carriage + carriage) if each.who == sender else each

    return change(dispute, claims=[noted(each) for each in dispute.claims])


def _acted(moment: Moment, dispute_id: bytes, dispute: Dispute, after: Duel) -> None:
    """Go on with the duel, or strike who has fallen in it."""
    before = dispute.duel
    assert before is not None
    renewed = (after.step, after.low, after.width) != (before.step, before.low, before.width)
    noted = change(dispute, duel=after)
    if duel.is_over(after):
        noted = rivals.strike(noted, duel.fallen(after))
    lifecycle.advance(moment, dispute_id, noted, DisputeEvent.ACT, renewed=renewed)


def lapse(moment: Moment, dispute_id: bytes) -> None:
    """Move a dispute whose deadline has passed: who owed something in a duel is struck (X35).

    Unless blocks passed meanwhile in which the referee was taken: these don't count (X37).
    """
    dispute = find_dispute(moment.state, dispute_id)
    assert dispute is not None
    if dispute.stage is DisputeStage.DRAWING and claims.draw_due(moment, dispute_id, dispute):
        return
    if _makes_up(moment, dispute_id, dispute):
        return
    if dispute.stage is DisputeStage.DUEL:
        assert dispute.duel is not None
        fallen = duel.fallen(dispute.duel)
        assert fallen
        dispute = rivals.strike(dispute, fallen)
    lifecycle.advance(moment, dispute_id, dispute, DisputeEvent.DUE)


def prove(moment: Moment, sender: bytes, payload: DisputeBeyond, *, carriage: int) -> None:
    """Show how far a party is off, by the trace that stands.

    Raises Refused DISPUTE_UNKNOWN, DISPUTE_WRONG_STAGE, NOT_A_PARTY, SUBJECT_INVALID, ALREADY_REVEALED (X40, X41).
    """
    dispute = find_dispute(moment.state, payload.dispute)
    if dispute is None:
        raise Refused(Reason.DISPUTE_UNKNOWN, dispute=payload.dispute)
    lifecycle.expect(dispute, DisputeEvent.BEYOND)
    after, is_new = judgement.prove(moment, sender, payload, dispute)
    lifecycle.advance(moment, payload.dispute, _paid(after, sender, carriage if is_new else 0), DisputeEvent.BEYOND)
    _count(moment)


def _count(moment: Moment) -> None:
    """Count a proof that the referee hears."""
    moment.state.put(HEARD, Heard(proofs=proofs_heard(moment.state) + 1))


def _makes_up(moment: Moment, dispute_id: bytes, dispute: Dispute) -> bool:
    """Give back to who waits for the referee the blocks that proofs have taken, and tell whether there were any (X37).

    Else who means harm could have so much heard that nobody else's turn comes in time.
    """
    duel_waits = dispute.duel is not None and dispute.duel.step is DuelStep.DEFENCE
    heard = proofs_heard(moment.state)
    taken_ms = (heard - dispute.heard) * moment.parameters.live_step_ms_max
    by_ms = min(taken_ms, dispute.spare_ms)
    if by_ms == 0 or not (duel_waits or dispute.stage is DisputeStage.JUDGING):
        return False
    spared = change(dispute, heard=heard, spare_ms=dispute.spare_ms - by_ms)
    lifecycle.postpone(moment, dispute_id, spared, by_ms)
    return True
