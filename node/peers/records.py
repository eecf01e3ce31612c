"""Where a peer says that it listens, signed by its own identity, so that others may pass it on (N11)."""

from typing import Annotated

import msgspec

from node.p2p.peer_id import PEER_ID_BYTES, peer_id_of
from node.peers.addresses import HOST_TEXT_MAX, parse_host
from primitives.codec import encode
from primitives.ed25519 import PUBLIC_KEY_BYTES, public_key_of, sign, verify
from primitives.hashing import SignatureBytes, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U64

ENDPOINTS_MAX = 4
"""An IPv4 and an IPv6 address, and as many that are on their way out."""
RECORDS_MAX = 64
"""In one answer: enough for any node to begin with, 15 KB."""
RECORD_AGE_MAX_S = 14 * 86_400
"""A node signs anew each day that it runs; who has not done so for two weeks is gone."""
CLOCK_SKEW_S = 600

EdPeerId = Annotated[bytes, msgspec.Meta(min_length=PEER_ID_BYTES, max_length=PEER_ID_BYTES)]
"""The peer id of an Ed25519 key, which contains the key."""


class Endpoint(Record):
    """An IP address and a TCP port."""

    host: Annotated[str, msgspec.Meta(min_length=2, max_length=HOST_TEXT_MAX)]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]


class PeerRecord(Record):
    """Where a peer listens, by its own account."""

    peer: EdPeerId
    endpoints: Annotated[list[Endpoint], msgspec.Meta(min_length=1, max_length=ENDPOINTS_MAX)]
    signed_s: U64
    """Unix seconds by the peer's clock; a later record takes the place of an earlier one."""


class SignedPeerRecord(Record):
    """A record and its peer's signature on `record_sign_bytes`."""

    record: PeerRecord
    signature: SignatureBytes


class PeersWanted(Record):
    """The body of a question of protocol `peers`: the asker's own record, if it can be reached."""

    own: SignedPeerRecord | None


class PeersKnown(Record):
    """The answer: some peers, and from which address the asker is seen to come."""

    peers: Annotated[list[SignedPeerRecord], msgspec.Meta(max_length=RECORDS_MAX)]
    observed_host: Annotated[str, msgspec.Meta(max_length=HOST_TEXT_MAX)]


def record_sign_bytes(network_id: bytes, record: PeerRecord) -> bytes:
    """Return the 32 bytes that a peer signs (N11)."""
    return tagged("assay/peer", network_id, encode(record))


def sign_record(seed: bytes, network_id: bytes, endpoints: list[Endpoint], *, now_s: int) -> SignedPeerRecord:
    """Return the record of the node with this network identity."""
    record = PeerRecord(peer=peer_id_of(public_key_of(seed)), endpoints=endpoints, signed_s=now_s)
    return SignedPeerRecord(record=record, signature=sign(seed, record_sign_bytes(network_id, record)))


def is_recent(signed: SignedPeerRecord, *, now_s: int) -> bool:
    """Tell whether a record is worth keeping; an old one is no fault of who passes it on, nor is a wrong clock."""
    return now_s - RECORD_AGE_MAX_S <= signed.record.signed_s <= now_s + CLOCK_SKEW_S  # N11


def check_record(signed: SignedPeerRecord, network_id: bytes) -> None:
    """Raise Refused unless a record is its peer's own and names addresses in their one way of writing (N11)."""
    record = signed.record
    for endpoint in record.endpoints:
        if parse_host(endpoint.host) != endpoint.host:
            raise Refused(Reason.BAD_ADDRESS, seen=endpoint.host, wanted=parse_host(endpoint.host))
    key = record.peer[-PUBLIC_KEY_BYTES:]
    if peer_id_of(key) != record.peer:
        raise Refused(Reason.BAD_KEY, seen=record.peer)
    if not verify(key, record_sign_bytes(network_id, record), signed.signature):
        raise Refused(Reason.BAD_SIGNATURE)
