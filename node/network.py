"""The node's end of the network: starts the libp2p program, restarts it when it dies, and speaks to it (N3, N4).

Nothing here imports libp2p. A frame that is lost with a link or with the program stays lost: on `PeerUp` of a
validator link the node sends again what that peer must have.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import assert_never

import trio

from node.p2p.child import started_child
from node.p2p.ipc import (
    BODY_MAX,
    GOSSIP_BODY_MAX,
    PEERS_MAX,
    PHRASE_MAX,
    REQUEST_BODY_MAX,
    AddPeer,
    Ban,
    Configure,
    Direct,
    FromNetwork,
    Gossip,
    Judge,
    Limits,
    PeerAddress,
    PeerDown,
    Peers,
    PeerUp,
    Penalise,
    Publish,
    Ready,
    RemovePeer,
    Request,
    Requested,
    Responded,
    Response,
    Send,
    SetValidators,
    Stats,
    ToNetwork,
    Unban,
    Verdict,
    frame,
    parse_from_network,
)
from node.p2p.lanes import Lanes
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.p2p.pipe import read_frames, write_frames
from primitives.ed25519 import public_key_of
from primitives.reasons import Reason, Refused

START_S = 60.0
"""Until the program must listen: importing libp2p takes a second, beside ten others on two cores many."""
SILENCE_S = 30.0
"""The program reports every second; one that says nothing for so long hangs and is killed."""
RESTART_S_MIN = 0.1
RESTART_S_MAX = 2.0
STEADY_S = 10.0
"""A program that lived so long is restarted at once again."""
REQUEST_S = 25.0
"""Longer than the program's own limit (20 s), which gives the better reason."""
REQUESTS_MAX = 1024
"""Requests that wait at once; each may hold a body of 4 MiB at the end."""
QUEUE_URGENT_BYTES = 16 << 20
"""Some 50,000 votes: more than a network says while a node executes its longest block."""
QUEUE_BULK_BYTES = 64 << 20
"""Enough for the largest bodies from several peers at once; half of what a node may hold idle."""

_log = logging.getLogger("assay.network")


class PeerUnavailableError(Exception):
    """A peer did not answer: not connected, too slow, busy, or without an answer."""

    def __init__(self, peer: bytes, reason: str) -> None:
        self.peer = peer
        self.reason = reason
        super().__init__(peer, reason)

    def __str__(self) -> str:
        return f"{peer_id_text(self.peer)}: {self.reason}"


class NetworkStartError(Exception):
    """The network program did not come to listen in START_S; its own words are on stderr."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """What the network program is told; the same after each restart."""

    identity_seed: bytes
    """Ed25519 seed of the network identity, 32 bytes."""
    network_id: bytes
    """The genesis hash, 32 bytes."""
    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one, kept over restarts."""
    validators: Sequence[bytes] = ()
    """Peer ids that may hold direct links with us at first; empty for a node that is no validator."""
    peers: Sequence[PeerAddress] = ()
    """Whom to stay connected to."""
    bootnodes: Sequence[PeerAddress] = ()
    """Whom to ask for peers while there are none."""
    announce: Sequence[PeerAddress] = ()
    """Where others reach us, if that can't be found out."""
    book: str = ""
    """The file for the address book and bans; empty: none."""
    topics: Sequence[str] = ("tx", "final", "evidence")
    limits: Limits = field(default_factory=Limits)
    silence_s: float = SILENCE_S
    """After which a program that says nothing is killed."""


@dataclass(frozen=True, kw_only=True)
class NetworkRestarted:
    """The program died and listens again: peers come up anew, unjudged gossip and unanswered requests are void."""

    pid: int


Event = Direct | Gossip | Requested | PeerUp | PeerDown | NetworkRestarted


