"""Block application as a pure function, and the check of one transaction that mempools share with it (L20 to L50)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from ledger.block import (
    Block,
    Header,
    block_id,
    check_roots,
    check_size,
)
from ledger.events import Event
from ledger.fees import Charge, charge, gas, next_base_fee
from ledger.genesis import Charter
from ledger.limits import (
    BLOCK_GAS_MAX,
    KEPT_CHUNKS_MAX,
    ORDINARY_BYTES_MAX,
    ORDINARY_GAS_MAX,
    ORDINARY_TXS_MAX,
    PROOFS_MAX,
    SUBMISSIONS_MAX,
    SWEEP_PAYOUTS_MAX,
)
from ledger.market import canary, drawing, sampling, sweep
from ledger.market.dispute import claims
from ledger.market.dispute.awaited import awaited as dispute_place
from ledger.market.dispute.awaited import is_proof
from ledger.market.dispute.payloads import (
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputeTell,
)
from ledger.market.order_payloads import BatchSubmit, CanaryOpen
from ledger.market.withheld.filing import place as withheld_place
from ledger.market.withheld.payloads import WithheldChunk, WithheldFile
from ledger.moment import Moment, burn, credit
from ledger.onion import peel
from ledger.payloads import execute
from ledger.records import Account, JobState
from ledger.stake import delegation
from ledger.stake.boundary import end_epoch, is_over
from ledger.stake.epochs import set_hash
from ledger.stake.evidence import convict, sentence
from ledger.stake.records import Evidence
from ledger.stake.rewards import count_views
from ledger.stake.versions import rules_at
from ledger.state import CLOCK, State, account_key, change, tip_key, unbonding_key
from ledger.transaction import (
    FACT_CHARS_MAX,
    FACTS_MAX,
    JobCommit,
    JobSubmit,
    Payload,
    ProviderReveal,
    Receipt,
    SampleOpen,
    Transaction,
    Verified,
    VerifierCommit,
    VerifierReveal,
    open_transaction,
    receipt_leaf,
)
from ledger.tree import StateTree
from primitives import merkle
from primitives.hashing import tagged
from primitives.reasons import Fact, Reason, Refused
from primitives.units import NUMBER_MAX

DRIFT_MS_MAX = 500
"""How far ahead of a voter's clock a block may lie (L35)."""


def kept_place(state: State, transaction: Transaction) -> bytes | None:
    """Return job and sender of a commitment or reveal that a job waits for from this very party, else None (L36)."""
    sender, payload = transaction.sender, transaction.body.payload
    match payload:
        case JobCommit() | ProviderReveal() | VerifierCommit() | VerifierReveal() | SampleOpen():
            found = state.job(payload.job)
        case DisputeClaim() | DisputeOpen() | DisputeTell() | DisputeLeaf() | DisputeDefend() | DisputeBeyond():
            return dispute_place(state, sender, payload)
        case WithheldFile() | WithheldChunk():
            return withheld_place(state, sender, payload)
        case CanaryOpen():
            return canary.place(state, sender, payload)
        case _:
            return None
    if found is None:
        return None
    mine = [each for each in found.verifiers if each.worker == sender and each.verdict is None]
    match payload:
        case JobCommit():
            awaited = found.state is JobState.ACCEPTED and found.provider == sender
        case ProviderReveal():
            awaited = found.state is JobState.REVEALING and found.provider == sender
        case VerifierCommit():
            awaited = found.state is JobState.VERIFYING and any(each.commitment is None for each in mine)
        case VerifierReveal():
            awaited = found.state is JobState.CHECKING and any(each.commitment is not None for each in mine)
        case SampleOpen():
            awaited = found.picked is not None and sampling.is_owed(found, sender)
        case _:
            assert_never(payload)
    return payload.job + sender if awaited else None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A block that was executed, and everything that came of it."""

    id: bytes
    header: Header
    state: State
    tree: StateTree
    writes: dict[bytes, bytes | None]
    """By key; None removes the row."""
    receipts: list[Receipt]
    receipts_root: bytes
    events: list[Event]

    @property
    def child_epoch(self) -> int:
        """Return the epoch of this block's children: the next one if this block ends its own (Q1)."""
        return self.state.epoch().number

    @property
    def ends_epoch(self) -> bool:
        """Tell whether this is the last block of its epoch (Q1)."""
        return self.child_epoch != self.header.epoch

    @property
    def child_parent_view(self) -> int:
        """Return the view of this block as its children name it: 0, if they belong to a new epoch (Q4)."""
        return 0 if self.ends_epoch else self.header.view

    @property
    def state_root(self) -> bytes:
        """Return the root after this block, 32 bytes; its child's header carries it (L33)."""
        return self.tree.root


