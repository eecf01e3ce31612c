"""The JSON objects that methods take and return; ids are hexadecimal, amounts decimal text, addresses bech32m."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ledger.limits import HEAVY_TX_BYTES_MAX
from node.rpc.method import PAGE, AddressText, Amount, HeightNumber, HexHash, Length, PageLimit, Shape

RawHex = Annotated[
    str,
    Meta(pattern="^([0-9a-f]{2})+$", max_length=2 * HEAVY_TX_BYTES_MAX, description="An encoded SignedTransaction."),
]
Text = Annotated[str, Meta(max_length=256)]

# --- parameters


class ById(Shape):
    """Names one thing."""

    id: HexHash


class ByHeight(Shape):
    """Names a final block by its height."""

    height: HeightNumber


class ByHeightOrId(Shape):
    """Names a final block by exactly one of both."""

    height: HeightNumber | None = None
    id: HexHash | None = None


class ByAddress(Shape):
    """Names an account."""

    address: AddressText


class RawTransaction(Shape):
    """A signed transaction."""

    raw: RawHex


class Page(Shape):
    """A part of a list: up to `limit` items behind `cursor`, which is the last answer's `next`."""

    limit: PageLimit = PAGE
    cursor: HexHash | None = None


class JobPage(Page):
    """A part of the list of jobs, on request of one client only."""

    client: AddressText | None = None


class WorkerPage(Shape):
    """A part of the list of workers."""

    limit: PageLimit = PAGE
    cursor: AddressText | None = None


class Content(Shape):
    """A piece of content."""

    root: HexHash
    length: Length


# --- results: the node


class Pids(Shape):
    """Process ids."""

    node: int
    network: int
    """0 while the network program restarts."""
    sandboxes: list[int]


class NodeStatus(Shape):
    """How a node stands."""

    version: str
    network: str
    """The human part of its addresses: asy, tasy or dasy."""
    genesis_hash: HexHash
    peer_id: str
    p2p_address: str
    """`<peer id>@host:port`, as in another node's configuration."""
    roles: list[str]
    height: int
    head: HexHash
    state_root: HexHash
    """After the head."""
    state_root_height: int
    live_ms: int
    final_age_ms: int
    """Wall clock minus the head's time."""
    mempool: int
    refused: dict[str, int]
    """Transactions kept out of the mempool since the node started, by number of the reason."""
    peers: list[str]
    pids: Pids
    sandbox_layers: list[str]
    known_answers: bool | None
    """Whether this machine computes what the network does; null until a sandbox has told, or if there is none."""
    deviating: list[str]
    """Known-answer tests that it fails; unless this is empty, its worker takes no jobs."""
    worker: AddressText | None
    worker_balance: Amount | None
    worker_reserve: Amount | None
    """What it keeps of its balance for the bonds of claims in disputes; with less it takes no new jobs."""
    voting: bool | None
    """Of a validator: whether it votes; not while it does not know yet what it may have signed before (C13)."""


# --- results: the chain


class ChainHead(Shape):
    """The last final block."""

    height: int
    id: HexHash
    timestamp_ms: int
    live_ms: int
    state_root: HexHash
    """After this block."""


class RawBlock(Shape):
    """A final block as it is encoded (rule L30): what its id, and all in it, can be recomputed from."""

    height: int
    raw: str
    """In hexadecimal."""


class StateRoot(Shape):
    """The state root after a final block."""

    height: int
    state_root: HexHash


class CertificateShape(Shape):
    """Who finalized a block, or a descendant of it."""

    epoch: int
    view: int
    block: HexHash
    signers: list[int]
    """Indices in the validator list."""


class TransactionShape(Shape):
    """What was signed."""

    id: HexHash
    sender: AddressText
    nonce: int
    fee_cap: Amount
    """Per gas, as the tip."""
    tip: Amount
    valid_until: int
    kind: str
    payload: dict[str, Any]
    """The fields of the payload of that kind."""


class BlockShape(Shape):
    """A final block."""

    id: HexHash
    height: int
    epoch: int
    view: int
    parent: HexHash
    timestamp_ms: int
    proposer: int
    """Index in the validator list."""
    state_root: HexHash | None
    """After this block; the header of its child carries it."""
    parent_state_root: HexHash
    parent_receipts_root: HexHash
    tx_root: HexHash
    beacon_reveal: HexHash
    certificate: CertificateShape | None
    """None for genesis, which is final by definition."""
    transactions: list[TransactionShape]


class ReceiptShape(Shape):
    """What came of a transaction."""

    ok: bool
    reason: int
    """0, or the number of the reason for which it failed."""
    reason_name: str | None
    fee: Amount
    facts: dict[str, str | int | None]


class TransactionStatus(Shape):
    """Where a transaction stands."""

    id: HexHash
    state: str
    """pending, final or unknown."""
    height: int | None
    index: int | None
    block: HexHash | None
    receipt: ReceiptShape | None
    transaction: TransactionShape | None
    """Once it is final."""


class GenesisShape(Shape):
    """What the network starts from, as in `genesis.json`."""

    hash: HexHash
    genesis: dict[str, Any]


class AccountShape(Shape):
    """What an address owns."""

    address: AddressText
    balance: Amount
    nonce: int
    """Of its next transaction in a block."""
    next_nonce: int
    """Of the next one to sign, those counted that wait in this node's mempool."""
    bond: Amount
    """As a worker; 0 for others."""
    bond_free: Amount
    bond_locked: Amount


