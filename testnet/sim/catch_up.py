"""How a simulated node that is behind comes to the head: ranges of final blocks, as node.sync gives them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from consensus.certificate import check
from consensus.io import Synced
from consensus.messages import Certificate, VoteKind
from primitives.reasons import Refused
from testnet.sim.application import Final

if TYPE_CHECKING:
    from testnet.sim.node import SimNode

RANGE_MAX = 16
"""Blocks of one answer; more where no certificate comes earlier."""
FAR_VIEWS = 8
"""A validator whose last committed block is so far below what it knows to be final asks for ranges."""


class Archived(NamedTuple):
    """A final block as it is kept, with a certificate if it was not made final by a later block alone."""

    block: bytes
    epoch: int
    body: bytes
    certificate: Certificate | None


class Range(NamedTuple):
    """Final blocks that follow each other, and the certificate of the last."""

    holder: int
    blocks: Sequence[Archived]
    certificate: Certificate


class CatchUp:
    """The final blocks that a node keeps, gives and asks for."""

    def __init__(self, node: "SimNode") -> None:
        self._node = node
        self._kept: list[Archived] = []
        self._asked = False

    @property
    def height(self) -> int:
        """Return how many blocks are final here."""
        return len(self._kept)

    def wipe(self) -> None:
        """Forget everything."""
        self._kept = []

    def copy(self) -> list[Archived]:
        """Return all final blocks."""
        return list(self._kept)

    def restore(self, copy: Sequence[Archived]) -> None:
        """Keep what was final once."""
        self._kept = list(copy)

    def note(self, news: Sequence[Final], certificate: Certificate) -> None:
        """Keep what became final."""
        for final in news:
            body = self._node.application.body(final.block)
            assert body is not None, "what is committed is held"
            mine = certificate if final.block == certificate.vote.block else None
            self._kept.append(Archived(final.block, final.epoch, body, mine))

    def renew(self) -> None:
        """Ask once more if it is called for: this node takes no part, or it knows of final blocks far above its own."""
        self._asked = False
        node = self._node
        if node.core is None:
            return
        last = node.application.head()
        far = node.core.final.view > (0 if last.ends else last.view) + FAR_VIEWS
        if node.me is None or far or node.core.quarantined:
            others = [other for other in range(node.nodes) if other != node.voice]
            if others:
                self.ask(others[node.world.pick(len(others))])

    def ask(self, holder: int) -> None:
        """Ask a validator for what follows the last final block, once between two retries."""
        if not self._asked:
            self._asked = True
            self.more(holder)

    def more(self, holder: int) -> None:
        """Ask a validator for what follows the last final block."""
        asker, height = self._node.index, self.height
        name = b"range" + height.to_bytes(4, "big")
        self._node.world.carry(asker, holder, "request", name, lambda other: other.catch_up.serve(asker, height))

    def serve(self, asker: int, height: int) -> None:
        """Give what follows a height, up to a certificate."""
        blocks: list[Archived] = []
        upto = 0
        for archived in self._kept[height : height + 4 * RANGE_MAX]:
            if upto and len(blocks) >= RANGE_MAX:
                break
            blocks.append(archived)
            if archived.certificate is not None:
                upto = len(blocks)
        if self._node.core is None or not upto:
            return
        certificate = blocks[upto - 1].certificate
        assert certificate is not None, "the range ends with one"
        told = Range(self._node.voice, blocks[:upto], certificate)
        name = b"given" + certificate.vote.block
        self._node.world.reply(self._node.index, asker, "body", name, lambda node: node.take_range(told))

    def take(self, told: Range) -> bool:
        """Commit a range that follows what is final here; tell whether it was news."""
        news = False
        for at, archived in enumerate(told.blocks):
            if archived.certificate is not None and self._take_upto(told.blocks[: at + 1], archived.certificate):
                news = True
        return news

    def _take_upto(self, blocks: Sequence[Archived], certificate: Certificate) -> bool:
        node = self._node
        last = node.application.head()
        names = [archived.block for archived in blocks]
        fresh = blocks[names.index(last.block) + 1 :] if last.block in names else blocks
        vote = certificate.vote
        if not fresh or node.core is None or vote.epoch != node.epoch or vote.kind is not VoteKind.FINALIZE:
            return False
        try:
            check(certificate, node.committee.instance, node.world.scheme(node.committee))
        except Refused:
            return False
        parent = last.block
        for archived in fresh:
            links = node.application.adopt(archived.block, archived.body)
            if links is None or links.parent.block != parent:
                return False
            parent = archived.block
        if node.finalize(vote.block, certificate):
            node.take(Synced(certificate=certificate))
        return True
