"""From final to committed: as soon as the final block and all its ancestors are known (C5)."""

from consensus.ancestry import Ancestry
from consensus.fetching import Wanted
from consensus.io import Commit
from consensus.outbox import Outbox


def try_commit(ancestry: Ancestry, wanted: Wanted, outbox: Outbox) -> None:
    """Commit the final block, or ask for the first body that is missing on the way to it."""
    final, certificate = ancestry.final, ancestry.final_certificate
    if certificate is None or final.view <= ancestry.committed.view:
        return
    if not wanted.rooted(final, ancestry):
        return
    if ancestry.forks(final):
        outbox.halt(f"final block {final.block.hex()} does not descend from the committed one")  # C11
        return
    ancestry.raise_committed(final)
    wanted.forget_up_to(final.view)
    outbox.add(Commit(block=final.block, certificate=certificate))