class _Waiting:
    """A request of ours under way."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.body: bytes | None = None
        self.reason = "no answer in time"


class Network:
    """What the node may do with its network; made by `open_network`. Nothing but `request` and `events` waits."""

    def __init__(self, config: NetworkConfig) -> None:
        self.peer_id = peer_id_of(public_key_of(config.identity_seed))
        self.port = config.port
        self.pid = 0
        """Of the running program; 0 while there is none."""
        self.restarts = -1
        self.stats: dict[str, int] = {}
        """The program's latest counters and our own, by name."""
        self.table = Peers(peers=[], bans=[], known=0)
        """The program's latest word on who is connected and who is banned."""
        self._config = config
        self._peers_kept = list(config.peers)
        self._validators = SetValidators(validators=list(config.validators), addresses=[])
        self._connected: dict[bytes, bool] = {}
        self._outbox = _lanes()
        self._inbox: Lanes[Event] = Lanes(urgent_bytes=QUEUE_URGENT_BYTES, bulk_bytes=QUEUE_BULK_BYTES)
        self._waiting: dict[int, _Waiting] = {}
        self._last_request = 0
        self._ready = trio.Event()

    @property
    def address(self) -> PeerAddress:
        """Where others reach this node."""
        return PeerAddress(peer=self.peer_id, host=self._config.host, port=self.port)

    @property
    def peers(self) -> list[bytes]:
        """The ids of all connected peers, sorted."""
        return sorted(self._connected)

    @property
    def links(self) -> list[bytes]:
        """The ids of the validators to whom a direct link stands, sorted."""
        return sorted(peer for peer, is_link in self._connected.items() if is_link)

    def send(self, channel: int, body: bytes, *, to: Sequence[bytes] | None = None, priority: bool = True) -> bool:
        """Send a frame to validators (None: all linked ones); tell whether it was queued. No link, no frame.

        Raises Refused TOO_LARGE over BODY_MAX.
        """
        _check_size(body, BODY_MAX)
        peers = [] if to is None else list(to)
        if to is not None and not peers:
            return True
        return self._say(Send(peers=peers, channel=channel, priority=priority, body=body), urgent=priority)

    def publish(self, topic: str, body: bytes) -> bool:
        """Gossip a message; tell whether it was queued. It does not come back as an event.

        Raises Refused TOO_LARGE over GOSSIP_BODY_MAX.
        """
        assert topic in self._config.topics, "a topic that the program was not told of"
        _check_size(body, GOSSIP_BODY_MAX)
        return self._say(Publish(topic=topic, body=body), urgent=False)

    def judge(self, handle: int, verdict: Verdict) -> None:
        """Say what becomes of a gossip message: only an accepted one is forwarded."""
        self._say(Judge(handle=handle, verdict=verdict), urgent=True)

    def respond(self, request_id: int, body: bytes | None) -> bool:
        """Answer a Requested event (None: no answer); tell whether it was queued.

        Raises Refused TOO_LARGE over BODY_MAX.
        """
        _check_size(body or b"", BODY_MAX)
        return self._say(Response(id=request_id, body=body), urgent=body is None)

    def add_peer(self, address: PeerAddress) -> bool:
        """Stay connected to one more peer, over restarts too; tell whether there was room for it."""
        if address in self._peers_kept:
            return True
        if len(self._peers_kept) >= PEERS_MAX:
            return False
        self._peers_kept.append(address)
        self._say(AddPeer(address=address), urgent=True)
        return True

    def remove_peer(self, peer: bytes) -> bool:
        """Stay connected to a peer no longer, over restarts too; tell whether it was one of those."""
        kept = [address for address in self._peers_kept if address.peer != peer]
        was_kept = len(kept) < len(self._peers_kept)
        self._peers_kept = kept
        self._say(RemovePeer(peer=peer), urgent=True)
        return was_kept

    def ban(self, name: str, seconds: int) -> None:
        """Listen to a peer (its id in hexadecimal) or an address (as node.peers.addresses.ban_name_of) no more."""
        self._say(Ban(name=name, seconds=seconds), urgent=True)

    def unban(self, name: str) -> None:
        """Lift a ban and forget faults."""
        self._say(Unban(name=name), urgent=True)

    def set_validators(self, validators: Sequence[PeerAddress | bytes]) -> None:
        """Say who all validators are from now on, by id or with an address to dial; empty if this node is none.

        Links to who has left end, joiners are dialled and linked; over restarts too. This node may be in the list.
        """
        assert len(validators) <= PEERS_MAX, "more validators than one program can serve"
        addresses = [each for each in validators if isinstance(each, PeerAddress)]
        peers = [each.peer if isinstance(each, PeerAddress) else each for each in validators]
        self._validators = SetValidators(validators=peers, addresses=addresses)
        self._say(self._validators, urgent=True)

    def penalise(self, peer: bytes, why: str, weight: int) -> None:
        """Count a broken rule against a peer: `weight` (1 to 255) as that many invalid messages."""
        self._say(Penalise(peer=peer, why=why[:PHRASE_MAX], weight=weight), urgent=True)

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        """Ask a connected peer and return its answer.

        Raises PeerUnavailableError, and Refused TOO_LARGE over REQUEST_BODY_MAX.
        """
        _check_size(body, REQUEST_BODY_MAX)
        if peer not in self._connected:
            raise PeerUnavailableError(peer, "not connected")
        if len(self._waiting) >= REQUESTS_MAX:
            raise PeerUnavailableError(peer, "too many requests under way")
        self._last_request += 1
        number = self._last_request
        if not self._say(Request(id=number, peer=peer, protocol=protocol, body=body), urgent=False):
            raise PeerUnavailableError(peer, "no room to queue the request")
        waiting = self._waiting[number] = _Waiting()
        try:
            with trio.move_on_after(REQUEST_S):
                await waiting.done.wait()
        finally:
            del self._waiting[number]
        if waiting.body is None:
            raise PeerUnavailableError(peer, waiting.reason)
        return waiting.body

    def events(self) -> AsyncIterator[Event]:
        """Return the endless stream of what happens, urgent things first; for one consumer.

        A consumer that falls behind by QUEUE_*_BYTES loses the newest: gossip is ignored, requests go unanswered.
        """
        return self._inbox

    def _say(self, message: ToNetwork, *, urgent: bool) -> bool:
        raw = frame(message)
        return self.pid != 0 and self._outbox.push(raw, len(raw), urgent=urgent)

    async def supervise(self) -> None:
        """Run the program, again and again, until cancelled."""
        delay_s = RESTART_S_MIN
        while True:
            began_s = trio.current_time()
            self.restarts += 1
            try:
                await self._run_program()
            except OSError as fault:
                _log.warning("no process for the network program: %s", fault)
            finally:
                self._forget_program()
            if trio.current_time() - began_s > STEADY_S:
                delay_s = RESTART_S_MIN
            _log.warning("the network program ended; starting another in %.1f s", delay_s)
            await trio.sleep(delay_s)
            delay_s = min(2 * delay_s, RESTART_S_MAX)

    async def _run_program(self) -> None:
        """Start the program, configure it and take what it says until it closes the socket or falls silent."""
        with started_child() as child, trio.CancelScope(deadline=trio.current_time() + START_S) as silence:
            self.pid = child.process.pid
            self._outbox = _lanes()
            self._say(self._configuration(), urgent=True)
            self._say(self._validators, urgent=True)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_write_until_broken, child.stream, self._outbox)
                await self._read_until_broken(child.stream, silence)
                nursery.cancel_scope.cancel()

    async def _read_until_broken(self, stream: trio.SocketStream, silence: trio.CancelScope) -> None:
        try:
            async for raw in read_frames(stream):
                silence.deadline = trio.current_time() + self._config.silence_s
                self._take(parse_from_network(raw))
        except trio.BrokenResourceError:
            return
        except Refused as fault:  # the program is not trusted to speak well, only to be replaced when it does not
            _log.warning("the network program sent what is no message: %s", fault)

    def _configuration(self) -> Configure:
        return Configure(
            session=self.restarts,
            identity_seed=self._config.identity_seed,
            host=self._config.host,
            port=self.port,
            network_id=self._config.network_id,
            peers=self._peers_kept,
            bootnodes=list(self._config.bootnodes),
            announce=list(self._config.announce),
            book=self._config.book,
            topics=list(self._config.topics),
            limits=self._config.limits,
        )

    def _take(self, message: FromNetwork) -> None:
        match message:
            case Ready():
                self.port = message.port
                if self.restarts:
                    self._tell(NetworkRestarted(pid=self.pid), 0, urgent=True)
                self._ready.set()
            case Responded():
                waiting = self._waiting.get(message.id)
                if waiting is not None:
                    waiting.body, waiting.reason = message.body, message.reason
                    waiting.done.set()
            case Stats():
                self.stats = {counter.name: counter.value for counter in message.counters}
                self.stats |= {"events_refused": self._inbox.refused, "frames_refused": self._outbox.refused}
            case Peers():
                self.table = message
            case PeerUp() | PeerDown() | Direct() | Gossip() | Requested():
                self._pass_on(message)
            case _:
                assert_never(message)

    def _pass_on(self, message: PeerUp | PeerDown | Direct | Gossip | Requested) -> None:
        """Queue an event for the node; what finds no room is given up at once."""
        match message:
            case PeerUp():
                self._connected[message.peer] = message.is_validator_link or self._connected.get(message.peer, False)
                self._tell(message, 0, urgent=True)
            case PeerDown():
                if message.is_validator_link and message.peer in self._connected:
                    self._connected[message.peer] = False
                else:
                    self._connected.pop(message.peer, None)
                self._tell(message, 0, urgent=True)
            case Direct():
                self._tell(message, len(message.body), urgent=message.priority)
            case Gossip():
                if not self._tell(message, len(message.body), urgent=False):
                    self.judge(message.handle, Verdict.IGNORE)
            case Requested():
                if not self._tell(message, len(message.body), urgent=False):
                    self.respond(message.id, None)
            case _:
                assert_never(message)

    def _tell(self, event: Event, size: int, *, urgent: bool) -> bool:
        return self._inbox.push(event, size, urgent=urgent)

    def _forget_program(self) -> None:
        self.pid = 0
        self._connected = {}
        self.table = Peers(peers=[], bans=[], known=0)
        for waiting in self._waiting.values():
            waiting.reason = "the network program ended"
            waiting.done.set()

    async def wait_ready(self) -> None:
        """Wait until the program listens; raises NetworkStartError."""
        with trio.move_on_after(START_S):
            await self._ready.wait()
        if not self._ready.is_set():
            raise NetworkStartError


@asynccontextmanager
async def open_network(config: NetworkConfig) -> AsyncIterator[Network]:
    """Start the network program, yield once it listens, and end it with the block.

    Raises NetworkStartError; like all that leaves the block, in an ExceptionGroup.
    """
    assert len(config.validators) <= PEERS_MAX, "more validators than one program can serve"
    assert len(config.peers) <= PEERS_MAX, "more peers than one program can serve"
    network = Network(config)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(network.supervise)
        try:
            await network.wait_ready()
            yield network
        finally:
            nursery.cancel_scope.cancel()


def _check_size(body: bytes, at_most: int) -> None:
    if len(body) > at_most:
        raise Refused(Reason.TOO_LARGE, seen=len(body), wanted=at_most)


def _lanes() -> Lanes[bytes]:
    return Lanes(urgent_bytes=QUEUE_URGENT_BYTES, bulk_bytes=QUEUE_BULK_BYTES)


async def _write_until_broken(stream: trio.SocketStream, queue: Lanes[bytes]) -> None:
    """Write until the program is gone; the reader is who notices its end."""
    try:
        await write_frames(stream, queue)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
