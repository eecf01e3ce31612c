"""Proposals beyond ten validators: passed on by relays, checked before, and asked for where one keeps them back."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio
import trio.testing

from consensus.io import Received
from consensus.messages import (
    Certificate,
    Certificates,
    Proposal,
    SignedVote,
    Vote,
    VoteKind,
    decode_message,
    sign_bytes,
)
from consensus.relay_tree import relay_tree
from consensus.validators import Instance, Validator, ValidatorSet
from ledger.block import Block, block_id
from ledger.genesis import charter_of, genesis_header
from ledger.state import change
from node.driver.relay import ProposalWanted, Relay, received
from node.p2p.ipc import Requested
from primitives.codec import encode
from primitives.ed25519 import public_key_of, sign
from testnet.kit.ledger_builders import a_genesis
from tests.node.memory_network import Hub

COUNT = 13
VIEW = 3
GENESIS = b"g" * 32
SEEDS = [bytes([at + 1]) * 32 for at in range(COUNT)]
PEERS = [bytes([at]) * 38 for at in range(COUNT)]
INSTANCE = Instance(
    genesis_hash=GENESIS,
    epoch=0,
    validators=ValidatorSet([Validator(key=public_key_of(seed), weight=1) for seed in SEEDS], b"r" * 32),
)
LEADER = INSTANCE.validators.leader(VIEW)
TREE = relay_tree(INSTANCE.validators, VIEW)
BODY = Block(header=genesis_header(charter_of(a_genesis())), transactions=[], evidence=[])


def signed(kind: VoteKind, block: bytes, *, signer: int = LEADER, view: int = VIEW) -> SignedVote:
    vote = Vote(epoch=0, view=view, kind=kind, block=block)
    return SignedVote(vote=vote, signer=signer, signature=sign(SEEDS[signer], sign_bytes(GENESIS, vote)))


def proposal(body: Block = BODY, *, view: int = VIEW) -> Proposal:
    body = change(body, header=change(body.header, view=view))
    name = block_id(body.header)
    vote = signed(VoteKind.NOTARIZE, name, signer=INSTANCE.validators.leader(view), view=view)
    return Proposal(vote=vote, parent_view=0, parent=bytes(32), justification=[], body=encode(body))


class Bench:
    """One relay on a network in memory that notes who is sent what."""

    def __init__(self, hub: Hub, me: int) -> None:
        self.network = hub.join(PEERS[me], validator=True)
        self.sent: list[tuple[list[int] | None, Proposal]] = []
        self.given: list[tuple[int, Proposal]] = []
        self.relay = Relay(
            INSTANCE, me=me, network=self.network, peers=PEERS, delta_ms=100, current=lambda: VIEW, give=self._give
        )
        self.network.send = self._send  # type: ignore[method-assign]  # it is looked at before it goes

    def _send(self, channel: int, body: bytes, *, to: Sequence[bytes] | None = None, priority: bool = True) -> bool:
        assert (channel, priority) == (1, False)
        message = decode_message(body)
        assert isinstance(message, Proposal)
        self.sent.append((None if to is None else [PEERS.index(peer) for peer in to], message))
        return True

    async def _give(self, sender: int, message: Proposal) -> None:
        self.given.append((sender, message))


@asynccontextmanager
async def benches(*places: int) -> AsyncIterator[list[Bench]]:
    async with trio.open_nursery() as nursery:
        hub = Hub(nursery)
        yield [Bench(hub, place) for place in places]
        nursery.cancel_scope.cancel()


async def test_a_leader_sends_to_its_relays_and_then_to_all() -> None:
    async with benches(LEADER) as [leader]:
        leader.relay.spread(proposal())
        leader.relay.spread(proposal())
    assert [to for to, _ in leader.sent] == [list(TREE), None]


async def test_a_relay_passes_on_what_its_leader_said_and_once() -> None:
    place = next(iter(TREE))
    async with benches(place) as [bench]:
        assert bench.relay.take(LEADER, proposal())
        assert bench.relay.take(LEADER, proposal())
    assert bench.sent == [(TREE[place], proposal())]


async def test_what_a_relay_adds_is_its_own_word_and_not_the_leader_s() -> None:
    certificate = Certificate(scheme=1, vote=signed(VoteKind.NULLIFY, bytes(32)).vote, signers=b"\1", signatures=[])
    said = change(proposal(), justification=[certificate])
    assert received(LEADER, said) == [Received(sender=LEADER, message=said)]
    relay = LEADER - 1
    assert received(relay, said) == [
        Received(sender=relay, message=Certificates(certificates=[certificate])),
        Received(sender=LEADER, message=proposal()),
    ]


async def test_a_relay_passes_on_no_certificates_for_which_it_would_answer() -> None:
    place = next(iter(TREE))
    bad = Certificate(scheme=1, vote=signed(VoteKind.NULLIFY, bytes(32)).vote, signers=b"\1", signatures=[])
    async with benches(place) as [bench]:
        assert bench.relay.take(LEADER, change(proposal(), justification=[bad]))
        answer = bench.relay.answer(encode(ProposalWanted(epoch=0, view=VIEW)))
    assert bench.sent == [(TREE[place], proposal())]
    assert answer is not None
    assert decode_message(answer) == proposal()


async def test_what_is_said_again_or_too_late_is_not_looked_at() -> None:
    relay, leaves = next(iter(TREE.items()))
    async with benches(leaves[0]) as [bench]:
        assert bench.relay.take(relay, proposal())
        for view in (VIEW, VIEW + 40):
            assert not bench.relay.take(relay, change(proposal(view=view), body=b"it would be blamed for this"))
        assert bench.relay.take(LEADER, proposal())
    assert not bench.network.penalties


async def test_a_leaf_passes_on_nothing_and_hears_its_relay() -> None:
    relay, leaves = next(iter(TREE.items()))
    async with benches(leaves[0]) as [bench]:
        assert bench.relay.take(relay, proposal())
    assert not bench.sent
    assert not bench.network.penalties


async def test_a_relay_that_changes_a_proposal_is_blamed_and_not_its_leader() -> None:  # N14
    relay, leaves = next(iter(TREE.items()))
    good = proposal()
    another = change(BODY, header=change(BODY.header, height=7))
    lies = [
        change(good, body=encode(another)),
        change(good, body=b"no block"),
        change(good, parent=b"p" * 32),
        change(good, parent_view=1),
        change(good, parent=good.vote.vote.block),  # as if it were proposed again
        change(good, vote=change(good.vote, signature=bytes(64))),
        change(good, vote=signed(VoteKind.NOTARIZE, good.vote.vote.block, signer=relay)),
        change(good, vote=change(good.vote, signer=200)),
    ]
    async with benches(leaves[0]) as [bench]:
        assert not any(bench.relay.take(relay, lie) for lie in lies)
    assert [peer for peer, _, _ in bench.network.penalties] == [PEERS[relay]] * len(lies)


async def test_a_relay_passes_on_no_third_block_and_none_of_a_distant_view() -> None:
    place = next(iter(TREE))
    bodies = [change(BODY, header=change(BODY.header, height=height)) for height in range(3)]
    async with benches(place) as [bench]:
        for body in bodies:
            bench.relay.take(LEADER, proposal(body))
        for view in range(VIEW + 2, VIEW + 40):
            bench.relay.take(INSTANCE.validators.leader(view), proposal(view=view))
    assert [block.body for _, block in bench.sent] == [proposal(body).body for body in bodies[:2]]


async def test_what_a_relay_keeps_back_is_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    leaf = TREE[next(iter(TREE))][0]
    voter = next(at for at in range(COUNT) if at not in (leaf, LEADER))
    async with benches(leaf, voter) as [bench, other], trio.open_nursery() as nursery:
        assert other.relay.take(LEADER, proposal())
        vote = signed(VoteKind.NOTARIZE, proposal().vote.vote.block, signer=voter)
        for _ in range(3):
            bench.relay.note_vote(vote, nursery)
        nursery.start_soon(_answer_one, other)
        with trio.fail_after(60):
            while not bench.given:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert bench.given == [(voter, proposal())]  # the leader is not there to answer
    assert other.relay.answer(encode(ProposalWanted(epoch=1, view=VIEW))) is None
    assert other.relay.answer(b"\xff") is None


async def _answer_one(bench: Bench) -> None:
    async for event in bench.network.events():
        if isinstance(event, Requested):
            bench.network.respond(event.id, bench.relay.answer(event.body))


async def test_a_proposal_that_comes_is_not_asked_for(autojump_clock: trio.testing.MockClock) -> None:
    leaf = TREE[next(iter(TREE))][0]
    async with benches(leaf) as [bench], trio.open_nursery() as nursery:
        bench.relay.note_vote(signed(VoteKind.NOTARIZE, proposal().vote.vote.block), nursery)
        bench.relay.take(LEADER, proposal())
    assert not bench.given


async def test_votes_for_blocks_that_nobody_proposed_keep_no_proposal_from_being_asked_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    leaf = TREE[next(iter(TREE))][0]
    liar = next(at for at in range(COUNT) if at not in (leaf, LEADER))
    async with benches(leaf, LEADER) as [bench, leader], trio.open_nursery() as nursery:
        leader.relay.spread(proposal())
        for at in range(40):
            bench.relay.note_vote(signed(VoteKind.NOTARIZE, bytes([at]) * 32, signer=liar), nursery)
        assert len(nursery.child_tasks) == 1
        bench.relay.note_vote(signed(VoteKind.NOTARIZE, proposal().vote.vote.block), nursery)
        nursery.start_soon(_answer_one, leader)
        with trio.fail_after(60):
            while not bench.given:  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert bench.given == [(LEADER, proposal())]
