"""What the state holds: one record per kind of row (L40)."""

import enum
from typing import Annotated

import msgspec

from ledger.parameters import K_MAX, Tier
from ledger.transaction import Decision, DeclineReason, Shown
from primitives.content import ContentId
from primitives.hashing import AddressBytes, Hash, KeyBytes
from primitives.record import Record
from primitives.units import U8, U64, Bps
from vm.lowering import Lowering
from vm.manifest import Class, Model

HISTORY_MAX = 64
"""The longest life of a job: its events, three for each of seven verifiers, a claim on each party, the deadlines."""
DECLINES_MAX = 3
"""Workers whose reasons an open job keeps: enough for its client to see what is wrong (J14)."""
PAYOUTS_MAX = 48
"""Client, provider, owner, protocol, seven verifiers, what is burned; and what a redraw and disputes move later."""
PENALTIES_MAX = 24
"""Provider, seven verifiers, the silent ones that a redraw replaced, and what disputes take."""


class Account(Record):
    """Who sends: its balance, and the nonce of its next transaction. A row that is absent reads as zeros."""

    nonce: U64
    balance: U64


class Worker(Record):
    """A registered worker; its address is the key."""

    operator: AddressBytes
    peer: KeyBytes
    bond: U64
    locked: U64
    """The part of the bond that jobs hold."""
    capacity: U8
    providing: U64
    """Slots taken as provider, at most `capacity`."""
    verifying: U64
    """Slots taken as verifier, at most `capacity`."""
    ask: U64
    gas_ask: U64
    """Grains on top of `ask` for each million gas of a run (J8)."""
    classes: U8
    max_model_bytes: U64
    registered: U64
    """Height."""

    @property
    def free_bond(self) -> int:
        """Return the part of the bond that no job holds."""
        return self.bond - self.locked


class Track(Record):
    """What a provider's jobs have come to: from it follows how often it is verified (J52); its address is the key."""

    settled: U64
    """Jobs that were drawn, verified and settled, ever."""
    trusted: U64
    """Of these, how many since it was last convicted or found grey: what lowers its audit rate."""
    rejected: U64
    """Jobs that ended in a reject which nobody contested."""
    convicted: U64
    grey: U64
    forced: U64
    """Verified jobs still to come before any may go undrawn again."""


class ModelEntry(Record):
    """A published model; its id is the key."""

    model: Model
    published: U64
    """Height."""


class LoweringEntry(Record):
    """What a model's jobs mean for one binding; model and id are the key."""

    lowering: Lowering
    publisher: AddressBytes
    """Whoever registered it, not always the model's publisher."""
    published: U64
    """Height."""


class JobState(enum.IntEnum):
    """Where a job stands."""

    OPEN = 1
    ACCEPTED = 2
    COMMITTED = 3
    VERIFYING = 4
    REVEALING = 5
    CHECKING = 6
    SETTLED = 7
    PAST_CHALLENGE = 8
    VOID = 9
    UNVERIFIED = 10
    """Not drawn: revealed, not paid yet, open to anybody's challenge."""
    CONTESTED = 11
    """A verdict is reject: whoever gave it owes a claim."""
    DISPUTED = 12
    """A dispute is open."""
    SAMPLING = 13
    """Values are large: each party opens the leaves that the beacon picks."""


class Outcome(enum.IntEnum):
    """How a job ended, from its settlement or refund on."""

    SETTLED = 1
    NOT_ACCEPTED = 2
    PROVIDER_SILENT_AFTER_ACCEPT = 3
    NOT_DRAWN = 4
    NO_VERIFIER_COMMITTED = 5
    PROVIDER_SILENT_AT_REVEAL = 6
    REJECTED = 7
    """A verifier rejected, opened no claim, and the others are too few."""
    TOO_FEW_REVEALS = 8
    DECLINED = 9
    """By the one worker that was named."""
    UNCHALLENGED = 10
    """Not drawn, and paid at the end of its challenge window."""
    CONVICTED = 15
    """A dispute found the provider's values false."""
    GREY = 16
    """A dispute found them beyond what honest machines give, and not beyond doubt."""
    UNDECIDED = 17
    """Disputed, and no claim was confirmed."""
    ILL_CONDITIONED = 18
    """Disputed, and honest machines themselves differ too much."""
    CLEARED = 19
    """Disputed, and the provider's values are right: paid."""
    WITHHELD = 25
    """Its provider did not hand out what it owed."""
    CANARY = 30
    """Provided wrongly on purpose, as its client had committed to."""


