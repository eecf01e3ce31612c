"""The rules written a second time: from docs/spec alone, on plain lists, importing nothing of the ledger.

Whoever changes a rule of the ledger changes these files too, or the recount says so. Here: hashes, headers, addresses,
gas, the base fee, and the numbers of refusals. Money is in money.py, the draw in draw.py, jobs in jobs.py and parts.py,
what is ordered in orders.py, workers in workers.py, stake in stakes.py and epochs.py; disputes in disputes.py,
duels.py, trials.py and rulings.py; filings in withheld.py. books.py keeps all of it, block by block.
"""

import enum
import hashlib
from typing import Any, NamedTuple

PIECE_GAS, PIECE_BYTES = 400, 256
GAS_TARGET = 750_000
STEP_PARTS = 8
LEAF_BYTES = 1_024


class BeyondError(Exception):
    """The chain holds what this program has no rules for."""


class WrongError(Exception):
    """The chain contradicts the rules, or itself."""


class Header(NamedTuple):
    """The fields of a block's header, in the order in which they are encoded."""

    version: int
    genesis: bytes
    epoch: int
    view: int
    height: int
    parent: bytes
    parent_view: int
    timestamp_ms: int
    proposer: int
    tx_root: bytes
    evidence_root: bytes
    state_root: bytes
    receipts_root: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    beacon_reveal: bytes
    base_fee: int
    parent_gas_used: int


def tagged(tag: bytes, raw: bytes) -> bytes:
    """Hash under a name (P5)."""
    return hashlib.sha256(bytes([len(tag)]) + tag + raw).digest()


def address_of(key: bytes) -> bytes:
    """Return the address of a public key (P12)."""
    return tagged(b"assay/address", key)[:20]


