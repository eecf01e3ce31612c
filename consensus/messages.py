"""What validators say to each other: votes, certificates, proposals and requests for certificates (C20, C21)."""

import enum
from typing import Annotated, assert_never

import msgspec

from primitives import codec
from primitives.hashing import ZERO_HASH, Hash, SignatureBytes
from primitives.record import Record
from primitives.units import U8, U32, U64

VALIDATORS_MAX = 128
"""Validators of one epoch: the committee of about 100 that all-to-all voting carries, and a whole number of bytes."""
BODY_BYTES_MAX = 1_500_000
"""An encoded block: the ledger's limit of 1 MB with room for its framing."""
JUSTIFICATION_MAX = 32
"""Certificates within one message; who lacks more asks for them (C19)."""
CERTIFICATE_BYTES_MAX = 9_000
"""128 signatures of 66 encoded bytes, the bitmap and what is certified."""
MESSAGE_BYTES_MAX = BODY_BYTES_MAX + JUSTIFICATION_MAX * CERTIFICATE_BYTES_MAX + 1_000
"""The largest message is a proposal with a full body and a full justification."""
SIGN_TAG = b"SX1"
"""Begins whatever a validator signs as a voter, and nothing else that anybody signs."""


@enum.unique
class VoteKind(enum.IntEnum):
    """What a vote says of its view."""

    NOTARIZE = 1
    """The block is valid and its ancestry is certified."""
    NULLIFY = 2
    """The view may be skipped; the vote names no block."""
    FINALIZE = 3
    """The block is notarized, and I have not nullified its view nor will."""


class Vote(Record):
    """What is voted for; `block` is zero for NULLIFY."""

    epoch: U64
    view: U64
    kind: VoteKind
    block: Hash


class SignedVote(Record, tag=1):
    """A vote with the index of its validator and the signature on its sign bytes."""

    vote: Vote
    signer: U32
    signature: SignatureBytes


class Certificate(Record, tag=2):
    """Proof that validators of quorum weight cast one vote.

    Bit i of `signers` (least significant first, no trailing zero byte) stands for validator i; `signatures` are in
    index order. `scheme` tells how they are put together: 1 is a list of Ed25519 signatures.
    """

    scheme: U8
    vote: Vote
    signers: Annotated[bytes, msgspec.Meta(max_length=VALIDATORS_MAX // 8)]
    signatures: Annotated[list[SignatureBytes], msgspec.Meta(max_length=VALIDATORS_MAX)]


class Proposal(Record, tag=3):
    """A leader's block. Its NOTARIZE vote signs it; the block's id binds parent, parent's view and view.

    `justification` holds the parent's certificate and the NULLIFY certificate of each view between, as far as they fit.
    """

    vote: SignedVote
    parent_view: U64
    parent: Hash
    justification: Annotated[list[Certificate], msgspec.Meta(max_length=JUSTIFICATION_MAX)]
    body: Annotated[bytes, msgspec.Meta(max_length=BODY_BYTES_MAX)]


class CertificateRequest(Record, tag=4):
    """A wish for the certificates of the views from `first_view` to `last_view`, both included."""

    epoch: U64
    first_view: U64
    last_view: U64


class Certificates(Record, tag=5):
    """An answer to a request, or to whoever is seen to be behind."""

    certificates: Annotated[list[Certificate], msgspec.Meta(max_length=JUSTIFICATION_MAX)]


Message = SignedVote | Certificate | Proposal | CertificateRequest | Certificates


def epoch_of(message: Message) -> int | None:
    """Return the epoch that a message is of; None for an empty list of certificates."""
    match message:
        case SignedVote() | Certificate():
            return message.vote.epoch
        case Proposal():
            return message.vote.vote.epoch
        case CertificateRequest():
            return message.epoch
        case Certificates():
            return message.certificates[0].vote.epoch if message.certificates else None
        case _:
            assert_never(message)


def sign_bytes(genesis_hash: bytes, vote: Vote) -> bytes:
    """Return the 84 bytes that a validator signs to cast `vote` (C20)."""
    return b"".join(
        (
            SIGN_TAG,
            genesis_hash,
            vote.epoch.to_bytes(8, "big"),
            vote.view.to_bytes(8, "big"),
            bytes((vote.kind,)),
            vote.block,
        )
    )


def nullify(epoch: int, view: int) -> Vote:
    """Return the vote to skip `view`."""
    return Vote(epoch=epoch, view=view, kind=VoteKind.NULLIFY, block=ZERO_HASH)


def encode_message(message: Message) -> bytes:
    """Encode a message for another validator."""
    return codec.encode(message)


def decode_message(raw: bytes) -> Message:
    """Decode a message; raises Refused MALFORMED or TOO_LARGE."""
    message: Message = codec.decode(Message, raw, at_most=MESSAGE_BYTES_MAX)  # type: ignore[arg-type]  # a union has no type[T]
    return message
