"""Finding peers: asking those we have, answering those who ask, and dialling enough of those we hear of (N11, N12)."""

import logging
import random
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import trio

from node.p2p.connections import Connections
from node.p2p.dialer import dial
from node.p2p.foreign import Host
from node.p2p.ipc import Configure, Request, Responded
from node.p2p.tally import counts
from node.peers.addresses import is_reachable, near_of, parse_host, region_of
from node.peers.book import Book, Entry
from node.peers.rate import Buckets, Rate
from node.peers.records import (
    RECORDS_MAX,
    Endpoint,
    PeersKnown,
    PeersWanted,
    SignedPeerRecord,
    check_record,
    is_recent,
    sign_record,
)
from primitives.codec import decode, encode
from primitives.reasons import Refused

PROTOCOL = "peers"
"""Of requests (N10); answered by the program itself."""
ASKS = Rate(per_s=1 / 30, burst=3.0)
"""Of one peer: nobody needs more, and answers are a way to read the whole book."""
ANSWER_BYTES_MAX = 32 << 10
ASK_S = 600.0
ASK_S_POOR = 20.0
"""While the book holds fewer peers than POOR."""
POOR = 16
LOOK_S = 1.0
"""Between looks at whether there are enough connections."""
FEELER_S = 120.0
"""Between checks of a peer that was only heard of: so that those that answer are known when they are needed."""
SIGN_S = 6 * 3_600
OBSERVERS_MIN = 3
"""Networks from which peers must see us at one address before we believe that it is ours."""
OBSERVED_MAX = 64
PER_REGION_MAX = 2
"""Of the peers that we choose ourselves: whoever owns a part of the Internet shall not own our view of the chain."""

Ask = Callable[[Request], Awaitable[Responded]]

_log = logging.getLogger("assay.p2p")


