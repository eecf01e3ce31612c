"""A liar of whom nobody was drawn, convicted by a bystander, that withholds the job's input from who is drawn then."""

from ledger.market.withheld.payloads import Stage, WithheldFile
from ledger.parameters import Tier
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, Court

FALSE = played.off_by(1_000)


def a_world() -> World:
    """Return a world whose spot jobs are not drawn."""
    world = played.a_world(parameters=played.NEVER_DRAWN)
    world.trust(PROVIDER, 10**9)
    return world


def convict(world: World, *, withheld_from: int) -> Court:
    """Return the dispute, decided, in which the liar withholds from so many of those drawn."""
    job_id = played.a_job_played(world, FALSE, (), tier=Tier.SPOT)
    court = Court(world, job_id)
    court.claim("challenger 0", played.truth())
    drawn = court.drawn()
    for name in drawn[:withheld_from]:
        world.must(name, WithheldFile(job=job_id, stage=Stage.INPUT, holder=kit.address(PROVIDER), chunks=[0]))
    for name in drawn[withheld_from:]:
        court.claim(name, played.truth())
    court.open_all()
    court.prove_deviation("challenger 0", PROVIDER, FALSE)
    court.finish()
    return court
