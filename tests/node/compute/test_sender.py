from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from ledger.transaction import Payload, Transfer
from node.compute.blocks import BlockSignal
from node.compute.sender import LOOK_S, VALID_MS, Sender
from primitives.reasons import Reason, Refused
from testnet.kit.fake_chain import FakeChain
from testnet.kit.ledger_builders import RICH, address, least_fee, seed_of


class Bench:
    """A sender for the client, on a chain whose blocks are made by hand."""

    def __init__(self) -> None:
        self.chain = FakeChain()
        self.blocks = BlockSignal()
        self.sender = Sender(self.chain, seed_of("client"), self.blocks)
        self.done: list[int] = []
        self.refused: list[Reason] = []

    async def send(self, amount: int, payload: Payload | None = None) -> None:
        try:
            await self.sender.send(payload or Transfer(to=address("stranger"), amount=amount))
            self.done.append(amount)
        except Refused as refused:
            self.refused.append(refused.reason)

    async def block(self, *, passed_ms: int = 1_000) -> None:
        await trio.testing.wait_all_tasks_blocked()
        self.chain.step(passed_ms=passed_ms)
        self.blocks.ring()
        await trio.testing.wait_all_tasks_blocked()

    @asynccontextmanager
    async def sending(self, *amounts: int) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            for amount in amounts:
                nursery.start_soon(self.send, amount)
            await trio.testing.wait_all_tasks_blocked()
            yield
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()


async def test_many_at_once_have_nonces_in_a_row_and_fit_one_block() -> None:
    bench = Bench()
    async with bench.sending(*range(1, 21)):
        assert sorted(each.body.nonce for each in bench.chain.pool.values()) == list(range(20))
        await bench.block()
    assert sorted(bench.done) == list(range(1, 21))
    assert bench.chain.state().account(address("stranger")).balance == sum(range(1, 21))


async def test_a_transaction_that_fails_in_its_block_tells_the_reason() -> None:
    bench = Bench()
    most = RICH - 10 * least_fee(Transfer(to=bytes(20), amount=0))
    async with bench.sending(most):
        # Another transaction of the same key takes the money first.
        bench.chain.pool.clear()
        bench.chain.world.must("client", Transfer(to=address("stranger"), amount=most))
        bench.blocks.ring()
    assert bench.refused == [Reason.INSUFFICIENT_BALANCE]


async def test_what_the_pool_refuses_for_good_is_told_at_once() -> None:
    bench = Bench()
    async with bench.sending(2 * RICH):
        pass
    assert bench.refused == [Reason.INSUFFICIENT_BALANCE]


async def test_a_lost_transaction_is_handed_in_again_after_the_next_block_and_counts_once() -> None:
    bench = Bench()
    async with bench.sending(5):
        bench.chain.lose()
        await bench.block()
        await bench.block()
    assert bench.done == [5]
    assert bench.chain.state().account(address("stranger")).balance == 5


async def test_a_nonce_that_something_else_used_is_replaced() -> None:
    bench = Bench()
    async with bench.sending(5):
        bench.chain.lose()
        bench.chain.world.must("client", Transfer(to=address("stranger"), amount=1))
        bench.blocks.ring()
        await trio.testing.wait_all_tasks_blocked()
        await bench.block()
    assert bench.done == [5]
    assert bench.chain.state().account(address("stranger")).balance == 6


async def test_a_transaction_whose_time_is_over_is_signed_anew() -> None:
    bench = Bench()
    async with bench.sending(5):
        bench.chain.lose()
        await bench.block(passed_ms=VALID_MS + 1)
        await bench.block()
        await bench.block()
    assert bench.done == [5]
    assert bench.chain.state().account(address("stranger")).balance == 5


async def test_on_a_chain_that_stands_still_it_is_handed_in_again_and_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    bench = Bench()
    async with bench.sending(5):
        for _ in range(3):
            bench.chain.lose()
            await trio.sleep(LOOK_S + 1)
            assert len(bench.chain.pool) == 1
        bench.chain.step()
        bench.blocks.ring()
    assert bench.done == [5]


@pytest.mark.parametrize("lost", [0, 3, 7])
async def test_a_gap_in_the_middle_is_filled(lost: int) -> None:
    bench = Bench()
    async with bench.sending(*range(1, 11)):
        missing = next(txid for txid, each in bench.chain.pool.items() if each.body.nonce == lost)
        del bench.chain.pool[missing]
        await bench.block()
        for _ in range(4):
            await bench.block()
    assert sorted(bench.done) == list(range(1, 11))
