"""The pool and the chain: what may come in, what blocks have moved, and what a final one leaves (N51, N54)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from ledger.apply import PASSING_REASONS, kept_place, precheck
from ledger.chain import Chain, FinalBlock
from ledger.genesis import Charter
from ledger.market.dispute.awaited import turn
from ledger.market.dispute.rows import DISPUTE
from ledger.records import Job, JobState
from ledger.state import ACCOUNT, JOB, State
from ledger.transaction import Transaction, VerifierCommit, VerifierReveal
from node.mempool.pool import Pool
from node.mempool.selection import Turn
from primitives.reasons import Refused

LOOKED_AT_MAX = 64
"""Transactions of verifiers that are looked at before a block is built: those of some jobs; with more, none waits."""


def admit(pool: Pool, charter: Charter, state: State, transaction: Transaction, *, now_ms: int, here: bool) -> None:
    """Put a transaction in that would succeed in the next block, as far as that can be told now.

    `state` is that after the last final block; `here`: a client of this node handed it in. One from elsewhere may
    wait for others, or for what a later block changes (L25). Raises Refused.
    """
    sender, nonce = transaction.sender, transaction.body.nonce
    account = state.account(sender)
    if here and not pool.holds_nonce(sender, nonce):
        nonce = pool.next_nonce(sender, account.nonce)
    try:
        precheck(charter, state, transaction, now_ms=now_ms, next_nonce=nonce)
    except Refused as fault:
        if here or fault.reason not in PASSING_REASONS:
            raise
    kept = kept_place(state, transaction) is not None
    pool.add(transaction, account=account, now_ms=now_ms, here=here, kept=kept)


def moved_nonces(pool: Pool, chain: Chain, block: bytes) -> dict[bytes, int]:
    """Return, after an executed block, the nonces of accounts that the unfinal blocks up to it have written.

    Of accounts of which something waits. Raises ParentUnknown.
    """
    state, nonces = chain.state(block), dict[bytes, int]()
    while block != chain.head.id:
        outcome = chain.outcome(block)
        for key in outcome.writes:
            if key[:1] == ACCOUNT and pool.has_of(key[1:]) and key[1:] not in nonces:
                nonces[key[1:]] = state.account(key[1:]).nonce
        block = outcome.header.parent
    return nonces


def some_follow(pool: Pool, state: State, nonces: Mapping[bytes, int]) -> bool:
    """Tell whether verifiers have spoken in the pool of a job that waits in `state` for others of them too (N72)."""
    spoken = Counter(
        payload.job
        for waiting in islice(pool.kept_heads(nonces), LOOKED_AT_MAX)
        if isinstance(payload := waiting.transaction.body.payload, VerifierCommit | VerifierReveal)
    )
    return any(count < _awaited(state.job(job)) for job, count in spoken.items())


def _awaited(job: Job | None) -> int:
    """Return of how many verifiers a job awaits the next step."""
    if job is not None and job.state is JobState.VERIFYING:
        return sum(each.commitment is None for each in job.verifiers)
    if job is not None and job.state is JobState.CHECKING:
        return sum(each.commitment is not None and each.verdict is None for each in job.verifiers)
    return 0


def settle(pool: Pool, finals: Sequence[FinalBlock], state: State) -> None:
    """Have the pool take in blocks that became final; `state` is that after the last of them."""
    written = dict.fromkeys(key for final in finals for key in final.outcome.writes)
    clock = state.clock()
    pool.settle(
        [key[1:] for key in written if key[:1] == ACCOUNT],
        state.account,
        jobs=[key[1:] for key in written if key[:1] in (JOB, DISPUTE)],
        is_kept=lambda transaction: kept_place(state, transaction) is not None,
        base_fee=clock.base_fee,
        now_ms=clock.time_ms,
    )


def turns(state: State) -> Turn:
    """Return what tells whose proof the referee hears next, in a block on a state (X37)."""
    return lambda transaction: turn(state, transaction.sender, transaction.body.payload)
