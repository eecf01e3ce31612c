"""What the node and its network program say to each other: records over one inherited socket pair (N3).

Both sides import this module, so it knows nothing of libp2p. A frame is `u32 big-endian length ‖ encode(record)`.
"""

import enum
from typing import Annotated

import msgspec

from primitives.codec import decode, encode
from primitives.hashing import Hash
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U8, U32, U64

FRAME_MAX = 8 << 20
"""Bytes of an encoded record: the largest body and its envelope, with room."""
LENGTH_BYTES = 4
BODY_MAX = 4 << 20
"""Bytes of any body: a block or a response of that size is cut in pieces by whoever sends it."""
REQUEST_BODY_MAX = 1 << 20
GOSSIP_BODY_MAX = (1 << 20) - 4096
"""Bytes: with its envelope it fits in the 1 MiB that a stock libp2p node takes. Meant for far less (64 KiB batches)."""

PEERS_MAX = 512
"""Validators, and peers to stay connected to: more than a node can hold connections."""

ANNOUNCED_MAX = 4
PATH_MAX = 4096
SHOWN_MAX = 512
"""Peers, and bans, that the program tells of."""

Body = Annotated[bytes, msgspec.Meta(max_length=BODY_MAX)]
PeerId = Annotated[bytes, msgspec.Meta(min_length=2, max_length=64)]
"""The multihash inside a libp2p peer id. Validators' have 38 bytes; strangers may use other kinds of keys."""
HostName = Annotated[str, msgspec.Meta(max_length=64)]
"""An IP address in text."""
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern="^[a-z]+$")]
"""Of a topic or a request protocol, as in `tx`; the program makes the full libp2p name of it (N5)."""
PHRASE_MAX = 256
Phrase = Annotated[str, msgspec.Meta(max_length=PHRASE_MAX)]


class Verdict(enum.IntEnum):
    """What the node thinks of a gossip message: forward it, drop it, or drop it and count it against the forwarder."""

    ACCEPT = 0
    IGNORE = 1
    REJECT = 2


class PeerAddress(Record):
    """Where a peer listens."""

    peer: PeerId
    host: HostName
    port: Port


class Limits(Record):
    """What a peer may cost us; the defaults are for a public network, tests set smaller ones."""

    held_per_peer: U32 = 128
    """Gossip messages of one forwarder that wait for the node's verdict; over it the oldest is ignored."""
    held_bytes: U32 = 32 << 20
    """Bytes of all such messages together."""
    rejects_until_ban: U32 = 8
    """Invalid messages, half forgiven each ten minutes; an honest peer sends none, but its software may be older."""
    ban_seconds: U32 = 3_600
    silence_ms: U32 = 10_000
    """A direct link without a ping's echo for so long is dead; pings are sent three times in it."""
    outbound: U32 = 8
    """Peers that we choose and dial ourselves, beside those that we are told of."""
    inbound: U32 = 64
    """Strangers that dialled us; one more makes the least worthy leave."""
    is_test_network: bool = False
    """Whether all nodes live on one machine: its loopback addresses are passed on, dialled, and never banned."""


# From the node to the program.


class Configure(Record, tag=0):
    """The first message, sent once: who we are and whom we talk to; SetValidators follows."""

    session: U32
    """Counts the starts of the program; handles and request ids of one start mean nothing to another."""
    identity_seed: Hash
    """Ed25519 seed of the network identity, 32 bytes; not the validator's key."""
    host: HostName
    port: Port
    """0: any free one."""
    network_id: Hash
    """The genesis hash; peers of another network find no protocol in common."""
    peers: Annotated[list[PeerAddress], msgspec.Meta(max_length=PEERS_MAX)]
    """Whom to stay connected to."""
    bootnodes: Annotated[list[PeerAddress], msgspec.Meta(max_length=PEERS_MAX)]
    """Whom to ask for peers while there are none."""
    announce: Annotated[list[PeerAddress], msgspec.Meta(max_length=ANNOUNCED_MAX)]
    """Where others reach us; empty: found out from what peers see."""
    book: Annotated[str, msgspec.Meta(max_length=PATH_MAX)]
    """The file for the address book and bans; empty: none, they end with the program."""
    topics: Annotated[list[Name], msgspec.Meta(max_length=16)]
    limits: Limits = Limits()


class Send(Record, tag=1):
    """Send a frame on direct links; to an empty list of peers means to every validator with whom we have one."""

    peers: Annotated[list[PeerId], msgspec.Meta(max_length=PEERS_MAX)]
    channel: U8
    priority: bool
    body: Body


class Publish(Record, tag=2):
    """Gossip a message of our own."""

    topic: Name
    body: Annotated[bytes, msgspec.Meta(max_length=GOSSIP_BODY_MAX)]


class Judge(Record, tag=3):
    """The node's verdict on a gossip message; of a handle that is no longer held, without effect."""

    handle: U64
    verdict: Verdict


class Request(Record, tag=4):
    """Ask a connected peer; answered by exactly one Responded."""

    id: U64
    peer: PeerId
    protocol: Name
    body: Annotated[bytes, msgspec.Meta(max_length=REQUEST_BODY_MAX)]


class Response(Record, tag=5):
    """Answer a Requested; None means that we have no answer."""

    id: U64
    body: Body | None


class AddPeer(Record, tag=6):
    """Stay connected to one more peer."""

    address: PeerAddress


