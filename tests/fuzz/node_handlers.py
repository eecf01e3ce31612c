"""What a node does with bytes from other nodes, from its own programs and from its users."""

import tempfile
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from functools import cache
from pathlib import Path
from random import Random

import msgspec
import trio
import trio.testing

from consensus.certificate import votes_in
from consensus.messages import Certificate, sign_bytes
from ledger.block import Block, block_id, decode_block
from ledger.transaction import Body, SignedTransaction, Transfer, sign_transaction
from node.evidence import EvidencePool
from node.mempool.gossip import MESSAGE_BYTES_MAX, TransactionBatch, TransactionGossip
from node.mempool.pool import Pool
from node.p2p.ipc import Gossip, Verdict, parse_from_network, parse_to_network
from node.p2p.pipe import read_frames
from node.peers.book import Book
from node.peers.records import Endpoint, PeersKnown, check_record, sign_record
from node.rpc.dispatch import Dispatcher
from node.rpc.failure import INTERNAL_ERROR
from node.rpc.table import METHODS
from node.sync.announcements import Announcements, announcement_of
from node.sync.answers import SyncAnswers
from node.sync.catch_up import CatchUp
from node.sync.messages import Announcement, BodyRequest, RangeRequest, StatusRequest
from node.sync.spans import Span
from primitives import codec, ed25519
from primitives.address import address_text
from primitives.reasons import Refused
from testnet.kit import ledger_builders as kit
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from tests.conformance.ledger_vectors import PAYLOADS
from tests.fuzz.decoders import samples
from tests.fuzz.ledger_handlers import accusation
from tests.fuzz.target import Feed, Target
from tests.node.chains import CHARTER, LIMITS, Producer
from tests.node.rpc.served import services_of

BLOCKS = 6
FORWARDER, AUTHOR = b"forwarder", b"author"
SEEDS_BY_KEY = {kit.key_of(name): kit.seed_of(name) for name in ("client", "publisher", "worker 0")}
POOLED_MAX = 300


class Silence:
    """A network to which everything may be said."""

    def publish(self, topic: str, body: bytes) -> bool:
        """Say nothing."""
        return True


@contextmanager
def a_producer() -> Iterator[Producer]:
    """Open a chain on disk, at genesis."""
    with tempfile.TemporaryDirectory(prefix="assay-fuzz-") as folder:
        producer = Producer(Path(folder))
        try:
            yield producer
        finally:
            producer.close()


@cache
def finals() -> tuple[tuple[bytes, Certificate], ...]:
    """Return some final blocks, each with its certificate."""
    with a_producer() as producer:
        found = []
        for _ in range(BLOCKS):
            block = producer.propose()
            found.append((codec.encode(block), producer.finalize(block)))
    return tuple(found)


# --- transactions


@contextmanager
def _gossip() -> Iterator[Feed]:
    with a_producer() as producer:
        producer.extend(2)
        gossip = TransactionGossip(producer.pool, Silence())

        def feed(raw: bytes) -> str:
            verdict = gossip.receive(_signed(raw), producer.chain.open, producer.chain.take)
            assert len(producer.pool) <= POOLED_MAX
            return verdict.name

        yield feed


def _signed(raw: bytes) -> bytes:
    """Return a batch whose transactions are signed, as far as their senders' keys are known here."""
    try:
        batch = codec.decode(TransactionBatch, raw, at_most=MESSAGE_BYTES_MAX)
    except Refused:
        return raw
    return codec.encode(TransactionBatch(transactions=[_signed_one(each) for each in batch.transactions]))


def _signed_one(raw: bytes) -> bytes:
    try:
        body = codec.decode(Body, codec.decode(SignedTransaction, raw, at_most=1 << 16).body, at_most=1 << 16)
    except Refused:
        return raw
    seed = SEEDS_BY_KEY.get(body.sender)
    return raw if seed is None else sign_transaction(seed, CHARTER.hash, body)


def _batches() -> list[bytes]:
    raws = [
        sign_transaction(kit.seed_of("client"), CHARTER.hash, kit.a_body("client", payload, nonce=at))
        for at, payload in enumerate(PAYLOADS)
    ]
    whole = [codec.encode(TransactionBatch(transactions=raws[at : at + 3])) for at in range(0, len(raws), 3)]
    return [*whole, codec.encode(TransactionBatch(transactions=raws))]


# --- blocks and evidence


def _announced() -> list[bytes]:
    return [codec.encode(announcement_of(decode_block(raw), certificate)) for raw, certificate in finals()]


