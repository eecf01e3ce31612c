"""Rules C0 to C7: the course of a view, told by one core among four."""

from consensus.ancestry import Point
from consensus.io import (
    Build,
    BuildFailed,
    Commit,
    FetchBlock,
    Halt,
    Persist,
    SetTimer,
    Start,
    Stored,
    TimedOut,
    Validate,
    Verdict,
    Voted,
)
from consensus.messages import Certificate, CertificateRequest, Proposal, VoteKind
from testnet.kit.consensus_builders import START, Bench, a_block, a_view_led_by, messages, of, votes

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
A, B = a_block("a"), a_block("b")


def started(me: int | None = 0) -> Bench:
    bench = Bench(me)
    bench.give(Start())
    return bench


def following() -> tuple[Bench, int]:
    """A core in a view that another leads."""
    bench = started()
    return bench, bench.follower_view()


def leading() -> tuple[Bench, int]:
    """A core in a view that it leads itself, having skipped the views before."""
    bench = started()
    while bench.core.leader != 0:
        effects = bench.hear(1, bench.certificate(S, bench.core.view))
        assert of(SetTimer, effects)
    return bench, bench.core.view


# C0


def test_c0_a_certificate_of_a_later_view_brings_the_node_beyond_it() -> None:
    bench = started()
    effects = bench.hear(1, bench.certificate(N, 9, A))
    assert bench.core.view == 10
    assert of(SetTimer, effects)[-1].view == 10


def test_c0_a_certificate_of_an_earlier_view_does_not_bring_it_back() -> None:
    bench = started()
    bench.hear(1, bench.certificate(S, 9))
    bench.hear(1, bench.certificate(S, 4))
    assert bench.core.view == 10


# C1


def test_c1_a_leader_builds_on_its_final_block_over_nullified_views() -> None:
    bench = Bench(0)
    effects = bench.give(Start())
    while bench.core.leader != 0:
        effects = bench.hear(1, bench.certificate(S, bench.core.view))
    assert of(Build, effects) == [Build(view=bench.core.view, parent_view=0, parent=START.block)]


def test_c1_a_proposal_is_stored_and_signed_before_it_is_sent() -> None:
    bench, view = leading()
    effects = bench.built(view, A)
    assert isinstance(effects[0], Persist)
    assert [type(record) for record in effects[0].records] == [Stored, Voted]
    (proposal,) = messages(Proposal, effects)
    assert (proposal.vote.vote.block, proposal.parent) == (A, START.block)
    assert [certificate.vote.view for certificate in proposal.justification] == list(range(1, view))


def test_c1_a_leader_proposes_once() -> None:
    bench, view = leading()
    bench.built(view, A)
    assert bench.built(view, B) == []


def test_c1_a_leader_does_not_propose_in_a_view_it_has_nullified() -> None:
    bench, view = leading()
    bench.give(TimedOut(view=view))
    assert bench.built(view, A) == []


def test_c1_a_leader_asks_for_the_certificate_that_it_lacks() -> None:
    bench = started()
    view = a_view_led_by(bench.instance, 0, after=3)
    effects = bench.hear(1, bench.certificate(S, view - 1))
    (request,) = messages(CertificateRequest, effects)
    assert (request.first_view, request.last_view) == (max(1, view - 16), view - 2)
    assert not of(Build, effects)


def test_c1_a_leader_waits_for_the_body_of_its_parent() -> None:
    bench = started()
    view = a_view_led_by(bench.instance, 0)
    below = bench.hear(1, bench.certificate(N, view - 1, A)) if view > 1 else bench.give(Start())
    assert [wanted.block for wanted in of(FetchBlock, below)] == ([A] if view > 1 else [])
    assert not of(Build, below) or view == 1


# C2


def test_c2_a_valid_proposal_on_the_final_block_gets_a_vote() -> None:
    bench, view = following()
    effects = bench.propose(view, A, bench.parent())
    (wish,) = of(Validate, effects)
    assert (wish.view, wish.block, wish.parent) == (view, A, START.block)
    assert votes(bench.judge(view, A)) == [("N", view)]


