"""What is sent in a dispute: claims, what they are opened to, and what is put before the referee (X10)."""

import enum
from typing import Annotated

import msgspec

from primitives.hashing import AddressBytes, Hash, Salt, tagged
from primitives.record import Record
from vm.program import Outline
from vm.tensor import ROOT_LEAF_BYTES, TensorType
from vm.tiles import PROOF_BYTES_MAX
from vm.trace import PARTS_MAX, Trace

ProofBytes = Annotated[bytes, msgspec.Meta(max_length=PROOF_BYTES_MAX)]
"""An encoded vm.referee.defence.Defence or Beyond."""


class SubjectKind(enum.IntEnum):
    """What is asked."""

    WHOLE = 1
    """What the job's canonical runs are: every party's values at the cut are held against them."""
    TAIL = 2
    """What follows canonically from one party's values at the cut: its outputs are held against that."""


class Subject(Record):
    """What a dispute is about."""

    kind: SubjectKind
    party: AddressBytes | None
    """Whose tail; None for the whole."""


WHOLE = Subject(kind=SubjectKind.WHOLE, party=None)


def tail_of(party: bytes) -> Subject:
    """Return the subject of a dispute about one party's outputs."""
    return Subject(kind=SubjectKind.TAIL, party=party)


def dispute_id(job: bytes, subject: Subject) -> bytes:
    """Return the id of a job's dispute about a subject, 32 bytes: there is one at a time (X1)."""
    return tagged("assay/dispute", job, bytes([subject.kind]), subject.party or b"")


def past_id(identity: bytes, number: int) -> bytes:
    """Return the id of a round of a dispute that has been followed by another, 32 bytes (X5)."""
    return tagged("assay/dispute-round", identity, bytes([number]))


def claim_commitment(*, genesis: bytes, dispute: bytes, claimant: bytes, root: bytes, salt: bytes) -> bytes:
    """Return the commitment of a claimant (20-byte address) to the root of a trace, 32 bytes (X11).

    It binds network, dispute and claimant, so a copied one opens for nobody else.
    """
    return tagged("assay/claim", genesis, dispute, claimant, root, salt)


class DisputeClaim(Record, tag=21):
    """Commit to the root of a job's canonical trace. The first claim about a subject opens the dispute."""

    job: Hash
    subject: Subject
    commitment: Hash


class DisputeOpen(Record, tag=22):
    """Open a claim: the trace that the sender computed, and the outline that its program's root is the hash of."""

    dispute: Hash
    outline: Outline
    trace: Trace
    salt: Salt


class DisputeTell(Record, tag=23):
    """Tell the roots of the parts of what a duel asks about, for one of its traces."""

    dispute: Hash
    root: Hash
    """Of the trace."""
    roots: Annotated[list[Hash], msgspec.Meta(max_length=PARTS_MAX)]
    value_type: TensorType | None
    """Of the value, with the first parts of its leaves alone."""


class DisputeLeaf(Record, tag=24):
    """Open the leaf of a value that a duel asks about, for one of its traces."""

    dispute: Hash
    root: Hash
    leaf: Annotated[bytes, msgspec.Meta(min_length=1, max_length=ROOT_LEAF_BYTES)]


class DisputeDefend(Record, tag=25):
    """Show the referee that a trace is right where it differs from its rival."""

    dispute: Hash
    root: Hash
    proof: ProofBytes


class DisputeBeyond(Record, tag=26):
    """Show how far a party's committed values are off, by the trace that stands."""

    dispute: Hash
    party: AddressBytes
    proof: ProofBytes


DisputePayload = DisputeClaim | DisputeOpen | DisputeTell | DisputeLeaf | DisputeDefend | DisputeBeyond
DisputeAct = DisputeOpen | DisputeTell | DisputeLeaf | DisputeDefend | DisputeBeyond
"""What is sent about a dispute that is open."""
