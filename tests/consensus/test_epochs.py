"""C23 and C24: a block that ends its epoch is proposed again until it is final, and the instance ends with it."""

import pytest

from consensus.ancestry import Point
from consensus.evidence import contradict
from consensus.io import (
    Build,
    Commit,
    Evidence,
    FetchBlock,
    GuardRecord,
    Halt,
    Penalise,
    Start,
    Stored,
    TimedOut,
    Validate,
    Verdict,
    Voted,
)
from consensus.messages import Proposal, VoteKind
from testnet.kit.consensus_builders import START, Bench, a_block, a_view_led_by, an_instance, messages, of, votes

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
LAST = a_block("the last of its epoch")


def at_the_end(me: int = 0, *, known: bool = True) -> tuple[Bench, int]:
    """Return a core that holds the last block notarized, and the view of that block; it has voted for it if `known`."""
    bench = Bench(me)
    bench.give(Start())
    view = bench.follower_view()
    if known:
        bench.propose(view, LAST, bench.parent())
        bench.judge(view, LAST)
    bench.hear(1, bench.certificate(N, view, LAST))
    return bench, view


def skip_to(bench: Bench, leader: int) -> int:
    """Nullify views until `leader` leads; return the view."""
    while bench.core.leader != leader:
        bench.hear(1, bench.certificate(S, bench.core.view))
    return bench.core.view


def test_c23_a_later_leader_proposes_the_last_block_again() -> None:
    bench, first = at_the_end()
    view = bench.core.view
    built: list[Build] = []
    while not built:
        view = bench.core.view + 1
        built = of(Build, bench.hear(1, bench.certificate(S, view - 1)))
    assert (built[0].parent_view, built[0].parent) == (first, LAST)
    effects = bench.built(view, LAST)
    [proposal] = messages(Proposal, effects)
    assert (proposal.vote.vote.view, proposal.vote.vote.block) == (view, LAST)
    assert (proposal.parent_view, proposal.parent, proposal.body) == (first, LAST, b"body of " + LAST)
    assert [each.vote.view for each in proposal.justification] == list(range(first, view))


def test_c23_the_last_block_proposed_again_is_judged_again_and_gets_both_votes() -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 1)
    [asked] = of(Validate, bench.propose(view, LAST, Point(first, LAST)))
    assert (asked.view, asked.block, asked.parent_view, asked.parent) == (view, LAST, first, LAST)
    effects = bench.judge(view, LAST)
    assert votes(effects) == [("N", view)]
    assert [record for record in bench.written if isinstance(record, Stored)][-1].view == view
    assert ("F", view) in votes(bench.hear(1, bench.certificate(N, view, LAST)))


def test_c23_its_finality_in_the_later_view_commits_it_and_its_ancestors() -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 1)
    bench.propose(view, LAST, Point(first, LAST))
    bench.judge(view, LAST)
    certificate = bench.certificate(F, view, LAST)
    effects = bench.hear(1, certificate)
    assert of(Commit, effects) == [Commit(block=LAST, certificate=certificate)]
    assert not of(FetchBlock, effects)


def test_c23_a_node_without_the_body_fetches_it_once_and_commits() -> None:
    bench, first = at_the_end(known=False)
    view = bench.core.view + 3
    effects = bench.hear(1, bench.certificate(F, view, LAST))
    assert not of(Commit, effects)
    effects = bench.know(LAST, first, START)
    assert [each.block for each in of(Commit, effects)] == [LAST]


def test_c23_both_certificates_of_its_finality_are_right() -> None:
    bench, first = at_the_end()
    bench.hear(1, bench.certificate(F, first, LAST))
    effects = bench.hear(1, bench.certificate(F, bench.core.view + 1, LAST))
    assert not of(Halt, effects)
    assert not of(FetchBlock, effects)
    assert [each.block for each in of(Commit, effects)] == [LAST]


def test_c23_one_block_in_two_views_is_no_offence() -> None:
    bench, first = at_the_end()
    early, late = bench.vote(1, N, first, LAST), bench.vote(1, N, first + 1, LAST)
    assert not contradict(early.vote, late.vote)
    assert not of(Evidence, bench.hear(1, late))


def test_c23_any_other_block_on_the_last_is_refused_by_the_application_and_skipped() -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 1)
    bench.propose(view, a_block("one more"), Point(first, LAST))
    assert votes(bench.judge(view, a_block("one more"), Verdict.INVALID)) == [("S", view)]