class SetValidators(Record, tag=7):
    """Who the validators are from now on: the links to who has left end, and those to who joined begin."""

    validators: Annotated[list[PeerId], msgspec.Meta(max_length=PEERS_MAX)]
    """All of them, this node or not; empty for a node that is no validator."""
    addresses: Annotated[list[PeerAddress], msgspec.Meta(max_length=PEERS_MAX)]
    """Where some of them listen; a validator that is here is dialled for as long as it is one."""


class Penalise(Record, tag=8):
    """A peer broke a rule that the node knows of: count `weight` invalid messages against it (N9)."""

    peer: PeerId
    why: Phrase
    weight: U8


class RemovePeer(Record, tag=9):
    """Stay connected to a peer no longer; a connection that stands is ended."""

    peer: PeerId


class Ban(Record, tag=10):
    """Listen to a name no more: a peer id in hexadecimal, or an address."""

    name: Phrase
    seconds: U32


class Unban(Record, tag=11):
    """Lift a ban and forget faults."""

    name: Phrase


OfPeers = AddPeer | RemovePeer | SetValidators | Penalise | Ban | Unban
"""What peers are to us."""
ToNetwork = Configure | Send | Publish | Judge | Request | Response | OfPeers


# From the program to the node.


class Ready(Record, tag=0):
    """The program listens; sent once, first."""

    peer: PeerId
    host: HostName
    port: Port


class PeerUp(Record, tag=1):
    """A connection stands, or, with `is_validator_link`, a direct link by which our frames reach a validator."""

    peer: PeerId
    is_validator_link: bool


class PeerDown(Record, tag=2):
    """The last connection to a peer, or with `is_validator_link` its direct link, is gone."""

    peer: PeerId
    is_validator_link: bool


class Direct(Record, tag=3):
    """A frame from a validator's direct link."""

    peer: PeerId
    channel: U8
    priority: bool
    body: Body


class Gossip(Record, tag=4):
    """A signed gossip message that is held until the node judges it."""

    handle: U64
    topic: Name
    forwarder: PeerId
    author: PeerId
    body: Annotated[bytes, msgspec.Meta(max_length=GOSSIP_BODY_MAX)]


class Requested(Record, tag=5):
    """A peer asks; the node answers with Response."""

    id: U64
    peer: PeerId
    protocol: Name
    body: Annotated[bytes, msgspec.Meta(max_length=REQUEST_BODY_MAX)]


class Responded(Record, tag=6):
    """The answer to our Request, or why there is none."""

    id: U64
    body: Body | None
    reason: Phrase


class Counter(Record):
    """A number that only grows, or a level."""

    name: Phrase
    value: U64


class Stats(Record, tag=7):
    """Sent every few seconds: that the program lives, and what it has counted, by name."""

    counters: Annotated[list[Counter], msgspec.Meta(max_length=128)]


class PeerFacts(Record):
    """What the program knows of a connected peer."""

    peer: PeerId
    host: HostName
    port: Port
    """Of the other end of the connection; where the peer listens only if we dialled it."""
    is_inbound: bool
    is_kept: bool
    """Whether the operator named it, or it is a validator."""
    has_link: bool
    score: Annotated[int, msgspec.Meta(ge=-1000, le=1000)]
    """Thousandths: −1000 is where a ban begins."""
    rtt_us: U32
    """0 while it is unknown."""
    connected_s: U32
    agent: Annotated[str, msgspec.Meta(max_length=64)]
    """What it calls itself."""


class BanFacts(Record):
    """A ban that stands."""

    name: Phrase
    until_s: U64


class Peers(Record, tag=8):
    """Who is connected and who is banned; sent with Stats."""

    peers: Annotated[list[PeerFacts], msgspec.Meta(max_length=SHOWN_MAX)]
    bans: Annotated[list[BanFacts], msgspec.Meta(max_length=SHOWN_MAX)]
    known: U32
    """Peers in the address book."""


FromNetwork = Ready | PeerUp | PeerDown | Direct | Gossip | Requested | Responded | Stats | Peers


def frame(record: ToNetwork | FromNetwork) -> bytes:
    """Return a record as a frame; raises Refused TOO_LARGE over FRAME_MAX."""
    raw = encode(record)
    if len(raw) > FRAME_MAX:
        raise Refused(Reason.TOO_LARGE, seen=len(raw), wanted=FRAME_MAX)
    return len(raw).to_bytes(LENGTH_BYTES, "big") + raw


def frame_length(prefix: bytes) -> int:
    """Return the length that a frame's first four bytes tell; raises Refused TOO_LARGE over FRAME_MAX."""
    length = int.from_bytes(prefix, "big")
    if length > FRAME_MAX:
        raise Refused(Reason.TOO_LARGE, seen=length, wanted=FRAME_MAX)
    return length


def parse_to_network(raw: bytes) -> ToNetwork:
    """Decode a message from the node; raises Refused."""
    return decode(ToNetwork, raw, at_most=FRAME_MAX)  # type: ignore[arg-type]  # a union is no type[T] to mypy


def parse_from_network(raw: bytes) -> FromNetwork:
    """Decode a message from the program; raises Refused."""
    return decode(FromNetwork, raw, at_most=FRAME_MAX)  # type: ignore[arg-type]  # a union is no type[T] to mypy
