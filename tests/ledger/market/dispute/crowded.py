"""A duel, and a dispute in which others have proofs heard that show nothing (X37)."""

from collections.abc import Iterator

from ledger.market.dispute.payloads import DisputeBeyond
from ledger.market.dispute.records import DisputeStage, DuelStep
from ledger.parameters import Parameters
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, Court

STEP_MS = 10_000
"""Five blocks of the longest live time: the shorter the step, the fewer proofs it takes to fill it."""
LIAR, HONEST, IDLE = "challenger 8", "challenger 2", "challenger 0"


def two_disputes() -> tuple[World, Court, Court]:
    """Return a world with a duel in which both sides have to show the referee something, and another's judgement."""
    world = played.a_world(parameters=Parameters(dispute_step_ms=STEP_MS))
    about, crowd = (Court(world, played.a_job_played(world, played.right())) for _ in range(2))
    about.claim(HONEST, played.truth())
    about.claim(LIAR, played.lie(1, 33))
    crowd.claim(IDLE, played.truth())
    about.open_all()
    while about.dispute.duel is not None and about.dispute.duel.step is not DuelStep.DEFENCE:
        for name in about.claims:
            move = about.move(name)
            if move is not None:
                world.must(*move)
    crowd.open_all()
    assert crowd.dispute.stage is DisputeStage.JUDGING
    return world, about, crowd


def idle_proofs(crowd: Court) -> Iterator[tuple[str, DisputeBeyond]]:
    """Yield proofs that show nothing, one for each sender and party that the referee hears."""
    parties = [PROVIDER, *played.drawn_of(crowd.world, crowd.job_id)]
    for sender in ("client", IDLE, *parties):
        for party in parties:
            yield sender, DisputeBeyond(dispute=crowd.id, party=kit.address(party), proof=b"nothing")


def taken(court: Court, crowd: Iterator[tuple[str, DisputeBeyond]], blocks: int) -> None:
    """Have the referee's turn taken in so many blocks; the first of two proofs in a block is the only one."""
    move = court.move(HONEST)
    assert move is not None
    for _ in range(blocks):
        idle = next(crowd)
        world = court.world
        final = world.block(world.sign(*idle), world.sign(*move), passed_ms=Parameters().live_step_ms_max)
        assert [each.ok for each in final.outcome.receipts] == [True]
