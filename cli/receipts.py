"""Receipts as files: fetched from a node, checked without one, and told to people."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.client import POLL_S, Client
from cli.money import karat
from cli.proofs import FIRST_EPOCHS, hash_of
from consensus.certificate import signers_of
from ledger.block import block_id
from ledger.genesis import first_set, genesis_hash
from ledger.market.receipt import RECEIPT_BYTES_MAX, CheckedReceipt, JobReceipt, check_receipt, decode_receipt
from ledger.records import Verifier
from ledger.stake.epochs import set_hash
from node.genesis_file import read_genesis
from node.rpc.json_value import Json
from primitives.address import address_text
from primitives.content import ContentId
from primitives.reasons import Reason, Refused


@dataclass(frozen=True, kw_only=True)
class Believed:
    """A receipt that was checked, and against what."""

    checked: CheckedReceipt
    trusted: str
    prefix: str | None
    """Of the network's addresses, if the genesis file told it."""


def job_id_of(text: str) -> bytes:
    """Return the id that somebody gives in hexadecimal. Raises Refused REQUEST_INVALID."""
    return hash_of(text)


def fetch_receipt(client: Client, job: bytes, *, wait_s: float) -> tuple[bytes, dict[str, Json]]:
    """Return the file of a job's receipt, and what the node says of it.

    The row is proven by the header of the next block, so this waits for one. Raises Refused as the node does.
    """
    stop = time.monotonic() + wait_s
    while True:
        try:
            told = client.rpc.table("job.receipt", id=job.hex())
            raw = bytes.fromhex(str(told["receipt"]))
        except ValueError:
            raise Refused(Reason.NODE_ANSWER_INVALID, node=client.rpc.url, method="job.receipt") from None
        except Refused as refused:
            passing = refused.reason in (Reason.JOB_WRONG_STATE, Reason.NOT_FOUND, Reason.BAD_PROOF)
            if not passing or client.job(job)["outcome"] is None or time.monotonic() > stop:
                raise
            time.sleep(POLL_S)
        else:
            return raw, told


def read_receipt(path: Path) -> JobReceipt:
    """Return the receipt in a file. Raises Refused TOO_LARGE, MALFORMED or RECEIPT_WRONG_VERSION."""
    with path.open("rb") as file:
        raw = file.read(RECEIPT_BYTES_MAX + 1)
    try:
        return decode_receipt(raw)
    except Refused as refused:
        if refused.reason is not Reason.MALFORMED:
            raise
        told = {"seen": f"{len(raw)} bytes", "wanted": "a whole receipt", "why": refused.facts.get("why")}
        raise Refused(Reason.MALFORMED, **told, file=str(path)) from None


def check_offline(receipt: JobReceipt, *, genesis: Path | None, validators: str | None) -> Believed:
    """Return a receipt that was checked against what the caller trusts.

    Raises Refused REQUEST_INVALID if nothing is trusted that tells the validators, else as check_receipt does.
    """
    proven = receipt.proven
    network, epoch = proven.headers[-1].genesis, proven.validators.epoch
    trusted, source = None if validators is None else hash_of(validators), "the hash of the validators, as given"
    prefix = None
    if genesis is not None:
        started = read_genesis(genesis)
        network, prefix = genesis_hash(started), started.prefix
        if trusted is None and epoch in FIRST_EPOCHS:
            trusted, source = set_hash(first_set(started, epoch)), "validators fixed by the genesis file"
    if trusted is None:
        either = "--genesis, the network's genesis file, or " if epoch in FIRST_EPOCHS else ""
        raise Refused(
            Reason.REQUEST_INVALID,
            seen=f"a receipt of epoch {epoch}",
            wanted=f"{either}--validators, the hash of the validators of that epoch",
        )
    try:
        checked = check_receipt(receipt, genesis_hash=network, validators_hash=trusted)
    except Refused as refused:
        told = {name: _PARTS.get(str(fact), fact) for name, fact in refused.facts.items()}
        raise Refused(refused.reason, **told) from None
    return Believed(checked=checked, trusted=source, prefix=prefix)


_PARTS = {
    "row 0": "the row of the job",
    "row 1": "the row of its model",
    "row 2": "the row of its lowering",
}
"""What the parts of a receipt are (J86), for people."""


def told_receipt(checked: CheckedReceipt, prefix: str | None) -> dict[str, Json]:
    """Return what a receipt shows, for people; addresses in hexadecimal unless the network's prefix is known."""
    job, proven = checked.job, checked.receipt.proven
    last = proven.headers[-1]

    def who(address: bytes | None) -> str:
        if address is None:
            return "a pot"
        return address.hex() if prefix is None else address_text(address, prefix)

    return {
        "job": checked.receipt.job.hex(),
        "stage": checked.stage,
        "outcome": None if job.outcome is None else job.outcome.name.lower(),
        "client": who(job.client),
        "provider": None if job.provider is None else who(job.provider),
        "model": job.model.hex(),
        "model_file": _content(checked.model.model.file),
        "lowering": job.lowering.hex(),
        "vm_version": checked.lowering.lowering.vm_version,
        "class": job.class_.name.lower(),
        "tier": job.tier.name.lower(),
        "input": _content(job.input),
        "cut": None if job.cut is None else _content(job.cut),
        "output": None if job.outputs is None else _content(job.outputs),
        "price": karat(job.price),
        "declined": [f"{who(each.worker)} {_reason(each.reason)}" for each in job.declined],
        "verifiers": [f"{who(each.worker)} {_verdict(each)}" for each in job.verifiers],
        "payouts": [f"{each.kind.name.lower()} {karat(each.amount)} to {who(each.to)}" for each in job.payouts],
        "penalties": [f"{who(each.worker)} {karat(each.amount)}" for each in job.penalties],
        "transactions": [f"{type(each.body.payload).__name__} {each.id.hex()}" for each in checked.transactions],
        "network": last.genesis.hex(),
        "height": proven.height,
        "time": datetime.fromtimestamp(last.timestamp_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "final_block": block_id(last).hex(),
        "epoch": proven.validators.epoch,
        "validators_hash": set_hash(proven.validators).hex(),
        "signed_by": f"{len(signers_of(proven.certificate.signers))} of {len(proven.validators.members)} validators",
    }


def _reason(number: int) -> str:
    """Return a reason as errors tell it; a later version may know more of them."""
    known = number in list(Reason)
    return f"AS-{number}" + (f" {Reason(number).name.lower().replace('_', ' ')}" if known else "")


def _verdict(verifier: Verifier) -> str:
    return "silent" if verifier.verdict is None else verifier.verdict.name.lower()


def _content(content: ContentId) -> str:
    return f"{content.root.hex()}/{content.length}"
