"""The network program: takes messages from the node, does as told, and tells what happens (N3)."""

import gc
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import assert_never

import trio

from node.p2p.book_file import BookFile, open_book
from node.p2p.connections import Connections
from node.p2p.discovery import PROTOCOL as PEERS_PROTOCOL
from node.p2p.discovery import Discovery
from node.p2p.door import Door
from node.p2p.foreign import Host
from node.p2p.gossip import Gossiper
from node.p2p.hardening.apply import apply_all
from node.p2p.host import listen_address, make_host
from node.p2p.ipc import (
    AddPeer,
    Ban,
    Configure,
    Counter,
    FromNetwork,
    Judge,
    OfPeers,
    PeerDown,
    PeerUp,
    Penalise,
    Publish,
    Ready,
    RemovePeer,
    Request,
    Responded,
    Response,
    Send,
    SetValidators,
    Stats,
    ToNetwork,
    Unban,
    frame,
    parse_to_network,
)
from node.p2p.kept import Kept
from node.p2p.lanes import Lanes
from node.p2p.links import Links
from node.p2p.names import link_protocol, request_protocol
from node.p2p.peer_facts import peers_facts
from node.p2p.pipe import read_frames, write_frames
from node.p2p.requests import Requests
from node.p2p.tally import counts, offences
from node.peers.standing import Standing

STATS_S = 1.0
"""A few hundred bytes, often enough that a node soon misses a program that hangs."""
OUTBOX_URGENT_BYTES = 16 << 20
OUTBOX_BULK_BYTES = 64 << 20
"""What the node has not read yet; it reads all the time, so this fills only when it stands still."""
PROTOCOL_FAULT = 4
"""Invalid messages that a flood of streams or an ignored window counts as: no honest software does it once."""
SESSION_SHIFT = 32
"""Handles and request ids of one start of the program begin here times its number."""
REQUESTS_MAX = 1024
"""As many as the node may have under way."""

_log = logging.getLogger("assay.p2p")


