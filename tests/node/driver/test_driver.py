"""The driver with a core that says what it is told to: effects in order, and an answer for each question."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from consensus.io import (
    BlockKnown,
    Build,
    BuildFailed,
    Built,
    Commit,
    Effect,
    Fault,
    FetchBlock,
    Halt,
    Input,
    Penalise,
    Persist,
    Received,
    RetryDue,
    Send,
    SetRetry,
    SetTimer,
    Start,
    TimedOut,
    Validate,
    Validated,
    Verdict,
    Voted,
)
from consensus.messages import CertificateRequest, SignedVote, Vote, VoteKind, encode_message
from consensus.validators import Instance
from ledger.block import Block, block_id, decode_block
from ledger.onion import Onion, grow
from ledger.state import change
from node.config import ConsensusSection
from node.driver.building import GATHER_S
from node.driver.driver import FAULTS_LOGGED_MAX, ConsensusHaltedError, Driver
from node.evidence import EvidencePool
from node.p2p.ipc import Direct, Requested
from node.p2p.peer_id import peer_id_of
from node.sync.answers import SyncAnswers
from primitives.codec import encode
from testnet.kit.ledger_builders import a_transfer, onion_of
from tests.node.chains import CHARTER, Producer, certify
from tests.node.memory_network import Hub, MemoryNetwork

Clock = trio.testing.MockClock
PEERS = [peer_id_of(each.peer) for each in CHARTER.genesis.validators]
TIMES = ConsensusSection(idle_ms=400, delta_ms=100, min_block_interval_ms=50)


class ScriptedCore:
    """A core whose effects a test hands in, and whose inputs it looks at."""

    def __init__(self, me: int, instance: Instance) -> None:
        self.me = me
        self.instance = instance
        self.view = 1
        self.quarantined = False
        self.inputs: list[Input] = []
        self.effects: list[list[Effect]] = []

    def step(self, given: Input) -> list[Effect]:
        self.inputs.append(given)
        return self.effects.pop(0) if self.effects else []


class Rig:
    """A driver over a chain of its own, and a neighbour with the same chain."""

    def __init__(self, folder: Path, nursery: trio.Nursery, *, onion: Onion | None = None) -> None:
        self.producer = Producer(folder / "mine")
        self.chain = self.producer.chain
        self.me = self.chain.instance.validators.leader(1)
        self.core = ScriptedCore(self.me, self.chain.instance)
        self.hub = Hub(nursery)
        self.network = self.hub.join(PEERS[self.me], validator=True)
        self.driver = Driver(
            core=self.core,  # type: ignore[arg-type]  # a core in all that the driver uses
            chain=self.chain,
            guard=self.producer.store.guard,
            network=self.network,
            peers=PEERS,
            onion=onion or onion_of(self.me),
            times=TIMES,
            evidence=EvidencePool(self.network, CHARTER.hash),
        )
        self.nursery = nursery

    async def after(self, *effects: Effect, wait_s: float = 2.0) -> list[Input]:
        """Return the inputs that these effects of Start lead to."""
        self.core.effects.append(list(effects))
        self.nursery.start_soon(self.driver.run)
        await trio.sleep(wait_s)
        assert self.core.inputs[0] == Start()
        return self.core.inputs[1:]

    def validate(self, block: Block, /, **changed: object) -> Validate:
        header = block.header
        asked = Validate(
            view=header.view,
            block=block_id(header),
            body=encode(block),
            parent_view=header.parent_view,
            parent=header.parent,
        )
        return change(asked, **changed)

    def neighbour(self) -> tuple[Producer, MemoryNetwork]:
        other = Producer(self.producer.path.with_name("other"))
        return other, self.hub.join(PEERS[self.me - 1], validator=True)


@pytest.fixture
def rig(tmp_path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> Iterator[Rig]:
    caplog.set_level(logging.CRITICAL)
    made = Rig(tmp_path, nursery)
    yield made
    made.producer.close()


def a_vote(view: int) -> SignedVote:
    vote = Vote(epoch=0, view=view, kind=VoteKind.NOTARIZE, block=bytes([1] * 32))
    return SignedVote(vote=vote, signer=0, signature=bytes(64))


async def test_votes_are_on_disk_when_they_are_sent(rig: Rig, autojump_clock: Clock) -> None:
    on_disk: list[int] = []
    rig.hub.watch = lambda _peer, _body: on_disk.append(len(rig.producer.store.guard.recall(0)))
    await rig.after(Persist(records=[Voted(vote=a_vote(1))]), Send(to=None, message=a_vote(1)))
    assert on_disk == [1]


async def test_a_message_for_one_goes_to_one(rig: Rig, autojump_clock: Clock) -> None:
    _, other = rig.neighbour()
    third = rig.hub.join(PEERS[rig.me - 2], validator=True)
    sent: list[bytes] = []
    rig.hub.watch = lambda _peer, body: sent.append(body)
    await rig.after(Send(to=PEERS.index(other.peer_id), message=a_vote(1)))
    assert sent == [encode_message(a_vote(1))]
    assert third._events.statistics().current_buffer_used == other._events.statistics().current_buffer_used - 1


async def test_what_validators_say_is_given_with_their_index(rig: Rig, autojump_clock: Clock) -> None:
    await rig.after()
    await rig.driver.hear(PEERS[3], a_vote(7))
    await rig.driver.hear(b"a stranger", a_vote(8))
    await trio.sleep(0.1)
    assert rig.core.inputs[1:] == [Received(sender=3, message=a_vote(7))]


async def test_a_validator_that_breaks_rules_is_reported_and_does_not_fill_the_disk(
    rig: Rig, autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    blame = Penalise(sender=3, fault=Fault.BAD_VOTE)
    await rig.after(*[blame] * (2 * FAULTS_LOGGED_MAX), Penalise(sender=None, fault=Fault.BAD_VOTE))
    assert rig.driver.faults == 2 * FAULTS_LOGGED_MAX + 1
    assert len(caplog.records) == FAULTS_LOGGED_MAX
    assert rig.network.penalties == [(PEERS[3], "BAD_VOTE", 1)] * (2 * FAULTS_LOGGED_MAX)


async def test_a_timer_that_is_set_anew_forgets_what_it_was_set_to(rig: Rig, autojump_clock: Clock) -> None:
    inputs = await rig.after(
        SetTimer(view=1, delay_ms=500), SetTimer(view=2, delay_ms=800), SetRetry(delay_ms=600), wait_s=3
    )
    assert inputs == [RetryDue(), TimedOut(view=2)]


async def test_an_idle_leader_waits_its_idle_time_and_a_busy_one_only_the_interval(
    rig: Rig, autojump_clock: Clock
) -> None:
    parent = rig.chain.head
    wanted = Build(view=1, parent_view=0, parent=parent.block_id)
    assert await rig.after(wanted, wait_s=0.3) == []
    await rig.chain.submit(a_transfer(CHARTER, payer="client", payee="publisher", amount=1, nonce=0))
    await trio.sleep(0.05)
    (built,) = rig.core.inputs[1:]
    assert isinstance(built, Built)
    block = decode_block(built.body)
    assert block_id(block.header) == built.block
    assert len(block.transactions) == 1
    assert block.header.proposer == rig.me


@pytest.mark.parametrize("follow", [True, False])
async def test_a_leader_waits_a_little_for_verifiers_that_follow_another_n72(
    rig: Rig, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch, *, follow: bool
) -> None:
    missing = [True]
    monkeypatch.setattr(rig.chain, "some_follow", lambda _: missing[0])
    await rig.chain.submit(a_transfer(CHARTER, payer="client", payee="publisher", amount=1, nonce=0))
    wanted = Build(view=1, parent_view=0, parent=rig.chain.head.block_id)
    assert await rig.after(wanted, wait_s=TIMES.min_block_interval_ms / 1_000 + GATHER_S / 2) == []
    if follow:
        missing[0] = False
        await rig.chain.submit(a_transfer(CHARTER, payer="client", payee="publisher", amount=1, nonce=1))
    await trio.sleep(GATHER_S / 10 if follow else GATHER_S)
    (built,) = rig.core.inputs[1:]
    assert isinstance(built, Built)
    assert len(decode_block(built.body).transactions) == 1 + follow


async def test_a_later_build_replaces_an_earlier_one(rig: Rig, autojump_clock: Clock) -> None:
    parent = rig.chain.head.block_id
    inputs = await rig.after(Build(view=1, parent_view=0, parent=parent), Build(view=5, parent_view=0, parent=parent))
    assert [type(each).__name__ for each in inputs] == ["Built"]
    assert getattr(inputs[0], "view", None) == 5


async def test_a_block_on_a_parent_that_is_not_here_fails_to_be_built(rig: Rig, autojump_clock: Clock) -> None:
    assert await rig.after(Build(view=3, parent_view=2, parent=bytes(32))) == [BuildFailed(view=3)]


async def test_a_leader_whose_onion_is_used_up_builds_nothing_and_lives(tmp_path: Path, autojump_clock: Clock) -> None:
    async with trio.open_nursery() as nursery:
        rig = Rig(tmp_path, nursery, onion=grow(b"short".ljust(32), layers=0))
        wanted = Build(view=1, parent_view=0, parent=rig.chain.head.block_id)
        assert await rig.after(wanted) == [BuildFailed(view=1)]
        nursery.cancel_scope.cancel()
    rig.producer.close()


async def verdict(rig: Rig, asked: Validate) -> Verdict:
    (answer,) = await rig.after(asked)
    assert isinstance(answer, Validated)
    assert (answer.view, answer.block) == (asked.view, asked.block)
    return answer.verdict


async def test_a_good_block_is_valid_and_kept(rig: Rig, autojump_clock: Clock) -> None:
    other, _ = rig.neighbour()
    block = other.propose(view=1)
    rig.producer.now_ms = other.now_ms
    assert await verdict(rig, rig.validate(block)) is Verdict.VALID
    assert rig.chain.body(block_id(block.header)) == encode(block)
    other.close()


async def test_a_block_ahead_of_this_clock_is_declined(rig: Rig, autojump_clock: Clock) -> None:
    other, _ = rig.neighbour()
    other.now_ms += 60_000
    assert await verdict(rig, rig.validate(other.propose(view=1))) is Verdict.DECLINED
    other.close()


Forgery = Callable[[Rig, Block], Validate]


def resealed(rig: Rig, block: Block, **changed: object) -> Validate:
    return rig.validate(Block(header=change(block.header, **changed), transactions=block.transactions))


FORGERIES: dict[str, tuple[Forgery, Verdict]] = {
    "another body": (lambda rig, block: rig.validate(block, block=bytes(32)), Verdict.MISMATCHED),
    "another parent": (lambda rig, block: rig.validate(block, parent=bytes(32)), Verdict.MISMATCHED),
    "another view": (lambda rig, block: rig.validate(block, view=2), Verdict.MISMATCHED),
    "noise": (lambda rig, block: rig.validate(block, body=b"noise"), Verdict.MISMATCHED),
    "other transactions": (
        lambda rig, block: rig.validate(Block(header=block.header, transactions=[b"not in it"])),
        Verdict.MISMATCHED,
    ),
    "another proposer": (lambda rig, block: resealed(rig, block, proposer=(rig.me + 1) % 4), Verdict.INVALID),
    "another state": (lambda rig, block: resealed(rig, block, state_root=bytes(32)), Verdict.INVALID),
    "no later than its parent": (
        lambda rig, block: resealed(rig, block, timestamp_ms=rig.chain.head.timestamp_ms),
        Verdict.INVALID,
    ),
}


@pytest.mark.parametrize("what", FORGERIES)
async def test_a_bad_block_has_the_verdict_that_its_fault_deserves(rig: Rig, autojump_clock: Clock, what: str) -> None:
    other, _ = rig.neighbour()
    block = other.propose(view=1)
    rig.producer.now_ms = other.now_ms
    forged, expected = FORGERIES[what]
    assert await verdict(rig, forged(rig, block)) is expected
    other.close()


async def test_a_missing_body_is_fetched_from_whoever_has_it(rig: Rig, autojump_clock: Clock) -> None:
    other, network = rig.neighbour()
    block = other.propose(view=1)
    answers = SyncAnswers(other.chain)

    async def serve() -> None:
        async for event in network.events():
            if isinstance(event, Requested):
                network.respond(event.id, await answers.answer(event.body))

    rig.nursery.start_soon(serve)
    name = block_id(block.header)
    absent = (PEERS.index(network.peer_id) + 1) % 4
    inputs = await rig.after(FetchBlock(block=name, hint=absent), FetchBlock(block=name, hint=None))
    assert inputs == [BlockKnown(block=name, view=1, parent_view=0, parent=block.header.parent)]
    other.close()


async def test_a_validator_that_says_nothing_does_not_keep_a_body_back(rig: Rig, autojump_clock: Clock) -> None:
    other, network = rig.neighbour()
    silent = rig.hub.join(PEERS[rig.me - 2], validator=True)
    block = other.propose(view=1)
    answers = SyncAnswers(other.chain)

    async def serve() -> None:
        async for event in network.events():
            if isinstance(event, Requested):
                network.respond(event.id, await answers.answer(event.body))

    rig.nursery.start_soon(serve)
    hinted = FetchBlock(block=block_id(block.header), hint=PEERS.index(silent.peer_id))
    assert len(await rig.after(hinted, wait_s=6)) == 1
    other.close()


async def test_a_commit_makes_the_block_final_with_its_certificate(rig: Rig, autojump_clock: Clock) -> None:
    name = rig.chain.hold(rig.producer.propose(view=1))
    certificate = certify(CHARTER, 1, name)
    await rig.after(Commit(block=name, certificate=certificate), Commit(block=name, certificate=certificate))
    assert rig.chain.head.block_id == name
    assert rig.chain.certificate_at(1) == certificate


async def test_a_final_block_that_is_invalid_here_goes_back_to_the_core(rig: Rig, autojump_clock: Clock) -> None:
    good = rig.producer.propose(view=1)
    bad = Block(header=change(good.header, state_root=bytes(32)), transactions=[])
    name = rig.chain.hold(bad)
    inputs = await rig.after(Commit(block=name, certificate=certify(CHARTER, 1, name)))
    assert inputs == [Validated(view=1, block=name, verdict=Verdict.INVALID)]
    assert rig.chain.head.height == 0


async def test_a_final_block_whose_body_is_gone_is_left_to_catching_up(rig: Rig, autojump_clock: Clock) -> None:
    first = rig.producer.propose(view=1)
    rig.chain.hold(first)
    commit = Commit(block=bytes([7] * 32), certificate=certify(CHARTER, 2, bytes([7] * 32)))
    name = block_id(first.header)
    assert await rig.after(commit, Commit(block=name, certificate=certify(CHARTER, 1, name))) == []
    assert rig.chain.head.block_id == name


async def test_the_last_words_of_a_core_that_halts_are_delivered(rig: Rig, autojump_clock: Clock) -> None:
    _, other = rig.neighbour()
    rig.core.effects.append([Send(to=None, message=a_vote(1)), Halt(why="two certificates")])
    heard: list[bytes] = []

    async def listen() -> None:
        async for event in other.events():
            heard.extend([event.body] if isinstance(event, Direct) else [])

    rig.nursery.start_soon(listen)
    with pytest.RaisesGroup(pytest.RaisesExc(ConsensusHaltedError), flatten_subgroups=True):
        await rig.driver.run()
    assert heard == [encode_message(a_vote(1))]


async def test_a_core_that_halts_ends_the_driver(rig: Rig, autojump_clock: Clock) -> None:
    rig.core.effects.append([Halt(why="two certificates")])
    with pytest.RaisesGroup(pytest.RaisesExc(ConsensusHaltedError, match="two certificates"), flatten_subgroups=True):
        await rig.driver.run()


async def test_whatever_can_be_said_between_validators_is_delivered(rig: Rig, autojump_clock: Clock) -> None:
    request = CertificateRequest(epoch=0, first_view=1, last_view=2)
    await rig.after()
    await rig.driver.hear(PEERS[0], request)
    await trio.sleep(0.1)
    assert rig.core.inputs[1:] == [Received(sender=0, message=request)]
