"""Announcements: the proposer first, anybody after it, and only what is proved travels on."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from consensus.messages import VoteKind
from ledger.block import Block, block_id, transactions_root
from ledger.genesis import charter_of, genesis_header
from ledger.parameters import Parameters
from node.p2p.ipc import Gossip, Verdict
from node.sync.announcements import OLD_BLOCKS, PROPOSER_FIRST_S, Announcements, announcement_of
from node.sync.messages import ANNOUNCED_BYTES_MAX, ANNOUNCEMENT_BYTES_MAX, Announcement
from primitives.codec import decode, encode
from testnet.kit.ledger_builders import a_genesis
from tests.node.chains import CHARTER, Producer, certify

Clock = trio.testing.MockClock


class Wall:
    """A network on which everything published can be read."""

    def __init__(self) -> None:
        self.said: list[Announcement] = []

    def publish(self, topic: str, body: bytes) -> bool:
        assert topic == "final"
        self.said.append(decode(Announcement, body, at_most=ANNOUNCEMENT_BYTES_MAX))
        return True


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Producer]:
    made = Producer(tmp_path)
    made.extend(OLD_BLOCKS + 3)
    yield made
    made.close()


class Listener(Announcements):
    """The announcements of one node, with what it heard."""

    def __init__(self, producer: Producer, me: int | None) -> None:
        self.wall = Wall()
        self.heard_of: list[int] = []
        self.given: list[Block] = []
        super().__init__(
            self.wall,
            instance_for=producer.chain.instance_for,
            is_mine=lambda header: header.proposer == me,
            heard=self._note,
            given=lambda block, _: self.given.append(block),
        )

    def _note(self, peers: Sequence[bytes], height: int) -> None:
        assert peers[0] == b"forwarder"
        self.heard_of.append(height)


def block_at(producer: Producer, height: int) -> Block:
    found = producer.chain.block(height)
    assert found is not None
    return found[0]


def announcement(producer: Producer, height: int, **forged: object) -> Announcement:
    block = block_at(producer, height)
    certificate = certify(CHARTER, block.header.view, block_id(block.header), **forged)  # type: ignore[arg-type]  # of `certify`
    return announcement_of(block, certificate)


def gossip(body: bytes) -> Gossip:
    return Gossip(handle=1, topic="final", forwarder=b"forwarder", author=b"author", body=body)


async def test_a_proposer_makes_its_block_known_at_once(producer: Producer) -> None:
    said = announcement(producer, 2)
    listener = Listener(producer, said.header.proposer)
    listener.announce(block_at(producer, 2), said.certificate)
    assert listener.wall.said == [said]


async def test_others_speak_up_if_nobody_did(producer: Producer, nursery: trio.Nursery, autojump_clock: Clock) -> None:
    said = announcement(producer, 2)
    listener = Listener(producer, 1 - min(1, said.header.proposer))
    nursery.start_soon(listener.run)
    listener.announce(block_at(producer, 2), said.certificate)
    assert listener.wall.said == []
    await trio.sleep(2 * PROPOSER_FIRST_S)
    assert listener.wall.said == [said]


async def test_what_was_heard_is_not_said_again(
    producer: Producer, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    said = announcement(producer, 2)
    listener = Listener(producer, 1 - min(1, said.header.proposer))
    nursery.start_soon(listener.run)
    listener.announce(block_at(producer, 2), said.certificate)
    assert listener.receive(gossip(encode(said))) is Verdict.ACCEPT
    await trio.sleep(2 * PROPOSER_FIRST_S)
    assert listener.wall.said == []
    assert listener.heard_of == [2]


def a_block_with(*transactions: bytes) -> Block:
    """Return a block of these, whatever they are."""
    header = replace(genesis_header(CHARTER), tx_root=transactions_root(list(transactions)))
    return Block(header=header, transactions=list(transactions))


def test_a_light_block_comes_whole_and_a_heavy_one_is_to_be_asked_for_n61(producer: Producer) -> None:
    listener = Listener(producer, None)
    light, certificate = block_at(producer, 2), announcement(producer, 2).certificate
    assert listener.receive(gossip(encode(announcement(producer, 2)))) is Verdict.ACCEPT
    assert listener.given == [light]
    half = bytes(ANNOUNCED_BYTES_MAX // 2)
    assert announcement_of(a_block_with(half, half), certificate).transactions == [half, half]
    assert announcement_of(a_block_with(half, half, b"more"), certificate).transactions is None
    full = encode(announcement_of(a_block_with(half, half), certificate))
    assert len(full) < ANNOUNCEMENT_BYTES_MAX
    assert listener.receive(gossip(encode(replace(announcement(producer, 3), transactions=None)))) is Verdict.ACCEPT
    assert listener.given == [light]
    assert listener.heard_of == [2, 3]


def test_transactions_that_the_header_does_not_bind_are_held_against_the_forwarder_n61(producer: Producer) -> None:
    listener = Listener(producer, None)
    forged = replace(announcement(producer, 2), transactions=[b"another"])
    assert listener.receive(gossip(encode(forged))) is Verdict.REJECT
    assert listener.given == []


def test_old_news_travels_no_further(producer: Producer) -> None:
    listener = Listener(producer, None)
    assert listener.receive(gossip(encode(announcement(producer, OLD_BLOCKS + 2)))) is Verdict.ACCEPT
    assert listener.receive(gossip(encode(announcement(producer, 1)))) is Verdict.IGNORE


def test_one_block_travels_once_whatever_certificates_it_is_said_with(producer: Producer) -> None:
    listener = Listener(producer, None)
    top = OLD_BLOCKS + 2
    assert listener.receive(gossip(encode(announcement(producer, top)))) is Verdict.ACCEPT
    for signers in (4, 3, 2):  # of a certificate with more signers than it needs there are ever so many more
        assert listener.receive(gossip(encode(announcement(producer, top, signers=signers)))) is Verdict.IGNORE
    assert listener.heard_of == [top] * 4
    assert listener.receive(gossip(encode(announcement(producer, top - 1)))) is Verdict.ACCEPT


def test_what_is_not_proved_is_held_against_the_forwarder(producer: Producer) -> None:
    listener = Listener(producer, None)
    good = announcement(producer, 2)
    other = replace(good, header=block_at(producer, 3).header)
    weak = announcement(producer, 2, signers=2)
    notarized = announcement(producer, 2, kind=VoteKind.NOTARIZE)
    for body in (b"", encode(good)[:-1], encode(other), encode(weak), encode(notarized)):
        assert listener.receive(gossip(body)) is Verdict.REJECT
    assert listener.heard_of == []


def test_validators_of_another_epoch_than_the_block_s_prove_nothing(tmp_path: Path) -> None:
    charter = charter_of(a_genesis(parameters=Parameters(epoch_ms=2_000)))
    producer = Producer(tmp_path, charter=charter)
    producer.extend(8)
    listener = Listener(producer, None)
    block = block_at(producer, 8)
    header = block.header
    assert header.epoch > 1
    assert producer.chain.instance_for(header.epoch - 1) is not None
    for epoch, verdict in ((header.epoch - 1, Verdict.REJECT), (header.epoch, Verdict.ACCEPT)):
        said = announcement_of(block, certify(charter, 99, block_id(header), epoch=epoch))
        assert listener.receive(gossip(encode(said))) is verdict
    producer.close()


async def test_what_proves_itself_by_validators_that_are_not_known_here_is_a_hint_and_no_more(
    producer: Producer,
) -> None:
    said = announcement(producer, 2, epoch=7)
    listener = Listener(producer, None)
    assert listener.receive(gossip(encode(said))) is Verdict.IGNORE
    assert listener.heard_of == [2]