@contextmanager
def _announcements() -> Iterator[Feed]:
    """Hear of final blocks: only those are believed that are."""
    whole = {raw for raw, _ in finals()}
    true = {block_id(decode_block(raw).header) for raw in whole}

    def take(block: Block, _: Certificate) -> None:
        assert codec.encode(block) in whole, "a block of nobody's"

    with a_producer() as producer:
        announcements = Announcements(
            Silence(),
            instance_for=producer.chain.instance_for,
            is_mine=lambda _: False,
            heard=lambda _peers, _height: None,
            given=take,
        )

        def feed(raw: bytes) -> str:
            verdict = announcements.receive(_gossiped("final", raw))
            if verdict is Verdict.ACCEPT:
                assert block_id(codec.decode(Announcement, raw, at_most=1 << 20).header) in true, "a block of nobody's"
            return verdict.name

        yield feed


def _gossiped(topic: str, raw: bytes) -> Gossip:
    return Gossip(handle=1, topic=topic, author=AUTHOR, forwarder=FORWARDER, body=raw)


@contextmanager
def _evidence() -> Iterator[Feed]:
    world = kit.a_world()
    pool = EvidencePool(Silence(), world.charter.hash)

    def feed(raw: bytes) -> str:
        verdict = pool.receive(_gossiped("evidence", raw), world.state)
        pool.settle(world.state)
        assert len(pool) <= 1, "somebody honest is accused"
        return verdict.name

    yield feed


# --- sync


def _requests() -> list[bytes]:
    name = block_id(decode_block(finals()[1][0]).header)
    asked = (StatusRequest(), RangeRequest(first=1, last=3), RangeRequest(first=2, last=2), BodyRequest(block=name))
    return [codec.encode(each) for each in asked]


@contextmanager
def _sync_answers() -> Iterator[Feed]:
    with a_producer() as producer:
        producer.extend(BLOCKS)
        answers = SyncAnswers(producer.chain)

        def feed(raw: bytes) -> str:
            answer = trio.run(answers.answer, raw, clock=trio.testing.MockClock(autojump_threshold=0))
            return "silence" if answer is None else "an answer"

        yield feed


@cache
def _ranges() -> list[bytes]:
    """Return what a peer answers to who wants the blocks."""
    with a_producer() as producer:
        producer.extend(BLOCKS)
        answers = SyncAnswers(producer.chain)
        asked = [codec.encode(RangeRequest(first=first, last=last)) for first, last in ((1, 1), (1, 3), (1, BLOCKS))]
        found = [trio.run(answers.answer, each) for each in asked]
    return [answer for answer in found if answer is not None]


class OnePeer(Silence):
    """A network with one peer, which answers everything alike."""

    peer_id = b"me"
    answer = b""

    @property
    def peers(self) -> list[bytes]:
        """Return it."""
        return [FORWARDER]

    def penalise(self, peer: bytes, why: str, weight: int) -> None:
        """Do nothing about it."""

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        """Return the one answer."""
        await trio.lowlevel.checkpoint()
        return self.answer


@contextmanager
def _catch_up() -> Iterator[Feed]:
    """Fetch the first blocks from a peer that answers with the input, and take them over if they are certified."""
    with a_producer() as producer:
        network = OnePeer()
        true = {block_id(decode_block(raw).header) for raw, _ in finals()}
        instance = producer.chain.instance

        async def synced(certificate: Certificate) -> None:
            await trio.lowlevel.checkpoint()
            message = sign_bytes(CHARTER.hash, certificate.vote)
            for signer, signed in votes_in(certificate).items():
                key = instance.validators.members[signer].key
                assert ed25519.verify(key, message, signed.signature), "a certificate that nobody signed"

        async def fetch() -> str:
            span = Span(first=producer.chain.head.height + 1, last=BLOCKS)
            catch_up = CatchUp(producer.chain, network, patience_s=lambda: 0.0, synced=synced)
            await catch_up._fetch_certified(FORWARDER, span)
            if span.fetched is not None:
                await catch_up._take_over(span, span.fetched)
            head = producer.chain.head
            assert head.height == 0 or head.block_id in true, "a block of nobody's is final"
            return f"{head.height}"

        def feed(raw: bytes) -> str:
            network.answer = raw
            return trio.run(fetch)

        yield feed


# --- peers


NETWORK_ID = CHARTER.hash
NOW_S = kit.GENESIS_MS // 1_000


@contextmanager
def _peers() -> Iterator[Feed]:
    """Hear of peers, and pass on what is known."""
    book = Book(bytes(32), Random(1))

    def feed(raw: bytes) -> str:
        heard = 0
        for record in codec.decode(PeersKnown, raw, at_most=1 << 20).peers:
            check_record(record, NETWORK_ID)
            heard += book.hear(record, source_host="203.0.113.7")
        passed_on = book.sample(32, NOW_S)
        assert all(len(codec.encode(record)) < 1 << 12 for record in passed_on)
        return f"{heard}"

    yield feed


