"""Where what comes from the network goes: votes to the driver, gossip to who judges it, requests to who answers."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, assert_never

import trio

from node.answer_slots import AnswerSlots
from node.network import NetworkRestarted
from node.p2p.ipc import Direct, Gossip, PeerAddress, PeerDown, PeerUp, Requested, Verdict

CONSENSUS_CHANNEL = 1
"""Of direct links: messages of consensus. (0 is never used, so that an empty frame means nothing.)"""

Event = Direct | Gossip | Requested | PeerUp | PeerDown | NetworkRestarted
Answer = Callable[[bytes], Awaitable[bytes | None]]
"""Answers a request's body; None: no answer. Never raises for bad bodies."""
Judge = Callable[[Gossip], Verdict]
"""Takes a gossip message in and says what becomes of it. Never raises for bad bodies."""

_log = logging.getLogger("assay.node")


class NetworkPort(Protocol):
    """What the parts of the node use of `node.network.Network`; tests have one in memory."""

    peer_id: bytes

    @property
    def peers(self) -> list[bytes]:
        """The ids of all connected peers."""

    def send(self, channel: int, body: bytes, *, to: Sequence[bytes] | None = None, priority: bool = True) -> bool:
        """Send a frame to validators (None: all linked ones); tell whether it was queued."""

    def publish(self, topic: str, body: bytes) -> bool:
        """Gossip a message; tell whether it was queued."""

    def judge(self, handle: int, verdict: Verdict) -> None:
        """Say what becomes of a gossip message."""

    def respond(self, request_id: int, body: bytes | None) -> bool:
        """Answer a request."""

    async def request(self, peer: bytes, protocol: str, body: bytes) -> bytes:
        """Ask a connected peer; raises PeerUnavailableError."""

    def set_validators(self, validators: Sequence[PeerAddress | bytes]) -> None:
        """Say who all validators are from now on; empty if this node is none."""

    def penalise(self, peer: bytes, why: str, weight: int) -> None:
        """Count a broken rule against a peer."""

    def events(self) -> AsyncIterator[Event]:
        """Yield what happens, for one consumer."""


class Traffic:
    """Takes the network's events, one after another, to those whom they concern."""

    def __init__(
        self,
        network: NetworkPort,
        *,
        direct: Mapping[int, Callable[[bytes, bytes], Awaitable[None]]],
        gossip: Mapping[str, Judge],
        answers: Mapping[str, Answer],
        peer_up: Callable[[bytes], None],
    ) -> None:
        """`direct` by channel takes (peer, body); `gossip` is by topic and `answers` by request protocol."""
        self._network = network
        self._direct = direct
        self._gossip = gossip
        self._answers = answers
        self._peer_up = peer_up
        self._slots = AnswerSlots()

    async def run(self) -> None:
        """Take events for ever."""
        async with trio.open_nursery() as nursery:
            async for event in self._network.events():
                await self._take(event, nursery)

    async def _take(self, event: Event, nursery: trio.Nursery) -> None:
        match event:
            case Direct():
                take = self._direct.get(event.channel)
                if take is not None:
                    await take(event.peer, event.body)
            case Gossip():
                judge = self._gossip.get(event.topic)
                verdict = Verdict.REJECT if judge is None else judge(event)
                self._network.judge(event.handle, verdict)
            case Requested():
                self._answer_soon(event, nursery)
            case PeerUp():
                self._peer_up(event.peer)
            case PeerDown():
                pass
            case NetworkRestarted():
                _log.warning("the network program runs again, process %d", event.pid)
            case _:
                assert_never(event)

    def _answer_soon(self, event: Requested, nursery: trio.Nursery) -> None:
        answer = self._answers.get(event.protocol)
        if answer is None or not self._slots.take(event.peer):  # unanswered, so that the peer asks elsewhere
            self._network.respond(event.id, None)
            return
        nursery.start_soon(self._answer, event, answer)

    async def _answer(self, event: Requested, answer: Answer) -> None:
        try:
            self._network.respond(event.id, await answer(event.body))
        finally:
            self._slots.give_back(event.peer)
