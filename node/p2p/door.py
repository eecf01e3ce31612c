"""Who may come in: sockets that were accepted, before anything is known of a peer but its address (N9)."""

from collections import Counter, OrderedDict

import trio

from node.p2p.tally import counts
from node.peers.addresses import OWN_MACHINE, ban_name_of, near_of
from node.peers.rate import Bucket, Buckets, Rate
from node.peers.standing import Standing

PENDING_PER_NEAR = 32
"""Handshakes under way from one network of addresses; one takes milliseconds, an idle one is ended after 10 s."""
PENDING_MAX = 256
"""In all: then the oldest of the network that has most makes room, so that whoever answers quickly gets in."""
OPEN_PER_ADDRESS = 16
"""Connections: several nodes behind one router. Not applied to a test network's own machine."""
OPEN_PER_NEAR = 32
KNOCKS_PER_NEAR = Rate(per_s=4.0, burst=24.0)
"""A handshake costs 9 ms; who comes and goes faster than this is no node."""
KNOCKS_OF_STRANGERS = Rate(per_s=20.0, burst=64.0)
"""In all, from addresses that the book does not know: a fifth of a core at worst."""

KNOWN_MAX = 1024
"""Twice as many as there are reserved places; the one met longest ago is forgotten."""


class Knock:
    """A socket whose peer is not known yet."""

    def __init__(self, near: str) -> None:
        self.near = near
        self.scope = trio.CancelScope()
        """Cancelled to make room for another."""


class Door:
    """Counts sockets by address and by network of addresses."""

    def __init__(self, standing: Standing, *, is_test_network: bool) -> None:
        self._standing = standing
        self._is_test_network = is_test_network
        self._known: dict[str, None] = {}
        self._pending: OrderedDict[Knock, None] = OrderedDict()
        self._pending_per_near: Counter[str] = Counter()
        self._open_per_address: Counter[str] = Counter()
        self._open_per_near: Counter[str] = Counter()
        self._knocks = Buckets(KNOCKS_PER_NEAR)
        self._strangers = Bucket(KNOCKS_OF_STRANGERS, trio.current_time())

    def know(self, host: str) -> None:
        """Let an address in ahead of strangers: one that the operator named, or from which a validator came."""
        self._known.pop(host, None)
        self._known[host] = None
        if len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]

    def is_exempt(self, host: str) -> bool:
        """Tell whether an address is the machine on which a whole test network lives."""
        return self._is_test_network and host in OWN_MACHINE

    def knock(self, host: str) -> Knock | None:
        """Let an accepted socket shake hands, or refuse it; each Knock is given back with `settled`."""
        near = near_of(host)
        if not self._is_welcome(host, near):
            return None
        if self._pending_per_near[near] >= PENDING_PER_NEAR:
            return None
        knock = Knock(near)
        self._pending[knock] = None
        self._pending_per_near[near] += 1
        if len(self._pending) > PENDING_MAX:
            crowded = max(self._pending_per_near.items(), key=lambda entry: entry[1])[0]
            oldest = next(other for other in self._pending if other.near == crowded)
            counts["handshakes_given_up"] += 1
            oldest.scope.cancel()
        return knock

    def _is_welcome(self, host: str, near: str) -> bool:
        if self._standing.is_banned(ban_name_of(host)):
            return False
        if self.is_exempt(host):
            return True
        if self._open_per_address[host] >= OPEN_PER_ADDRESS or self._open_per_near[near] >= OPEN_PER_NEAR:
            return False
        if host in self._known:
            return True
        now = trio.current_time()
        return self._knocks.of(near, now).take(1, now) and self._strangers.take(1, now)

    def settled(self, knock: Knock) -> None:
        """Note that a handshake is over, well or not."""
        del self._pending[knock]
        _release(self._pending_per_near, knock.near)

    def opened(self, host: str) -> None:
        """Note a connection."""
        self._open_per_address[host] += 1
        self._open_per_near[near_of(host)] += 1

    def closed(self, host: str) -> None:
        """Note the end of a connection."""
        _release(self._open_per_address, host)
        _release(self._open_per_near, near_of(host))


def _release(slots: "Counter[str]", name: str) -> None:
    slots[name] -= 1
    if not slots[name]:
        del slots[name]