def _known_peers() -> list[bytes]:
    hosts = [Endpoint(host="203.0.113.9", port=4001), Endpoint(host="2001:db8::1", port=4001)]
    signed = [
        sign_record(kit.seed_of(name), NETWORK_ID, hosts, now_s=NOW_S) for name in ("client", "publisher", "stranger")
    ]
    made = [PeersKnown(peers=signed[:count], observed_host="198.51.100.1") for count in (1, 3)]
    return [codec.encode(each) for each in made]


# --- the pipe to the network program


class Piped:
    """A socket from which an input comes in pieces."""

    def __init__(self, raw: bytes) -> None:
        self._left = raw

    async def receive_some(self, max_bytes: int) -> bytes:
        """Return the next piece."""
        await trio.lowlevel.checkpoint()
        size = min(max_bytes, 1 + len(self._left) // 3)
        piece, self._left = self._left[:size], self._left[size:]
        return piece


@contextmanager
def _pipe() -> Iterator[Feed]:
    async def read(raw: bytes) -> str:
        count = 0
        async with aclosing(read_frames(Piped(raw))) as frames:  # type: ignore[type-var,arg-type]  # all that it uses
            async for each in frames:
                parse = parse_to_network if len(raw) % 2 else parse_from_network
                parse(each)
                count += 1
        return f"{count}"

    def feed(raw: bytes) -> str:
        return trio.run(read, raw)

    yield feed


def _frames() -> list[bytes]:
    whole = [*samples("node.p2p.ipc.ToNetwork"), *samples("node.p2p.ipc.FromNetwork")]
    framed = [len(raw).to_bytes(4, "big") + raw for raw in whole]
    return [*framed, b"".join(framed[:4])]


# --- RPC


@contextmanager
def _rpc() -> Iterator[Feed]:
    chain = FakeChain()
    for _ in range(3):
        chain.step()
    services = services_of(chain, pool=Pool(LIMITS), blobs=FakeBlobs())
    dispatcher = Dispatcher(METHODS, services)

    def feed(raw: bytes) -> str:
        answer = trio.run(dispatcher.answer, raw)
        if answer is None:
            return "nothing"
        told = msgspec.json.decode(answer)
        for each in told if isinstance(told, list) else [told]:
            code = each.get("error", {}).get("code", 0)
            assert code != INTERNAL_ERROR, each
        chain.pool.clear()
        return f"{len(answer) // 100}"

    yield feed


def _calls() -> list[bytes]:
    """Return a good call of each method, and a batch of them."""
    address = address_text(kit.address("client"), "dasy")
    world = kit.a_world()
    known: dict[str, object] = {
        "id": "ab" * 32,
        "root": "ab" * 32,
        "cursor": "ab" * 32,
        "address": address,
        "client": address,
        "sender": address,
        "validator": address,
        "delegator": address,
        "height": 1,
        "epoch": 0,
        "limit": 3,
        "length": 9,
        "model": "ab" * 32,
        "shapes": [[1, 20]],
        "publisher": address,
        "keys": ["01" + "00" * 20, "07"],
        "raw": world.sign("client", Transfer(to=bytes(20), amount=5)).hex(),
    }
    calls = []
    for at, method in enumerate(METHODS):
        fields = [field.encode_name for field in msgspec.structs.fields(method.params)]
        for names in (fields, fields[:1], []):
            params = {name: known.get(name, "x") for name in names}
            calls.append({"jsonrpc": "2.0", "id": at, "method": method.name, "params": params})
    return [*(msgspec.json.encode(call) for call in calls), msgspec.json.encode(calls[:5])]


def node_handlers() -> list[Target]:
    """Return the targets of this module."""
    return [
        Target(name="gossip-tx", seeds=cache(_batches), open=_gossip, weight=8),
        Target(name="gossip-final", seeds=cache(_announced), open=_announcements, weight=4),
        Target(name="gossip-evidence", seeds=lambda: [codec.encode(accusation())], open=_evidence, weight=2),
        Target(name="sync-request", seeds=cache(_requests), open=_sync_answers, weight=4),
        Target(name="sync-answer", seeds=_ranges, open=_catch_up, weight=4),
        Target(name="peers-known", seeds=cache(_known_peers), open=_peers, weight=4),
        Target(name="pipe", seeds=cache(_frames), open=_pipe, weight=4),
        Target(name="rpc", seeds=cache(_calls), open=_rpc, is_text=True, weight=12),
    ]