class Submitted(Shape):
    """A transaction is on its way."""

    id: HexHash


class Checked(Shape):
    """A transaction would be taken, as things stand."""

    id: HexHash
    ok: bool


# --- results: the market


class VerifierShape(Shape):
    """A drawn verifier's part of a job."""

    worker: AddressText
    locked: Amount
    commitment: HexHash | None
    cut: Content | None
    outputs: Content | None
    verdict: str | None
    """accept or reject."""
    forced: bool
    """The chain refuses it to accept: its values differ from the provider's by more than is tolerated."""
    holds: bool
    """Attests that it holds the whole output."""
    opened: bool
    """Has opened the leaves that were picked of its large values."""
    sealed: Content | None
    """The result as this verifier sealed it to the client, if it is large and was accepted."""


class PayoutShape(Shape):
    """Grains that left the escrow, or a lost bond."""

    kind: str
    to: AddressText | None
    """None: a pot."""
    amount: Amount


class DeclinedShape(Shape):
    """A worker that declined a job, and what it found."""

    worker: AddressText
    reason: int
    reason_name: str | None


class PenaltyShape(Shape):
    """What a party lost of its bond."""

    worker: AddressText
    amount: Amount


class HappenedShape(Shape):
    """One event of a job's history."""

    event: str
    who: AddressText | None
    state: str
    """In which the event left the job."""
    height: int
    time_ms: int
    live_ms: int


class JobSummary(Shape):
    """A job in a list."""

    id: HexHash
    client: AddressText
    model: HexHash
    provider: AddressText | None
    max_price: Amount
    price: Amount
    state: str
    outcome: str | None


class JobList(Shape):
    """A part of the list of jobs, by id."""

    jobs: list[JobSummary]
    next: HexHash | None


class JobShape(Shape):
    """All that the chain holds of a job."""

    id: HexHash
    client: AddressText
    model: HexHash
    lowering: HexHash
    input: Content
    tier: str
    k: int
    """How many verify it, if it is drawn."""
    audit_bps: int
    """The chance with which the beacon draws it, in ten-thousandths."""
    chosen: bool
    """The beacon has drawn it for verification."""
    redrawn: bool
    """Silent verifiers have been replaced."""
    class_: str = msgspec.field(name="class")
    run_ms: int
    """What a run may take, on top of the deadlines that it falls into."""
    max_price: Amount
    at_risk: Amount
    """What the client declares a false result may cost it."""
    bond_multiple: int
    """The provider locks so many times price and value at risk, and k verifier fees."""
    verifier_fee: Amount
    named: AddressText | None
    """Who alone may provide."""
    state: str
    outcome: str | None
    escrow: Amount
    due_live_ms: int | None
    """When the state that it is in ends by itself, in live time."""
    provider: AddressText | None
    price: Amount
    provider_locked: Amount
    commitment: HexHash | None
    commit_height: int
    cut: Content | None
    outputs: Content | None
    """The result, fetched by this id unless it is sealed."""
    large: bool
    """Whether values are over 4 KiB: they are known by their ids, and parties open leaves of them."""
    sealed: Content | None
    """A large result, sealed to the reply key."""
    reply_key: str | None
    """X25519, to which a large result is sealed."""
    canary: HexHash
    batch: HexHash | None
    """Of which it is an item."""
    picked: HexHash | None
    """The beacon that picked the leaves to open."""
    opened: bool
    """The provider has opened them."""
    disputes: int
    """That are open about it; `dispute.list` tells all."""
    ruled: str | None
    """What its disputes found; None before."""
    verifiers: list[VerifierShape]
    payouts: list[PayoutShape]
    penalties: list[PenaltyShape]
    declined: list[DeclinedShape]
    history: list[HappenedShape]


class TrackShape(Shape):
    """What a provider's jobs have come to."""

    settled: int
    """Verified and settled, ever."""
    rejected: int
    """Ended in a reject that nobody proved or refuted."""
    convicted: int
    grey: int
    """Found beyond what honest machines give."""
    forced: int
    """Verified jobs still to come before any may go undrawn again."""
    spot_audit_bps: int
    """The chance with which its next spot job is verified, in ten-thousandths."""


class WorkerShape(Shape):
    """A registered worker."""

    address: AddressText
    operator: AddressText
    peer_id: str
    bond: Amount
    bond_free: Amount
    bond_locked: Amount
    capacity: int
    providing: int
    verifying: int
    ask: Amount
    gas_ask: Amount
    """On top of it, for each million gas of a run."""
    classes: list[str]
    max_model_bytes: int
    registered: int
    """Height."""
    track: TrackShape


class WorkerList(Shape):
    """A part of the list of workers, by address."""

    workers: list[WorkerShape]
    next: AddressText | None


class FailureShape(Shape):
    """A step of a job that a worker could not do."""

    job: HexHash
    step: str
    """accept, provide, reveal, verify or judge."""
    reason: int
    reason_name: str
    facts: dict[str, str | int | None]


class FailureList(Shape):
    """What a worker could not do lately, the latest last."""

    failures: list[FailureShape]


class Held(Shape):
    """Whether this node holds a piece of content."""

    held: bool