def test_c2_a_second_block_of_the_view_gets_no_vote() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.propose(view, B, bench.parent())
    assert votes(bench.judge(view, A)) == [("N", view)]
    assert votes(bench.judge(view, B)) == []


def test_c2_a_proposal_over_a_view_without_its_certificate_waits_for_it() -> None:
    bench = started()
    bench.hear(1, bench.certificate(S, 2))
    while bench.core.leader == 0:
        bench.hear(1, bench.certificate(S, bench.core.view))
    view = bench.core.view
    effects = bench.propose(view, A, START)
    assert not of(Validate, effects)
    (request,) = messages(CertificateRequest, effects)
    assert (request.first_view, request.last_view) == (1, view - 1)
    assert of(Validate, bench.hear(2, bench.certificate(S, 1)))


def test_c2_the_justification_of_a_proposal_stands_for_what_is_missing() -> None:
    bench = started()
    bench.hear(1, bench.certificate(S, 2))
    while bench.core.leader == 0:
        bench.hear(1, bench.certificate(S, bench.core.view))
    effects = bench.propose(bench.core.view, A, START, justification=[bench.certificate(S, 1)])
    assert of(Validate, effects)


def test_c2_a_split_between_two_certificates_of_a_view_heals_by_the_justification() -> None:
    """One side holds S of the view below, the leader holds N of it: both are right."""
    bench, below = following()
    bench.hear(1, bench.certificate(S, below))
    while bench.core.leader == 0:
        bench.hear(1, bench.certificate(S, bench.core.view))
    view = bench.core.view
    parent = Point(below, A)
    effects = bench.propose(view, B, parent, justification=[bench.certificate(N, below, A)])
    assert [wanted.block for wanted in of(FetchBlock, effects)] == [A]
    assert [wish.block for wish in of(Validate, bench.know(A, below))] == [B]


def test_c2_a_proposal_that_a_certificate_excludes_is_skipped() -> None:
    bench, below = following()
    bench.hear(1, bench.certificate(N, below, A))
    while bench.core.leader == 0:
        bench.hear(1, bench.certificate(S, bench.core.view))
    assert votes(bench.propose(bench.core.view, a_block("on another"), Point(below, B))) == [("S", bench.core.view)]


def test_c2_a_vote_to_notarize_is_allowed_after_one_to_nullify() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.give(TimedOut(view=view))
    assert votes(bench.judge(view, A)) == [("N", view)]


# C3


def test_c3_a_quorum_of_votes_makes_a_certificate_that_is_sent_once() -> None:
    bench, view = following()
    effects = [bench.hear(signer, bench.vote(signer, N, view, A)) for signer in (1, 2, 3)]
    assert [len(messages(Certificate, sent)) for sent in effects] == [0, 0, 1]
    assert bench.core.view > view
    assert messages(Certificate, bench.hear(2, bench.certificate(N, view, A))) == []


def test_c3_a_notarized_valid_block_gets_a_vote_to_finalize() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A)
    assert ("F", view) in votes(bench.hear(1, bench.certificate(N, view, A)))


def test_c3_a_verdict_that_comes_after_the_certificate_still_gives_the_vote_to_finalize() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    assert votes(bench.hear(1, bench.certificate(N, view, A))) == []
    assert votes(bench.judge(view, A)) == [("F", view)]


def test_c3_a_nullified_view_gets_no_vote_to_finalize() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A)
    bench.give(TimedOut(view=view))
    assert ("F", view) not in votes(bench.hear(1, bench.certificate(N, view, A)))
    assert bench.core.view > view


# C4


def test_c4_a_quorum_to_nullify_ends_the_view_for_who_voted_and_who_did_not() -> None:
    bench, view = following()
    bench.hear(1, bench.certificate(S, view))
    assert bench.core.view == view + 1


