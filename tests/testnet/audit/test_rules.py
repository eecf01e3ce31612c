"""The second writing of the rules of money agrees with the ledger, and finds what does not."""

import json
import random

import pytest

from ledger.parameters import Parameters
from ledger.transaction import Transfer
from node.genesis_file import render_genesis
from primitives.codec import encode
from testnet.audit.books import Books
from testnet.audit.rules import WrongError
from testnet.kit.ledger_builders import World, a_genesis, a_world, address
from tests.testnet.audit.random_transfers import PEOPLE, random_blocks


def a_market_of_nothing_but_money(parameters: Parameters | None = None) -> World:
    return a_world(a_genesis(workers=0, accounts=PEOPLE, parameters=parameters or Parameters()))


def opened(world: World) -> Books:
    return Books(json.loads(render_genesis(world.charter.genesis)))


def raw_blocks(world: World) -> list[bytes]:
    return [encode(final.block) for final in world.finals]


@pytest.mark.parametrize("seed", range(3))
def test_the_books_agree_with_the_ledger_after_every_block(seed: int) -> None:
    world = a_market_of_nothing_but_money()
    books = opened(world)
    chance = random.Random(seed)
    for _ in range(30):
        random_blocks(world, chance, 1)
        books.take(raw_blocks(world)[-1])
        for person, balance in books.balances.items():
            assert balance == world.state.account(person).balance
    totals = world.state.totals()
    assert (books.holdings.burned, books.holdings.staked) == (totals.burned, totals.staked)
    assert books.transactions > 50
    assert books.failed > 0


def test_a_block_with_one_byte_changed_is_found() -> None:
    world = a_market_of_nothing_but_money()
    random_blocks(world, random.Random(1), 3)
    *good, last = raw_blocks(world)
    books = opened(world)
    for raw in good:
        books.take(raw)
    body = world.finals[-1].block.transactions[0]
    with pytest.raises(WrongError):
        books.take(last.replace(body, body[:-1] + bytes([body[-1] ^ 1])))


def test_a_fee_that_the_ledger_did_not_take_is_found_in_the_next_block() -> None:
    world = a_market_of_nothing_but_money()
    random_blocks(world, random.Random(1), 2)
    first, second = raw_blocks(world)
    books = opened(world)
    books.take(first)
    books._receipts[-1] = b"another receipt"
    with pytest.raises(WrongError, match="receipts"):
        books.take(second)


def entered(world: World) -> Books:
    books = opened(world)
    for raw in raw_blocks(world):
        books.take(raw)
    return books


def test_ends_of_epochs_are_within_its_rules() -> None:
    world = a_market_of_nothing_but_money(Parameters(epoch_ms=4_000, absence_views_min=1))
    random_blocks(world, random.Random(1), 20)
    assert world.chain.head.header.epoch > 1
    books = entered(world)
    assert all(world.state.account(each).balance == books.balances[each] for each in books.balances)


def test_a_transfer_of_more_than_one_has_costs_its_fee_alone() -> None:
    world = a_market_of_nothing_but_money()
    balance = world.state.account(address(PEOPLE[0])).balance
    world.block(world.sign(PEOPLE[0], Transfer(to=address(PEOPLE[1]), amount=balance)))
    books = opened(world)
    books.take(raw_blocks(world)[-1])
    assert books.failed == 1
    assert books.balances[address(PEOPLE[0])] == world.state.account(address(PEOPLE[0])).balance
