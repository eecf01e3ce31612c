"""Builders of receipts: proofs that the validators of a test's world have signed."""

from itertools import count

from consensus.certificate import form
from consensus.messages import SignedVote, Vote, VoteKind, sign_bytes
from ledger.block import block_id
from ledger.genesis import Charter
from ledger.market.receipt import JobReceipt, concerns, receipt_keys
from ledger.proven import ProvenRows
from ledger.state import change
from ledger.transaction import open_transaction
from primitives import ed25519
from testnet.kit.fake_chain import FakeChain
from testnet.kit.ledger_builders import World, key_of, seed_of


def signed(proven: ProvenRows, charter: Charter) -> ProvenRows:
    """Return proven rows whose certificate all validators have signed: those that the builders name."""
    last = proven.headers[-1]
    vote = Vote(epoch=last.epoch, view=last.view, kind=VoteKind.FINALIZE, block=block_id(last))
    message = sign_bytes(charter.hash, vote)
    votes = {}
    for at, member in enumerate(proven.validators.members):
        name = next(name for name in (f"validator {index}" for index in count()) if key_of(name) == member.key)
        votes[at] = SignedVote(vote=vote, signer=at, signature=ed25519.sign(seed_of(name), message))
    return change(proven, certificate=form(vote, votes, 1))


def a_receipt(world: World, job_id: bytes) -> JobReceipt:
    """Return the receipt of a job of a world, which has ended; adds a block, whose header proves it."""
    world.block()
    job = world.job(job_id)
    proven = FakeChain(world).prove(receipt_keys(job_id, job), None)
    found = []
    for final in world.finals:
        receipts = final.outcome.receipts
        for raw, receipt in zip(final.block.transactions, receipts, strict=True):
            if receipt.ok and concerns(open_transaction(raw, world.charter.hash), job_id, job):
                found.append(raw)
    return JobReceipt(job=job_id, proven=signed(proven, world.charter), transactions=found)
