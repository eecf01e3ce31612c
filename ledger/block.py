"""Blocks: a header, which the id covers, and the transactions that it binds (L30)."""

from typing import Annotated

import msgspec

from ledger.limits import BLOCK_BYTES_MAX, BLOCK_ENCODED_BYTES_MAX, BLOCK_TXS_MAX, EVIDENCE_MAX, HEAVY_TX_BYTES_MAX
from ledger.stake.records import Evidence
from primitives import codec, merkle
from primitives.hashing import Hash, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U8, U32, U64

PROTOCOL_VERSION = 1
EMPTY_EVIDENCE_ROOT = merkle.EMPTY_ROOT
"""Of a block that carries no evidence."""


class Header(Record):
    """What a block's id covers. State and receipts are the parent's, so that hashing overlaps voting (L33)."""

    version: U8
    genesis: Hash
    epoch: U64
    view: U64
    height: U64
    parent: Hash
    parent_view: U64
    timestamp_ms: U64
    proposer: U32
    """Index in the set of the epoch."""
    tx_root: Hash
    evidence_root: Hash
    state_root: Hash
    """After the parent."""
    receipts_root: Hash
    """Of the parent's transactions."""
    validators_hash: Hash
    """Of the epoch's set (Q2)."""
    next_validators_hash: Hash
    """Of the next epoch's."""
    beacon_reveal: Hash
    base_fee: U64
    """Grains per gas (L27)."""
    parent_gas_used: U64
    """By the parent's ordinary transactions; with the parent's base fee it gives this one."""


class Block(Record, tag=1):
    """A header, its transactions, each an encoded SignedTransaction, and evidence against validators."""

    header: Header
    transactions: Annotated[
        list[Annotated[bytes, msgspec.Meta(max_length=HEAVY_TX_BYTES_MAX)]], msgspec.Meta(max_length=BLOCK_TXS_MAX)
    ]
    evidence: Annotated[list[Evidence], msgspec.Meta(max_length=EVIDENCE_MAX)] = msgspec.field(default_factory=list)


def block_id(header: Header) -> bytes:
    """Return the id of a block, 32 bytes: of its header only, never of votes (L30)."""
    return tagged("assay/block", codec.encode(header))


def transactions_root(transactions: list[bytes]) -> bytes:
    """Return the RFC 6962 root over the encoded envelopes (L32)."""
    return merkle.root(transactions)


def evidence_root(evidence: list[Evidence]) -> bytes:
    """Return the RFC 6962 root over the encoded pieces of evidence (L32)."""
    return merkle.root([codec.encode(each) for each in evidence])


def decode_block(raw: bytes) -> Block:
    """Return the block that `raw` encodes, whose header binds its transactions and evidence.

    Raises Refused TOO_LARGE, MALFORMED, BLOCK_TOO_LARGE, BLOCK_WRONG_TX_ROOT or BLOCK_BAD_EVIDENCE (L31, L32).
    """
    block = codec.decode(Block, raw, at_most=BLOCK_ENCODED_BYTES_MAX)
    check_size(block)
    # An id covers the header only: else whoever passes a body on could make a good block look like an invalid one.
    check_roots(block)
    return block


def check_roots(block: Block) -> None:
    """Raise Refused unless the header binds the block's transactions and evidence (L32).

    The reason is BLOCK_WRONG_TX_ROOT or BLOCK_BAD_EVIDENCE.
    """
    tx_root = transactions_root(block.transactions)
    if block.header.tx_root != tx_root:
        raise Refused(Reason.BLOCK_WRONG_TX_ROOT, seen=block.header.tx_root, wanted=tx_root)
    bound = evidence_root(block.evidence)
    if block.header.evidence_root != bound:
        raise Refused(Reason.BLOCK_BAD_EVIDENCE, seen=block.header.evidence_root, wanted=bound)


def check_size(block: Block) -> None:
    """Raise Refused BLOCK_TOO_LARGE for too many transactions or bytes of them (L31)."""
    if len(block.transactions) > BLOCK_TXS_MAX:
        raise Refused(Reason.BLOCK_TOO_LARGE, seen=len(block.transactions), wanted=BLOCK_TXS_MAX)
    size = sum(map(len, block.transactions))
    if size > BLOCK_BYTES_MAX:
        raise Refused(Reason.BLOCK_TOO_LARGE, seen=size, wanted=BLOCK_BYTES_MAX)