class JobEvent(enum.IntEnum):
    """What moves a job."""

    SUBMIT = 1
    ACCEPT = 2
    COMMIT = 3
    DRAW = 4
    VERIFIER_COMMIT = 5
    PROVIDER_REVEAL = 6
    VERIFIER_REVEAL = 7
    DECLINE = 9
    DUE = 8
    """The deadline of the state that it is in has passed."""
    SKIP = 10
    """The beacon did not draw it."""
    REDRAW = 11
    """Silent verifiers are replaced, once."""
    CLAIM = 12
    """A dispute has opened."""
    VERDICT = 13
    """The last open dispute is decided."""
    PICK = 14
    """The beacon has picked the leaves to open."""
    SAMPLE = 15
    """A party has opened them."""
    WITHHOLD = 16
    """The provider has not handed out what it owes."""
    CANARY = 18
    """The provider has confessed that its values are wrong on purpose."""


class Happened(Record):
    """One event of a job's history."""

    event: JobEvent
    who: AddressBytes | None
    """None where the chain itself acted."""
    state: JobState
    """In which the event left the job."""
    height: U64
    time_ms: U64
    """Block time."""
    live_ms: U64


class PayoutKind(enum.IntEnum):
    """What a payout is for."""

    REFUND = 1
    """To the client, out of the escrow."""
    PRICE = 2
    """To the provider."""
    OWNER_SHARE = 3
    PROTOCOL_SHARE = 4
    """To the protocol's pot."""
    VERIFIER_FEE = 5
    """Out of the escrow."""
    VERIFIER_FEE_FROM_PENALTY = 6
    """Out of what others lost."""
    BURNED = 7
    """What remains of what others lost."""
    COMPENSATION = 12
    """To a client that had paid for a false result."""
    DRAWN_FEE = 13
    """To a worker drawn for a dispute: a canonical run, and what its transactions cost."""
    CLAIM_COSTS = 14
    """The same to others whose claim was right."""
    BOUNTY = 15
    """To the first who were right, and the drawn, out of what was slashed."""
    BOND_RETURNED = 16
    """Of a claim."""
    RUN_COST = 17
    """To the provider of an ill-conditioned job."""
    MADE_WHOLE = 20
    """To a client that had paid, out of what who withheld lost."""
    JACKPOT = 24
    """To a verifier that found a canary, out of the protocol's pot."""


class Payout(Record):
    """Grains that left the escrow, or a lost bond."""

    kind: PayoutKind
    to: AddressBytes | None
    """None: a pot."""
    amount: U64


class Penalty(Record):
    """What a party lost of its bond."""

    worker: AddressBytes
    amount: U64


class Verifier(Record):
    """A drawn verifier's part of a job."""

    worker: AddressBytes
    locked: U64
    commitment: Hash | None
    cut: ContentId | None
    """What it revealed."""
    outputs: ContentId | None
    verdict: Decision | None
    forced: bool
    """Its values at the cut differ from the provider's by more than is tolerated: it could not have accepted (J24)."""
    opened: bool
    """Has opened the leaves that were picked of its large values."""
    holds: bool
    """Attests that it holds the whole output."""
    sealed: ContentId | None
    """The provider's outputs, sealed to the reply key by this verifier."""


class Declined(Record):
    """A worker's word on why it does not provide a job."""

    worker: AddressBytes
    reason: DeclineReason


