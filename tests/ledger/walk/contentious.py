"""Walks of people who dispute on and on: stages are short beside the window; what decided nothing is opened anew."""

from dataclasses import dataclass, field

from ledger.genesis import Genesis
from ledger.market.dispute.records import Dispute, DisputeStage
from ledger.market.dispute.rows import disputes
from ledger.records import JobState
from ledger.state import change
from tests.ledger.walk.moves import Move
from tests.ledger.walk.trials import claim
from tests.ledger.walk.walk import Walk, a_genesis_of_walkers

AGAIN = 0.1
"""Of all transactions, where a dispute may have a next round."""
CHALLENGERS = ("stranger", "client", "publisher")


def a_genesis_of_the_contentious() -> Genesis:
    """Return a genesis where some rounds of a dispute go into one challenge window (X5)."""
    made = a_genesis_of_walkers()
    parameters = change(
        made.parameters,
        challenge_ms=600_000,
        draw_ms=10_000,
        dispute_claim_ms=5_000,
        dispute_open_ms=5_000,
        dispute_step_ms=5_000,
        dispute_judge_ms=5_000,
    )
    return change(made, parameters=parameters)


@dataclass
class Contentious(Walk):
    """Such a walk."""

    genesis: Genesis = field(default_factory=a_genesis_of_the_contentious)

    def _move(self) -> Move | None:
        over = self._decided()
        if over and self._chance.random() < AGAIN:
            dispute = self._chance.choice(over)
            job = self._world.state.job(dispute.job)
            assert job is not None
            name = self._chance.choice(CHALLENGERS)
            return name, claim(self._world, dispute.job, job, dispute.subject, name)
        return super()._move()

    def _decided(self) -> list[Dispute]:
        """Return the disputes that are decided while their jobs are not over."""
        state = self._world.state
        jobs = dict(state.jobs())
        return [
            each
            for _, each in disputes(state)
            if each.stage is DisputeStage.DECIDED and jobs[each.job].state is JobState.DISPUTED
        ]

    def rounds(self) -> int:
        """Return how many rounds there were but for the first of each dispute."""
        return sum(1 for _, each in disputes(self._world.state) if each.round)
