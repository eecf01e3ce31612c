"""The JSON objects of the methods about validators; block times are Unix milliseconds."""

from node.rpc.method import PAGE, AddressText, Amount, HeightNumber, HexHash, PageLimit, Shape


class ValidatorPage(Shape):
    """How many validators to return."""

    limit: PageLimit = PAGE


class ByEpoch(Shape):
    """Names an epoch; none: the running one."""

    epoch: HeightNumber | None = None


class EvidencePage(Shape):
    """Which offences to return: of one epoch, of one validator, or all, the earliest epoch first."""

    epoch: HeightNumber | None = None
    validator: AddressText | None = None
    limit: PageLimit = PAGE


class DelegationPage(Shape):
    """Whose delegations to return."""

    delegator: AddressText
    limit: PageLimit = PAGE


class ValidatorShape(Shape):
    """A registered validator."""

    address: AddressText
    state: str
    """ready, jailed, leaving or banned."""
    key: HexHash
    """Signs votes, from the next set that is fixed on; the running epoch's is told by epoch.get."""
    peer_id: str
    onion: HexHash
    commission_bps: int
    stake: Amount
    """Delegated to it, its own included."""
    own_stake: Amount
    unbonding: Amount
    """Taken out of its stake and not paid yet; it still answers for what the validator did."""
    jailed_until_ms: int | None
    index: int | None
    """Its place in the set of the running epoch."""
    weight: Amount
    """Of its votes in the running epoch."""
    next_weight: Amount
    """In the next epoch."""
    proposed: int
    """Blocks, in the running epoch."""
    missed: int
    """Views that it led without a block, in the running epoch."""
    reveals: int | None
    """Layers of its hash onion that are used, of 1,048,576 by default."""
    offences: int
    """That were proved; validator.evidence shows them."""


class ValidatorList(Shape):
    """Validators, those with the most stake first."""

    epoch: int
    """The running one."""
    validators: list[ValidatorShape]
    registered: int
    """All there are."""


class VoteShape(Shape):
    """One of two votes that contradict each other."""

    kind: str
    view: int
    block: HexHash | None
    signer: int
    """Index in the set of the epoch."""
    signature: str
    """64 bytes in hexadecimal."""


class EvidenceShape(Shape):
    """A proved offence, and what it cost."""

    epoch: int
    validator: AddressText
    offence: str
    first: VoteShape
    second: VoteShape
    weight: Amount
    """Of the validator in that epoch."""
    slash_bps: int
    """Of the stake that stood for it."""
    slashed: Amount
    bounty: Amount
    reporter: AddressText
    """Whose block had the evidence: receives the bounty."""
    height: int
    time_ms: int


class EvidenceList(Shape):
    """Proved offences."""

    evidence: list[EvidenceShape]


class MemberShape(Shape):
    """A validator in the set of an epoch."""

    index: int
    validator: AddressText
    key: HexHash
    peer_id: str
    onion: HexHash
    weight: Amount
    proposed: int | None
    """Blocks; None but for the running epoch, as for `missed`."""
    missed: int | None


class EpochShape(Shape):
    """An epoch and its validators."""

    epoch: int
    running: int
    """The number of the running epoch."""
    started_ms: int | None
    """None but for the running epoch, as for `ends_ms`."""
    ends_ms: int | None
    """With the first block of at least this time."""
    epoch_ms: int
    seed: HexHash
    """The randomness that draws its leaders."""
    validators_hash: HexHash
    weight: Amount
    """Of all members."""
    members: list[MemberShape]


class DelegationShape(Shape):
    """What an account has delegated to one validator."""

    validator: AddressText
    state: str
    """Of the validator."""
    shares: int
    amount: Amount
    """What the shares are worth now."""


class ClaimShape(Shape):
    """What an account is to be paid out of a validator's stake."""

    validator: AddressText
    amount: Amount
    """If the validator is not convicted meanwhile."""
    due_ms: int
    """Paid by the first block of at least this time."""


class DelegationList(Shape):
    """What an account has delegated, and what it waits for."""

    delegations: list[DelegationShape]
    unbonding: list[ClaimShape]
