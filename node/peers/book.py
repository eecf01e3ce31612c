"""The address book: peers by where we heard of them and where they live, so that no one source can fill it (N12).

After Bitcoin's addrman: what was only heard of and what was reached are kept apart; each source reaches few of the
buckets of the former, and each region of the Internet few of those of the latter.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from node.p2p.ipc import PeerAddress
from node.peers.addresses import region_of
from node.peers.records import SignedPeerRecord
from primitives.hashing import tagged

HEARD_BUCKETS = 64
BUCKETS_PER_SOURCE = 4
"""A sixteenth of what is only heard of, for all that one region of the Internet tells us."""
REACHED_BUCKETS = 32
BUCKETS_PER_REGION = 4
BUCKET_SIZE = 16
FAILURES_MAX = 10
"""In a row, over some hours: then a peer is forgotten."""
RETRY_S_MIN = 30.0
RETRY_S_MAX = 3_600.0
PASSED_ON_S = 7 * 86_400
"""A record older than this is kept, but no longer passed on: it would soon be too old for anybody."""
REACHED_SHARE = 0.5
"""How often a peer that was reached before is chosen, if there is one."""


@dataclass
class Entry:
    """What is known of one peer."""

    signed: SignedPeerRecord
    source: str
    """The region of who told us first."""
    is_reached: bool = False
    failures: int = 0
    tried_s: float = 0.0
    reached_s: float = 0.0

    @property
    def peer(self) -> bytes:
        """The peer's id."""
        return self.signed.record.peer

    @property
    def addresses(self) -> list[PeerAddress]:
        """Where the peer says that it listens."""
        return [PeerAddress(peer=self.peer, host=each.host, port=each.port) for each in self.signed.record.endpoints]

    def may_be_tried(self, now_s: float) -> bool:
        """Tell whether the pause after the last failure is over."""
        pause_s = min(RETRY_S_MAX, RETRY_S_MIN * 2**self.failures) if self.failures else 0.0
        return now_s - self.tried_s >= pause_s


class Book:
    """Peers by bucket. `secret` keeps strangers from computing buckets; `chance` chooses."""

    def __init__(self, secret: bytes, chance: random.Random) -> None:
        self.secret = secret
        self._chance = chance
        self._entries: dict[bytes, Entry] = {}
        self._buckets: dict[tuple[bool, int], list[bytes]] = {}
        self._places: dict[bytes, tuple[bool, int]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, peer: bytes) -> bool:
        return peer in self._entries

    def entries(self) -> Iterable[Entry]:
        """Return all entries, in the order in which they came."""
        return self._entries.values()

    def get(self, peer: bytes) -> Entry | None:
        """Return what is known of a peer."""
        return self._entries.get(peer)

    def hear(self, signed: SignedPeerRecord, *, source_host: str) -> bool:
        """Take in a checked record that somebody at `source_host` told; tell whether it is kept."""
        known = self._entries.get(signed.record.peer)
        if known is not None:
            if signed.record.signed_s > known.signed.record.signed_s:
                if known.signed.record.endpoints != signed.record.endpoints:
                    known.failures = 0
                known.signed = signed
            return True
        return self.put(Entry(signed=signed, source=region_of(source_host)))

    def put(self, entry: Entry) -> bool:
        """Place an entry; of a full bucket the worst entry goes, which may be the new one. Tell whether it stays."""
        self._remove(entry.peer)
        place = self._places[entry.peer] = self._bucket_of(entry)
        bucket = self._buckets.setdefault(place, [])
        self._entries[entry.peer] = entry
        bucket.append(entry.peer)
        if len(bucket) > BUCKET_SIZE:
            worst = max(bucket, key=lambda peer: _badness(self._entries[peer]))
            self._remove(worst)
        return entry.peer in self._entries

    def note_try(self, peer: bytes, now_s: float) -> None:
        """Note that a peer is being dialled; until the outcome is known it counts as a failure."""
        entry = self._entries.get(peer)
        if entry is not None:
            entry.tried_s = now_s
            entry.failures += 1
            if entry.failures > FAILURES_MAX:
                self._remove(peer)

    def note_reached(self, peer: bytes, now_s: float) -> None:
        """Note that a peer answered at an address that it signed."""
        entry = self._entries.get(peer)
        if entry is not None:
            entry.failures, entry.reached_s, entry.tried_s = 0, now_s, now_s
            if not entry.is_reached:
                self._remove(peer)
                entry.is_reached = True
                self.put(entry)

    def choose(self, now_s: float, *, wanted: Callable[[Entry], bool], only_heard: bool = False) -> Entry | None:
        """Return a peer to dial, if any: from a random bucket, so that a crowd in one bucket gains nothing."""
        reached_first = not only_heard and self._chance.random() < REACHED_SHARE
        for is_reached in (True, False) if reached_first else (False,) if only_heard else (False, True):
            buckets = [peers for key, peers in self._buckets.items() if key[0] is is_reached and peers]
            self._chance.shuffle(buckets)
            for bucket in buckets:
                fit = [
                    entry
                    for entry in (self._entries[peer] for peer in bucket)
                    if entry.may_be_tried(now_s) and wanted(entry)
                ]
                if fit:
                    return self._chance.choice(fit)
        return None

    def sample(self, count: int, now_s: int) -> list[SignedPeerRecord]:
        """Return up to `count` records to pass on, at most a quarter of the book: of peers that have not failed us."""
        oldest = now_s - PASSED_ON_S
        good = [
            entry for entry in self._entries.values() if not entry.failures and entry.signed.record.signed_s >= oldest
        ]
        most = min(count, max(8, len(self._entries) // 4), len(good))
        return [entry.signed for entry in self._chance.sample(good, most)]

    def forget(self, peer: bytes) -> None:
        """Drop a peer."""
        self._remove(peer)

    def _remove(self, peer: bytes) -> None:
        if self._entries.pop(peer, None) is not None:
            self._buckets[self._places.pop(peer)].remove(peer)

    def _bucket_of(self, entry: Entry) -> tuple[bool, int]:
        """Return the bucket: chosen by the peer among the few that its source, or its own region, reaches."""
        if entry.is_reached:
            owner, few, count = region_of(entry.signed.record.endpoints[0].host), BUCKETS_PER_REGION, REACHED_BUCKETS
        else:
            owner, few, count = entry.source, BUCKETS_PER_SOURCE, HEARD_BUCKETS
        nth = self._number(b"peer", entry.peer) % few
        return entry.is_reached, self._number(b"place", bytes([nth]) + owner.encode()) % count

    def _number(self, what: bytes, value: bytes) -> int:
        return int.from_bytes(tagged("assay/book", self.secret, what.ljust(8), value)[:8], "big")


def _badness(entry: Entry) -> tuple[int, float, float]:
    return entry.failures, -entry.reached_s, -entry.signed.record.signed_s
