"""What a validator does with messages of other epochs than the one that runs (C24, N76)."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trio
import trio.testing

from consensus.messages import (
    CertificateRequest,
    Certificates,
    Message,
    SignedVote,
    Vote,
    VoteKind,
    decode_message,
    encode_message,
)
from ledger.genesis import charter_of
from ledger.parameters import Parameters
from node.config import ConsensusSection
from node.driver.epochs import LAST_WORDS_MAX, Epochs
from node.evidence import EvidencePool
from node.p2p.peer_id import peer_id_of
from testnet.kit.ledger_builders import a_genesis
from tests.node.chains import Producer
from tests.node.cluster import Keys
from tests.node.memory_network import Hub

CHARTER = charter_of(a_genesis(parameters=Parameters(epoch_ms=3_000)))
PEERS = [peer_id_of(each.peer) for each in CHARTER.genesis.validators]
TIMES = ConsensusSection(idle_ms=400, delta_ms=100, min_block_interval_ms=50)


class Rig:
    """A validator's epochs over a chain in epoch 2 or later, on a network that notes what is sent."""

    def __init__(self, folder: Path, nursery: trio.Nursery, *keys: int) -> None:
        self.producer = Producer(folder, charter=CHARTER)
        while self.producer.chain.epoch < 2:
            self.producer.extend(1)
        self.network = Hub(nursery).join(PEERS[0], validator=True)
        self.sent: list[tuple[bytes, Message]] = []
        self.network.send = self._send  # type: ignore[method-assign]  # it is looked at before it goes
        self.ahead: list[bytes] = []
        self.epochs = Epochs(
            chain=self.producer.chain,
            guard=self.producer.store.guard,
            network=self.network,
            keys=Keys(*keys),
            times=TIMES,
            evidence=EvidencePool(self.network, CHARTER.hash),
            ahead=self.ahead.append,
        )

    def _send(self, channel: int, body: bytes, *, to: Sequence[bytes] | None = None, priority: bool = True) -> bool:
        del channel, priority
        self.sent += [(peer, decode_message(body)) for peer in to or []]
        return True

    async def hear(self, message: Message, *, peer: bytes = PEERS[1]) -> None:
        await self.epochs.receive(peer, encode_message(message))


@pytest.fixture
def rig(tmp_path: Path, nursery: trio.Nursery) -> Iterator[Rig]:
    made = Rig(tmp_path, nursery)
    yield made
    made.producer.close()


def a_skip(epoch: int) -> SignedVote:
    vote = Vote(epoch=epoch, view=9, kind=VoteKind.NULLIFY, block=bytes(32))
    return SignedVote(vote=vote, signer=1, signature=bytes(64))


async def test_a_straggler_is_told_the_end_of_its_epoch_and_not_too_often(
    rig: Rig, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(rig.epochs.run)
    await trio.sleep(0.01)
    ends = [rig.producer.chain.end_of(epoch) for epoch in (0, 1)]
    assert [None if end is None else end.vote.epoch for end in ends] == [0, 1]
    rig.sent.clear()
    await rig.hear(a_skip(0))
    await rig.hear(CertificateRequest(epoch=1, first_view=1, last_view=2))
    for _ in range(5):
        await rig.hear(a_skip(0))
    assert rig.sent == [(PEERS[1], Certificates(certificates=[end])) for end in ends if end is not None]
    assert len(rig.sent) == LAST_WORDS_MAX
    await rig.hear(a_skip(0), peer=PEERS[2])
    assert len(rig.sent) == LAST_WORDS_MAX + 1
    await trio.sleep(1)
    await rig.hear(a_skip(0))
    assert len(rig.sent) == LAST_WORDS_MAX + 2


async def test_who_speaks_of_a_later_epoch_is_asked_how_far_it_is_once(rig: Rig) -> None:
    later = rig.producer.chain.epoch + 1
    for _ in range(3):
        await rig.hear(a_skip(later))
    assert rig.ahead == [PEERS[1]]
    assert not rig.sent
    assert not rig.network.penalties


async def test_who_makes_up_epochs_drives_out_nothing_and_is_asked_seldom(rig: Rig) -> None:
    later = rig.producer.chain.epoch + 1
    await rig.hear(a_skip(later))
    for epoch in range(later + 1, later + 40):
        await rig.hear(a_skip(epoch), peer=PEERS[2])
        await rig.hear(a_skip(later - 1), peer=PEERS[2])
    assert rig.ahead[0] == PEERS[1]
    assert len(rig.ahead) <= 1 + LAST_WORDS_MAX
    kept = rig.epochs._early.take(later)
    assert kept == [(PEERS[1], a_skip(later))]


async def test_noise_is_blamed_and_an_empty_answer_is_nothing(rig: Rig) -> None:
    await rig.epochs.receive(PEERS[1], b"noise")
    await rig.hear(Certificates(certificates=[]))
    assert [(peer, weight) for peer, _, weight in rig.network.penalties] == [(PEERS[1], 1)]


async def test_a_node_that_no_set_names_has_no_part_and_knows_nothing_of_others(
    rig: Rig, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    nursery.start_soon(rig.epochs.run)
    await trio.sleep(1)
    assert rig.epochs.driver is None
    assert not rig.epochs.is_proven
    assert await rig.epochs.testify(b"whatever") is None