class BlockRun:
    """The execution of one block: clock and beacon at once, then evidence, transactions, and `finish`."""

    def __init__(
        self,
        charter: Charter,
        parent: State,
        *,
        time_ms: int,
        proposer: int,
        reveal: bytes,
        skipped: Sequence[int] = (),
    ) -> None:
        """`proposer` is an index in the running set; `skipped` are the views between parent and block.

        Raises Refused (3xx).
        """
        before = parent.clock()
        if time_ms <= before.time_ms:
            raise Refused(Reason.BLOCK_WRONG_TIME, seen=time_ms, wanted=f"more than {before.time_ms}")  # L35
        members = parent.validators().members
        if proposer >= len(members):
            raise Refused(Reason.BLOCK_WRONG_PROPOSER, seen=proposer, wanted=len(members) - 1)
        self._state = parent.child()
        self._proposer = members[proposer].validator
        self._ordinary = self._ordinary_bytes = self._ordinary_gas = self._submissions = 0
        self._gas = self._burned = self._tips = self._chunks = self._proofs = 0
        self._kept_places: set[bytes] = set()
        self._offended: dict[int, None] = {}
        self.receipts: list[Receipt] = []
        height = before.height + 1
        self._take_reveal(reveal, height)
        beacon = tagged("assay/beacon", before.beacon, reveal)
        live_ms = before.live_ms + min(time_ms - before.time_ms, charter.parameters.live_step_ms_max)  # L41
        clock = change(before, height=height, time_ms=time_ms, live_ms=live_ms, beacon=beacon)
        self._state.put(CLOCK, clock)
        self._moment = Moment(
            charter=charter,
            state=self._state,
            height=height,
            time_ms=time_ms,
            live_ms=live_ms,
            beacon=beacon,
            base_fee=before.base_fee,
            events=[],
        )

        count_views(self._moment, proposer, skipped)

    def _take_reveal(self, reveal: bytes, height: int) -> None:
        """Check that `reveal` is the proposer's next layer. Raises Refused BLOCK_WRONG_BEACON (L45)."""
        tip = self._state.tip(self._proposer)
        if peel(reveal) != tip.last:
            raise Refused(Reason.BLOCK_WRONG_BEACON, seen=peel(reveal), wanted=tip.last)
        self._state.put(tip_key(self._proposer), change(tip, last=reveal, reveals=tip.reveals + 1, height=height))

    def accuse(self, evidence: Evidence) -> None:
        """Convict a validator, to be slashed before what follows.

        Raises Refused EVIDENCE_*, and nothing has changed then (Q30, Q31).
        """
        self._offended[convict(self._moment, evidence, self._proposer)] = None

    def _sentence(self) -> None:
        """Slash whom the evidence has convicted."""
        for epoch in self._offended:
            sentence(self._moment, epoch)
        self._offended.clear()

    def include(self, transaction: Transaction) -> None:
        """Execute a transaction, which pays its fee whether it succeeds or fails.

        Raises Refused if it can't stand in this block at all; nothing has changed then (L22).
        """
        self._sentence()
        moment = self._moment
        account = self._state.account(transaction.sender)
        place = kept_place(self._state, transaction)
        paid = check_includable(moment, account, transaction, next_nonce=account.nonce, kept=place is not None)
        self._take_space(transaction, place)
        self._burned, self._tips = self._burned + paid.burned, self._tips + paid.tip
        after = change(account, nonce=account.nonce + 1, balance=account.balance - paid.total)
        self._state.put(account_key(transaction.sender), after)
        mark, happened = self._state.mark(), len(moment.events)
        reason, facts = 0, list[tuple[str, int | str | None]]()
        try:
            execute(moment, transaction)
        except Refused as refusal:  # L23: the fee is paid, all else is undone
            self._state.undo(mark)
            del moment.events[happened:]
            reason, facts = int(refusal.reason), told(refusal)
        self.receipts.append(Receipt(transaction=transaction.id, reason=reason, fee=paid.total, facts=facts))

    def _take_space(self, transaction: Transaction, place: bytes | None) -> None:
        """Count what a transaction takes. Raises Refused BLOCK_TOO_LARGE (L29, L36, L37)."""
        units = gas(transaction)
        if self._gas + units > BLOCK_GAS_MAX:
            raise Refused(Reason.BLOCK_TOO_LARGE, seen=self._gas + units, wanted=BLOCK_GAS_MAX)  # L29
        if place is None:
            self._take_ordinary_space(transaction, units)
        elif place in self._kept_places:  # a reveal that fails costs as much to compare as one that counts
            raise Refused(Reason.BLOCK_TOO_LARGE, seen=2, wanted="one try for a job and party")
        else:
            self._take_chunk(transaction)
            self._take_proof(transaction)
            self._kept_places.add(place)
        self._gas += units

    def _take_proof(self, transaction: Transaction) -> None:
        """Count a proof for the referee. Raises Refused BLOCK_TOO_LARGE (X37)."""
        proofs = self._proofs + is_proof(transaction.body.payload)
        if proofs > PROOFS_MAX:
            raise Refused(Reason.BLOCK_TOO_LARGE, seen=proofs, wanted=PROOFS_MAX)
        self._proofs = proofs

    def _take_chunk(self, transaction: Transaction) -> None:
        """Count a chunk of withheld content. Raises Refused BLOCK_TOO_LARGE (H21)."""
        chunks = self._chunks + isinstance(transaction.body.payload, WithheldChunk)
        if chunks > KEPT_CHUNKS_MAX:
            raise Refused(Reason.BLOCK_TOO_LARGE, seen=chunks, wanted=KEPT_CHUNKS_MAX)
        self._chunks = chunks

    def _take_ordinary_space(self, transaction: Transaction, units: int) -> None:
        """Count what an ordinary transaction takes. Raises Refused BLOCK_TOO_LARGE (L29, L36, L37)."""
        if self._ordinary_gas + units > ORDINARY_GAS_MAX:
            raise Refused(Reason.BLOCK_TOO_LARGE, seen=self._ordinary_gas + units, wanted=ORDINARY_GAS_MAX)
        submissions = self._submissions + _submissions_of(transaction.body.payload)
        if submissions > SUBMISSIONS_MAX:
            raise Refused(Reason.BLOCK_TOO_LARGE, seen=submissions, wanted=SUBMISSIONS_MAX)
        size = self._ordinary_bytes + len(transaction.raw)
        if self._ordinary == ORDINARY_TXS_MAX or size > ORDINARY_BYTES_MAX:
            raise Refused(Reason.BLOCK_TOO_LARGE, seen=size, wanted=ORDINARY_BYTES_MAX, count=self._ordinary + 1)
        self._ordinary, self._ordinary_bytes, self._submissions = self._ordinary + 1, size, submissions
        self._ordinary_gas += units

    def finish(self) -> tuple[State, dict[bytes, bytes | None], list[Event]]:
        """Draw, sweep and pay the fees out; return the state, what it writes, and what happened."""
        self._sentence()
        moment = self._moment
        drawing.draw_pending(moment)  # L42
        claims.draw_pending(moment)  # X15
        sampling.pick_pending(moment)  # J73
        sweep.sweep(moment)  # L43
        _pay_unbonded(moment)
        delegation.pay_unbonded(moment)  # Q15
        if self._burned:
            burn(self._state, self._burned)  # L20
        if self._tips:
            credit(self._state, self._proposer, self._tips)  # L21
        base_fee = next_base_fee(moment.base_fee, self._ordinary_gas, floor=moment.parameters.base_fee_min)  # L27
        self._state.put(CLOCK, change(self._state.clock(), gas_used=self._ordinary_gas, base_fee=base_fee))
        if is_over(moment):
            end_epoch(moment)  # Q1
        return self._state, self._state.freeze(), moment.events


