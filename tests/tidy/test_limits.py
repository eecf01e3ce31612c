"""What one part lets through, the next part takes: each limit fits into the one around it."""

import pytest

import consensus.messages as consensus_messages
import ledger.limits as ledger
import node.rpc.dispatch as rpc
import node.sync.messages as sync
from ledger import fees
from node.mempool import gossip, pool
from node.p2p import ipc
from node.sync import blobs
from primitives.limits import CONTENT_BYTES_MAX
from vm.manifest import MODEL_BYTES_MAX
from vm.tensor import BUNDLE_BYTES_MAX

ENVELOPE = 512
"""More than any record's own fields take beside the one that is bounded here."""

FITS = {
    "two bundles of a reveal in a transaction": (2 * ledger.REVEAL_BYTES_MAX + ENVELOPE, ledger.TX_BYTES_MAX),
    "a transaction in what is left to ordinary ones": (ledger.TX_BYTES_MAX, ledger.ORDINARY_BYTES_MAX),
    "a proof of 256 KiB in a transaction": (256 * 1024 + 8 * ENVELOPE, ledger.HEAVY_TX_BYTES_MAX),
    "the heaviest transaction in what is kept of a block": (
        ledger.HEAVY_TX_BYTES_MAX,
        ledger.BLOCK_BYTES_MAX - ledger.ORDINARY_BYTES_MAX,
    ),
    "its gas, with 50 ms of a referee, in what is kept of a block": (
        ledger.HEAVY_TX_BYTES_MAX // fees.PIECE_BYTES * fees.PIECE_GAS + 50_000,
        ledger.BLOCK_GAS_MAX - ledger.ORDINARY_GAS_MAX,
    ),
    "the heaviest transaction in what an account may have waiting": (ledger.HEAVY_TX_BYTES_MAX, pool.ACCOUNT_BYTES_MAX),
    "a transaction, in hexadecimal, in a request": (2 * ledger.HEAVY_TX_BYTES_MAX + ENVELOPE, rpc.BODY_BYTES_MAX),
    "evidence of a block in its encoding": (
        ledger.EVIDENCE_MAX * ledger.EVIDENCE_BYTES_MAX,
        ledger.BLOCK_ENCODED_BYTES_MAX - ledger.BLOCK_BYTES_MAX,
    ),
    "a set of validators in a row of the state": (200 * ledger.VALIDATORS_MAX + ENVELOPE, ledger.STATE_ROW_BYTES_MAX),
    "a block in a proposal": (ledger.BLOCK_ENCODED_BYTES_MAX, consensus_messages.BODY_BYTES_MAX),
    "a proposal in a frame between validators": (consensus_messages.MESSAGE_BYTES_MAX, ipc.BODY_MAX),
    "a range of blocks in an answer": (sync.ANSWER_BYTES_MAX + ENVELOPE, ipc.BODY_MAX),
    "a slice of content in an answer": (blobs.ANSWER_BYTES_MAX, ipc.BODY_MAX),
    "a batch of transactions in a gossip message": (gossip.MESSAGE_BYTES_MAX, ipc.GOSSIP_BODY_MAX),
    "a final header in a gossip message": (sync.ANNOUNCEMENT_BYTES_MAX, ipc.GOSSIP_BODY_MAX),
    "a body in a frame of the network program": (ipc.BODY_MAX + ENVELOPE, ipc.FRAME_MAX),
    "genesis validators in a certificate": (ledger.VALIDATORS_MAX, consensus_messages.VALIDATORS_MAX),
    "a model in a piece of content": (MODEL_BYTES_MAX, CONTENT_BYTES_MAX),
    "an input in a piece of content": (BUNDLE_BYTES_MAX, CONTENT_BYTES_MAX),
}


@pytest.mark.parametrize("what", FITS)
def test_it_fits(what: str) -> None:
    inner, outer = FITS[what]
    assert inner <= outer