class Job(Record):
    """A job from its submission on; its key is the id of the transaction that submitted it."""

    client: AddressBytes
    model: Hash
    lowering: Hash
    input: ContentId
    large: bool
    """Whether its values are over 4 KiB: they go on the chain by their ids, and leaves of them are opened (V123)."""
    tier: Tier
    k: U8
    """How many verify it, if it is drawn."""
    audit_bps: Bps
    """The chance with which the beacon draws it: of its tier, and from its acceptance on of its provider (J52)."""
    chosen: bool
    """The beacon has chosen it for verification; it waits for verifiers, if it has none (J51)."""
    class_: Class
    run_ms: U64
    """What a run may take, in live time, on top of the deadlines that it falls into (J6)."""
    max_price: U64
    at_risk: U64
    """What the client declares a false result may cost it, in grains."""
    bond_multiple: U64
    """The provider locks this many times price and value at risk (J11)."""
    verifier_fee: U64
    """What a verifier earns: by what a run takes in its class (J10)."""
    run_fee: U64
    """What who runs it for a dispute earns: by what a canonical run takes (X56)."""
    named: AddressBytes | None
    """Who alone may provide."""
    reply_key: KeyBytes | None
    """To which a large output is sealed."""
    canary: Hash
    canary_opened: bool
    batch: Hash | None
    """Of which it is an item."""
    state: JobState
    outcome: Outcome | None
    escrow: U64
    """Grains held for this job; 0 once it has ended."""
    forfeited: U64
    """Grains that parties who withheld in its disputes have lost: they wait for what those find (H31)."""
    due_live_ms: U64 | None
    """When the state that it is in ends by itself; None in a final state."""
    provider: AddressBytes | None
    price: U64
    provider_locked: U64
    commitment: Hash | None
    commit_height: U64
    cut: ContentId | None
    """What the provider revealed."""
    outputs: ContentId | None
    """The result, fetched by this id."""
    sealed: ContentId | None
    """The result as it is sealed to the reply key."""
    picked: Hash | None
    """The beacon that picks the leaves of large values to open; None before."""
    opened: bool
    """The provider has opened the leaves that were picked of its large values."""
    redrawn: bool
    """Silent verifiers have been replaced."""
    disputes: U8
    """That are open."""
    ruled: Outcome | None
    """What its disputes found; None before."""
    verifiers: Annotated[list[Verifier], msgspec.Meta(max_length=K_MAX)]
    payouts: Annotated[list[Payout], msgspec.Meta(max_length=PAYOUTS_MAX)]
    penalties: Annotated[list[Penalty], msgspec.Meta(max_length=PENALTIES_MAX)]
    declined: Annotated[list[Declined], msgspec.Meta(max_length=DECLINES_MAX)]
    history: Annotated[list[Happened], msgspec.Meta(max_length=HISTORY_MAX)]


class Revealed(Record):
    """The provider's bundles as it showed them, while verifiers' are compared with them; the job's id is the key."""

    cut: Shown
    outputs: Shown


class Tip(Record):
    """A validator's hash onion; its address is the key."""

    onion: Hash
    """Its outermost layer, which names it."""
    last: Hash
    """The layer that it revealed last."""
    reveals: U64
    """How many layers it has revealed."""
    height: U64
    """Of its last reveal."""


class Totals(Record):
    """The pots, and what the supply is made of besides balances, bonds and escrows."""

    supply: U64
    staked: U64
    """By validators."""
    burned: U64
    protocol: U64
    workers: U64
    """How many are registered."""
    rewards: U64
    """What is left to pay for blocks (Q40)."""
    validators: U64
    """How many are on the roll (Q18)."""
    registrations: U64
    """Of validators, ever."""


class Clock(Record):
    """Block time and live time after the last block, the beacon's value, and what gas costs in the next one."""

    height: U64
    time_ms: U64
    live_ms: U64
    beacon: Hash
    gas_used: U64
    """By the last block's ordinary transactions."""
    base_fee: U64
    """Of the next block, in grains per gas (L27)."""


class Amount(Record):
    """Grains that wait for a time: an unbonding entry."""

    grains: U64


class DueKind(enum.IntEnum):
    """What a deadline belongs to; its key ends in the id."""

    JOB = 1
    DISPUTE = 2
    WITHHELD = 3
    BATCH = 4


class Due(Record):
    """An entry of the deadline index."""

    kind: DueKind


class Marker(Record):
    """A row that says all with its key: an index entry."""