def merkle_root(leaves: list[bytes]) -> bytes:
    """Return the root of RFC 6962 over leaves (P7), by its recursive definition."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    left = 1
    while 2 * left < len(leaves):
        left *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:left]) + merkle_root(leaves[left:])).digest()


def next_base_fee(base_fee: int, gas: int, floor: int) -> int:
    """Return the base fee after a block that used so much gas (L27)."""
    if gas == GAS_TARGET:
        return max(floor, base_fee)
    step = max(1, base_fee * abs(gas - GAS_TARGET) // GAS_TARGET // STEP_PARTS)
    return max(floor, base_fee + step if gas > GAS_TARGET else base_fee - step)


def content_of(raw: bytes) -> tuple[bytes, int]:
    """Return the id of a piece of content: root and length (P9)."""
    leaves = [raw[at : at + LEAF_BYTES] for at in range(0, len(raw), LEAF_BYTES)]
    return tagged(b"assay/content", len(raw).to_bytes(8, "big") + merkle_root(leaves)), len(raw)


class Kind(enum.IntEnum):
    """The tags of payloads."""

    TRANSFER = 1
    WORKER_REGISTER = 2
    WORKER_BOND = 3
    WORKER_UPDATE = 4
    WORKER_EXIT = 5
    MODEL_PUBLISH = 6
    JOB_SUBMIT = 7
    JOB_ACCEPT = 8
    JOB_COMMIT = 9
    VERIFIER_COMMIT = 10
    PROVIDER_REVEAL = 11
    VERIFIER_REVEAL = 12
    JOB_DECLINE = 13
    VALIDATOR_REGISTER = 14
    VALIDATOR_UPDATE = 15
    VALIDATOR_EXIT = 16
    VALIDATOR_UNJAIL = 17
    DELEGATE = 18
    UNDELEGATE = 19
    LOWERING_PUBLISH = 20
    DISPUTE_CLAIM = 21
    DISPUTE_OPEN = 22
    DISPUTE_TELL = 23
    DISPUTE_LEAF = 24
    DISPUTE_DEFEND = 25
    DISPUTE_BEYOND = 26
    SAMPLE_OPEN = 28
    WITHHELD_FILE = 30
    WITHHELD_CHUNK = 31
    CANARY_OPEN = 33
    BATCH_SUBMIT = 34
    BATCH_ACCEPT = 35


KIND_GAS = {
    Kind.TRANSFER: 100,
    Kind.WORKER_REGISTER: 100,
    Kind.WORKER_BOND: 100,
    Kind.WORKER_UPDATE: 100,
    Kind.WORKER_EXIT: 100,
    Kind.MODEL_PUBLISH: 150,
    Kind.JOB_SUBMIT: 1_500,
    Kind.JOB_ACCEPT: 150,
    Kind.JOB_COMMIT: 100,
    Kind.VERIFIER_COMMIT: 100,
    Kind.PROVIDER_REVEAL: 200,
    Kind.VERIFIER_REVEAL: 200,
    Kind.JOB_DECLINE: 150,
    Kind.VALIDATOR_REGISTER: 250,
    Kind.VALIDATOR_UPDATE: 250,
    Kind.VALIDATOR_EXIT: 100,
    Kind.VALIDATOR_UNJAIL: 100,
    Kind.DELEGATE: 100,
    Kind.UNDELEGATE: 100,
    Kind.LOWERING_PUBLISH: 150,
    Kind.DISPUTE_CLAIM: 150,
    Kind.DISPUTE_OPEN: 200,
    Kind.DISPUTE_TELL: 200,
    Kind.DISPUTE_LEAF: 150,
    Kind.DISPUTE_DEFEND: 60_000,
    Kind.DISPUTE_BEYOND: 60_000,
    Kind.SAMPLE_OPEN: 400,
    Kind.WITHHELD_FILE: 600,
    Kind.WITHHELD_CHUNK: 400,
    Kind.CANARY_OPEN: 200,
    Kind.BATCH_SUBMIT: 1_500,
    Kind.BATCH_ACCEPT: 150,
}
"""By kind of payload; of a batch for each of its items (L26)."""


def gas_of(payload: list[Any], length: int) -> int:
    """Return the gas of a transaction whose envelope has so many bytes (L26)."""
    kind = Kind(payload[0])
    items = len(payload[{Kind.BATCH_SUBMIT: 9, Kind.BATCH_ACCEPT: 2}[kind]]) if kind in BATCHES else 1
    return KIND_GAS[kind] * items + PIECE_GAS * -(-length // PIECE_BYTES)


BATCHES = (Kind.BATCH_SUBMIT, Kind.BATCH_ACCEPT)


class Why(enum.IntEnum):
    """The numbers in receipts of what failed (docs/reference/reasons.md)."""

    MALFORMED = 101
    TOO_LARGE = 102
    BAD_KEY = 103
    BAD_SIGNATURE = 104
    BAD_PROOF = 106
    INSUFFICIENT_BALANCE = 206
    ZERO_AMOUNT = 207
    WORKER_UNKNOWN = 401
    WORKER_EXISTS = 402
    BOND_TOO_SMALL = 403
    BOND_LOCKED = 404
    MODEL_UNKNOWN = 405
    MODEL_EXISTS = 406
    JOB_UNKNOWN = 407
    JOB_WRONG_STATE = 408
    NOT_A_PARTY = 409
    TOO_FEW_VERIFIERS = 410
    PRICE_TOO_LOW = 411
    PRICE_ABOVE_CAP = 412
    WRONG_PROVIDER = 413
    COMMITMENT_MISMATCH = 415
    ALREADY_COMMITTED = 416
    ALREADY_REVEALED = 417
    WRONG_SHAPE = 418
    NO_CAPACITY = 421
    INPUT_TOO_LARGE = 422
    VERDICT_CONTRADICTS = 423
    PROVIDER_UNKNOWN = 424
    ALREADY_DECLINED = 426
    LOWERING_INVALID = 427
    LOWERING_UNKNOWN = 428
    LOWERING_EXISTS = 429
    CLASS_NOT_OFFERED = 430
    DISPUTE_UNKNOWN = 440
    DISPUTE_WRONG_STAGE = 441
    DISPUTE_NOT_ASKED = 442
    CLAIMS_FULL = 443
    SUBJECT_INVALID = 444
    REPLY_KEY_WANTED = 445
    WRONG_SEAL = 447
    BATCH_UNKNOWN = 450
    CANARY_MISMATCH = 451
    CANARY_OPENED = 452
    CANARY_TOO_SOON = 453
    NOTHING_OWED = 454
    ALREADY_FILED = 455
    CHUNK_UNKNOWN = 456
    CHUNK_NOT_ASKED = 457
    CONTENT_MISMATCH = 607
    BUSY = 704
    REQUEST_INVALID = 701
    VALIDATOR_UNKNOWN = 1101
    VALIDATOR_EXISTS = 1102
    VALIDATOR_WRONG_STATE = 1103
    KEY_TAKEN = 1104
    STILL_JAILED = 1105
    DELEGATION_UNKNOWN = 1106


class RefusedError(Exception):
    """A transaction fails: it pays its fee, and changes nothing else (L23)."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.name)
        self.why = why


def must(holds: object, why: Why) -> None:
    """Raise RefusedError unless something holds."""
    if not holds:
        raise RefusedError(why)