class Device:
    """All parts of the program together."""

    def __init__(self, host: Host, config: Configure, outbox: Lanes[bytes], nursery: trio.Nursery) -> None:
        first = (config.session << SESSION_SHIFT) + 1
        limits = config.limits
        self._outbox = outbox
        self._nursery = nursery
        self._asking = 0
        self._standing = Standing(faults_until_ban=limits.rejects_until_ban, ban_s=limits.ban_seconds, clock=time.time)
        path = Path(config.book) if config.book else None
        self._book = open_book(path, self._standing)
        self._book_file = BookFile(path, self._book, self._standing)
        door = Door(self._standing, is_test_network=limits.is_test_network)
        self._connections = Connections(
            host.get_network(), self._standing, door, limits, on_up=self._on_peer_up, on_down=self._on_peer_down
        )
        self._kept = Kept(host, self._connections, door, nursery)
        self._links = Links(
            host,
            self._connections,
            link_protocol(config.network_id),
            nursery,
            silence_s=limits.silence_ms / 1000,
            on_frame=lambda direct: self._tell_or_count(direct, len(direct.body), urgent=direct.priority),
            on_change=self._on_link_change,
        )
        self._discovery = Discovery(host, self._connections, config, self._book, self._ask_peer)
        self._requests = Requests(
            host,
            self._connections,
            request_protocol(config.network_id),
            first_id=first,
            tell_node=lambda asked: self._tell(asked, len(asked.body), urgent=False),
            own_answers={PEERS_PROTOCOL: self._discovery.answer},
        )
        self._gossip = Gossiper(
            host,
            self._connections,
            network_id=config.network_id,
            topics=config.topics,
            limits=limits,
            first_handle=first,
            tell_node=lambda gossip: self._tell(gossip, len(gossip.body), urgent=False),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all parts; the host listens already."""
        async with self._gossip.running():
            for task in (self._report, self._connections.cut_silent, self._book_file.keep, self._discovery.run):
                self._nursery.start_soon(task)
            yield
            await self._book_file.save()

    def begin(self, config: Configure, port: int) -> None:
        """Meet the peers of the configuration, now that this program listens."""
        self._discovery.port = port
        for address in config.peers:
            self._kept.add(address)

    def obey(self, message: ToNetwork) -> None:
        """Do what the node says; nothing here waits."""
        match message:
            case Send():
                self._links.send(message.peers, message.channel, message.body, is_urgent=message.priority)
            case Publish():
                self._gossip.publish(message.topic, message.body)
            case Judge():
                self._gossip.judge(message.handle, message.verdict)
            case Request():
                self._nursery.start_soon(self._ask, message)
            case Response():
                self._requests.respond(message.id, message.body)
            case AddPeer() | RemovePeer() | SetValidators() | Penalise() | Ban() | Unban():
                self._regard(message)
            case Configure():
                raise AssertionError("configured twice")
            case _:
                assert_never(message)

    def _regard(self, message: OfPeers) -> None:
        """Change what peers are to us."""
        match message:
            case AddPeer():
                self._kept.add(message.address)
            case RemovePeer():
                self._kept.remove(message.peer)
                if not self._connections.is_reserved(message.peer):
                    self._nursery.start_soon(self._connections.cut, message.peer)
            case SetValidators():
                self._connections.set_validators(message.validators)
                self._kept.set_validators(message.addresses)
                self._discovery.want(message.validators)
                self._links.set_validators(message.validators)
            case Penalise():
                counts["penalties"] += 1
                self._gossip.penalise(message.peer, message.weight)
            case Ban():
                self._standing.ban(message.name, message.seconds)
                self._nursery.start_soon(self._connections.cut_unwelcome)
            case Unban():
                self._standing.unban(message.name)
            case _:
                assert_never(message)

    async def _ask_peer(self, request: Request) -> Responded:
        return await self._requests.ask(request)

    async def _ask(self, request: Request) -> None:
        if self._asking >= REQUESTS_MAX:
            responded = Responded(id=request.id, body=None, reason="too many requests under way")
        else:
            self._asking += 1
            responded = await self._requests.ask(request)
            self._asking -= 1
        self._tell_or_count(responded, len(responded.body or b""), urgent=True)

    def _on_peer_up(self, peer: bytes) -> None:
        self._tell_or_count(PeerUp(peer=peer, is_validator_link=False), 0, urgent=True)

    def _on_peer_down(self, peer: bytes) -> None:
        self._requests.forget(peer)
        self._tell_or_count(PeerDown(peer=peer, is_validator_link=False), 0, urgent=True)

    def _on_link_change(self, peer: bytes, is_up: bool) -> None:  # noqa: FBT001 - the link stands or not
        change = PeerUp if is_up else PeerDown
        self._tell_or_count(change(peer=peer, is_validator_link=True), 0, urgent=True)

    async def _report(self) -> None:
        while True:
            listed = [Counter(name=name, value=counts[name]) for name in sorted(counts)]
            self._tell_or_count(Stats(counters=listed), 0, urgent=True)
            facts = peers_facts(self._connections, self._links, self._standing, known=len(self._book))
            self._tell_or_count(facts, 0, urgent=True)
            while offences:
                self._gossip.penalise(offences.popleft()[0], PROTOCOL_FAULT)
            await trio.sleep(STATS_S)

    def _tell(self, message: FromNetwork, size: int, *, urgent: bool) -> bool:
        return self._outbox.push(frame(message), size, urgent=urgent)

    def _tell_or_count(self, message: FromNetwork, size: int, *, urgent: bool) -> None:
        if not self._tell(message, size, urgent=urgent):
            counts["node_untold"] += 1


async def run_program(stream: trio.SocketStream) -> None:
    """Serve one node until it closes the socket."""
    frames = read_frames(stream)
    config = parse_to_network(await anext(frames))
    assert isinstance(config, Configure), "the first message says who we are"
    apply_all()
    listen = listen_address(config.host, config.port)
    host = make_host(config.identity_seed, listen)
    outbox: Lanes[bytes] = Lanes(urgent_bytes=OUTBOX_URGENT_BYTES, bulk_bytes=OUTBOX_BULK_BYTES)
    async with trio.open_nursery() as nursery:
        device = Device(host, config, outbox, nursery)
        async with host.run([listen]), device.running():
            nursery.start_soon(write_frames, stream, outbox)
            ready = Ready(peer=host.get_id().to_bytes(), host=config.host, port=_port_of(host))
            outbox.push(frame(ready), 0, urgent=True)
            device.begin(config, ready.port)
            gc.freeze()  # a full collection over all that libp2p brings along stops the program for 60 ms
            async for raw in frames:
                device.obey(parse_to_network(raw))
            nursery.cancel_scope.cancel()


def _port_of(host: Host) -> int:
    return int(host.get_transport_addrs()[0].value_for_protocol("tcp"))
