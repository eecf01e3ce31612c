"""What the API needs of the node: the ports, and facts about the process for the status."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.genesis import Charter
from node.compute.canaries.service import Canaries
from node.compute.disputes.service import Disputes
from node.compute.worker import JobFailure
from node.mempool.pool import Pool
from node.p2p.ipc import PeerAddress, Peers
from node.ports import Blobs, ChainView
from node.sync.progress import Progress
from primitives.reasons import Reason
from vm.sandbox_protocol import Checked


@dataclass(frozen=True, kw_only=True)
class NodeFacts:
    """What a node knows of itself besides its chain."""

    peer_id: bytes
    p2p_host: str
    p2p_port: int
    roles: tuple[str, ...]
    mempool: int
    """Transactions that wait."""
    refused: Mapping[Reason, int]
    """Transactions kept out of the mempool since the node started."""
    peers: tuple[bytes, ...]
    """Ids of the connected ones."""
    node_pid: int
    network_pid: int
    """0 while the network program restarts."""
    sandbox_pids: tuple[int, ...]
    sandbox_layers: tuple[str, ...]
    deviating: tuple[str, ...] | None
    """Known-answer tests that this machine fails; None until a sandbox has told, or if there is none."""
    """What holds a sandbox back on this machine; empty before the first one started."""
    worker: bytes | None
    """Address of the worker, on a node that has the role."""
    reserve: int | None = None
    """What the worker keeps of its balance for the bonds of claims, grains; None on a node that is no worker."""
    voting: bool | None = None
    """Of a validator: whether it votes by now (C13)."""


class PeerControl(Protocol):
    """What the API needs of `node.network.Network`."""

    table: Peers

    def add_peer(self, address: PeerAddress) -> bool:
        """Stay connected to one more peer; tell whether there was room for it."""

    def remove_peer(self, peer: bytes) -> bool:
        """Stay connected to a peer no longer; tell whether it was one of those."""

    def ban(self, name: str, seconds: int) -> None:
        """Listen to a name no more."""

    def unban(self, name: str) -> None:
        """Lift a ban."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that methods use."""

    charter: Charter
    chain: ChainView
    blobs: Blobs
    pool: Pool
    facts: Callable[[], NodeFacts]
    now_ms: Callable[[], int]
    """The wall clock, Unix milliseconds."""
    progress: Callable[[], Progress]
    """How far the chain is on its way to the head."""
    check: Callable[[bytes, Sequence[Sequence[int]]], Awaitable[Checked]] | None
    """Judges a model file for inputs of some shapes in this node's sandbox; None on a node that is no worker."""
    peers: PeerControl | None = None
    """The node's network."""
    disputes: Disputes | None = None
    """What this node's account does about disputes; None on a node that is no worker."""
    canaries: Canaries | None = None
    """What this node's worker does about its own canary; None on a node that is no worker."""
    failures: Callable[[], Iterable[JobFailure]] = tuple
    """What this node's worker could not do lately; nothing on a node that is no worker."""
