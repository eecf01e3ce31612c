"""Thirteen validators, which pass proposals on to each other (N14)."""

from collections.abc import Sequence
from pathlib import Path

import trio
import trio.testing

from consensus.messages import Proposal, decode_message
from ledger.genesis import charter_of
from testnet.kit.ledger_builders import a_genesis
from tests.node.cluster import Cluster, Member

COUNT = 13


async def test_thirteen_validators_agree_by_relays_and_nobody_is_blamed(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with trio.open_nursery() as nursery:
        cluster = Cluster(tmp_path, nursery, charter=charter_of(a_genesis(validators=COUNT)))
        await cluster.grow(3, *cluster.validators)
        cluster.check_agreement()
        assert not [blamed for each in cluster.hub.nodes.values() for blamed in each.penalties]
        nursery.cancel_scope.cancel()
    cluster.close()


async def test_relays_that_pass_on_nothing_halt_nobody(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        cluster = Cluster(tmp_path, nursery, charter=charter_of(a_genesis(validators=COUNT)))
        silenced = [_keep_back(cluster.validators[at]) for at in range(4)]
        await cluster.grow(6, *cluster.validators)
        cluster.check_agreement()
        nursery.cancel_scope.cancel()
    cluster.close()
    assert sum(map(len, silenced)) > 0


def _keep_back(member: Member) -> list[bytes]:
    """Have a validator send no proposals of others; return those that it kept back."""
    kept: list[bytes] = []
    network = member.part._traffic._network
    send = network.send

    def send_own(channel: int, body: bytes, *, to: Sequence[bytes] | None = None, priority: bool = True) -> bool:
        message = decode_message(body)
        driver = member.part.driver
        if isinstance(message, Proposal) and driver is not None and message.vote.signer != driver._core.me:
            kept.append(body)
            return True
        return send(channel, body, to=to, priority=priority)

    network.send = send_own  # type: ignore[method-assign]  # so it is made a liar
    return kept