def _submissions_of(payload: Payload) -> int:
    """Return how many jobs a payload submits (L37)."""
    match payload:
        case JobSubmit():
            return 1
        case BatchSubmit():
            return len(payload.items)
        case _:
            return 0


def check_includable(
    moment: Moment, account: Account, transaction: Transaction, *, next_nonce: int, kept: bool
) -> Charge:
    """Return what a transaction that may stand in a block pays; `kept`: the block keeps a place for it (L36).

    Raises Refused NONCE_TOO_LOW, NONCE_GAP, EXPIRED, VALID_TOO_LONG, FEE_TOO_LOW or INSUFFICIENT_BALANCE (L20 to L22).
    """
    body, parameters = transaction.body, moment.parameters
    if body.nonce != next_nonce:
        low = body.nonce < next_nonce
        raise Refused(Reason.NONCE_TOO_LOW if low else Reason.NONCE_GAP, seen=body.nonce, wanted=next_nonce)
    if body.valid_until < moment.time_ms:
        raise Refused(Reason.EXPIRED, seen=body.valid_until, wanted=f"at least {moment.time_ms}")
    if body.valid_until > moment.time_ms + parameters.validity_ms_max:
        latest = moment.time_ms + parameters.validity_ms_max
        raise Refused(Reason.VALID_TOO_LONG, seen=body.valid_until, wanted=f"at most {latest}")
    paid = charge(transaction, parameters.base_fee_min if kept else moment.base_fee)  # L28
    if account.balance < paid.total:
        raise Refused(Reason.INSUFFICIENT_BALANCE, seen=account.balance, wanted=paid.total)
    return paid


