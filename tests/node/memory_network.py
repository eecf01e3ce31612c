"""A network in memory for whole nodes in one process: delays, losses, cuts, under a clock that jumps."""

import random
from collections.abc import AsyncIterator, Callable, Sequence

import trio

from node.network import PeerUnavailableError
from node.p2p.ipc import Direct, Gossip, PeerAddress, PeerDown, PeerUp, Requested, Verdict
from node.traffic import Event

QUEUE_MAX = 100_000
"""Events that wait for one node: more than any test makes."""
REQUEST_S = 10.0


class Hub:
    """Everybody's connections. What is sent arrives after up to `delay_s`, in any order."""

    def __init__(self, nursery: trio.Nursery, *, delay_s: float = 0.02, loss: float = 0.0, seed: int = 1) -> None:
        self.nursery = nursery
        self.nodes: dict[bytes, MemoryNetwork] = {}
        self.loss = loss
        self.watch: Callable[[bytes, bytes], None] = lambda _peer, _body: None
        """Sees each direct frame as its sender hands it over."""
        self._delay_s = delay_s
        self._random = random.Random(seed)
        self._cuts: set[frozenset[bytes]] = set()

    def join(self, peer: bytes, *, validator: bool, only: Sequence[bytes] | None = None) -> "MemoryNetwork":
        """Connect a node to everybody, or to those in `only`."""
        node = MemoryNetwork(self, peer, validator=validator)
        for other in self.nodes.values():
            if only is not None and other.peer_id not in only:
                self._cuts.add(frozenset((peer, other.peer_id)))
        self.nodes[peer] = node
        for other in node.neighbours():
            is_link = validator and other.validator
            node.tell(PeerUp(peer=other.peer_id, is_validator_link=is_link))
            other.tell(PeerUp(peer=peer, is_validator_link=is_link))
        return node

    def leave(self, peer: bytes) -> None:
        """Take a node away, as when its process ends."""
        for other in self.nodes.pop(peer).neighbours():
            other.tell(PeerDown(peer=peer, is_validator_link=False))

    def connected(self, one: bytes, other: bytes) -> bool:
        return frozenset((one, other)) not in self._cuts

    def deliver(self, sender: bytes, to: bytes, event: Event) -> None:
        """Let an event arrive later, or never."""
        if to in self.nodes and self._random.random() >= self.loss:
            self.nursery.start_soon(self._arrive, sender, self.nodes[to], event, self._random.random() * self._delay_s)

    async def _arrive(self, sender: bytes, to: "MemoryNetwork", event: Event, delay_s: float) -> None:
        await trio.sleep(delay_s)
        if self.nodes.get(to.peer_id) is to and self.connected(sender, to.peer_id):  # not to one that started since
            to.tell(event)


class MemoryNetwork:
    """One node's end: a `node.traffic.NetworkPort`. Gossip floods: whoever accepts a message sends it on."""

    def __init__(self, hub: Hub, peer: bytes, *, validator: bool) -> None:
        self.peer_id = peer
        self.validator = validator
        self.verdicts: list[Verdict] = []
        self.penalties: list[tuple[bytes, str, int]] = []
        self._hub = hub
        self._events_in, self._events = trio.open_memory_channel[Event](QUEUE_MAX)
        self._held: dict[int, Gossip] = {}
        self._seen: set[bytes] = set()
        self._handles = 0
        self._waiting: dict[int, tuple[trio.Event, list[bytes | None]]] = {}
        self._asked: dict[int, tuple[MemoryNetwork, int]] = {}
        self._requests = 0

    def tell(self, event: Event) -> None:
        if isinstance(event, Gossip):
            if event.body in self._seen:
                return
            self._seen.add(event.body)
            self._handles += 1
            event = Gossip(
                handle=self._handles,
                topic=event.topic,
                forwarder=event.forwarder,
                author=event.author,
                body=event.body,
            )
            self._held[event.handle] = event
        self._events_in.send_nowait(event)

    def neighbours(self) -> list["MemoryNetwork"]:
        others = [node for peer, node in self._hub.nodes.items() if peer != self.peer_id]
        return [other for other in others if self._hub.connected(self.peer_id, other.peer_id)]

    @property
    def peers(self) -> list[bytes]:
        return sorted(other.peer_id for other in self.neighbours())

    def send(self, channel: int, body: bytes, *, to: Sequence[bytes] | None = None, priority: bool = True) -> bool:
        self._hub.watch(self.peer_id, body)
        for other in self.neighbours():
            if self.validator and other.validator and (to is None or other.peer_id in to):
                event = Direct(peer=self.peer_id, channel=channel, priority=priority, body=body)
                self._hub.deliver(self.peer_id, other.peer_id, event)
        return True

    def publish(self, topic: str, body: bytes) -> bool:
        self._seen.add(body)
        self._spread(topic, body, author=self.peer_id)
        return True

    def _spread(self, topic: str, body: bytes, *, author: bytes) -> None:
        for other in self.neighbours():
            event = Gossip(handle=0, topic=topic, forwarder=self.peer_id, author=author, body=body)
            self._hub.deliver(self.peer_id, other.peer_id, event)

    def set_validators(self, validators: Sequence[PeerAddress | bytes]) -> None:
        """Link to other validators, or to none if there are none; who links to us is for others to say."""
        was, self.validator = self.validator, bool(validators)
        if was == self.validator:
            return
        kind = PeerUp if self.validator else PeerDown
        for other in self.neighbours():
            if other.validator:
                self.tell(kind(peer=other.peer_id, is_validator_link=True))
                other.tell(kind(peer=self.peer_id, is_validator_link=True))

    def penalise(self, peer: bytes, why: str, weight: int) -> None:
        self.penalties.append((peer, why, weight))

    def judge(self, handle: int, verdict: Verdict) -> None:
        message = self._held.pop(handle)
        self.verdicts.append(verdict)
        if verdict is Verdict.ACCEPT:
            self._spread(message.topic, message.body, author=message.author)

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        target = self._hub.nodes.get(peer)
        if target is None or target not in self.neighbours():
            raise PeerUnavailableError(peer, "not connected")
        self._requests += 1
        number = self._requests
        done, answer = self._waiting[number] = (trio.Event(), [])
        target.asked(self, number, protocol, body)
        with trio.move_on_after(REQUEST_S):
            await done.wait()
        del self._waiting[number]
        if not answer or answer[0] is None:
            raise PeerUnavailableError(peer, "no answer")
        return answer[0]

    def asked(self, asker: "MemoryNetwork", number: int, protocol: str, body: bytes) -> None:
        self._requests += 1
        self._asked[self._requests] = (asker, number)
        request = Requested(id=self._requests, peer=asker.peer_id, protocol=protocol, body=body)
        self._hub.deliver(asker.peer_id, self.peer_id, request)

    def respond(self, request_id: int, body: bytes | None) -> bool:
        asker, number = self._asked.pop(request_id)
        waiting = asker._waiting.get(number)
        if waiting is not None:
            waiting[1].append(body)
            waiting[0].set()
        return True

    def events(self) -> AsyncIterator[Event]:
        return self._events
