"""What carriage costs, and what who withholds loses and to whom: pure arithmetic (H13, H30)."""

from ledger.fees import KIND_GAS, PIECE_BYTES, PIECE_GAS
from ledger.market.withheld.chunks import chunk_bytes
from ledger.market.withheld.payloads import WithheldChunk
from ledger.parameters import Parameters
from ledger.records import Job, Payout, PayoutKind, Penalty
from primitives.content import ContentId

ENVELOPE_BYTES = 1_024
"""Signature, fields and proof around a chunk: 18 hashes at most, for the largest content."""
PAID_OUT = (PayoutKind.PRICE, PayoutKind.OWNER_SHARE, PayoutKind.PROTOCOL_SHARE, PayoutKind.VERIFIER_FEE)
"""What a client's money went for."""


def carriage(parameters: Parameters, content: ContentId, chunk: int) -> int:
    """Return what is paid for a chunk on the chain, in grains: the least fee of what shows it (H13, H32)."""
    pieces = -(-(chunk_bytes(content, chunk) + ENVELOPE_BYTES) // PIECE_BYTES)
    return parameters.base_fee_min * (KIND_GAS[WithheldChunk] + PIECE_GAS * pieces)


def withheld_payouts(job: Job) -> tuple[list[Payout], list[Penalty]]:
    """Return the payouts and penalties of a job whose provider withholds: it loses all that the job has locked.

    The client is made whole first: out of the escrow, or where that is spent out of the bond. Then verifiers who
    committed are paid their fee. The rest is burned, so that nobody gains by accusing (H30).
    """
    assert job.provider is not None
    pool = job.provider_locked
    payouts = [Payout(kind=PayoutKind.REFUND, to=job.client, amount=job.escrow)]
    if job.escrow:
        for each in job.verifiers:
            fee = min(job.verifier_fee, pool) if each.commitment is not None else 0
            pool -= fee
            payouts.append(Payout(kind=PayoutKind.VERIFIER_FEE_FROM_PENALTY, to=each.worker, amount=fee))
    else:
        whole = min(spent(job), pool)
        pool -= whole
        payouts.append(Payout(kind=PayoutKind.MADE_WHOLE, to=job.client, amount=whole))
    payouts.append(Payout(kind=PayoutKind.BURNED, to=None, amount=pool))
    return payouts, [Penalty(worker=job.provider, amount=job.provider_locked)]


def spent(job: Job) -> int:
    """Return what a settled job has cost its client and nobody has given back yet, in grains (H30)."""
    given_back = sum(each.amount for each in job.payouts if each.kind is PayoutKind.MADE_WHOLE)
    return sum(each.amount for each in job.payouts if each.kind in PAID_OUT) - given_back