def _pay_unbonded(moment: Moment) -> None:
    """Pay out the bonds whose unbonding time is over (L53)."""
    for due, address, grains in list(moment.state.unbonding(limit=SWEEP_PAYOUTS_MAX)):
        if due > moment.time_ms:
            return
        moment.state.put(unbonding_key(due, address), None)
        credit(moment.state, address, grains)


def told(refusal: Refused) -> list[tuple[str, int | str | None]]:
    """Return the facts of a refusal as a receipt keeps them."""
    return [(name, _plain(fact)) for name, fact in refusal.facts.items()][:FACTS_MAX]


def _plain(fact: Fact) -> int | str | None:
    """Return a fact in a receipt's types; a sum may lie beyond the numbers that records hold (P3)."""
    match fact:
        case bytes():
            return fact.hex()[:FACT_CHARS_MAX]
        case str():
            return fact[:FACT_CHARS_MAX]
        case int() if not 0 <= fact <= NUMBER_MAX:
            return str(fact)
        case _:
            return fact


def precheck(
    charter: Charter, state: State, transaction: Transaction, *, now_ms: int, next_nonce: int | None = None
) -> None:
    """Raise the Refused with which `transaction` would fail in a block on `state` at `now_ms`; change nothing.

    `next_nonce` is given where the sender's earlier transactions wait in a mempool. This is the very code that
    executes blocks, so RPC, gossip and receipts give the same reason (L24).
    """
    clock = state.clock()
    scratch = state.child()
    moment = Moment(
        charter=charter,
        state=scratch,
        height=clock.height + 1,
        time_ms=max(now_ms, clock.time_ms + 1),
        live_ms=clock.live_ms,
        beacon=clock.beacon,
        base_fee=clock.base_fee,
        events=[],
    )
    account = scratch.account(transaction.sender)
    wanted = account.nonce if next_nonce is None else next_nonce
    kept = kept_place(scratch, transaction) is not None
    paid = check_includable(moment, account, transaction, next_nonce=wanted, kept=kept)
    scratch.put(account_key(transaction.sender), change(account, balance=account.balance - paid.total))
    execute(moment, transaction)


PASSING_REASONS = (
    Reason.NONCE_GAP,
    Reason.JOB_UNKNOWN,
    Reason.JOB_WRONG_STATE,
    Reason.NOT_A_PARTY,
    Reason.WORKER_UNKNOWN,
    Reason.NO_CAPACITY,
    Reason.VALIDATOR_UNKNOWN,
    Reason.VALIDATOR_WRONG_STATE,
    Reason.DELEGATION_UNKNOWN,
    Reason.STILL_JAILED,
    Reason.NOTHING_OWED,
    Reason.CHUNK_NOT_ASKED,
    Reason.DISPUTE_UNKNOWN,
    Reason.DISPUTE_WRONG_STAGE,
    Reason.DISPUTE_NOT_ASKED,
    Reason.SUBJECT_INVALID,
)
"""What a node that is a block behind may see: a later block may lift it, so a peer who sent it did no wrong (L25)."""


