"""What a network suffers until it is left in peace: a part of its manifest."""

from typing import Annotated

import msgspec
from msgspec import Meta

Rate = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0, le=1_000)]
Ms = Annotated[int, Meta(ge=0, le=86_400_000)]
Index = Annotated[int, Meta(ge=0, le=127)]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault at a fixed time, for a scenario. Validators by number."""

    what: Annotated[str, Meta(pattern="^(cut|down|forget)$")]
    """cut: what `nodes` say does not reach `to`; down: they are dead; forget: they die and lose their disks."""
    nodes: list[Index]
    to: list[Index] = []
    """Of a cut; empty: everybody else."""
    kinds: list[str] = []
    """Of a cut, the messages that it hits: proposal, notarize, nullify, finalize, certificate, answer, request, body.

    Empty: all.
    """
    at_ms: Ms = 0
    for_ms: Ms | None = None
    """None: until the faults end, and for `down` for good."""


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Faults of one run. Rates are per message, counts per run; each one named must really occur."""

    for_ms: Ms = 20_000
    """How long the faults last. In the peace after them the network must come back to life."""
    loss: Rate = 0.0
    """Share of messages that vanish."""
    duplicate: Rate = 0.0
    """Share of messages that arrive twice."""
    late: Rate = 0.0
    """Share of messages that take far longer than Δ."""
    reorder: Rate = 0.0
    """Share of messages that others overtake: they take some δ longer."""
    partitions: Count = 0
    """Times that the network splits in two for a while, and heals."""
    deaf: Count = 0
    """Times that one node hears nothing for a while, though it is heard."""
    one_way: Count = 0
    """Times that one link carries nothing in one of its directions for a while."""
    slow_links: Count = 0
    """Times that one link takes twenty times as long for a while."""
    crashes: Count = 0
    """Times that a node dies between two inputs and comes back."""
    torn: Count = 0
    """Times that a node dies amid the effects of a step, of whose write some first part survives."""
    lost_tail: Count = 0
    """Times that a node dies amid a write of which nothing survives."""
    full_disk: Count = 0
    """Times that a disk takes no more: the node stops before it says anything, and comes back when there is room."""
    bit_flips: Count = 0
    """Times that a stored bit is wrong after a crash: the node finds out, and begins anew with an empty disk."""
    forgetful: Count = 0
    """Times that a node loses its whole disk in a crash, and comes back knowing nothing."""
    old_copies: Count = 0
    """Times that a node is killed and comes back on an older copy of its disk, votes and all."""
    skew_ms: Ms = 0
    """Each clock is off by up to this much, ahead or behind."""
    shrunken: bool = False
    """Whether each seed shrinks some of the core's limits."""
    cast: list[str] = []
    """Dishonest validators by name (testnet.sim.cast), one each, as far as less than a third are; see `twins`."""
    beyond: Count = 0
    """So many of the cast more than the protocol bears: then forks may happen, and must name their authors."""
    script: Annotated[list[Step], Meta(max_length=64)] = []
    """Faults at fixed times, for a scenario."""
