"""What a block did to jobs, for those who act on it: the worker service, RPC, indexes."""

from typing import Annotated

import msgspec

from ledger.market.withheld.payloads import Stage
from ledger.parameters import K_MAX
from ledger.records import Outcome
from ledger.transaction import Decision
from primitives.content import ContentId
from primitives.hashing import AddressBytes, Hash
from primitives.record import Record
from primitives.units import U8, U64


class JobSubmitted(Record, tag=1):
    """A job is open."""

    job: Hash
    client: AddressBytes
    model: Hash
    named: AddressBytes | None


class JobAccepted(Record, tag=2):
    """A provider holds the job."""

    job: Hash
    provider: AddressBytes
    price: U64


class JobCommitted(Record, tag=3):
    """The provider is committed to its values; the draw is pending."""

    job: Hash
    provider: AddressBytes


class JobDrawn(Record, tag=4):
    """These verify: all of them at the draw, the new ones at a redraw."""

    job: Hash
    verifiers: Annotated[list[AddressBytes], msgspec.Meta(max_length=K_MAX)]


class VerifierCommitted(Record, tag=5):
    """A verifier is committed to its own values."""

    job: Hash
    verifier: AddressBytes


class RevealOpened(Record, tag=6):
    """No verifier can commit any more; the provider reveals now."""

    job: Hash
    provider: AddressBytes


class ProviderRevealed(Record, tag=7):
    """The provider's values are known; verifiers who committed reveal now."""

    job: Hash
    cut: ContentId
    outputs: ContentId


class VerifierRevealed(Record, tag=8):
    """A verifier's values and verdict are known."""

    job: Hash
    verifier: AddressBytes
    verdict: Decision


class JobEnded(Record, tag=9):
    """The job is settled or void, and the escrow is paid out."""

    job: Hash
    outcome: Outcome


class DisputeOpened(Record, tag=20):
    """Somebody has claimed to know better than a job's parties: workers are drawn to say what is right."""

    dispute: Hash
    job: Hash
    claimant: AddressBytes


class DisputeClaimed(Record, tag=21):
    """Somebody is committed to what the canonical result is."""

    dispute: Hash
    job: Hash
    claimant: AddressBytes


class DisputeDrawn(Record, tag=22):
    """These workers owe a claim."""

    dispute: Hash
    job: Hash
    workers: list[AddressBytes]


class DisputeTraced(Record, tag=23):
    """A claim is open."""

    dispute: Hash
    job: Hash
    claimant: AddressBytes
    root: Hash


class DisputeMoved(Record, tag=24):
    """The dispute is in a new stage, or in a new step of a duel."""

    dispute: Hash
    job: Hash
    stage: U8
    """A ledger.market.dispute.records.DisputeStage."""


class DisputeHeard(Record, tag=25):
    """The referee has looked at a defence."""

    dispute: Hash
    job: Hash
    root: Hash
    right: bool | None
    """None: it shows nothing."""


class DisputeProved(Record, tag=26):
    """The worst that has been proved of a party so far."""

    dispute: Hash
    job: Hash
    party: AddressBytes
    thousandths: U64
    """Of σ."""
    output: bool


class DisputeDecided(Record, tag=27):
    """A dispute is over."""

    dispute: Hash
    job: Hash
    outcome: U8
    """A ledger.market.dispute.records.DisputeOutcome."""


DisputeEvents = (
    DisputeOpened
    | DisputeClaimed
    | DisputeDrawn
    | DisputeTraced
    | DisputeMoved
    | DisputeHeard
    | DisputeProved
    | DisputeDecided
)


class WithheldFiled(Record, tag=40):
    """Somebody does not get what it is owed, and asks for it on the chain."""

    filing: Hash
    job: Hash
    stage: Stage
    holder: AddressBytes
    filer: AddressBytes


class WithheldAsked(Record, tag=41):
    """There is block space for the answer: the holder's clock runs."""

    filing: Hash
    job: Hash
    holder: AddressBytes


class WithheldAnswered(Record, tag=42):
    """All that the filing names is on the chain."""

    filing: Hash
    job: Hash
    filer: AddressBytes


class WithheldLapsed(Record, tag=43):
    """The holder has not answered, and has lost what it had at stake."""

    filing: Hash
    job: Hash
    holder: AddressBytes
    lost: U64


WithheldEvent = WithheldFiled | WithheldAsked | WithheldAnswered | WithheldLapsed

Event = (
    JobSubmitted
    | JobAccepted
    | JobCommitted
    | JobDrawn
    | VerifierCommitted
    | RevealOpened
    | ProviderRevealed
    | VerifierRevealed
    | JobEnded
    | WithheldEvent
    | DisputeEvents
)
