"""Params and results of the methods about disputes."""

from typing import Annotated

from msgspec import Meta

from node.rpc.method import PAGE, AddressText, Amount, HexHash, PageLimit, Shape
from node.rpc.shapes import PayoutShape, PenaltyShape


class DisputePage(Shape):
    """A part of the list, on request of one job's disputes, or without those that are decided."""

    cursor: HexHash | None = None
    limit: PageLimit = PAGE
    job: HexHash | None = None
    open_only: bool = False


class SubjectShape(Shape):
    """What a dispute is about: the whole job, or what follows from one party's values at the cut."""

    kind: Annotated[str, Meta(pattern="^(whole|tail)$")]
    party: AddressText | None = None
    """Whose tail; None for the whole."""


class ClaimantShape(Shape):
    """Somebody's claim, or the place that is kept for the claim of a drawn worker."""

    who: AddressText
    role: str
    """challenger, party or drawn."""
    bond: Amount
    claimed: bool
    """Whether it has committed to a trace."""
    trace: HexHash | None
    """The root that it opened; None before."""


class TraceShape(Shape):
    """A trace that was claimed."""

    root: HexHash
    struck: str | None
    """silent or wrong; None while it stands."""
    beaten_by: HexHash | None


class SideShape(Shape):
    """One of the two traces of a duel."""

    trace: HexHash
    owes: bool
    """Whether it has yet to do what the step asks."""


class DuelShape(Shape):
    """The duel under way: where two traces differ first is being looked for, or shown to the referee."""

    part: str
    """input, first, perturbed or noise."""
    step: str
    """run, rows, value, leaf or defence."""
    operation: int
    """The one that differs, once it is known; 0 before."""
    sides: list[SideShape]


class FindingShape(Shape):
    """The worst that was proved of a party."""

    party: AddressText
    thousandths: int
    """How far its values at the cut are off, in thousandths of the job's own noise."""
    outputs_differ: bool


class DisputeShape(Shape):
    """All that the chain holds of a dispute."""

    id: HexHash
    job: HexHash
    subject: SubjectShape
    round: int
    """How often there was one about this subject before."""
    past: bool
    """Whether there has been another about it since: then this one says nothing of the parties."""
    stage: str
    outcome: str | None
    opened_height: int
    due_live_ms: int | None
    """When the stage, or the step of the duel, ends by itself, in live time."""
    claims: list[ClaimantShape]
    traces: list[TraceShape]
    duel: DuelShape | None
    duels: int
    ill_conditioned: bool
    findings: list[FindingShape]
    payouts: list[PayoutShape]
    penalties: list[PenaltyShape]


class DisputeList(Shape):
    """A part of the list of disputes, by id."""

    disputes: list[DisputeShape]
    next: HexHash | None


class Examined(Shape):
    """What this node's own canonical runs say of a job's parties, and what a claim would cost."""

    job: HexHash
    findings: list[FindingShape]
    subject: SubjectShape | None
    """What a claim would be about; None: there is no case."""
    bond: Amount
    """What the claim holds of the worker's balance, and what it loses if it is wrong."""


class Challenged(Shape):
    """A claim was made."""

    dispute: HexHash
