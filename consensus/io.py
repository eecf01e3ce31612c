"""What goes into the core and what comes out of it: closed unions of records.

The driver feeds one input at a time to `consensus.core.Core.step` and carries out the effects in the order given.
Persist, if there is one, comes first; its records are on disk (one fsync) before any later effect of the step begins.
"""

import enum
from typing import Annotated

import msgspec

from consensus.messages import BODY_BYTES_MAX, Certificate, Message, SignedVote
from primitives.hashing import Hash
from primitives.record import Record
from primitives.units import U64


@enum.unique
class Verdict(enum.IntEnum):
    """What the application says of a proposed block."""

    VALID = 1
    INVALID = 2
    """Wrong by rules on which all nodes agree; given again for ever."""
    DECLINED = 3
    """Not now and not here, such as a time ahead of this node's clock: no vote, and no contradiction if others vote."""
    MISMATCHED = 4
    """The body is not that of the block's id, or its parent, parent's view or view are not those of the proposal."""


@enum.unique
class Fault(enum.IntEnum):
    """What a peer did that no honest node does."""

    UNKNOWN_SIGNER = 1
    BAD_SIGNATURE = 2
    BAD_CERTIFICATE = 3
    BAD_PROPOSAL = 4
    NOT_LEADER = 5
    BAD_VOTE = 6
    BAD_REQUEST = 7
    FOREIGN_VOTE = 8
    """A validator's vote that comes from another validator."""


# What the driver must remember for the core: the records of Persist. Those of views at or below that of a stored
# FINALIZE certificate may be forgotten once that certificate is on disk.


class Voted(Record, tag=1):
    """A vote of this node: on disk before it is sent, for ever binding (C7, C12)."""

    vote: SignedVote


class Stored(Record, tag=2):
    """A block with its links, stored with this node's own vote for it, so that a final block has voters who kept it."""

    view: U64
    block: Hash
    parent_view: U64
    parent: Hash
    body: Annotated[bytes, msgspec.Meta(max_length=BODY_BYTES_MAX)]


class Certified(Record, tag=3):
    """A certificate that this node holds."""

    certificate: Certificate


GuardRecord = Voted | Stored | Certified


# Inputs.


class Start(Record):
    """The node is up: enter the view that memory gives, arm timers, say again what may have been lost. Once, first."""


class Received(Record):
    """A decoded message. `sender` is the validator whose link it came by, None if it came by another way."""

    sender: int | None
    message: Message


class Built(Record):
    """The answer to Build: a block of this node's own. Its body is stored by the Persist that follows."""

    view: U64
    block: Hash
    body: Annotated[bytes, msgspec.Meta(max_length=BODY_BYTES_MAX)]


class BuildFailed(Record):
    """The other answer to Build."""

    view: U64


class Validated(Record):
    """The answer to Validate; also given, as INVALID, for a fetched block that fails when it is executed (C11).

    VALID means that the driver holds the body and can serve it: the core then counts the block as known.
    """

    view: U64
    block: Hash
    verdict: Verdict


class BlockKnown(Record):
    """A fetched body is held, decodes and has the id `block`. Its links are those of its header."""

    block: Hash
    view: U64
    parent_view: U64
    parent: Hash


class TimedOut(Record):
    """The timer of `view` is over."""

    view: U64


class RetryDue(Record):
    """The retry timer is over."""


class Synced(Record):
    """The driver verified and committed everything up to this FINALIZE certificate by itself (block sync)."""

    certificate: Certificate


class Witnessed(Record):
    """What the other validators know of this one's past ends its quarantine (C13).

    It may have voted in views up to `mark`, whatever its own record says; `votes` are checked ones of its own key.
    Given again as long as they are asked: a vote above `mark` that this node did not cast is another's.
    """

    mark: U64
    votes: list[SignedVote]


class Stalled(Record):
    """The others can't leave a view up to the mark without this node: it may skip it (C13)."""


Input = (
    Start | Received | Built | BuildFailed | Validated | BlockKnown | TimedOut | RetryDue | Synced | Witnessed | Stalled
)


# Effects.


class Persist(Record):
    """Write and fsync these before any later effect of the step."""

    records: list[GuardRecord]


class Send(Record):
    """Send to one validator, or to all others if `to` is None. May be lost: the core says it again."""

    to: int | None
    message: Message


class SetTimer(Record):
    """Give TimedOut(view) after `delay_ms`. Replaces the timer set before."""

    view: U64
    delay_ms: int


class SetRetry(Record):
    """Give RetryDue after `delay_ms`. Replaces the retry timer set before."""

    delay_ms: int


class Build(Record):
    """Build a block of `view` on this parent (its body and those of its ancestors are known); answer once.

    The driver may wait for transactions for as long as the timing's `idle_ms`. A later Build replaces this one.
    If the parent ends this epoch (the block of view 0 has ended the one before), the one right answer is the parent
    itself, with its own id and body (C23).
    """

    view: U64
    parent_view: U64
    parent: Hash


class Validate(Record):
    """Judge a block on this parent (its body and those of its ancestors are known); answer once, at any time.

    Where `block` is `parent`, it is VALID if the parent ends its epoch and `body` is its body; any other block on a
    parent that ends its epoch is INVALID (C23).
    """

    view: U64
    block: Hash
    body: Annotated[bytes, msgspec.Meta(max_length=BODY_BYTES_MAX)]
    parent_view: U64
    parent: Hash


class FetchBlock(Record):
    """Get a body, from validator `hint` first; answer BlockKnown. Asked again on each retry until it is known."""

    block: Hash
    hint: int | None


class Commit(Record):
    """The block is final by this FINALIZE certificate, and so are its ancestors, whose bodies are all known.

    If it ends its epoch the core has done its work: the driver leaves it, with whatever effects of the step follow, and
    keeps the certificate for those who lag behind (C24). The next epoch's core starts at `Point(0, block)`.
    """

    block: Hash
    certificate: Certificate


class Evidence(Record):
    """Two votes of one validator and view that no honest node ever signs (consensus.evidence)."""

    first: SignedVote
    second: SignedVote


class Penalise(Record):
    """A peer broke the rules: the sender of this step's message (None if its link has no validator), or a leader."""

    sender: int | None
    fault: Fault


class Halt(Record):
    """This node must stop and call for a person: going on could contradict what others hold final (C11)."""

    why: str


Effect = Persist | Send | SetTimer | SetRetry | Build | Validate | FetchBlock | Commit | Evidence | Penalise | Halt
