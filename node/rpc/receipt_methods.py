"""Methods about receipts: how a job ended, with all that shows it to others."""

import trio

from ledger.market.receipt import JobReceipt, concerns, encode_receipt, receipt_keys, shown_job
from ledger.records import Job
from ledger.transaction import open_transaction
from node.ports import ChainView
from node.rpc.method import HexHash, Method, Shape
from node.rpc.services import Services
from node.rpc.shapes import ById
from primitives.reasons import Reason, Refused


class JobReceiptShape(Shape):
    """A job's receipt."""

    job: HexHash
    stage: str
    """The state that the receipt shows: settled, past_challenge, void, or another of a job that has ended."""
    height: int
    """Of the block after which the job was so."""
    transactions: int
    """How many signed transactions it holds; those of pruned blocks are left out."""
    receipt: str
    """The encoded file (J86), in hexadecimal."""


async def job_receipt(services: Services, params: ById) -> JobReceiptShape:
    """Return a job that has ended as one file that can be checked without any node."""
    chain, job_id = services.chain, bytes.fromhex(params.id)
    job = chain.state().job(job_id)
    if job is None:
        raise Refused(Reason.JOB_UNKNOWN, job=job_id)
    proven = chain.prove(receipt_keys(job_id, job), None)  # after the block before the head
    job = shown_job(proven, job_id)
    found = await _transactions(chain, job_id, job)
    receipt = JobReceipt(job=job_id, proven=proven, transactions=found)
    return JobReceiptShape(
        job=params.id,
        stage=job.state.name.lower(),
        height=proven.height,
        transactions=len(found),
        receipt=encode_receipt(receipt).hex(),
    )


async def _transactions(chain: ChainView, job_id: bytes, job: Job) -> list[bytes]:
    """Return what the parties of a job signed and the chain carried out, in its order."""
    heights = sorted({each.height for each in job.history if each.who is not None})
    signers = {each.who for each in job.history}
    # The submission names the model; all that follows names the job or its batch.
    names = [job.model, job_id] if job.batch is None else [job.model, job_id, job.batch]
    found = []
    for height in heights:
        await trio.lowlevel.checkpoint()
        block = chain.block(height)
        for raw in [] if block is None else block[0].transactions:
            if not any(name in raw for name in names):
                continue  # before it is decoded: a block has thousands
            opened = open_transaction(raw, chain.genesis_hash, verified=lambda _: True)  # it is in a final block
            if opened.sender not in signers or not concerns(opened, job_id, job):
                continue
            told = chain.transaction(opened.id).receipt
            if told is not None and told.ok:
                found.append(raw)
    return found


METHODS = (Method(name="job.receipt", params=ById, result=JobReceiptShape, answer=job_receipt),)
