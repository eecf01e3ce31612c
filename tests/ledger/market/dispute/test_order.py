"""In whatever order blocks take what is sent in two disputes of one job, they end in the same verdict (X30 to X54)."""

import random
from collections.abc import Callable, Iterable
from functools import cache

import pytest

from ledger.market.dispute.payloads import DisputeBeyond, DisputePayload, tail_of
from ledger.market.dispute.records import DisputeStage
from ledger.records import JobState, Outcome
from primitives import codec
from testnet.kit import ledger_builders as kit
from testnet.kit.ledger_builders import World
from tests.ledger.market.dispute import played
from tests.ledger.market.dispute.played import PROVIDER, TOLERANCE, Court
from tests.vm.claims.sides import Honest
from tests.vm.referee.jobs import cut_of
from vm.referee.blaming import worst

Sent = tuple[str, DisputePayload]
FALSE = played.off_by(1_000)


class Shuffled:
    """Blocks that take what is sent in an order of their own, some of it later."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._chance = world, random.Random(seed)

    def all(self, sent: Iterable[Sent]) -> None:
        """Have all of it taken, each once."""
        left = list(sent)
        while left:
            taken = self._block(left)
            left = [each for at, each in enumerate(left) if at not in taken]

    def until(self, done: Callable[[], bool], sent: Callable[[], list[Sent]]) -> None:
        """Have taken what is to be sent as things stand, until something holds."""
        while not done():
            self._block(sent())

    def _block(self, sent: list[Sent]) -> list[int]:
        """Finalize a block with some of it, one of each sender, and return which it took."""
        order = list(range(len(sent)))
        self._chance.shuffle(order)
        names = dict.fromkeys(sent[at][0] for at in order[: self._chance.randint(1, max(1, len(order)))])
        tried = [next(at for at in order if sent[at][0] == name) for name in names]
        signed = {self._world.sign(*sent[at]): at for at in tried}
        final = self._world.block(*signed)
        return [signed[raw] for raw in final.block.transactions]


def verdict(seed: int) -> object:
    """Play a false result, challenged in two disputes with liars in both; return what becomes of the parties."""
    world = played.a_world()
    job_id = played.a_job_played(world, FALSE, verifiers=dict.fromkeys(range(3), FALSE))
    blocks = Shuffled(world, seed)
    follows = played.tail(FALSE.cut)
    whole, tail = Court(world, job_id), Court(world, job_id, tail_of(kit.address(PROVIDER)), cut=cut_of(FALSE.cut))
    claims: list[tuple[Court, str, Honest]] = [
        (whole, "challenger 0", played.truth()),
        (whole, "challenger 1", played.lie(1, 33)),
        (whole, "challenger 2", played.lie(1, 33, bit=1)),
        (tail, "challenger 3", follows),
        (tail, "challenger 4", played.lie(4, 0, of=follows)),
    ]
    for court, name, runs in claims:
        court.claims[name] = runs
    blocks.all((name, court.a_claim(name, runs)) for court, name, runs in claims)
    drawn = [
        (court, name, runs) for court, runs in ((whole, played.truth()), (tail, follows)) for name in court.drawn()
    ]
    for court, name, runs in drawn:
        court.claims[name] = runs
    blocks.all((name, court.a_claim(name, runs)) for court, name, runs in drawn)
    courts = (whole, tail)
    world.until(lambda _: all(court.dispute.stage is DisputeStage.OPENING for court in courts))
    blocks.all((name, court.an_opening(name)) for court in courts for name in court.claims)
    blocks.until(
        lambda: all(court.dispute.stage is DisputeStage.JUDGING for court in courts),
        lambda: [move for court in courts for move in map(court.move, court.claims) if move is not None],
    )
    proof = codec.encode(worst(played.truth(), cut_of(FALSE.cut), TOLERANCE).proof)
    parties = [PROVIDER, *played.drawn_of(world, job_id)]
    blocks.all(
        (name, DisputeBeyond(dispute=whole.id, party=kit.address(party), proof=proof))
        for name, party in zip(("challenger 0", "client", *parties[2:]), parties, strict=True)
    )
    for court in courts:
        court.finish()
    job = world.job(job_id)
    assert (job.state, job.ruled) == (JobState.VOID, Outcome.CONVICTED)
    fallen = [{each.root: each.fall for each in court.dispute.traces} for court in courts]
    bonds = [(world.worker(name).bond, world.worker(name).locked) for name in parties]
    return job.ruled, [court.dispute.outcome for court in courts], fallen, bonds


@cache
def in_order() -> object:
    return verdict(0)


@pytest.mark.parametrize("seed", range(1, 5))
def test_the_order_within_blocks_changes_no_verdict_x30_x54(seed: int) -> None:
    assert verdict(seed) == in_order()
