"""Methods about how far the chain is, and how much of it is here."""

from node.rpc.method import Method, Nothing, Shape
from node.rpc.services import Services


class SyncStatus(Shape):
    """How far this node is on its way to the head."""

    height: int
    target: int
    """The highest that a connected peer tells, which proves nothing; the own height if none is ahead."""
    behind: int
    """Blocks between both."""
    peers: int
    """Peers that are ahead."""
    blocks_per_s: float
    """Lately, of what is fetched from peers."""
    left_s: float | None
    """How long the rest takes at this rate; none where it can't be told."""
    lowest_block: int
    """The least height whose block is here; those below have been pruned."""
    lowest_history: int
    """The same for receipts, state roots and the places of transactions."""


async def sync_status(services: Services, _: Nothing) -> SyncStatus:
    """Tell how far this node is on its way to the head, and from which height on it keeps the chain."""
    progress = services.progress()
    return SyncStatus(
        height=progress.height,
        target=progress.target,
        behind=progress.target - progress.height,
        peers=progress.peers,
        blocks_per_s=round(progress.blocks_per_s, 1),
        left_s=None if progress.left_s is None else round(progress.left_s, 1),
        lowest_block=progress.lowest_block,
        lowest_history=progress.lowest_history,
    )


METHODS = (Method(name="sync.status", params=Nothing, result=SyncStatus, answer=sync_status),)
