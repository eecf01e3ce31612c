"""Worlds in which nearly everything is sent that the life of a job, a dispute or a filing knows."""

from ledger.market.canary import canary_of
from ledger.market.dispute.records import DisputeStage
from ledger.market.judging import SEAL_BYTES
from ledger.market.order_payloads import CanaryOpen
from ledger.market.withheld.chunks import show_chunks
from ledger.market.withheld.payloads import Stage
from primitives.hashing import sha256
from testnet.kit.large_builders import LargeJob, large_values
from testnet.kit.ledger_builders import World, a_world, address
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, Court
from tests.ledger.market.withheld.played import a_filing

CANARY = sha256(b"a canary")


def a_disputed_job() -> World:
    """Return a world in which a false result is challenged, and confessed to."""
    world = played.a_world()
    false = played.off_by(1_000)
    canary = canary_of(genesis=world.charter.hash, client=address("client"), provider=address(PROVIDER), salt=CANARY)
    job_id = played.a_job_played(world, false, verifiers=dict.fromkeys(range(3), false), canary=canary)
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    court.claim("challenger 1", played.lie(1, 33))
    court.all_drawn_claim(played.truth())
    world.must(PROVIDER, CanaryOpen(job=job_id, salt=CANARY))
    court.open_all()
    court.fight()
    assert court.dispute.stage is DisputeStage.JUDGING
    court.prove_deviation("challenger 0", PROVIDER, false)
    return world


def a_large_job() -> World:
    """Return a world in which a job with large values is played, and a part of its result asked for on the chain."""
    world = a_world()
    large, mine = LargeJob(world=world), large_values(PROVIDER)
    large.verify(mine)
    large.reveal(mine)
    large.pick()
    for name in (PROVIDER, *large.drawn):
        world.must(name, large.opening(mine if name == PROVIDER else large.own(name)))
    world.must("client", a_filing(large.job, Stage.OUTPUT, chunks=[0, 2]))
    sealed = bytes(len(mine.outputs) + SEAL_BYTES)
    world.must(PROVIDER, show_chunks(large.job, Stage.OUTPUT, address(PROVIDER), sealed, [2])[0])
    return world
