"""Gossip messages that wait for the node's verdict, bounded for each forwarder and in all (N8)."""

from collections import OrderedDict
from dataclasses import dataclass

from node.p2p.foreign import Id, Message


@dataclass(frozen=True, kw_only=True)
class Held:
    """One message, and who brought it."""

    forwarder: Id
    message: Message
    size: int


class _Share:
    """What one forwarder has waiting."""

    def __init__(self) -> None:
        self.messages: OrderedDict[int, Held] = OrderedDict()
        self.size = 0


class HeldMessages:
    """Messages by handle; over a bound the oldest of whoever holds most is let go, which ignores it."""

    def __init__(self, *, first_handle: int, per_forwarder: int, bytes_max: int) -> None:
        self._next_handle = first_handle
        self._per_forwarder = per_forwarder
        self._room = bytes_max
        self._shares: dict[Id, _Share] = {}
        self._forwarder_of: dict[int, Id] = {}
        self.let_go = 0
        """Messages ignored because their forwarder sent more than the node judged."""

    def hold(self, forwarder: Id, message: Message, size: int) -> int:
        """Keep a message and return its handle."""
        handle = self._next_handle
        self._next_handle += 1
        share = self._shares.setdefault(forwarder, _Share())
        share.messages[handle] = Held(forwarder=forwarder, message=message, size=size)
        share.size += size
        self._forwarder_of[handle] = forwarder
        self._room -= size
        if len(share.messages) > self._per_forwarder:
            self._let_go(share)
        while self._room < 0:
            self._let_go(max(self._shares.values(), key=lambda one: one.size))
        return handle

    def take(self, handle: int) -> Held | None:
        """Return a held message and forget it; None if it is not held (any more)."""
        forwarder = self._forwarder_of.pop(handle, None)
        if forwarder is None:
            return None
        share = self._shares[forwarder]
        held = share.messages.pop(handle)
        share.size -= held.size
        self._room += held.size
        if not share.messages:
            del self._shares[forwarder]
        return held

    def _let_go(self, share: _Share) -> None:
        self.take(next(iter(share.messages)))
        self.let_go += 1
