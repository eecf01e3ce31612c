"""Catching up: certified blocks from whoever has them, nothing from whoever makes them up."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from consensus.messages import Certificate, VoteKind
from ledger.block import Block, block_id, decode_block
from ledger.genesis import Charter, charter_of
from ledger.parameters import Parameters
from node.network import PeerUnavailableError
from node.store.pruning import Keep
from node.sync.answers import READING, SyncAnswers
from node.sync.catch_up import GIVEN_MAX, CatchUp
from node.sync.messages import (
    RANGE_BLOCKS_MAX,
    BodyRequest,
    NotHere,
    Range,
    RangeRequest,
    Status,
    StatusRequest,
    decode_range_answer,
)
from node.sync.spans import SPAN_BLOCKS_MAX, STRAGGLE_S
from primitives.codec import decode, encode
from testnet.kit.ledger_builders import a_genesis
from tests.node.chains import CHARTER, Producer, certify
from tests.node.memory_network import Hub, MemoryNetwork

Clock = trio.testing.MockClock
Answer = Callable[[bytes], Awaitable[bytes | None]]
LIMIT_S = 60.0
READ_S = 0.002
FOLLOWERS = 9


class Peers(MemoryNetwork):
    """Peers that are nothing but their answers."""

    def __init__(self, nursery: trio.Nursery, answers: dict[bytes, Answer]) -> None:
        super().__init__(Hub(nursery), b"me", validator=False)
        self.answers = answers
        self.asked_of: list[bytes] = []
        self.penalised: list[bytes] = []

    @property
    def peers(self) -> list[bytes]:
        return sorted(self.answers)

    def penalise(self, peer: bytes, why: str, weight: int) -> None:
        self.penalised.append(peer)

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        await trio.sleep(0.01)
        self.asked_of.append(peer)
        answer = await self.answers[peer](body)
        if answer is None:
            raise PeerUnavailableError(peer, "no answer")
        return answer


class Rig:
    """A node that is behind, and a producer that is ahead."""

    def __init__(self, folder: Path, nursery: trio.Nursery, charter: Charter = CHARTER) -> None:
        self.ahead = Producer(folder / "ahead", charter=charter)
        self.behind = Producer(folder / "behind", charter=charter)
        self.honest = SyncAnswers(self.ahead.chain).answer
        self.synced: list[Certificate] = []
        self.nursery = nursery

    def catch_up(self, answers: dict[bytes, Answer], *, patience_s: float = 0) -> tuple[CatchUp, Peers]:
        async def note(certificate: Certificate) -> None:
            self.synced.append(certificate)

        peers = Peers(self.nursery, answers)
        catch_up = CatchUp(self.behind.chain, peers, patience_s=lambda: patience_s, synced=note)
        self.nursery.start_soon(catch_up.run)
        return catch_up, peers

    async def arrival(self) -> None:
        with trio.fail_after(LIMIT_S):
            await self.behind.chain.wait_for_height(self.ahead.chain.head.height)
        assert self.behind.chain.head == self.ahead.chain.head


@pytest.fixture
async def rig(tmp_path: Path, nursery: trio.Nursery) -> AsyncIterator[Rig]:
    made = Rig(tmp_path, nursery)
    yield made
    made.ahead.close()
    made.behind.close()


async def test_what_a_peer_tells_at_its_arrival_is_fetched(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(40)
    catch_up, _ = rig.catch_up({b"honest": rig.honest})
    catch_up.peer_up(b"honest")
    await rig.arrival()
    assert rig.synced[-1] == rig.ahead.chain.certificate_at(40)


def given(rig: Rig, catch_up: CatchUp, *heights: int) -> None:
    """Give a node blocks as their announcements do."""
    for height in heights:
        found = rig.ahead.chain.block(height)
        assert found is not None
        catch_up.given(*found)
        catch_up.heard([b"peer"], height)


async def test_blocks_that_come_with_their_announcements_are_asked_of_nobody_n61(
    rig: Rig, autojump_clock: Clock
) -> None:
    rig.ahead.extend(3)
    catch_up, peers = rig.catch_up({b"peer": rig.honest})
    given(rig, catch_up, 1, 2, 3)
    await rig.arrival()
    assert peers.asked_of == []
    assert len(rig.synced) == 3


async def test_a_block_that_comes_before_its_parent_waits_for_it_n61(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(GIVEN_MAX + 2)
    catch_up, peers = rig.catch_up({b"peer": rig.honest})
    given(rig, catch_up, 3, GIVEN_MAX + 2)
    await rig.arrival()
    assert peers.asked_of
    assert peers.penalised == []


async def test_a_block_of_an_ended_epoch_or_another_chain_is_not_executed_though_it_is_certified_n64(
    rig: Rig, autojump_clock: Clock
) -> None:
    rig.ahead.extend(2)
    catch_up, peers = rig.catch_up({b"peer": rig.honest})
    found = rig.ahead.chain.block(1)
    assert found is not None
    block, certificate = found
    for wrong in (replace(block.header, epoch=7), replace(block.header, parent=bytes(32))):
        catch_up.given(replace(block, header=wrong), certificate)
        catch_up.heard([b"peer"], 2)
        await rig.arrival()
    assert peers.penalised == []


async def test_a_node_that_hears_nothing_asks(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(2)
    rig.catch_up({b"honest": rig.honest})
    await rig.arrival()


async def test_a_block_that_is_about_to_come_is_waited_for(rig: Rig, autojump_clock: Clock) -> None:
    catch_up, _ = rig.catch_up({b"honest": rig.honest})
    catch_up.heard([b"honest"], 1)
    await trio.sleep(0.5)
    rig.ahead.extend(1)
    with trio.fail_after(1.6):
        await rig.behind.chain.wait_for_height(1)


async def test_consensus_is_given_its_time_before_peers_are_asked(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(1)
    catch_up, peers = rig.catch_up({b"honest": rig.honest}, patience_s=1.5)
    catch_up.heard([b"honest"], 1)
    await trio.sleep(1.4)
    assert peers.asked_of == []
    await rig.arrival()


async def test_blocks_without_certificates_of_their_own_come_with_their_descendants(
    rig: Rig, autojump_clock: Clock
) -> None:
    parent = rig.ahead.chain.head.block_id
    for view in range(1, 40):
        parent = rig.ahead.chain.hold(rig.ahead.propose(view=view, parent=parent))
    rig.ahead.chain.finalize(certify(CHARTER, 39, parent))
    catch_up, _ = rig.catch_up({b"honest": rig.honest})
    catch_up.heard([b"honest"], 39)
    await rig.arrival()


def told_in(raw: bytes) -> Range:
    answer = decode_range_answer(raw)
    assert isinstance(answer, Range)
    return answer


async def liar(rig: Rig, body: bytes, forged: Callable[[Range], Range]) -> bytes | None:
    answer = await rig.honest(body)
    request = body
    if answer is None or request == encode(StatusRequest()):
        return encode(Status(height=10**6, block=bytes(32), lowest=0))
    return encode(forged(told_in(answer)))


def without_quorum(told: Range) -> Range:
    assert told.certificate is not None
    vote = told.certificate.vote
    return Range(blocks=told.blocks, certificate=certify(CHARTER, vote.view, vote.block, signers=2))


def only_notarized(told: Range) -> Range:
    assert told.certificate is not None
    vote = told.certificate.vote
    return Range(blocks=told.blocks, certificate=certify(CHARTER, vote.view, vote.block, kind=VoteKind.NOTARIZE))


def other_transactions(told: Range) -> Range:
    block = decode(Block, told.blocks[1], at_most=len(told.blocks[1]))
    swapped = encode(Block(header=block.header, transactions=[b"no transaction of this block"]))
    return Range(blocks=[told.blocks[0], swapped, *told.blocks[2:]], certificate=told.certificate)


FORGERIES: dict[str, Callable[[Range], Range]] = {
    "transactions that a header does not bind": other_transactions,
    "a certificate without a quorum": without_quorum,
    "a certificate of another kind": only_notarized,
    "a block left out": lambda told: Range(blocks=told.blocks[1:], certificate=told.certificate),
    "the last block left out": lambda told: Range(blocks=told.blocks[:-1], certificate=told.certificate),
    "no certificate, ever": lambda told: Range(blocks=told.blocks, certificate=None),
    "no blocks": lambda told: Range(blocks=[], certificate=told.certificate),
    "noise": lambda told: Range(blocks=[b"noise"], certificate=told.certificate),
}


@pytest.mark.parametrize("what", FORGERIES)
async def test_a_peer_that_makes_things_up_changes_nothing(rig: Rig, autojump_clock: Clock, what: str) -> None:
    rig.ahead.extend(5)

    async def forger(body: bytes) -> bytes | None:
        return await liar(rig, body, FORGERIES[what])

    catch_up, peers = rig.catch_up({b"a forger": forger})
    catch_up.heard([b"a forger"], 10**6)
    await trio.sleep(20)
    assert rig.behind.chain.head.height == 0
    assert rig.synced == []
    peers.answers[b"honest"] = rig.honest
    catch_up.peer_up(b"honest")
    await rig.arrival()


async def test_a_silent_peer_is_left_for_another(rig: Rig, autojump_clock: Clock) -> None:
    async def nothing(_: bytes) -> bytes | None:
        return None

    rig.ahead.extend(3)
    catch_up, peers = rig.catch_up({b"a silent one": nothing, b"honest": rig.honest})
    catch_up.heard([b"a silent one", b"honest"], 3)
    await rig.arrival()
    assert set(peers.asked_of) == {b"a silent one", b"honest"}


async def test_answers_stay_within_their_bounds(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(RANGE_BLOCKS_MAX + 3)
    raw = await rig.honest(encode(RangeRequest(first=1, last=2**40)))
    assert raw is not None
    told = told_in(raw)
    assert len(told.blocks) == RANGE_BLOCKS_MAX
    assert told.certificate == rig.ahead.chain.certificate_at(RANGE_BLOCKS_MAX)
    last = await rig.honest(encode(RangeRequest(first=RANGE_BLOCKS_MAX + 3, last=2**40)))
    assert last is not None


async def test_those_who_follow_do_not_wait_for_each_other_and_those_who_ask_for_much_do_n62(
    rig: Rig, autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.ahead.extend(40)
    read = rig.ahead.chain.encoded_block

    def read_slowly(height: int) -> bytes | None:
        autojump_clock.jump(READ_S)
        return read(height)

    monkeypatch.setattr(rig.ahead.chain, "encoded_block", read_slowly)
    began = trio.current_time()
    for _ in range(FOLLOWERS):
        assert await rig.honest(encode(RangeRequest(first=40, last=40)))
    assert trio.current_time() - began == pytest.approx(FOLLOWERS * READ_S)
    began, reading_s = trio.current_time(), 0.0
    for _ in range(FOLLOWERS):
        assert await rig.honest(encode(RangeRequest(first=1, last=40)))
        reading_s += 40 * READ_S
    assert trio.current_time() - began > 7 * (reading_s - READING.burst)


async def test_what_is_not_here_and_what_is_no_request_has_no_answer(rig: Rig, autojump_clock: Clock) -> None:
    for body in (
        encode(RangeRequest(first=2**62, last=2**62)),
        encode(BodyRequest(block=bytes(32))),
        b"",
        b"\x93\x01\x02\x03",
    ):
        assert await rig.honest(body) is None


async def test_one_block_is_found_by_its_id_whether_final_or_not(rig: Rig) -> None:
    rig.ahead.extend(1)
    above = rig.ahead.propose()
    for block in (rig.ahead.chain.block(1), (above, None)):
        assert block is not None
        assert await rig.honest(encode(BodyRequest(block=block_id(block[0].header)))) == encode(block[0])


async def test_a_peer_that_has_nothing_new_is_no_help(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(3)
    rig.catch_up({b"honest": rig.honest})
    await rig.arrival()

    async def boaster(body: bytes) -> bytes | None:
        if body == encode(StatusRequest()):
            return encode(Status(height=10**6, block=bytes(32), lowest=0))
        return encode(Range(blocks=[], certificate=rig.ahead.chain.certificate_at(3)))

    _, peers = rig.catch_up({b"a boaster": boaster})
    await trio.sleep(5)
    assert len(peers.asked_of) < 20
    assert len(rig.synced) == 1


async def test_a_peer_that_drips_blocks_is_left_for_another(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(20)

    async def dripper(body: bytes) -> bytes | None:
        answer = await liar(rig, body, lambda told: Range(blocks=told.blocks[:1], certificate=None))
        await trio.sleep(0 if body == encode(StatusRequest()) else 15)
        return answer

    catch_up, _ = rig.catch_up({b"a dripper": dripper, b"honest": rig.honest})
    catch_up.heard([b"a dripper", b"honest"], 20)
    await rig.arrival()


def is_status(body: bytes) -> bool:
    return body == encode(StatusRequest())


async def test_all_peers_are_asked_at_once_and_the_slow_and_the_lying_hold_nobody_up_n66(
    rig: Rig, autojump_clock: Clock
) -> None:
    rig.ahead.extend_by_groups(1_280)

    async def slow(body: bytes) -> bytes | None:
        await trio.sleep(0 if is_status(body) else 25)
        return await rig.honest(body)

    async def forger(body: bytes) -> bytes | None:
        return await liar(rig, body, FORGERIES["a certificate without a quorum"])

    honest = [b"honest 1", b"honest 2", b"honest 3"]
    answers: dict[bytes, Answer] = dict.fromkeys(honest, rig.honest)
    catch_up, peers = rig.catch_up({b"forger": forger, b"slow": slow} | answers)
    catch_up.heard([b"forger", b"slow", *honest], 1_280)
    began_s = trio.current_time()
    await rig.arrival()
    assert trio.current_time() - began_s < 2 * STRAGGLE_S
    assert all(peers.asked_of.count(peer) > 1 for peer in honest)
    assert set(peers.penalised) == {b"forger"}
    progress = catch_up.progress()
    assert progress.height == 1_280
    assert progress.left_s is None


@pytest.mark.parametrize("peers_count", [1, 3])
async def test_more_peers_bring_more_blocks(rig: Rig, autojump_clock: Clock, peers_count: int) -> None:
    rig.ahead.extend_by_groups(6 * SPAN_BLOCKS_MAX)

    async def far_away(body: bytes) -> bytes | None:
        await trio.sleep(0.5)
        return await rig.honest(body)

    names = [b"peer %d" % at for at in range(peers_count)]
    catch_up, _ = rig.catch_up(dict.fromkeys(names, far_away))
    began_s = trio.current_time()
    catch_up.heard(names, 6 * SPAN_BLOCKS_MAX)
    await rig.arrival()
    rounds = round((trio.current_time() - began_s) / 0.51, 3)
    assert 6 / peers_count <= rounds < 6 / peers_count + 2


async def test_a_majority_that_lies_about_the_height_costs_some_seconds(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend_by_groups(300)

    async def boaster(body: bytes) -> bytes | None:
        if not is_status(body):
            await trio.sleep(28)
        return encode(Status(height=10**9, block=bytes(32), lowest=0)) if is_status(body) else None

    liars = [b"boaster %d" % at for at in range(5)]
    answers: dict[bytes, Answer] = dict.fromkeys(liars, boaster)
    catch_up, _ = rig.catch_up(answers | {b"honest": rig.honest})
    for peer in (*liars, b"honest"):
        catch_up.peer_up(peer)
    began_s = trio.current_time()
    await rig.arrival()
    assert trio.current_time() - began_s < (len(liars) + 1) * STRAGGLE_S
    for _ in range(20):
        rig.ahead.extend(1)
        catch_up.heard([b"honest"], rig.ahead.chain.head.height)
        await rig.arrival()
    assert trio.current_time() - began_s < (2 * len(liars) + 1) * STRAGGLE_S


async def test_a_peer_that_has_let_go_of_old_blocks_says_so_and_others_are_asked(
    rig: Rig, autojump_clock: Clock
) -> None:
    rig.ahead.extend_by_groups(400)

    async def pruned(body: bytes) -> bytes | None:
        if is_status(body):
            return encode(Status(height=400, block=bytes(32), lowest=0))
        if decode(RangeRequest, body, at_most=64).first < 250:
            return encode(NotHere(lowest=250))
        return await rig.honest(body)

    catch_up, peers = rig.catch_up({b"pruned": pruned})
    catch_up.heard([b"pruned"], 400)
    await trio.sleep(5)
    assert rig.behind.chain.head.height == 0
    assert len(peers.asked_of) < 20
    peers.answers[b"honest"] = rig.honest
    catch_up.peer_up(b"honest")
    await rig.arrival()
    assert peers.penalised == []


async def test_a_block_that_is_damaged_on_the_disk_is_not_given_out_n45(rig: Rig, autojump_clock: Clock) -> None:
    rig.ahead.extend(20)
    path = rig.ahead.path / "segments" / "00000001.seg"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    answer = await rig.honest(encode(RangeRequest(first=1, last=20)))
    assert answer is not None
    assert len(told_in(answer).blocks) < 20
    names = [rig.ahead.store.id_at(height) for height in range(1, 21)]
    bodies = [await rig.honest(encode(BodyRequest(block=name))) for name in names if name is not None]
    assert bodies.count(None) == 1


SHORT_EPOCHS = charter_of(a_genesis(parameters=Parameters(epoch_ms=5_000)))


async def test_ranges_end_with_their_epoch_and_are_checked_by_its_validators_n62(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    rig = Rig(tmp_path, nursery, SHORT_EPOCHS)
    rig.ahead.extend(60)
    chain = rig.ahead.chain
    assert chain.epoch >= 10
    raw = await rig.honest(encode(RangeRequest(first=1, last=60)))
    assert raw is not None
    told = [decode_block(each).header for each in told_in(raw).blocks]
    assert {header.epoch for header in told} == {0}
    assert chain.epoch_at(told[-1].height + 1) == 1
    catch_up, peers = rig.catch_up(dict.fromkeys([b"one", b"two"], rig.honest))
    catch_up.heard([b"one", b"two"], 60)
    await rig.arrival()
    assert peers.penalised == []
    assert rig.behind.chain.epoch == chain.epoch
    rig.ahead.close()
    rig.behind.close()


async def test_validators_of_an_ended_epoch_can_make_nothing_final_n64(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    rig = Rig(tmp_path, nursery, SHORT_EPOCHS)
    rig.ahead.extend(12)
    catch_up, peers = rig.catch_up({b"honest": rig.honest})
    catch_up.heard([b"honest"], 12)
    await rig.arrival()
    del peers.answers[b"honest"]
    block = rig.ahead.propose()
    assert block.header.epoch >= 2
    assert rig.behind.chain.instance_for(block.header.epoch - 1) is not None
    certificate = certify(SHORT_EPOCHS, 9_999, block_id(block.header), epoch=block.header.epoch - 1)

    async def retired(body: bytes) -> bytes | None:
        status = encode(Status(height=13, block=bytes(32), lowest=0))
        return status if is_status(body) else encode(Range(blocks=[encode(block)], certificate=certificate))

    peers.answers[b"retired"] = retired
    catch_up.heard([b"retired"], 13)
    await trio.sleep(5)
    assert rig.behind.chain.head.height == 12
    assert set(peers.penalised) == {b"retired"}
    rig.ahead.close()
    rig.behind.close()


async def test_an_epoch_is_not_passed_without_the_certificate_of_its_end_n62(
    tmp_path: Path, nursery: trio.Nursery, autojump_clock: Clock
) -> None:
    rig = Rig(tmp_path, nursery, SHORT_EPOCHS)
    rig.ahead.extend(8)
    chain = rig.ahead.chain
    heights = [height for height in range(1, 9) if chain.epoch_at(height) in (0, 1)]
    blocks = [raw for height in heights if (raw := chain.encoded_block(height)) is not None]
    certificate = chain.certificate_at(heights[-1])
    assert chain.epoch_at(heights[-1]) == 1

    async def skipping(body: bytes) -> bytes | None:
        status = encode(Status(height=8, block=bytes(32), lowest=0))
        return status if is_status(body) else encode(Range(blocks=blocks, certificate=certificate))

    catch_up, peers = rig.catch_up({b"skipping": skipping})
    catch_up.heard([b"skipping"], 8)
    await trio.sleep(5)
    assert rig.behind.chain.head.height == 0
    peers.answers[b"honest"] = rig.honest
    catch_up.peer_up(b"honest")
    await rig.arrival()
    assert rig.behind.chain.end_of(0) is not None
    rig.ahead.close()
    rig.behind.close()


async def test_a_pruned_node_says_from_where_on_it_has_blocks_n66(tmp_path: Path, autojump_clock: Clock) -> None:
    producer = Producer(tmp_path, keep=Keep(blocks=5, history=3))
    producer.extend(20)
    answers = SyncAnswers(producer.chain)
    status = await answers.answer(encode(StatusRequest()))
    assert status is not None
    assert decode(Status, status, at_most=64).lowest == 16
    below = await answers.answer(encode(RangeRequest(first=15, last=20)))
    assert below == encode(NotHere(lowest=16))
    from_there = await answers.answer(encode(RangeRequest(first=16, last=20)))
    assert from_there is not None
    assert len(told_in(from_there).blocks) == 5
    producer.close()
