"""A validator that would let something false stand computes another state than the others, and can't follow them."""

from collections.abc import Callable

import pytest

from ledger.block import Block
from ledger.chain import start_chain
from ledger.market.dispute import hearing, judgement
from ledger.market.dispute.records import DisputeOutcome
from ledger.transaction import Decision
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, Court
from vm.referee.defence import Blame, judge_beyond

Patch = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def world() -> World:
    """Return a world in which a liar has been convicted, who had claimed falsely too."""
    found = played.a_world()
    false = played.off_by(1_000)
    job_id = played.a_job_played(found, false, (Decision.REJECT,) * 3)
    court = Court(found, job_id)
    rejecter = played.drawn_of(found, job_id)[0]
    court.claim(PROVIDER, played.lie())  # first, so that the referee hears it
    court.claim(rejecter, played.truth())
    court.all_drawn_claim(played.truth())
    court.open_all()
    court.fight()
    court.prove_deviation(rejecter, PROVIDER, false)
    court.finish()
    assert court.dispute.outcome is DisputeOutcome.UPHELD
    found.blocks(2)
    return found


def follow(world: World) -> None:
    """Execute all blocks of a world. Raises Refused at the first that does not fit the state."""
    chain, reader = start_chain(world.charter, verified=lambda _: True)
    for final in world.finals:
        block: Block = final.block
        outcome = chain.check(block, now_ms=None)
        chain.finalize(outcome.id)
        reader.write(outcome.writes)


def accepts_every_trace(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hearing, "judge_defence", lambda *_: True)


def finds_every_trace_wrong(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hearing, "judge_defence", lambda *_: False)


def finds_nothing_beyond(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judgement, "judge_beyond", lambda *_: Blame())


def finds_a_little_less(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(judgement, "judge_beyond", lambda *asked: Blame(thousandths=judge_beyond(*asked).thousandths - 1))


def test_an_unpatched_validator_follows(world: World) -> None:
    follow(world)


@pytest.mark.parametrize(
    "change", [accepts_every_trace, finds_every_trace_wrong, finds_nothing_beyond, finds_a_little_less]
)
def test_a_validator_that_judges_otherwise_stops(world: World, change: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    """V87, V135: the next block names a state that it does not have."""
    change(monkeypatch)
    with pytest.raises(Refused) as refused:
        follow(world)
    assert refused.value.reason is Reason.BLOCK_WRONG_STATE_ROOT