# C5


def test_c5_a_final_block_whose_body_is_known_is_committed() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A)
    (commit,) = of(Commit, bench.hear(1, bench.certificate(F, view, A)))
    assert commit.block == A
    assert bench.core.final == Point(view, A)


def test_c5_missing_bodies_are_fetched_one_after_another_and_then_all_is_committed() -> None:
    bench = started()
    certificate = bench.certificate(F, 9, B)
    assert [wanted.block for wanted in of(FetchBlock, bench.hear(1, certificate))] == [B]
    assert [wanted.block for wanted in of(FetchBlock, bench.know(B, 9, Point(5, A)))] == [A]
    assert of(Commit, bench.know(A, 5, START)) == [Commit(block=B, certificate=certificate)]


def test_c5_nothing_but_a_certificate_to_finalize_commits() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A)
    assert not of(Commit, bench.hear(1, bench.certificate(N, view, A)))


# C6


def test_c6_the_end_of_the_time_nullifies_the_view_once() -> None:
    bench, view = following()
    assert votes(bench.give(TimedOut(view=view))) == [("S", view)]
    assert votes(bench.give(TimedOut(view=view))) == []


def test_c6_the_end_of_an_earlier_view_s_time_means_nothing() -> None:
    bench, view = following()
    bench.hear(1, bench.certificate(S, view))
    assert bench.give(TimedOut(view=view)) == []


def test_c6_an_invalid_proposal_nullifies() -> None:
    for verdict in (Verdict.INVALID, Verdict.DECLINED, Verdict.MISMATCHED):
        bench, view = following()
        bench.propose(view, A, bench.parent())
        assert votes(bench.judge(view, A, verdict)) == [("S", view)]


def test_c6_a_leader_that_can_not_build_nullifies() -> None:
    bench, view = leading()
    assert votes(bench.give(BuildFailed(view=view))) == [("S", view)]


def test_c6_a_leader_that_nullifies_is_followed() -> None:
    bench, view = following()
    leader = bench.core.leader
    assert votes(bench.hear(leader, bench.vote(leader, S, view))) == [("S", view)]


def test_c6_blame_weight_is_joined_and_less_is_not() -> None:
    bench, view = following()
    one, other = [signer for signer in (1, 2, 3) if signer != bench.core.leader]
    assert votes(bench.hear(one, bench.vote(one, S, view))) == []
    assert ("S", view) in votes(bench.hear(other, bench.vote(other, S, view)))


def test_c6_votes_of_the_next_view_are_joined_when_it_begins() -> None:
    bench, view = following()
    for signer in (1, 2):
        bench.hear(signer, bench.vote(signer, S, view + 1))
    assert ("S", view + 1) in votes(bench.hear(3, bench.certificate(S, view)))


# C7


def test_c7_a_finalized_view_is_not_nullified() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A)
    bench.hear(1, bench.certificate(N, view, A))
    assert not bench.core.guard.may(S, view)
    assert not bench.core.guard.may(F, view)


# C11


def test_c11_a_certified_block_that_is_invalid_here_stops_the_node() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A, Verdict.INVALID)
    assert of(Halt, bench.hear(1, bench.certificate(N, view, A)))
    assert bench.give(TimedOut(view=view + 1)) == []


def test_c11_a_block_that_is_merely_declined_here_does_not() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A, Verdict.DECLINED)
    assert not of(Halt, bench.hear(1, bench.certificate(N, view, A)))


def test_c11_another_body_under_a_block_s_id_says_nothing_of_the_block() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A, Verdict.MISMATCHED)
    assert not of(Halt, bench.hear(1, bench.certificate(F, view, A)))


def test_c11_a_final_block_beside_the_committed_one_stops_the_node() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A)
    bench.hear(1, bench.certificate(F, view, A))
    bench.hear(1, bench.certificate(F, view + 5, B))
    assert of(Halt, bench.know(B, view + 5, START))
