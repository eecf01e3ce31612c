"""What the state holds of a dispute: claims, the traces they opened to, the duel under way, what was proved (X2)."""

import enum
from typing import Annotated

import msgspec

from ledger.market.dispute.payloads import Subject
from ledger.parameters import K_MAX
from ledger.records import Payout, Penalty
from primitives.hashing import AddressBytes, Hash
from primitives.record import Record
from primitives.units import U8, U32, U64
from vm.place import Place
from vm.program import Outline
from vm.tensor import ROOT_LEAF_BYTES, TensorType
from vm.trace import PARTS_MAX, Trace

DRAWN = 3
"""Fresh workers that the first claim draws (DESIGN 6.10a)."""
CHALLENGERS_MAX = 8
"""Claims of those who are neither drawn nor parties: each false one costs its author a bond and the others a duel."""
PARTIES_MAX = K_MAX + 1
CLAIMS_MAX = DRAWN + CHALLENGERS_MAX + PARTIES_MAX
"""The drawn and the parties have their places kept (X13)."""
ROUNDS_MAX = 16
"""Of one subject: each takes two minutes at least, and the window in which one may begin has ten (X5)."""
DUELS_MAX = CLAIMS_MAX - 1
"""Each strikes one trace at least (X34)."""


class DisputeStage(enum.IntEnum):
    """Where a dispute stands."""

    DRAWING = 1
    CLAIMING = 2
    OPENING = 3
    DUEL = 4
    JUDGING = 5
    DECIDED = 6


class DisputeEvent(enum.IntEnum):
    """What moves a dispute."""

    CLAIM = 1
    DRAW = 2
    OPEN = 3
    ACT = 4
    """A side of the duel has told, opened or defended what it was asked."""
    BEYOND = 5
    DUE = 6
    """The deadline of the stage has passed."""


class Role(enum.IntEnum):
    """Why somebody may claim."""

    CHALLENGER = 1
    """Anybody, for a bond."""
    PARTY = 2
    """The provider or a verifier of the job: what the job holds of its bond answers for a false claim."""
    DRAWN = 3
    """A fresh worker, drawn for this dispute."""


class Claimant(Record):
    """Somebody's claim."""

    who: AddressBytes
    role: Role
    bond: U64
    """From its balance; of the drawn: locked of their bond as workers."""
    commitment: Hash | None
    """None: drawn, and has not claimed yet."""
    height: U64
    """Of the claim."""
    trace: U8 | None
    """Place of the trace that it opened to, among the dispute's; None before."""
    carriage: U64
    """What its transactions in this dispute have cost, at the lowest base fee (X60)."""


class Fall(enum.IntEnum):
    """Why a trace was struck."""

    SILENT = 1
    """Nobody told, opened or defended in time what was asked of it."""
    WRONG = 2
    """By the referee's verdict."""


class Claimed(Record):
    """A trace that claims were opened to; those who opened the same are allies (X14)."""

    root: Hash
    fall: Fall | None
    beaten_by: U8 | None
    """The trace by whose proof, or beside whose proof, the referee found this one wrong."""


class DuelStep(enum.IntEnum):
    """What both sides of a duel owe now."""

    RUN = 1
    """Parts of the digests of a run."""
    ROWS = 2
    """Parts of the records of the noise of a value at the cut."""
    VALUE = 3
    """Parts of the leaves of a value."""
    LEAF = 4
    DEFENCE = 5


class Part(enum.IntEnum):
    """In which part of the traces the first difference lies: they are compared in this order (X30)."""

    INPUT = 1
    FIRST = 2
    PERTURBED = 3
    NOISE = 4


class Side(Record):
    """One of the two traces of a duel."""

    trace: U8
    """Its place among the dispute's."""
    committed: Hash
    """What is told next must give this; of the first parts of a value: the value's root or its leaf hash."""
    high: U64
    """Where its window ends: runs may have different lengths."""
    told: Annotated[list[Hash], msgspec.Meta(max_length=PARTS_MAX)] | None
    type: TensorType | None
    leaf: Annotated[bytes, msgspec.Meta(max_length=ROOT_LEAF_BYTES)] | None
    asked: Place | None
    """What it must show the referee; None: nothing, it stands or falls with its rival's proof."""
    right: bool | None
    """What the referee found."""
    tried: Annotated[list[U8], msgspec.Meta(max_length=CLAIMS_MAX)]
    """Claimants who have had their try at the referee."""


class Duel(Record):
    """Two traces, and what is known of where they differ first."""

    part: Part
    place: U32
    """Which input, or which value of the cut."""
    step: DuelStep
    low: U64
    """Where the window begins, in digests, records or leaves."""
    width: U64
    """Of the parts that are told next."""
    number: U32
    """The operation that differs, once it is known."""
    sides: Annotated[list[Side], msgspec.Meta(min_length=2, max_length=2)]


class Finding(Record):
    """The worst that was proved of a party (X40)."""

    party: AddressBytes
    thousandths: U64
    """Of σ."""
    output: bool
    """Its outputs are not those of the trace that stands."""
    tried: Annotated[list[AddressBytes], msgspec.Meta(max_length=CLAIMS_MAX + PARTIES_MAX)]
    """Who has had a try at proving something of it."""


class DisputeOutcome(enum.IntEnum):
    """How a dispute ended."""

    UPHELD = 1
    """One trace stands, and a drawn worker opened it, or it won a verdict."""
    UNCONFIRMED = 2
    """One trace stands, and nobody else has confirmed it: it slashes nobody."""
    NONE_STANDS = 3


class Dispute(Record):
    """A dispute from its first claim on; its id is the key, and the round's once there is a later one."""

    job: Hash
    subject: Subject
    round: U8
    """How often there was one about this subject before (X5)."""
    past: bool
    """There has been another about it since: this one says nothing of the parties any more."""
    stage: DisputeStage
    outcome: DisputeOutcome | None
    opened_height: U64
    due_live_ms: U64 | None
    """When the stage ends by itself; None once it is decided."""
    heard: U64
    """How many proofs the referee had heard, of all disputes, up to which this deadline makes up for them (X37)."""
    spare_ms: U64
    """How much of it is left by which the deadline may be moved for others' proofs."""
    escrow: U64
    """Bonds of claims, from balances; 0 once the money of the job's disputes has moved."""
    outline: Outline | None
    """Of the program, once a claim has been opened."""
    claims: Annotated[list[Claimant], msgspec.Meta(max_length=CLAIMS_MAX)]
    """In order of their commitments; who was drawn stands before those who came later."""
    traces: Annotated[list[Claimed], msgspec.Meta(max_length=CLAIMS_MAX)]
    """In order of the first claim to each."""
    duel: Duel | None
    duels: U8
    """So many have been fought, this one included."""
    ill_conditioned: bool
    traps: bool
    """The trace that stands ends in a trap: who rejected had no values to show (X65)."""
    findings: Annotated[list[Finding], msgspec.Meta(max_length=PARTIES_MAX)]
    payouts: Annotated[list[Payout], msgspec.Meta(max_length=4 * CLAIMS_MAX)]
    penalties: Annotated[list[Penalty], msgspec.Meta(max_length=CLAIMS_MAX + PARTIES_MAX)]


class OpenedTrace(Record):
    """The trace behind a claim; dispute and root are the key."""

    trace: Trace


class Heard(Record):
    """How many proofs the referee has heard, in all disputes: each took a block's only place (X37)."""

    proofs: U64
