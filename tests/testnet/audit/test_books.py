"""The second writing of the market's rules comes to the ledger's balances, and tells who reckons otherwise."""

from functools import cache

import pytest

from ledger.market.batch import item_id
from ledger.market.judging import SEAL_BYTES
from ledger.market.withheld.chunks import show_chunks
from ledger.market.withheld.payloads import Stage
from ledger.parameters import Parameters
from ledger.records import JobState, Outcome
from ledger.state import change
from ledger.transaction import JobAccept, JobCommit, LoweringPublish, Transfer
from primitives.codec import encode
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.audit.rules import WrongError
from testnet.kit import ledger_builders as kit
from testnet.kit.large_builders import LargeJob, large_values
from testnet.kit.ledger_builders import a_world, address
from tests.ledger.market.withheld.played import PROVIDER, a_filing
from tests.ledger.walk.walk import a_genesis_of_walkers
from tests.testnet.audit.walked import AuditedWalk, all_of, books_of, disagreements
from vm.lowering import lowering_id

FEE = Parameters().verifier_fee


@cache
def a_walk(seed: int) -> AuditedWalk:
    walk = AuditedWalk(seed)
    walk.go(250)
    return walk


@pytest.mark.parametrize("seed", [1, 2])
def test_the_books_agree_with_the_ledger_after_every_block_of_a_walk(seed: int) -> None:
    walk = a_walk(seed)
    assert len(walk.seen.outcomes) > 3
    assert walk.seen.stages
    assert sum(walk.seen.refused.values()) > 10


@cache
def a_walk_of_validators() -> AuditedWalk:
    walk = AuditedWalk(13, staking=0.8, offences=0.03)
    walk.go(600)
    return walk


def test_the_books_follow_validators_who_come_fail_lie_and_go() -> None:
    walk = a_walk_of_validators()
    stakes = walk.books.holdings.stakes
    for event in ("NEW REGISTER", "READY ABSENT", "READY CONVICT", "READY EXIT"):
        assert walk.seen.rows[f"validator {event}"], event
    assert stakes.offenders
    assert walk.books.holdings.rewards < walk.genesis.rewards


STAKE = {
    "reward_ppm": 40,
    "absence_bps": 20,
    "slash_bps": 10_000,
    "bounty_bps": 1_000,
    "churn_bps": 2_000,
    "jail_ms": 40_000,
    "unbonding_ms": 20_000,
}


@pytest.mark.parametrize(("name", "other"), STAKE.items())
def test_books_with_another_rule_of_stake_do_not_agree(name: str, other: int) -> None:
    walk = a_walk_of_validators()
    assert differs(walk, **{name: other})


def differs(walk: AuditedWalk, **changed: int) -> bool:
    """Tell whether books that are told other parameters find the blocks wrong, or come to other sums after one."""
    other = books_of(walk.genesis, **changed)
    try:
        for raw, told in zip(walk.raw_blocks(), walk.told, strict=True):
            other.take(raw)
            if all_of(other) != told:
                return True
    except WrongError:
        return True
    return False


@pytest.mark.parametrize(
    "name", ["verifier_fee", "owner_share_bps", "no_show_bps", "no_reveal_bps", "dispute_carriage"]
)
def test_books_with_another_rule_of_money_do_not_agree(name: str) -> None:
    walk = a_walk(1)
    assert differs(walk, **{name: getattr(walk.genesis.parameters, name) + 1})


@pytest.mark.parametrize("name", ["commit_ms", "reveal_ms", "challenge_ms"])
def test_books_with_another_deadline_do_not_agree(name: str) -> None:
    walk = a_walk(1)
    assert differs(walk, **{name: 2 * getattr(walk.genesis.parameters, name)})


def test_the_books_know_what_a_long_run_earns_and_what_silence_costs_then() -> None:
    """J10, J12, J43, J80."""
    world = a_world(a_genesis_of_walkers())
    kit.publish(world)
    long = kit.a_lowering(cost=kit.a_cost(gas=9_100_000, native_gas=2_100_000))
    world.must("publisher", LoweringPublish(lowering=long))
    order = change(kit.a_batch(b"one", b"two"), lowering=lowering_id(long), provider=address(PROVIDER))
    job_id = item_id(world.must("client", order), 0)
    world.must("client", Transfer(to=address("publisher"), amount=world.balance("client") - 2 * KARAT - 5 * FEE))
    assert world.do("client", order).reason == Reason.INSUFFICIENT_BALANCE
    world.must(PROVIDER, JobAccept(job=job_id, price=KARAT // 2))
    mine = kit.values(PROVIDER)
    world.must(PROVIDER, JobCommit(job=job_id, commitment=mine.commitment(world.charter, job_id, PROVIDER)))
    world.until(lambda _: world.job(job_id).state is JobState.VERIFYING)
    kit.play_verifiers(world, job_id, kit.Script(verifiers_reveal=2), PROVIDER, mine)
    world.until(lambda _: world.job(job_id).outcome is not None)
    assert [each.amount for each in world.job(job_id).penalties] == [5 * 3 * FEE]
    books = books_of(world.charter.genesis)
    for final in world.finals:
        books.take(encode(final.block))
    assert not disagreements(books, world.state)


def test_the_books_know_what_becomes_of_a_provider_that_withholds_a_large_result() -> None:
    world = a_world(a_genesis_of_walkers())
    large, mine = LargeJob(world=world), large_values(PROVIDER)
    large.verify(mine)
    large.reveal(mine)
    large.pick()
    for name in (PROVIDER, *large.drawn):
        world.must(name, large.opening(mine if name == PROVIDER else large.own(name)))
    world.must("client", a_filing(large.job, Stage.OUTPUT, chunks=[0, 2]))
    shown = show_chunks(large.job, Stage.OUTPUT, address(PROVIDER), bytes(len(mine.outputs) + SEAL_BYTES), [2])
    world.must(PROVIDER, shown[0])
    world.until(lambda _: world.job(large.job).outcome is Outcome.WITHHELD)
    books = books_of(world.charter.genesis)
    for final in world.finals:
        books.take(encode(final.block))
    assert not disagreements(books, world.state)
