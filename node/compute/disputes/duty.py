"""What somebody owes a dispute as it stands: decided from the chain alone, without waiting (D20)."""

import enum
from dataclasses import dataclass
from typing import assert_never

from ledger.market.dispute.duel import UNTYPED
from ledger.market.dispute.payloads import SubjectKind
from ledger.market.dispute.records import Claimant, Dispute, DisputeStage, Duel, DuelStep, Part, Side
from ledger.records import Job
from vm import dispute_protocol as vm

TURN_MS = 4_000
"""Live time between allies, who would all tell the same: enough to see what the one before has told."""


class Duty(enum.Enum):
    """What to do next."""

    NONE = enum.auto()
    """Nothing, now or later."""
    WAIT = enum.auto()
    """Nothing before the next block."""
    CLAIM = enum.auto()
    """Run the job canonically and commit to the root of its trace."""
    OPEN = enum.auto()
    PROVE = enum.auto()
    """Show how far the parties' values are off."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A duel asks our trace: what the sandbox has to tell."""

    step: DuelStep
    asked: vm.RunAsked | vm.NoiseAsked | vm.ValueAsked | vm.LeafAsked | vm.DefenceAsked


Owed = Duty | Answer


def owed(me: bytes, dispute: Dispute, job: Job, *, live_ms: int, window_ms: int) -> Owed:
    """Return what `me` (20-byte address) owes; a stage of the duel or of judging takes `window_ms` of live time."""
    mine = claim_of(me, dispute)
    match dispute.stage:
        case DisputeStage.DRAWING | DisputeStage.CLAIMING:
            return Duty.CLAIM if _claims(me, mine, dispute, job) else _after(mine)
        case DisputeStage.OPENING:
            unopened = mine is not None and mine.commitment is not None and mine.trace is None
            return Duty.OPEN if unopened else _after(mine)
        case DisputeStage.DUEL | DisputeStage.JUDGING:
            if mine is None or not stands(mine, dispute):
                return Duty.NONE
            if not _is_turn(mine, dispute, live_ms, window_ms):
                return Duty.WAIT
            return Duty.PROVE if dispute.stage is DisputeStage.JUDGING else _asked(mine, dispute)
        case DisputeStage.DECIDED:
            return Duty.NONE
        case _:
            assert_never(dispute.stage)


def claim_of(me: bytes, dispute: Dispute) -> Claimant | None:
    """Return somebody's claim, or the place that is kept for the claim of somebody who was drawn."""
    return next((each for each in dispute.claims if each.who == me), None)


def stands(claim: Claimant, dispute: Dispute) -> bool:
    """Tell whether the trace that a claim was opened to has not been struck."""
    return claim.trace is not None and dispute.traces[claim.trace].fall is None


def is_accused(me: bytes, dispute: Dispute, job: Job) -> bool:
    """Tell whether a dispute may cost somebody, as a party of its job."""
    if dispute.subject.kind is SubjectKind.TAIL:
        return dispute.subject.party == me
    return me in parties_of(job)


def parties_of(job: Job) -> list[bytes]:
    """Return the parties that have shown values: the provider and the verifiers who revealed."""
    provider = [job.provider] if job.provider is not None and job.cut is not None else []
    return provider + [each.worker for each in job.verifiers if each.cut is not None]


def _claims(me: bytes, mine: Claimant | None, dispute: Dispute, job: Job) -> bool:
    """Tell whether a claim is owed: of who is drawn, and in defence of who is accused."""
    if mine is not None:
        return mine.commitment is None
    return is_accused(me, dispute, job)


def _after(mine: Claimant | None) -> Duty:
    return Duty.NONE if mine is None else Duty.WAIT


def _is_turn(mine: Claimant, dispute: Dispute, live_ms: int, window_ms: int) -> bool:
    """Tell whether it is our turn among those who claim the same, in the order of their claims."""
    assert dispute.due_live_ms is not None  # it is not decided
    allies = [each.who for each in dispute.claims if each.trace == mine.trace]
    return live_ms >= dispute.due_live_ms - window_ms + allies.index(mine.who) * TURN_MS


def _asked(mine: Claimant, dispute: Dispute) -> Owed:
    """Return what the duel under way asks of our trace."""
    duel = dispute.duel
    side = None if duel is None else next((each for each in duel.sides if each.trace == mine.trace), None)
    if duel is None or side is None:
        return Duty.WAIT
    question = _question(duel, side, dispute, dispute.claims.index(mine))
    return Duty.WAIT if question is None else Answer(step=duel.step, asked=question)


def _question(
    duel: Duel, side: Side, dispute: Dispute, place: int
) -> vm.RunAsked | vm.NoiseAsked | vm.ValueAsked | vm.LeafAsked | vm.DefenceAsked | None:
    """Return the question that a side has yet to answer; `place` is ours among the claims."""
    perturbed, window = duel.part is Part.PERTURBED, vm.Part(low=duel.low, high=side.high, width=duel.width)
    match duel.step:
        case DuelStep.RUN if side.told is None:
            return vm.RunAsked(perturbed=perturbed, part=window)
        case DuelStep.ROWS if side.told is None:
            return vm.NoiseAsked(place=duel.place, part=window)
        case DuelStep.VALUE if side.told is None:
            part = None if duel.width == UNTYPED else window
            return vm.ValueAsked(perturbed=perturbed, value=_value(duel, dispute), part=part)
        case DuelStep.LEAF if side.leaf is None:
            return vm.LeafAsked(perturbed=perturbed, value=_value(duel, dispute), leaf=duel.low)
        case DuelStep.DEFENCE if side.asked is not None and side.right is None and place not in side.tried:
            return vm.DefenceAsked(at=side.asked)
        case _:
            return None


def _value(duel: Duel, dispute: Dispute) -> int:
    """Return the number of the value that differs, in the program."""
    assert dispute.outline is not None  # a claim has been opened
    if duel.part is Part.INPUT:
        return duel.place
    return len(dispute.outline.inputs) + dispute.outline.constants + duel.number
