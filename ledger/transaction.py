"""Transactions: what accounts ask of the ledger, signed; and the receipts that say what came of it (L10, L18)."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import msgspec

from ledger.limits import HEAVY_TX_BYTES_MAX, REVEAL_BYTES_MAX, TX_BYTES_MAX
from ledger.market.dispute.payloads import DisputePayload
from ledger.market.order_payloads import BatchAccept, BatchSubmit, CanaryOpen
from ledger.market.withheld.payloads import WithheldPayload
from ledger.parameters import Tier
from primitives import codec, ed25519
from primitives.address import address_of
from primitives.content import ContentId, Slice
from primitives.hashing import AddressBytes, Hash, KeyBytes, Salt, SignatureBytes, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U8, U32, U64, Bps
from vm.lowering import Lowering
from vm.manifest import Class, Model

SIGNING_DOMAIN = b"assay/tx"
HEAVY_TAGS = (*range(21, 27), *range(30, 33))
"""Of the payloads that may weigh up to HEAVY_TX_BYTES_MAX: a dispute's proofs, and content that was withheld (L10)."""
FACTS_MAX = 8
"""A refusal has at most five."""
FACT_CHARS_MAX = 160
"""Of a fact in words: some name every output of a model, and a block has receipts by the thousand."""

RevealBytes = Annotated[bytes, msgspec.Meta(max_length=REVEAL_BYTES_MAX)]
"""An encoded vm.tensor.Bundle."""
Shown = RevealBytes | ContentId
"""A bundle as a reveal shows it: whole, or over 4 KiB of values by its id (V123)."""
SAMPLES_MAX = 16
"""Leaves of one bundle that a party opens; twice 16 KiB of them fit into a transaction."""
Samples = Annotated[list[Slice], msgspec.Meta(max_length=SAMPLES_MAX)]

DeclineReason = Annotated[int, msgspec.Meta(ge=500, le=699)]
"""The number of a Reason that a sandbox finds: 5xx in the model or its input, 6xx in the run."""

Verified = Callable[[bytes], bool]
"""Tells whether the signature of an encoded envelope has been verified already."""


class Decision(enum.IntEnum):
    """A verifier's verdict on the provider's values."""

    ACCEPT = 1
    REJECT = 2


class Transfer(Record, tag=1):
    """Move grains from the sender to `to`."""

    to: AddressBytes
    amount: U64


class WorkerRegister(Record, tag=2):
    """Become a worker, which provides and verifies, with a bond from the sender's balance."""

    peer: KeyBytes
    """Network public key of the worker's node: where its content is asked for."""
    bond: U64
    capacity: U8
    """Jobs at a time in each role."""
    ask: U64
    """Lowest price for a job, in grains."""
    gas_ask: U64
    """On top of it, for each million gas of the run (J8)."""
    classes: U8
    """Bit n-1 stands for class n of vm.manifest.Class."""
    max_model_bytes: U64


class WorkerBond(Record, tag=3):
    """Add to the sender's bond as a worker."""

    amount: U64


class WorkerUpdate(Record, tag=4):
    """Change what the worker asks and how many jobs it takes; capacity 0 takes no new ones."""

    ask: U64
    gas_ask: U64
    capacity: U8


class WorkerExit(Record, tag=5):
    """Take `amount` of the bond out, or all of it and the registration; paid when the unbonding time is over."""

    amount: U64 | None


class ModelPublish(Record, tag=6):
    """Register a model, and what its jobs mean for inputs of one binding."""

    model: Model
    lowering: Lowering


class JobSubmit(Record, tag=7):
    """Ask for one run of a model on an input; the job's id is this transaction's id."""

    model: Hash
    lowering: Hash
    """Of the model: what the run means for an input of these shapes."""
    input: ContentId
    tier: Tier
    class_: Class
    max_price: U64
    provider: AddressBytes | None
    """Who shall provide; None: any worker."""
    at_risk: U64
    """What a false result may cost the client, in grains, as it declares: raises the provider's bond (J11)."""
    reply_key: KeyBytes | None
    """X25519 public key to which a large output is sealed; None: outputs over 4 KiB can't be delivered."""
    canary: Hash
    """A commitment: to a canary, or 32 random bytes. Nobody can tell them apart."""


class JobAccept(Record, tag=8):
    """Provide the job for `price`."""

    job: Hash
    price: U64


class JobCommit(Record, tag=9):
    """The provider's commitment to its cut and outputs."""

    job: Hash
    commitment: Hash


class VerifierCommit(Record, tag=10):
    """A drawn verifier's commitment to its own cut and outputs."""

    job: Hash
    commitment: Hash


class ProviderReveal(Record, tag=11):
    """Open the provider's commitment."""

    job: Hash
    salt: Salt
    cut: Shown
    outputs: Shown
    sealed: ContentId | None = None
    """The outputs sealed to the job's reply key, where they are shown by their id (J72)."""


class VerifierReveal(Record, tag=12):
    """Open a verifier's commitment, with its verdict on the provider's values."""

    job: Hash
    salt: Salt
    cut: Shown
    outputs: Shown
    verdict: Decision
    sealed: ContentId | None = None
    """Of who accepts: the provider's outputs, which it so attests to hold, sealed to the job's reply key (J72)."""


class JobDecline(Record, tag=13):
    """Say why a job can't be provided: what is wrong with its model or input, or how its run fails."""

    job: Hash
    reason: DeclineReason


class ProvenKey(Record):
    """A public key with a signature that shows who holds it (Q11)."""

    key: KeyBytes
    proof: SignatureBytes


