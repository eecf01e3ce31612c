"""What is certified and what follows what: certificates above the final point, links of known blocks (C2, C5)."""

import enum
from collections.abc import Sequence
from typing import NamedTuple

from consensus.io import Certified, GuardRecord, Stored
from consensus.messages import JUSTIFICATION_MAX, Certificate, Proposal, VoteKind

LINKS_MAX = 4_096
"""Known blocks that are not committed. A node that is further behind syncs by ranges, which is the driver's work."""


class Point(NamedTuple):
    """A block and its view; view 0 is the epoch's first block, which is final by definition."""

    view: int
    block: bytes


@enum.unique
class Standing(enum.Enum):
    """How a proposal's ancestry stands by the certificates known here."""

    CERTIFIED = enum.auto()
    """The parent is notarized or final, and every view between is nullified."""
    MISSING = enum.auto()
    """A certificate is not known here."""
    CONTRADICTED = enum.auto()
    """A certificate is known here that excludes it."""


class Missing(NamedTuple):
    """A block whose body is needed, and which validators should have it."""

    block: bytes
    view: int


class Ancestry:
    """Certificates above the final point, links of blocks above the committed point.

    Both grow only by what a quorum signed, and are cut at the final and the committed point.
    """

    def __init__(self, start: Point) -> None:
        self.final = start
        self.final_certificate: Certificate | None = None
        self.committed = start
        self.notarized: dict[int, Certificate] = {}
        self.nullified: dict[int, Certificate] = {}
        self._links: dict[bytes, tuple[int, Point]] = {}

    def recover(self, records: Sequence[GuardRecord]) -> None:
        """Take what was written: certificates, and the links of the blocks that were stored with a vote."""
        known = [record.certificate for record in records if isinstance(record, Certified)]
        for certificate in known:
            if certificate.vote.kind is VoteKind.FINALIZE and certificate.vote.view >= self.final.view:
                self.raise_final(certificate)
        for certificate in known:
            if certificate.vote.view > self.final.view:
                self.add(certificate)
        for record in records:
            if isinstance(record, Stored):
                self.link(record.block, record.view, Point(record.parent_view, record.parent))

    def next_view(self) -> int:
        """Return the view after the last one that a certificate ended."""
        return max(self.final.view, *self.notarized, *self.nullified, 0) + 1

    def add(self, certificate: Certificate) -> None:
        """Take a certificate of NOTARIZE or NULLIFY above the final point."""
        known = self.nullified if certificate.vote.kind is VoteKind.NULLIFY else self.notarized
        known[certificate.vote.view] = certificate

    def link(self, block: bytes, view: int, parent: Point) -> None:
        """Note a block whose body is held, with its parent.

        A block that is proposed again has its place where it was proposed first, so that is told by its body (C23).
        """
        if parent.block != block and view > self.committed.view and len(self._links) < LINKS_MAX:
            self._links[block] = (view, parent)

    def linked(self, block: bytes) -> bool:
        """Tell whether a block above the committed point is known with its links."""
        return block in self._links

    def placed(self, view: int, block: bytes) -> bool:
        """Tell whether a block above the committed point is known and has its place in `view`."""
        return block in self._links and self._links[block][0] == view

    def holds(self, certificate: Certificate) -> bool:
        """Tell whether this very vote's certificate is known, or its view is final already."""
        vote = certificate.vote
        if vote.view <= self.final.view:  # nothing to learn, but what contradicts the final block is news
            return vote.view < self.final.view or vote.block == self.final.block
        known = (self.nullified if vote.kind is VoteKind.NULLIFY else self.notarized).get(vote.view)
        return vote.kind is not VoteKind.FINALIZE and known is not None and known.vote == vote

    def rivals(self, certificate: Certificate) -> list[Certificate]:
        """Return the known certificates that can't stand beside `certificate` while quorums share an honest member."""
        vote = certificate.vote
        found: list[Certificate] = []
        notarized = self.notarized.get(vote.view)
        if vote.kind is not VoteKind.NULLIFY and notarized is not None and notarized.vote.block != vote.block:
            found.append(notarized)
        if vote.kind is VoteKind.FINALIZE and vote.view in self.nullified:
            found.append(self.nullified[vote.view])
        final = self.final_certificate
        if final is not None and vote.view == final.vote.view and vote.block != final.vote.block:
            found.append(final)
        return found

    def raise_final(self, certificate: Certificate) -> None:
        """Take a FINALIZE certificate above the final point, and drop what it closes (C5)."""
        self.final = Point(certificate.vote.view, certificate.vote.block)
        self.final_certificate = certificate
        for known in (self.notarized, self.nullified):
            for view in [view for view in known if view <= self.final.view]:
                del known[view]

    def raise_committed(self, point: Point) -> None:
        """Take a block that is committed with all its ancestors."""
        self.committed = point
        for block in [block for block, (view, _) in self._links.items() if view <= point.view]:
            del self._links[block]

    def parent_of(self, proposal: Proposal) -> Point | None:
        """Return on what a proposed block stands: one on itself in the last view below in which it is certified (C23).

        None: it is certified in none that is known here. The view that its proposal tells is signed by nobody.
        """
        view, block = proposal.vote.vote.view, proposal.vote.vote.block
        if proposal.parent != block:
            return Point(proposal.parent_view, proposal.parent)
        views = [of for of, certificate in self.notarized.items() if of < view and certificate.vote.block == block]
        if not views and self.final.block == block and self.final.view < view:
            return self.final
        return Point(max(views), block) if views else None

    def standing(self, view: int, parent: Point | None) -> Standing:
        """Tell how a block of `view` on `parent` stands (C2)."""
        if parent is None:
            return Standing.MISSING
        if parent.view >= view or parent.view < self.final.view:
            return Standing.CONTRADICTED
        if parent.view == self.final.view:
            if parent.block != self.final.block:
                return Standing.CONTRADICTED
        else:
            notarized = self.notarized.get(parent.view)
            if notarized is None:
                return Standing.MISSING
            if notarized.vote.block != parent.block:
                return Standing.CONTRADICTED
        if len(self.nullified) < view - parent.view - 1:  # spares the walk over a hostile gap
            return Standing.MISSING
        skipped = all(between in self.nullified for between in range(parent.view + 1, view))
        return Standing.CERTIFIED if skipped else Standing.MISSING

    def lacks(self, view: int, parent: Point | None) -> int:
        """Return the first view of which a certificate is missing for a block of `view` on `parent` (C2)."""
        if parent is None:
            return self.final.view + 1
        if parent.view > self.final.view and parent.view not in self.notarized:
            return parent.view
        first = max(parent.view, self.final.view) + 1
        return next((between for between in range(first, view) if between not in self.nullified), view - 1)

    def parent_for(self, view: int) -> Point | int:
        """Return the parent on which a block of `view` can stand, or the view whose certificate is missing (C1)."""
        for below in range(view - 1, self.final.view, -1):
            notarized = self.notarized.get(below)
            if notarized is not None:  # where both are known, the notarized block loses nothing
                return Point(below, notarized.vote.block)
            if below not in self.nullified:
                return below
        return self.final

    def unrooted(self, point: Point) -> Missing | None:
        """Return the first block on the way from `point` down to the committed one whose body is missing, or None.

        Also None where the way misses the committed block; `forks` tells the two apart.
        """
        while point.view > self.committed.view and point.block != self.committed.block:  # the same again: C23
            link = self._links.get(point.block)
            if link is None:
                return Missing(point.block, point.view)
            point = link[1]
        return None

    def forks(self, point: Point) -> bool:
        """Tell whether the way from `point`, whose bodies are known, misses the committed block."""
        while point.view > self.committed.view and point.block != self.committed.block:
            point = self._links[point.block][1]
        return point.block != self.committed.block

    def certificate_of(self, view: int) -> Certificate | None:
        """Return a certificate that ends `view`: that of a block rather than that of none."""
        if self.final_certificate is not None and view <= self.final.view:
            return self.final_certificate
        return self.notarized.get(view) or self.nullified.get(view)

    def justification(self, view: int, parent: Point) -> list[Certificate]:
        """Return the certificates that let a block of `view` stand on `parent`, as many as fit (C1)."""
        skipped = [self.nullified[between] for between in range(parent.view + 1, view)]
        of_parent = self.certificate_of(parent.view)
        return ([of_parent, *skipped] if of_parent is not None else skipped)[:JUSTIFICATION_MAX]

    def certificates(self, first: int, last: int) -> list[Certificate]:
        """Return the highest FINALIZE certificate, and those of the views from `first` to `last` above it (C9).

        At most one message's worth, the earliest views first.
        """
        found = [] if self.final_certificate is None else [self.final_certificate]
        for view in sorted(each for each in self.notarized | self.nullified if first <= each <= last):
            found += [known[view] for known in (self.notarized, self.nullified) if view in known]
            if len(found) >= JUSTIFICATION_MAX:
                break
        return found[:JUSTIFICATION_MAX]