class Discovery:
    """Keeps the book up to date and the number of outbound connections at its target."""

    def __init__(self, host: Host, connections: Connections, config: Configure, book: Book, ask: Ask) -> None:
        self._host = host
        self._own = host.get_id().to_bytes()
        self._connections = connections
        self._config = config
        self._limits = config.limits
        self._book = book
        self._ask = ask
        self._asks = Buckets(ASKS)
        self._wanted: dict[bytes, None] = {}
        self._chosen: dict[bytes, str] = {}
        self._observed: OrderedDict[str, str] = OrderedDict()
        self._record: SignedPeerRecord | None = None
        self._signed_s = 0
        self.port = config.port
        """Where this program listens."""

    def want(self, peers: list[bytes]) -> None:
        """Dial these first, as soon as the book knows where they are."""
        self._wanted = dict.fromkeys(peer for peer in peers if peer != self._own)

    async def run(self) -> None:
        """Find and keep peers until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_enough)
            nursery.start_soon(self._keep_asking)
            nursery.start_soon(self._feel)

    async def answer(self, peer: bytes, body: bytes) -> bytes | None:
        """Answer a peer that asks for peers (N11)."""
        now = trio.current_time()
        if not self._asks.of(peer.hex(), now).take(1, now):
            counts["peers_asked_too_often"] += 1
            return None
        host = self._connections.remote_host(peer)
        try:
            wanted = decode(PeersWanted, body, at_most=ANSWER_BYTES_MAX)
            if wanted.own is not None and wanted.own.record.peer == peer:
                self._hear([wanted.own], source_host=host)
        except Refused:
            self._connections.punish(peer)
            return None
        known = PeersKnown(
            peers=self._book.sample(RECORDS_MAX, int(time.time())), observed_host="" if host == "?" else host
        )
        return encode(known)

    async def _keep_asking(self) -> None:
        asked: OrderedDict[bytes, float] = OrderedDict()
        while True:
            now = trio.current_time()
            pause_s = ASK_S_POOR if len(self._book) < POOR else ASK_S
            for peer, contact in self._connections:
                # Peers that we chose to dial; an attacker can come to us as often as it likes.
                is_due = now - asked.get(peer, -ASK_S) >= pause_s
                if is_due and (not contact.is_inbound or len(self._book) < POOR):
                    asked[peer] = now
                    asked.move_to_end(peer)
                    await self._ask_one(peer)
            while len(asked) > OBSERVED_MAX:
                asked.popitem(last=False)
            await trio.sleep(LOOK_S * random.uniform(0.5, 1.5))

    async def _ask_one(self, peer: bytes) -> None:
        body = encode(PeersWanted(own=self._own_record()))
        told = await self._ask(Request(id=0, peer=peer, protocol=PROTOCOL, body=body))
        if told.body is None:
            return
        host = self._connections.remote_host(peer)
        try:
            known = decode(PeersKnown, told.body, at_most=ANSWER_BYTES_MAX)
            if known.observed_host:
                self._note_observed(parse_host(known.observed_host), host)
            self._hear(known.peers, source_host=host)
        except Refused as fault:
            counts["peers_answers_refused"] += 1
            _log.debug("an answer about peers: %s", fault)
            self._connections.punish(peer)

    def _hear(self, records: list[SignedPeerRecord], *, source_host: str) -> None:
        """Put records in the book; raises Refused at the first that no honest peer passes on."""
        now_s = int(time.time())
        for signed in records:
            if signed.record.peer == self._own or not is_recent(signed, now_s=now_s):
                continue
            check_record(signed, self._config.network_id)
            if all(self._may_dial(endpoint.host) for endpoint in signed.record.endpoints):
                counts["peers_heard"] += self._book.hear(signed, source_host=source_host)

    def _may_dial(self, host: str) -> bool:
        return is_reachable(host, from_loopback=self._limits.is_test_network)

    def _note_observed(self, host: str, observer: str) -> None:
        """Believe peers that we dialled about the address that we come from: their word is one per network."""
        self._observed[near_of(observer)] = host
        self._observed.move_to_end(near_of(observer))
        if len(self._observed) > OBSERVED_MAX:
            self._observed.popitem(last=False)

    def _own_endpoints(self) -> list[Endpoint]:
        if self._config.announce:
            return [Endpoint(host=each.host, port=each.port) for each in self._config.announce]
        host, port = self._config.host, self.port
        if self._may_dial(host):
            return [Endpoint(host=host, port=port)]
        seen = list(self._observed.values())
        for candidate in dict.fromkeys(seen):
            if seen.count(candidate) >= OBSERVERS_MIN and self._may_dial(candidate):
                return [Endpoint(host=candidate, port=port)]
        return []

    def _own_record(self) -> SignedPeerRecord | None:
        endpoints = self._own_endpoints()
        now_s = int(time.time())
        if not endpoints:
            return None
        if self._record is None or self._record.record.endpoints != endpoints or now_s - self._signed_s > SIGN_S:
            self._record = sign_record(self._config.identity_seed, self._config.network_id, endpoints, now_s=now_s)
            self._signed_s = now_s
        return self._record

    async def _keep_enough(self) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                self._drop_gone()
                for peer in self._wanted:
                    entry = self._book.get(peer)
                    if peer not in self._connections and entry is not None and entry.may_be_tried(time.time()):
                        await self._try(entry)
                if len(self._chosen) < self._limits.outbound:
                    entry = self._book.choose(time.time(), wanted=self._is_eligible)
                    if entry is not None:
                        nursery.start_soon(self._choose, entry)
                    elif not self._connections and self._config.bootnodes:
                        await dial(self._host, random.choice(self._config.bootnodes))
                await trio.sleep(LOOK_S * random.uniform(0.5, 1.5))

    def _drop_gone(self) -> None:
        for peer in [peer for peer in self._chosen if peer not in self._connections]:
            del self._chosen[peer]

    def _is_eligible(self, entry: Entry) -> bool:
        region = region_of(entry.addresses[0].host)
        crowded = list(self._chosen.values()).count(region) >= PER_REGION_MAX and not self._limits.is_test_network
        return entry.peer not in self._connections and entry.peer not in self._chosen and not crowded

    async def _choose(self, entry: Entry) -> None:
        self._chosen[entry.peer] = region_of(entry.addresses[0].host)
        if not await self._try(entry):
            self._chosen.pop(entry.peer, None)

    async def _try(self, entry: Entry) -> bool:
        """Dial the addresses of an entry, one after another; tell whether one answered."""
        self._book.note_try(entry.peer, time.time())
        for address in entry.addresses:
            if await dial(self._host, address):
                self._book.note_reached(entry.peer, time.time())
                return True
        return False

    async def _feel(self) -> None:
        """Now and then check somebody of whom we have only heard, and part again."""
        while True:
            await trio.sleep(FEELER_S * random.uniform(0.5, 1.5))
            entry = self._book.choose(time.time(), wanted=self._is_eligible, only_heard=True)
            if entry is not None and await self._try(entry):
                counts["feelers"] += 1
                if entry.peer not in self._chosen and not self._connections.is_reserved(entry.peer):
                    await self._connections.cut(entry.peer)