def check_header(charter: Charter, parent: Outcome, block: Block) -> None:
    """Raise Refused (3xx) unless the header follows from the parent and binds the block's content (L30 to L35).

    Raises RulesUnknownError where rules hold that this program does not know (Q51).
    """
    header = block.header
    check_size(block)
    rules = rules_at(parent.state, header.timestamp_ms)
    if header.version != rules.protocol:
        raise Refused(Reason.BLOCK_WRONG_VERSION, seen=header.version, wanted=rules.protocol)
    if header.genesis != charter.hash:
        raise Refused(Reason.WRONG_NETWORK, seen=header.genesis, wanted=charter.hash)
    if header.parent != parent.id:
        raise Refused(Reason.BLOCK_WRONG_PARENT, seen=header.parent, wanted=parent.id)
    if header.parent_view != parent.child_parent_view or header.view <= header.parent_view:  # Q4
        raise Refused(Reason.BLOCK_WRONG_PARENT, seen=header.parent_view, wanted=parent.child_parent_view)
    if header.epoch != parent.child_epoch:
        raise Refused(Reason.BLOCK_WRONG_PARENT, seen=header.epoch, wanted=parent.child_epoch)
    if header.height != parent.header.height + 1:
        raise Refused(Reason.BLOCK_WRONG_HEIGHT, seen=header.height, wanted=parent.header.height + 1)
    if header.state_root != parent.state_root:
        raise Refused(Reason.BLOCK_WRONG_STATE_ROOT, seen=header.state_root, wanted=parent.state_root)
    if header.receipts_root != parent.receipts_root:
        raise Refused(Reason.BLOCK_WRONG_RECEIPTS_ROOT, seen=header.receipts_root, wanted=parent.receipts_root)
    check_roots(block)
    _check_sets(parent.state, header)
    clock = parent.state.clock()
    if header.base_fee != clock.base_fee or header.parent_gas_used != clock.gas_used:  # L27
        raise Refused(Reason.BLOCK_WRONG_BASE_FEE, seen=header.base_fee, wanted=clock.base_fee)


def _check_sets(state: State, header: Header) -> None:
    """Raise Refused BLOCK_WRONG_VALIDATORS unless the header names the running set and the next (Q2)."""
    for seen, ahead in ((header.validators_hash, 0), (header.next_validators_hash, 1)):
        wanted = set_hash(state.validators(ahead=ahead))
        if seen != wanted:
            raise Refused(Reason.BLOCK_WRONG_VALIDATORS, seen=seen, wanted=wanted)


def apply_block(charter: Charter, parent: Outcome, block: Block, *, verified: Verified | None = None) -> Outcome:
    """Return what comes of `block` on its executed parent. Raises Refused (3xx) if the block is invalid."""
    check_header(charter, parent, block)
    header = block.header
    run = BlockRun(
        charter,
        parent.state,
        time_ms=header.timestamp_ms,
        proposer=header.proposer,
        reveal=header.beacon_reveal,
        skipped=range(header.parent_view + 1, header.view),
    )
    for at, evidence in enumerate(block.evidence):
        try:
            run.accuse(evidence)
        except Refused as refusal:
            raise Refused(Reason.BLOCK_BAD_EVIDENCE, index=at, why=str(refusal)) from None  # Q31
    for at, raw in enumerate(block.transactions):
        try:
            run.include(open_transaction(raw, charter.hash, verified=verified))
        except Refused as refusal:
            raise Refused(Reason.BLOCK_BAD_TRANSACTION, index=at, why=str(refusal)) from None  # L34
    return outcome_of(header, run, parent.tree)


def outcome_of(header: Header, run: BlockRun, parent_tree: StateTree) -> Outcome:
    """Return the outcome of a run, which is finished by this."""
    state, writes, events = run.finish()
    return Outcome(
        id=block_id(header),
        header=header,
        state=state,
        tree=parent_tree.child(writes),
        writes=writes,
        receipts=run.receipts,
        receipts_root=receipts_root(run.receipts),
        events=events,
    )


def receipts_root(receipts: list[Receipt]) -> bytes:
    """Return the RFC 6962 root over the receipts of a block, 32 bytes (L18)."""
    return merkle.root([receipt_leaf(receipt) for receipt in receipts])
