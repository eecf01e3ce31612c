"""The bodies that are wanted, each asked for again until it comes (C5)."""

from consensus.ancestry import Ancestry, Point
from consensus.certificate import signers_of
from consensus.io import FetchBlock
from consensus.messages import Certificate
from consensus.outbox import Outbox

WANTED_MAX = 64
"""Bodies asked for at once; the way down from a final block is walked one parent at a time."""


class Wanted:
    """Blocks to fetch, with the validators that should have them."""

    def __init__(self, me: int | None, outbox: Outbox) -> None:
        self._me = me
        self._outbox = outbox
        self._sought: dict[bytes, tuple[int, list[int]]] = {}
        self._round = 0

    def want(self, block: bytes, view: int, certificate: Certificate | None) -> None:
        """Ask those who signed for a block, unless it is asked for already or too many are."""
        if block in self._sought or len(self._sought) >= WANTED_MAX:
            return
        signers = [] if certificate is None else signers_of(certificate.signers)
        self._sought[block] = (view, [signer for signer in signers if signer != self._me])
        self._fetch(block)

    def rooted(self, point: Point, ancestry: Ancestry) -> bool:
        """Tell whether `point` and its ancestors are known; ask for the first that is not."""
        missing = ancestry.unrooted(point)
        if missing is not None:
            self.want(missing.block, missing.view, ancestry.certificate_of(missing.view))
        return missing is None

    def _fetch(self, block: bytes) -> None:
        _, holders = self._sought[block]
        self._outbox.add(FetchBlock(block=block, hint=holders[self._round % len(holders)] if holders else None))

    def again(self) -> None:
        """Ask again for everything, each block from its next holder."""
        self._round += 1
        for block in self._sought:
            self._fetch(block)

    def forget(self, block: bytes) -> None:
        """Stop asking for a block."""
        self._sought.pop(block, None)

    def forget_up_to(self, view: int) -> None:
        """Stop asking for blocks of views that are committed."""
        for block in [block for block, (of, _) in self._sought.items() if of <= view]:
            del self._sought[block]
