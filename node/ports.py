"""What the parts of the shell ask of each other: small interfaces, owned by their users.

`node.rpc` and `node.compute` see the chain and the content of the network only through these.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

import trio

from consensus.messages import Certificate
from ledger.block import Block
from ledger.chain import FinalBlock
from ledger.genesis import Genesis
from ledger.proven import ProvenRows
from ledger.records import ModelEntry
from ledger.state import State
from ledger.transaction import Receipt
from primitives.content import ContentId, Slice
from vm.dispute_protocol import Asked, BytesTold, PartsTold, TraceTold, WorstTold
from vm.lowering import Lowering
from vm.manifest import Class


@dataclass(frozen=True, kw_only=True)
class Head:
    """The last final block, and the state after it."""

    height: int
    block_id: bytes
    timestamp_ms: int
    live_ms: int
    state_root: bytes
    """After this block (its child's header carries it)."""


class TxState(StrEnum):
    """Where a transaction stands."""

    PENDING = "pending"
    FINAL = "final"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class TxStatus:
    """What is known of a transaction; height, index and receipt once it is final."""

    state: TxState
    height: int | None = None
    index: int | None = None
    receipt: Receipt | None = None


class ChainView(Protocol):
    """The final chain, and the way into the next block."""

    @property
    def genesis(self) -> Genesis:
        """Return what the network starts from."""

    @property
    def genesis_hash(self) -> bytes:
        """Return the hash that names the network, 32 bytes."""

    @property
    def head(self) -> Head:
        """Return the last final block."""

    def state(self) -> State:
        """Return the state after the last final block; it does not change under its reader."""

    def block(self, height: int) -> tuple[Block, Certificate] | None:
        """Return a final block and the certificate that covers it or a descendant."""

    def height_of(self, block_id: bytes) -> int | None:
        """Return the height of a final block."""

    def state_root_at(self, height: int) -> bytes | None:
        """Return the state root after the final block at `height`."""

    def prove(self, keys: Sequence[bytes], height: int | None) -> ProvenRows:
        """Return rows of one of the last final states with all that shows them; raises Refused NOT_FOUND (R11)."""

    def transaction(self, txid: bytes) -> TxStatus:
        """Return where a transaction stands."""

    def next_nonce(self, address: bytes) -> int:
        """Return the nonce of the account's next transaction, those waiting in the mempool counted."""

    async def submit(self, raw: bytes) -> bytes:
        """Take a signed transaction into the mempool, gossip it, and return its id. Raises Refused."""

    def follow(self) -> AbstractAsyncContextManager[trio.MemoryReceiveChannel[FinalBlock]]:
        """Open a bounded stream of final blocks, from the next one on.

        A reader that falls behind finds its stream closed and reads the state again.
        """


class Blobs(Protocol):
    """Content by root: this node's store, and the network's."""

    def has(self, content: ContentId) -> bool:
        """Tell whether this node holds `content`."""

    async def put(self, raw: bytes) -> ContentId:
        """Keep `raw` and return its id. Raises Refused TOO_LARGE."""

    async def get(self, content: ContentId) -> bytes | None:
        """Return content that this node holds."""

    async def slice(self, content: ContentId, start: int, count: int) -> Slice | None:
        """Return up to `count` leaves from leaf `start` of content that this node holds, with their proof.

        Unlike `get`, it takes no memory for the rest, and does not look whether the disk has damaged them.
        """

    async def fetch(self, content: ContentId, *, hints: Sequence[bytes] = ()) -> bytes:
        """Return content, from here or from peers (`hints` first), checked slice by slice.

        Raises Refused CONTENT_NOT_FOUND if nobody who could be asked holds it.
        """


class Role(StrEnum):
    """What a worker runs a job as."""

    PROVIDE = "provide"
    VERIFY = "verify"
    DISPUTE = "dispute"
    """Canonically, to tell who is right about it."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run of one job: everything that an engine needs."""

    job: bytes
    role: Role
    model_id: bytes
    model: bytes
    """The ONNX file."""
    lowering: Lowering
    """What the run means, as the chain has it."""
    class_: Class
    input: bytes
    """The encoded vm.tensor.Bundle."""


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """What came out: encoded bundles of the values at the cut and of the outputs."""

    cut: bytes
    outputs: bytes
    wall_ms: int


class Engine(Protocol):
    """The worker's port to the machine that runs models. The product has one; testnet.kit puts liars here."""

    async def run(self, task: Task) -> TaskResult:
        """Run a job. Raises Refused (5xx, 6xx) if the model, the input or the run fails."""

    async def tail(self, task: Task, cut: bytes) -> bytes:
        """Return the encoded bundle of outputs that follow from values at the cut. Raises Refused (5xx, 6xx)."""


class Rehearsal(Protocol):
    """Finds out before a job is accepted whether it can be done."""

    async def rehearse(self, task: Task, entry: ModelEntry) -> None:
        """Raise Refused (5xx, 6xx) unless the model is what its publication says and the task runs."""


Told = TypeVar("Told", TraceTold, PartsTold, BytesTold, WorstTold)
"""What is answered in a dispute."""


class Advocate(Protocol):
    """The port to the machine that answers what disputes ask, by the canonical runs of a job."""

    async def ask(self, task: Task, asked: Asked, told: type[Told], *, cut: bytes | None = None) -> Told:
        """Return the answer, of its kind, to a question about a job, or about the tail of one party's encoded `cut`.

        The same question always has the same answer. Raises Refused (5xx, 6xx) if model, input or run fails.
        """


class Machine(Engine, Advocate, Protocol):
    """Both: all that a node's parts ask of the machine that runs models."""
