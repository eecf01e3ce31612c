"""One life of one node in one epoch, as seen from outside: what it was given, what it wrote, what it must know."""

from collections.abc import Sequence

from consensus.ancestry import Point
from consensus.certificate import well_formed
from consensus.io import (
    BlockKnown,
    Build,
    Built,
    Effect,
    GuardRecord,
    Halt,
    Input,
    Persist,
    Received,
    SetTimer,
    Stalled,
    Stored,
    Validated,
    Verdict,
    Witnessed,
)
from consensus.messages import Proposal, SignedVote
from consensus.timing import Timing
from testnet.sim.checks import Broken
from testnet.sim.obligations.books import Books
from testnet.sim.obligations.quorums import Quorums
from testnet.sim.obligations.votes import WINDOW, Votes

VIEWS_BACK = 2
"""Views below the current one whose proposals are held (C10)."""
NOBODY = -1
"""The proposer of a block that no leader proposed."""


class Life:
    """What a node was given and has done since it started."""

    def __init__(
        self,
        *,
        name: str,
        quorums: Quorums,
        me: int,
        timing: Timing,
        start_view: int,
        recovered: Sequence[GuardRecord],
        quarantined: bool,
    ) -> None:
        """`recovered` is what its disk held; `start_view` that of the last block that it committed."""
        self.name = name
        self.quorums = quorums
        self.me = me
        self.timing = timing
        self.books = Books()
        self.books.final = start_view
        for record in recovered:
            self.books.write(record)
        self.old = {(record.view, record.block) for record in recovered if isinstance(record, Stored)}
        """Blocks that it notarized in an earlier life, by view."""
        self.valid = set(self.old)
        """Blocks that its application called valid, by view."""
        self.votes = Votes(quorums)
        self.proposers: dict[tuple[int, bytes], int] = {}
        self.parents: dict[tuple[int, bytes], Point] = {}
        self.proposed_in: set[int] = set()
        """Views of which it saw a proposal of the leader's."""
        self.quarantined = quarantined
        self.mark = 0
        self.stalled = False
        self.halted = False
        self.view = 0
        self.view_before = 0
        """Its view when the step began."""
        self.armed_ms = 0
        self.entered = False
        """Whether the step set the timer."""
        self.heard: list[int] = []
        """The last view of which each validator spoke."""
        self.built_in = 0
        """The last view in which it had a block built."""

    @property
    def epoch(self) -> int:
        """The epoch of the instance."""
        return self.quorums.instance.epoch

    def need(self, holds: object, rule: str, what: str) -> None:
        """Raise Broken for a rule, with what was done or left undone, unless it is kept."""
        if not holds:
            raise Broken(rule, f"{self.name} in view {self.view}: {what}")

    def leads(self, view: int) -> bool:
        """Tell whether this node leads a view."""
        return self.quorums.leader(view) == self.me

    def hear(self, given: Input) -> None:
        """Take in what an input tells."""
        self.view_before, self.entered = self.view, False
        match given:
            case Received(sender=sender, message=SignedVote() as signed):
                self.votes.give(sender, signed, view=self.view, final=self.books.final)
                self._hear_of(sender, signed)
            case Received(sender=sender, message=Proposal() as proposal):
                self.votes.doubt(proposal.vote.signer, proposal.vote.vote.view)  # it counts if it comes in time
                self._hear_of(sender, proposal.vote)
                self._note(proposal)
            case Validated(view=view, block=block, verdict=Verdict.VALID):
                if self.view - view <= VIEWS_BACK:
                    self.valid.add((view, block))
            case Built(view=view, block=block):
                self.valid.add((view, block))
            case Witnessed(mark=mark):
                self.quarantined, self.mark = False, max(mark, self.mark)
            case Stalled():
                self.stalled = True
            case _:
                pass

    def _hear_of(self, sender: int | None, signed: SignedVote) -> None:
        """Note the last view of which a validator speaks, be it with a good signature or not (C14)."""
        proper = sender == signed.signer and signed.signer < len(self.heard) and well_formed(signed.vote)
        if proper and signed.vote.epoch == self.epoch:
            self.heard[signed.signer] = max(self.heard[signed.signer], min(signed.vote.view, self.view + 1))

    def _note(self, proposal: Proposal) -> None:
        vote, signer = proposal.vote.vote, proposal.vote.signer
        if vote.epoch != self.epoch or vote.view <= self.books.final:  # its justification may lead far ahead
            return
        place = (vote.view, vote.block)
        if signer == self.quorums.leader(vote.view) and self.quorums.is_signed(proposal.vote):
            self.proposed_in.add(vote.view)
            self.proposers[place] = signer
            self.parents[place] = Point(proposal.parent_view, proposal.parent)
        else:
            self.proposers.setdefault(place, NOBODY)

    def look(self, effects: Sequence[Effect]) -> None:
        """Take in what a step does, all but what it writes."""
        self.halted = any(isinstance(effect, Halt) for effect in effects)
        for effect in effects:
            if isinstance(effect, Build):
                self.built_in = effect.view
            elif isinstance(effect, SetTimer):
                self.need(effect.view >= self.view, "C0", f"goes back to view {effect.view}")
                if effect.view > self.view:
                    self.votes.forget(min(effect.view - WINDOW, self.books.final) - 1)
                if not self.heard:
                    self.heard = [effect.view] * len(self.quorums.weights)
                self.view, self.armed_ms, self.entered = effect.view, effect.delay_ms, True

    def stands(self, view: int, parent: Point | None) -> bool:
        """Tell whether a block of `view` can stand on a parent by the certificates that are written (C1, C2)."""
        books = self.books
        if parent is None:  # its own, which it has built on what it chose
            return True
        if parent.view <= books.final:
            right = parent.view == books.final and books.finals.get(books.final, parent.block) == parent.block
        else:
            right = books.notarized.get(parent.view) == parent.block
        return right and all(between in books.nullified for between in range(parent.view + 1, view))


def records_of(effects: Sequence[Effect]) -> list[GuardRecord]:
    """Return what a step writes, in order."""
    return [record for effect in effects if isinstance(effect, Persist) for record in effect.records]


def body_of(given: Input) -> bytes | None:
    """Return the block whose body an input brings, if it does."""
    match given:
        case BlockKnown(block=block) | Validated(block=block, verdict=Verdict.VALID):
            return block
        case _:
            return None
