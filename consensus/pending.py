"""Proposals that wait for a verdict, and the verdicts, for the few views around the current one (C2, C10)."""

from collections.abc import Sequence

from consensus.io import GuardRecord, Stored, Verdict
from consensus.messages import Proposal

PROPOSALS_MAX = 2
"""Of one view: a second one proves its leader a liar, and the other half of the network may notarize it."""
VIEWS_BACK = 2
"""A body that comes late can still get a finalize vote; older ones are fetched."""
VERDICTS_BACK = 64
"""Views for which a verdict is remembered while nothing becomes final."""


class Pending:
    """Proposals by view, in the order of arrival."""

    def __init__(self) -> None:
        self._proposals: dict[int, list[Proposal]] = {}
        self._asked: set[tuple[int, bytes]] = set()
        self._verdicts: dict[tuple[int, bytes], Verdict] = {}

    def recover(self, records: Sequence[GuardRecord]) -> None:
        """Take up the verdicts on the blocks that were stored with a vote for them."""
        for record in records:
            if isinstance(record, Stored):
                self.judge(record.view, record.block, Verdict.VALID)

    def add(self, proposal: Proposal) -> bool:
        """Keep a proposal; tell whether it is new and there was room."""
        kept = self._proposals.setdefault(proposal.vote.vote.view, [])
        block = proposal.vote.vote.block
        if len(kept) >= PROPOSALS_MAX or any(known.vote.vote.block == block for known in kept):
            return False
        kept.append(proposal)
        return True

    def views(self) -> list[int]:
        """Return the views that have proposals, ascending."""
        return sorted(self._proposals)

    def of(self, view: int) -> list[Proposal]:
        """Return the proposals of a view."""
        return self._proposals.get(view, [])

    def find(self, view: int, block: bytes) -> Proposal | None:
        """Return the proposal of a block."""
        return next((known for known in self.of(view) if known.vote.vote.block == block), None)

    def remove(self, view: int, block: bytes) -> None:
        """Drop a proposal whose body is not that of its block; another may come."""
        self._proposals[view] = [known for known in self.of(view) if known.vote.vote.block != block]
        self._asked.discard((view, block))

    def ask(self, view: int, block: bytes) -> bool:
        """Note that a verdict is asked for; tell whether it was not before."""
        if (view, block) in self._asked:
            return False
        self._asked.add((view, block))
        return True

    def awaits(self, view: int) -> bool:
        """Tell whether a verdict on a proposal of the view is asked for and not given."""
        names = [(view, known.vote.vote.block) for known in self.of(view)]
        return any(name in self._asked and name not in self._verdicts for name in names)

    def judge(self, view: int, block: bytes, verdict: Verdict) -> None:
        """Note a verdict on the block of a view; a block that is proposed again is judged again (C23)."""
        self._verdicts[view, block] = verdict

    def verdict(self, view: int, block: bytes) -> Verdict | None:
        """Return the verdict on the block of a view."""
        return self._verdicts.get((view, block))

    def forget(self, *, final: int, view: int) -> None:
        """Drop the bodies of views well below `view`, and all that is final."""
        floor = max(final, view - VIEWS_BACK - 1)
        for old in [known for known in self._proposals if known <= floor]:
            del self._proposals[old]
        self._asked = {asked for asked in self._asked if asked[0] > floor}
        for name in [name for name in self._verdicts if name[0] <= max(final, view - VERDICTS_BACK)]:
            del self._verdicts[name]