def test_c23_a_block_proposed_again_that_ends_no_epoch_is_skipped_and_stops_nobody() -> None:
    bench, first = at_the_end()  # valid in its first view, and known with its links
    view = skip_to(bench, 1)
    bench.propose(view, LAST, Point(first, LAST))
    effects = bench.judge(view, LAST, Verdict.INVALID)
    assert votes(effects) == [("S", view)]
    assert not of(Halt, effects)


def test_c23_the_verdict_of_the_first_view_is_none_for_the_second() -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 1)
    bench.propose(view, LAST, Point(first, LAST))
    assert not votes(bench.hear(1, bench.certificate(N, view, LAST)))  # no F before it is judged in this view
    assert ("F", view) in votes(bench.judge(view, LAST))


@pytest.mark.parametrize("cut", range(1, 12))
def test_c23_a_node_that_crashes_amid_the_end_commits_the_last_block_and_contradicts_nothing(cut: int) -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 1)
    bench.propose(view, LAST, Point(first, LAST))
    bench.judge(view, LAST)
    bench.hear(1, bench.certificate(N, view, LAST))
    bench.hear(1, bench.certificate(F, view, LAST))
    written = bench.written[:cut]
    again = Bench(0, recovered=written)
    effects = again.give(Start())
    while again.core.view < view:
        effects += again.hear(1, again.certificate(S, again.core.view))
    effects += again.propose(view, a_block("a rival"), again.parent())
    effects += again.hear(1, again.certificate(F, view, LAST))
    if not again.core.ancestry.committed.view:
        effects += again.know(LAST, first, bench_parent(written, first))
    assert [each.block for each in of(Commit, effects)] == [LAST]
    assert not of(Halt, effects)
    signed = [record.vote.vote for record in again.written if isinstance(record, Voted)]
    assert not [pair for pair in ((a, b) for a in signed for b in signed) if contradict(*pair)]


def bench_parent(written: list[GuardRecord], view: int) -> Point:
    """Return the parent of the block that was stored in `view`, or the start."""
    stored = next((each for each in written if isinstance(each, Stored) and each.view == view), None)
    return START if stored is None else Point(stored.parent_view, stored.parent)


def test_c23_a_leader_that_comes_back_sends_the_last_block_again_and_for_its_view() -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 0)
    bench.built(view, LAST)
    again = Bench(0, recovered=bench.written)
    [proposal] = messages(Proposal, again.give(Start()))
    assert (proposal.vote.vote.view, proposal.parent_view, proposal.parent) == (view, first, LAST)


def test_c23_a_timer_in_a_later_view_skips_it_and_the_next_leader_proposes_the_last_again() -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 1)
    assert votes(bench.give(TimedOut(view=view))) == [("S", view)]
    bench.hear(1, bench.certificate(S, view))
    following = a_view_led_by(an_instance(), 0, after=view)
    built: list[Build] = []
    while bench.core.view < following:
        built = of(Build, bench.hear(1, bench.certificate(S, bench.core.view)))
    assert [(each.parent_view, each.parent) for each in built] == [(first, LAST)]


def test_c23_the_leader_whose_body_is_not_the_last_block_s_is_blamed() -> None:
    bench, first = at_the_end()
    view = skip_to(bench, 1)
    bench.propose(view, LAST, Point(first, LAST))
    assert of(Penalise, bench.judge(view, LAST, Verdict.MISMATCHED))


def test_c23_a_leader_that_says_its_own_new_block_stands_on_itself_stops_nobody() -> None:
    bench = Bench()
    bench.give(Start())
    view = bench.follower_view()
    parent = bench.parent()
    block = a_block("new")
    bench.hear(1, bench.certificate(N, view, block))
    bench.know(block, view, parent)  # fetched, and so not judged
    effects = bench.propose(view, block, Point(0, block))  # nobody has signed what it stands on
    assert not of(Validate, effects)
    assert not votes(effects)
    assert of(Commit, bench.hear(1, bench.certificate(F, view, block)))


def test_c23_a_view_that_nobody_signed_does_not_keep_a_node_from_its_vote() -> None:
    for told in (0, 1, 2):  # a relay may say any of them
        bench, first = at_the_end()
        view = skip_to(bench, 1)
        [asked] = of(Validate, bench.propose(view, LAST, Point(min(told, view - 1), LAST)))
        assert (asked.parent_view, asked.parent) == (first, LAST)
        assert votes(bench.judge(view, LAST)) == [("N", view)]
        stored = [record for record in bench.written if isinstance(record, Stored)][-1]
        assert (stored.view, stored.parent_view, stored.parent) == (view, first, LAST)
