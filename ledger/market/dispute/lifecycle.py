"""The life of a dispute as a table: transitions, the diagram in the docs, the test for dead ends (X2)."""

from ledger.events import DisputeMoved
from ledger.market.dispute import judgement, rivals
from ledger.market.dispute.records import Dispute, DisputeEvent, DisputeStage
from ledger.market.dispute.rows import dispute_draw_key, dispute_key, proofs_heard
from ledger.moment import Moment
from ledger.parameters import Parameters
from ledger.records import Due, DueKind
from ledger.state import change, deadline_key
from ledger.transitions import ALWAYS, NOTHING, Effect, Guard, Table, rows
from primitives.reasons import Reason

SOME_UNOPENED = Guard[Dispute](
    words="a claim has not been opened",
    holds=lambda _, dispute: any(each.commitment is not None and each.trace is None for each in dispute.claims),
)
UNDER_WAY = Guard[Dispute](words="the duel is not over", holds=lambda _, dispute: dispute.duel is not None)
RIVALS = Guard[Dispute](words="two traces stand", holds=lambda _, dispute: len(rivals.standing(dispute)) > 1)
NONE_STANDS = Guard[Dispute](words="no trace stands", holds=lambda _, dispute: not rivals.standing(dispute))

PAIR = Effect(words="the first two that stand fight a duel", act=rivals.pair)
DECIDE = Effect(words="decide it; behind the last dispute of the job, the job", act=judgement.decide)

S, E = DisputeStage, DisputeEvent
LIFE_CYCLE: Table[DisputeStage, DisputeEvent, Dispute] = Table(
    first=S.DRAWING,
    final=(S.DECIDED,),
    by_itself=(E.DUE,),
    rows=rows(
        (S.DRAWING, E.CLAIM, ALWAYS, S.DRAWING, NOTHING),
        (S.DRAWING, E.DRAW, ALWAYS, S.CLAIMING, NOTHING),
        (S.DRAWING, E.DUE, ALWAYS, S.CLAIMING, NOTHING),
        (S.CLAIMING, E.CLAIM, ALWAYS, S.CLAIMING, NOTHING),
        (S.CLAIMING, E.DUE, ALWAYS, S.OPENING, NOTHING),
        (S.OPENING, E.OPEN, SOME_UNOPENED, S.OPENING, NOTHING),
        (S.OPENING, E.OPEN, RIVALS, S.DUEL, PAIR),
        (S.OPENING, E.OPEN, ALWAYS, S.JUDGING, NOTHING),
        (S.OPENING, E.DUE, RIVALS, S.DUEL, PAIR),
        (S.OPENING, E.DUE, NONE_STANDS, S.DECIDED, DECIDE),
        (S.OPENING, E.DUE, ALWAYS, S.JUDGING, NOTHING),
        (S.DUEL, E.ACT, UNDER_WAY, S.DUEL, NOTHING),
        (S.DUEL, E.ACT, RIVALS, S.DUEL, PAIR),
        (S.DUEL, E.ACT, NONE_STANDS, S.DECIDED, DECIDE),
        (S.DUEL, E.ACT, ALWAYS, S.JUDGING, NOTHING),
        (S.DUEL, E.DUE, RIVALS, S.DUEL, PAIR),
        (S.DUEL, E.DUE, NONE_STANDS, S.DECIDED, DECIDE),
        (S.DUEL, E.DUE, ALWAYS, S.JUDGING, NOTHING),
        (S.JUDGING, E.BEYOND, ALWAYS, S.JUDGING, NOTHING),
        (S.JUDGING, E.DUE, ALWAYS, S.DECIDED, DECIDE),
    ),
)


SPARE_TIMES = 30
"""So many times its own length a deadline may be moved for proofs of others: who pays for them wins nothing by it, and
every dispute ends (X37)."""


def time_allowed(parameters: Parameters, stage: DisputeStage, run_ms: int) -> int | None:
    """Return how long a dispute may stay in a stage, or in a step of a duel; None once it is decided (X3).

    In milliseconds of live time. `run_ms` is added wherever somebody may have to run the job anew, if only because its
    machine has failed meanwhile.
    """
    allowed = {
        DisputeStage.DRAWING: parameters.draw_ms,
        DisputeStage.CLAIMING: parameters.dispute_claim_ms + run_ms,
        DisputeStage.OPENING: parameters.dispute_open_ms,
        DisputeStage.DUEL: parameters.dispute_step_ms + run_ms,
        DisputeStage.JUDGING: parameters.dispute_judge_ms + run_ms,
    }
    return allowed.get(stage)


def expect(dispute: Dispute, event: DisputeEvent) -> None:
    """Raise Refused DISPUTE_WRONG_STAGE unless the dispute is in a stage that knows the event (X4)."""
    LIFE_CYCLE.expect(dispute.stage, event, Reason.DISPUTE_WRONG_STAGE)


def start(moment: Moment, dispute_id: bytes, dispute: Dispute) -> None:
    """Write a new dispute, in the stage that it was built with."""
    _enter(moment, dispute_id, dispute)


def advance(
    moment: Moment, dispute_id: bytes, dispute: Dispute, event: DisputeEvent, *, renewed: bool = False
) -> Dispute:
    """Write and return the dispute after `event`, already noted in it; `renewed`: the time of its stage begins anew."""
    row = LIFE_CYCLE.row(moment, dispute, dispute.stage, event)
    moved = row.next is not dispute.stage or row.effect is PAIR
    after = change(row.effect.act(moment, dispute_id, dispute), stage=row.next)
    if not moved and not renewed:
        moment.state.put(dispute_key(dispute_id), after)
        return after
    if dispute.due_live_ms is not None:
        moment.state.put(deadline_key(dispute.due_live_ms, dispute_id), None)
    if dispute.stage is DisputeStage.DRAWING:
        moment.state.put(dispute_draw_key(dispute.opened_height, dispute_id), None)
    return _enter(moment, dispute_id, change(after, due_live_ms=None))


def postpone(moment: Moment, dispute_id: bytes, dispute: Dispute, by_ms: int) -> None:
    """Move the deadline of the stage, or of the step of a duel, that a dispute is in; in live time."""
    assert dispute.due_live_ms is not None
    due = dispute.due_live_ms + by_ms
    moment.state.put(deadline_key(dispute.due_live_ms, dispute_id), None)
    moment.state.put(deadline_key(due, dispute_id), Due(kind=DueKind.DISPUTE))
    moment.state.put(dispute_key(dispute_id), change(dispute, due_live_ms=due))


def _enter(moment: Moment, dispute_id: bytes, dispute: Dispute) -> Dispute:
    """Write the dispute with the deadline of its stage."""
    job = moment.state.job(dispute.job)
    assert job is not None
    due = None
    allowed = time_allowed(moment.parameters, dispute.stage, job.run_ms)
    if allowed is not None:
        due = moment.live_ms + allowed
        moment.state.put(deadline_key(due, dispute_id), Due(kind=DueKind.DISPUTE))
    spare_ms = 0 if allowed is None else SPARE_TIMES * allowed
    written = change(dispute, due_live_ms=due, heard=proofs_heard(moment.state), spare_ms=spare_ms)
    moment.state.put(dispute_key(dispute_id), written)
    moment.events.append(DisputeMoved(dispute=dispute_id, job=dispute.job, stage=int(dispute.stage)))
    return written
