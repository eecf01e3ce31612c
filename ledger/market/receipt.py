"""A job's receipt: one file that shows, to whoever trusts one set of validators, how a job ended (J86)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec

from ledger.limits import STATE_ROW_BYTES_MAX, TX_BYTES_MAX
from ledger.market.batch import item_id, submission_of
from ledger.market.commitment import commitment, identified
from ledger.market.order_payloads import BatchAccept, BatchSubmit
from ledger.proven import ProvenRow, ProvenRows, check_proven_rows, naming
from ledger.records import Job, JobEvent, LoweringEntry, ModelEntry
from ledger.state import job_key, lowering_key, model_key
from ledger.transaction import (
    JobAccept,
    JobCommit,
    JobDecline,
    JobSubmit,
    ProviderReveal,
    Transaction,
    VerifierCommit,
    VerifierReveal,
    open_transaction,
)
from primitives import codec
from primitives.content import ContentId
from primitives.hashing import Hash
from primitives.reasons import Fact, Reason, Refused
from primitives.record import Record
from primitives.units import U8

R = TypeVar("R", bound=Record)

RECEIPT_VERSION = 1
RECEIPT_TXS_MAX = 64
"""Submission, acceptance, declines, and two of each party, some of them tried twice."""
RECEIPT_BYTES_MAX = 4 * 1024 * 1024
"""Fifteen transactions that reveal, the rows of job, model and lowering, and what proves them."""


class ReceiptFile(Record):
    """What a receipt's file holds: its version, and what that version says it is."""

    version: U8
    content: Annotated[bytes, msgspec.Meta(max_length=RECEIPT_BYTES_MAX)]


class JobReceipt(Record):
    """Version 1: the rows of a job, its model and its lowering, proven, and what its parties signed."""

    job: Hash
    proven: ProvenRows
    """Three rows: of the job, its model and its lowering."""
    transactions: Annotated[
        list[Annotated[bytes, msgspec.Meta(max_length=TX_BYTES_MAX)]], msgspec.Meta(max_length=RECEIPT_TXS_MAX)
    ]
    """Encoded SignedTransactions in the order of the chain; those of blocks that a node has pruned are left out."""


@dataclass(frozen=True, kw_only=True)
class CheckedReceipt:
    """What a receipt shows, checked as far as its transactions go; the rows by the validators' signatures."""

    receipt: JobReceipt
    job: Job
    model: ModelEntry
    lowering: LoweringEntry
    transactions: list[Transaction]

    @property
    def stage(self) -> str:
        """Return how far the job was: settled, past_challenge, void, or what else it may still be."""
        return self.job.state.name.lower()


def receipt_keys(job_id: bytes, job: Job) -> list[bytes]:
    """Return the keys of the rows that a receipt proves (J86)."""
    return [job_key(job_id), model_key(job.model), lowering_key(job.model, job.lowering)]


def encode_receipt(receipt: JobReceipt) -> bytes:
    """Return the file of a receipt (J86)."""
    return codec.encode(ReceiptFile(version=RECEIPT_VERSION, content=codec.encode(receipt)))


def decode_receipt(raw: bytes) -> JobReceipt:
    """Return the receipt that a file holds. Raises Refused TOO_LARGE, MALFORMED or RECEIPT_WRONG_VERSION (J86)."""
    file = codec.decode(ReceiptFile, raw, at_most=RECEIPT_BYTES_MAX)
    if file.version != RECEIPT_VERSION:
        raise Refused(Reason.RECEIPT_WRONG_VERSION, seen=file.version, wanted=RECEIPT_VERSION)
    return codec.decode(JobReceipt, file.content, at_most=RECEIPT_BYTES_MAX)


def concerns(transaction: Transaction, job_id: bytes, job: Job) -> bool:
    """Tell whether a transaction belongs into the receipt of a job."""
    payload = transaction.body.payload
    match payload:
        case JobSubmit():
            return transaction.id == job_id
        case BatchSubmit():
            return transaction.id == job.batch
        case BatchAccept():
            return payload.batch == job.batch and job_id in [item_id(payload.batch, at) for at in payload.items]
        case JobAccept() | JobDecline() | JobCommit() | VerifierCommit() | ProviderReveal() | VerifierReveal():
            return payload.job == job_id
        case _:
            return False


def check_receipt(receipt: JobReceipt, *, genesis_hash: bytes, validators_hash: bytes) -> CheckedReceipt:
    """Return what a receipt shows to somebody who trusts validators by their hash, and no node (J87).

    Raises Refused as check_proven_rows does; BAD_PROOF for rows of something else; RECEIPT_CONTRADICTS, with what was
    seen and wanted, for a transaction that does not agree with the job's row; and as open_transaction does. The fact
    `part` tells of which part.
    """
    proven = receipt.proven
    check_proven_rows(proven, genesis_hash=genesis_hash, validators_hash=validators_hash)
    shown = shown_job(proven, receipt.job)
    keys = receipt_keys(receipt.job, shown)
    if [row.key for row in proven.rows] != keys:
        raise Refused(Reason.BAD_PROOF, what="rows", seen=len(proven.rows), wanted="those of job, model and lowering")
    transactions: list[Transaction] = []
    for at, raw in enumerate(receipt.transactions):
        with naming(f"transaction {at}"):
            transactions.append(open_transaction(raw, genesis_hash))
            _check_transaction(transactions[-1], receipt.job, shown, genesis_hash)
    return CheckedReceipt(
        receipt=receipt,
        job=shown,
        model=_row(ModelEntry, proven.rows[1]),
        lowering=_row(LoweringEntry, proven.rows[2]),
        transactions=transactions,
    )