class ValidatorRegister(Record, tag=14):
    """Become a validator, with a bond from the sender's balance; the sender's address names it for good."""

    key: ProvenKey
    """Signs votes."""
    peer: ProvenKey
    """Network key of its node."""
    onion: Hash
    """The outermost layer of a new hash onion."""
    commission: Bps
    bond: U64


class ValidatorUpdate(Record, tag=15):
    """Change what is given, from the next set that is fixed on."""

    key: ProvenKey | None
    peer: ProvenKey | None
    onion: Hash | None
    commission: Bps | None


class ValidatorExit(Record, tag=16):
    """Stop validating, and take the operator's own stake out."""


class ValidatorUnjail(Record, tag=17):
    """Validate again after a time in jail."""


class Delegate(Record, tag=18):
    """Add grains to a validator's stake; an operator bonds more by delegating to itself."""

    validator: AddressBytes
    amount: U64


class Undelegate(Record, tag=19):
    """Take grains out of a validator's stake; paid when the unbonding time is over."""

    validator: AddressBytes
    amount: U64 | None
    """None: all that is the sender's."""


class LoweringPublish(Record, tag=20):
    """Register what a published model's jobs mean for inputs of another binding, or in another vm_version."""

    lowering: Lowering


class SampleOpen(Record, tag=28):
    """Open the leaves that the beacon has picked of the sender's bundles, each with its proof (J74)."""

    job: Hash
    cut: Samples
    """Empty where the cut is on the chain whole."""
    outputs: Samples


StakePayload = ValidatorRegister | ValidatorUpdate | ValidatorExit | ValidatorUnjail | Delegate | Undelegate

Payload = (
    Transfer
    | WorkerRegister
    | WorkerBond
    | WorkerUpdate
    | WorkerExit
    | ModelPublish
    | JobSubmit
    | JobAccept
    | JobCommit
    | VerifierCommit
    | ProviderReveal
    | VerifierReveal
    | JobDecline
    | LoweringPublish
    | CanaryOpen
    | BatchSubmit
    | BatchAccept
    | SampleOpen
    | StakePayload
    | WithheldPayload
    | DisputePayload
)


class Body(Record):
    """What is signed."""

    sender: KeyBytes
    nonce: U64
    fee_cap: U64
    """The most that a unit of gas may cost, base fee and tip together, in grains."""
    tip: U64
    """To the proposer for each unit of gas, as far as the cap allows."""
    valid_until: U64
    """Unix milliseconds of block time; in no later block."""
    payload: Payload


class SignedTransaction(Record):
    """The envelope."""

    body: Annotated[bytes, msgspec.Meta(max_length=HEAVY_TX_BYTES_MAX)]
    signature: SignatureBytes


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """An opened transaction."""

    id: bytes
    body: Body
    raw: bytes
    """The encoded envelope."""

    @cached_property
    def sender(self) -> bytes:
        """Return the address of the sender, 20 bytes."""
        return address_of(self.body.sender)


class Receipt(Record):
    """What came of a transaction in a block; the facts explain and are no part of the receipts root (L18)."""

    transaction: Hash
    reason: U32
    """0 if it succeeded, else the number of a primitives.reasons.Reason."""
    fee: U64
    facts: Annotated[list[tuple[str, U64 | str | None]], msgspec.Meta(max_length=FACTS_MAX)]
    """Name and value; bytes, and numbers that are none of a record, as text."""

    @property
    def ok(self) -> bool:
        """Tell whether the transaction did what it asked."""
        return self.reason == 0


def receipt_leaf(receipt: Receipt) -> bytes:
    """Return what the receipts root covers of a receipt (L18)."""
    return codec.encode([receipt.transaction, receipt.reason, receipt.fee])


def transaction_id(body: bytes) -> bytes:
    """Return the id of a transaction, 32 bytes, from its encoded body (L11)."""
    return tagged("assay/tx-id", body)


def signed_bytes(genesis_hash: bytes, body: bytes) -> bytes:
    """Return what a sender signs (L12, P6)."""
    return SIGNING_DOMAIN + genesis_hash + body


def sign_transaction(seed: bytes, genesis_hash: bytes, body: Body) -> bytes:
    """Return the encoded envelope of `body`, signed with a 32-byte secret seed whose public key is `body.sender`."""
    raw = codec.encode(body)
    signature = ed25519.sign(seed, signed_bytes(genesis_hash, raw))
    return codec.encode(SignedTransaction(body=raw, signature=signature))


def bytes_max(kind: type[Payload]) -> int:
    """Return how many bytes the envelope of a payload of this kind may have (L10)."""
    return HEAVY_TX_BYTES_MAX if kind.__struct_config__.tag in HEAVY_TAGS else TX_BYTES_MAX


def open_transaction(raw: bytes, genesis_hash: bytes, *, verified: Verified | None = None) -> Transaction:
    """Return the transaction that `raw` encodes, its signature checked unless `verified(raw)` says that it was.

    Raises Refused TOO_LARGE, MALFORMED, BAD_KEY or BAD_SIGNATURE (L10, L12).
    """
    envelope = codec.decode(SignedTransaction, raw, at_most=HEAVY_TX_BYTES_MAX)
    body = codec.decode(Body, envelope.body, at_most=HEAVY_TX_BYTES_MAX)
    longest = bytes_max(type(body.payload))
    if len(raw) > longest:
        raise Refused(Reason.TOO_LARGE, what=type(body.payload).__name__, seen=len(raw), wanted=longest)
    if verified is None or not verified(raw):
        ed25519.check_public_key(body.sender)
        if not ed25519.verify(body.sender, signed_bytes(genesis_hash, envelope.body), envelope.signature):
            raise Refused(Reason.BAD_SIGNATURE, sender=body.sender, wanted="the sender's signature on this network")
    return Transaction(id=transaction_id(envelope.body), body=body, raw=raw)
