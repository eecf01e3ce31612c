"""What a node signs and says: each vote has its reasons, on disk before it (C1 to C3, C6, C7, C12, C13, C17, C21)."""

from collections.abc import Sequence

from consensus.ancestry import Point
from consensus.io import (
    Build,
    BuildFailed,
    Built,
    Certified,
    Effect,
    Input,
    Persist,
    RetryDue,
    Send,
    Stalled,
    Start,
    TimedOut,
    Validated,
    Voted,
    Witnessed,
)
from consensus.messages import JUSTIFICATION_MAX, Certificate, Certificates, Proposal, SignedVote, Vote, VoteKind
from testnet.sim.obligations.life import Life, records_of

OWN_REASONS = TimedOut | BuildFailed | Built | RetryDue | Validated | Stalled | Witnessed | Start
"""Inputs that may be a reason to nullify."""


def check_writes(life: Life, given: Input, effects: Sequence[Effect]) -> None:
    """Look at what a step writes, in order, and enter it into the books."""
    places = [at for at, effect in enumerate(effects) if isinstance(effect, Persist)]
    life.need(places in ([], [0]), "C12", "something comes before what is to be written")
    said = [each.message for each in effects if isinstance(each, Send) and each.to is None]
    certified = [each.vote for each in said if isinstance(each, Certificate)]
    for record in records_of(effects):
        if isinstance(record, Voted) and not isinstance(given, Witnessed):  # which shows votes of an earlier life
            _check_vote(life, given, record.vote.vote)
        life.books.write(record)
        if isinstance(record, Certified) and not life.halted:
            vote = record.certificate.vote
            good = life.quorums.is_good(record.certificate)
            life.need(good, "C17", f"takes a certificate that proves nothing: {vote}")
            life.need(vote in certified, "C3 C4 C5", f"keeps the certificate of {vote} to itself")


def _check_vote(life: Life, given: Input, vote: Vote) -> None:
    books, place = life.books, (vote.view, vote.block)
    life.need(not life.quarantined, "C13", f"votes in quarantine: {vote}")
    doubtful = vote.view <= life.mark and not (vote.kind is VoteKind.NULLIFY and life.stalled)
    life.need(not doubtful, "C13", f"votes where it may have voted: {vote}")
    life.need(vote.view > books.final, "C5", f"votes where a block is final: {vote}")
    life.need(books.may(vote.kind, vote.view), "C7", f"votes against itself: {vote}")
    match vote.kind:
        case VoteKind.NOTARIZE:
            life.need(vote.block in books.blocks, "C12", f"votes before it stores the block: {vote}")
            life.need(place in life.valid, "C2", f"notarizes what its application did not call valid: {vote}")
            proposer = life.proposers.get(place, life.me)
            life.need(proposer == life.quorums.leader(vote.view), "C2", f"notarizes what no leader proposed: {vote}")
            life.need(life.stands(vote.view, life.parents.get(place)), "C2", f"notarizes on nothing: {vote}")
        case VoteKind.FINALIZE:
            notarized = books.notarized.get(vote.view) == vote.block
            life.need(notarized, "C3", f"finalizes what is not notarized: {vote}")
            life.need(place in life.valid, "C3", f"finalizes what its application did not call valid: {vote}")
        case VoteKind.NULLIFY:
            life.need(_may_skip(life, given, vote), "C6", f"nullifies without a reason: {vote}")


def _may_skip(life: Life, given: Input, skip: Vote) -> bool:
    """Tell whether there may be a reason to nullify; a proposal that is held may be one (C2, C6)."""
    stalled = life.stalled and skip.view <= life.mark  # C13
    if isinstance(given, OWN_REASONS) or skip.view in life.proposed_in or stalled:
        return True
    return life.votes.may_be_blame(skip) or life.votes.may_have_voted(life.quorums.leader(skip.view), skip)


def check_words(life: Life, effects: Sequence[Effect]) -> None:
    """Nothing is said that is not written (C12), and only a leader that has not voted builds (C1, C16)."""
    for effect in effects:
        match effect:
            case Send(message=SignedVote(vote=vote)):
                life.need(_is_written(life, vote), "C12", f"says what it did not write: {vote}")
            case Send(message=Proposal() as proposal):
                vote = proposal.vote.vote
                life.need(_is_written(life, vote), "C12", f"proposes what it did not write: {vote}")
                _check_justification(life, proposal)
            case Send(message=Certificates(certificates=shown)):
                life.need(len(shown) <= JUSTIFICATION_MAX, "C21", f"sends {len(shown)} certificates in one message")
            case Build(view=view):
                life.need(life.leads(view), "C16", f"builds in view {view}, which another leads")
                cast = [vote.kind.name for vote in life.books.cast_in(view)]
                life.need(not cast, "C1", f"builds in view {view}, in which it voted to {cast}")
            case _:
                pass


def _is_written(life: Life, vote: Vote) -> bool:
    return life.books.votes.get((vote.view, vote.kind)) == vote or vote.view <= life.books.final


def _check_justification(life: Life, proposal: Proposal) -> None:
    """Check that a leader's own proposal stands on certificates that it holds, and comes with them (C1)."""
    view, parent = proposal.vote.vote.view, Point(proposal.parent_view, proposal.parent)
    if view <= life.books.final:
        return
    life.need(life.stands(view, parent), "C1", f"proposes in view {view} on view {parent.view} without certificates")
    fits = len(proposal.justification) <= JUSTIFICATION_MAX
    life.need(fits, "C21", f"proposes with {len(proposal.justification)} certificates")
    shown = {each.vote.view for each in proposal.justification}
    wanted = [*([parent.view] if parent.view else []), *range(parent.view + 1, view)]
    lacking = [each for each in wanted[: JUSTIFICATION_MAX - 1] if each not in shown]
    told = not lacking or (lacking == [parent.view] and not life.books.finals)  # it was brought there without one
    life.need(told, "C1", f"proposes in view {view} on view {parent.view} and does not show why")