def shown_job(proven: ProvenRows, job_id: bytes) -> Job:
    """Return the job of the first row, which has ended. Raises Refused BAD_PROOF, MALFORMED, JOB_WRONG_STATE (J86)."""
    if not proven.rows or proven.rows[0].key != job_key(job_id):
        raise Refused(Reason.BAD_PROOF, what="rows", wanted=f"first that of job {job_id.hex()}")
    job = _row(Job, proven.rows[0])
    if job.outcome is None:
        raise Refused(Reason.JOB_WRONG_STATE, seen=job.state.name.lower(), wanted="a job that has ended")
    return job


def _row(kind: type[R], row: ProvenRow) -> R:
    if row.value is None:
        raise Refused(Reason.BAD_PROOF, what="row", seen=None, wanted=row.key)
    return codec.decode(kind, row.value, at_most=STATE_ROW_BYTES_MAX)


def _check_transaction(transaction: Transaction, job_id: bytes, job: Job, genesis_hash: bytes) -> None:
    """Raise Refused RECEIPT_CONTRADICTS unless a transaction agrees with the job's row (J87)."""
    if not concerns(transaction, job_id, job):
        raise Refused(Reason.RECEIPT_CONTRADICTS, what="transaction", seen=transaction.id, wanted="one of this job")
    signed = (each.who for each in job.history if each.event is not JobEvent.DUE)
    if transaction.sender not in signed:
        raise Refused(Reason.RECEIPT_CONTRADICTS, what="sender", seen=transaction.sender, wanted="a party of the job")
    for what, seen, wanted in _differences(transaction, job_id, job, genesis_hash):
        if seen != wanted:
            kind = type(transaction.body.payload).__name__
            raise Refused(Reason.RECEIPT_CONTRADICTS, what=what, seen=_told(seen), wanted=_told(wanted), kind=kind)


def _differences(
    transaction: Transaction, job_id: bytes, job: Job, genesis_hash: bytes
) -> Iterator[tuple[str, object, object]]:
    """Yield what a transaction says of the job, with what the row says: name, said, wanted."""
    payload = transaction.body.payload
    match payload:
        case JobSubmit():
            yield "client", transaction.sender, job.client
            yield from _terms(payload, job)
        case BatchSubmit():
            yield "client", transaction.sender, job.client
            items = [each for at, each in enumerate(payload.items) if item_id(transaction.id, at) == job_id]
            yield "items", len(items), 1
            yield from (term for item in items for term in _terms(submission_of(payload, item), job))
        case JobAccept() | BatchAccept():
            yield "provider", transaction.sender, job.provider
            yield "price", payload.price, job.price
        case JobCommit():
            yield "commitment", payload.commitment, job.commitment
        case ProviderReveal():
            yield "commitment", _opens(transaction, job_id, payload, genesis_hash), job.commitment
            yield from _values(payload, job.cut, job.outputs)
        case VerifierCommit() | VerifierReveal():
            yield from _verifier(transaction, job_id, job, genesis_hash)
        case _:
            pass  # a decline binds nobody


def _terms(payload: JobSubmit, job: Job) -> Sequence[tuple[str, object, object]]:
    return [
        ("model", payload.model, job.model),
        ("lowering", payload.lowering, job.lowering),
        ("input", payload.input, job.input),
        ("tier", payload.tier, job.tier),
        ("class", payload.class_, job.class_),
        ("max_price", payload.max_price, job.max_price),
        ("named", payload.provider, job.named),
        ("at_risk", payload.at_risk, job.at_risk),
        ("canary", payload.canary, job.canary),
    ]


def _verifier(
    transaction: Transaction, job_id: bytes, job: Job, genesis_hash: bytes
) -> Iterator[tuple[str, object, object]]:
    part = next((each for each in job.verifiers if each.worker == transaction.sender), None)
    payload = transaction.body.payload
    if part is None:
        yield "verifier", transaction.sender, b""
    elif isinstance(payload, VerifierCommit):
        yield "commitment", payload.commitment, part.commitment
    elif isinstance(payload, VerifierReveal):
        yield "commitment", _opens(transaction, job_id, payload, genesis_hash), part.commitment
        yield "verdict", payload.verdict, part.verdict
        yield from _values(payload, part.cut, part.outputs)


def _opens(
    transaction: Transaction, job_id: bytes, payload: ProviderReveal | VerifierReveal, genesis_hash: bytes
) -> bytes:
    """Return the commitment that a reveal opens."""
    return commitment(
        genesis=genesis_hash,
        job=job_id,
        worker=transaction.sender,
        cut=payload.cut,
        outputs=payload.outputs,
        salt=payload.salt,
    )


def _values(
    payload: ProviderReveal | VerifierReveal, cut: ContentId | None, outputs: ContentId | None
) -> Sequence[tuple[str, object, object]]:
    return [("cut", identified(payload.cut), cut), ("outputs", identified(payload.outputs), outputs)]


def _told(value: object) -> Fact:
    """Return a value as a fact of a refusal."""
    match value:
        case ContentId():
            return value.root
        case None | bytes() | int():
            return value
        case _:
            return str(value)
