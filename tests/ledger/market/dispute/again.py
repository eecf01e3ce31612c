"""A liar whose friend has a false claim decided before anybody else looks, and the client that comes later."""

from ledger.market.dispute.records import DisputeStage
from ledger.parameters import Tier
from ledger.transaction import WorkerUpdate
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, Court

FALSE = played.off_by(1_000)


def a_world() -> World:
    """Return a world in which nobody can be drawn."""
    world = played.a_world(workers=2, parameters=played.NEVER_DRAWN)
    world.trust(PROVIDER, 10**9)
    return world


def used_up(world: World) -> Court:
    """Return the dispute that a friend of the liar has opened at once, and that ended before the window did."""
    court = in_judgement(world)
    world.until(lambda _: court.dispute.stage is DisputeStage.DECIDED)
    return court


def in_judgement(world: World) -> Court:
    """Return the same dispute just before it ends."""
    job_id = played.a_job_played(world, FALSE, (), tier=Tier.SPOT)
    world.must("worker 1", WorkerUpdate(ask=0, gas_ask=0, capacity=0))
    court = Court(world, job_id)
    court.claim("challenger 0", played.lie())
    judged(court)
    return court


def judged(court: Court) -> None:
    """Bring a round that nobody is drawn for to its judgement."""
    assert court.drawn() == []
    court.open_all()
    assert court.dispute.stage is DisputeStage.JUDGING


def claimed_anew(court: Court) -> Court:
    """Return the round that the client opens, in which the truth stands and speaks against the liar, decided."""
    again = Court(court.world, court.job_id)
    again.claim("client", played.truth())
    judged(again)
    again.prove_deviation("client", PROVIDER, FALSE)
    again.finish()
    return again
