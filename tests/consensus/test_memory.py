"""Rules C8 to C14 and C22: what is repeated, let in, remembered and waited for."""

import pytest

from consensus.ancestry import Point
from consensus.ballots import VIEWS_TRACKED
from consensus.exchange import ANSWERS_MAX
from consensus.hearing import SILENT_VIEWS
from consensus.io import (
    Certified,
    Commit,
    Evidence,
    FetchBlock,
    Halt,
    Persist,
    RetryDue,
    Send,
    SetRetry,
    SetTimer,
    Stalled,
    Start,
    Stored,
    Synced,
    TimedOut,
    Validate,
    Voted,
    Witnessed,
)
from consensus.messages import Certificate, CertificateRequest, Certificates, Proposal, VoteKind
from consensus.timing import Timing
from testnet.kit.consensus_builders import START, Bench, a_block, an_instance, messages, of, votes

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
A, B = a_block("a"), a_block("b")


def following(me: int = 0) -> tuple[Bench, int]:
    bench = Bench(me)
    bench.give(Start())
    return bench, bench.follower_view()


def voted() -> tuple[Bench, int]:
    """A core that has notarized a block."""
    bench, view = following()
    bench.propose(view, A, bench.parent())
    bench.judge(view, A)
    return bench, view


# C8


def test_c8_a_view_that_lasts_is_told_again() -> None:
    bench, view = voted()
    bench.give(RetryDue())
    effects = bench.give(RetryDue())
    assert votes(effects) == [("N", view)]
    assert of(SetRetry, effects)


def test_c8_what_let_the_node_in_and_what_is_final_are_told_again() -> None:
    bench, view = voted()
    final, entered = bench.certificate(F, view, A), bench.certificate(S, view + 1)
    bench.hear(1, final)
    bench.hear(1, entered)
    bench.give(RetryDue())
    (sent,) = messages(Certificates, bench.give(RetryDue()))
    assert sent.certificates == [entered, final]


def test_c8_a_view_that_has_just_begun_is_not_repeated() -> None:
    bench, view = voted()
    bench.give(RetryDue())
    bench.hear(1, bench.certificate(S, view))
    assert not of(Send, bench.give(RetryDue()))


def test_c8_old_votes_to_finalize_are_repeated_up_to_a_limit() -> None:
    bench, _ = following()
    for _ in range(30):
        view, parent = bench.follower_view(), bench.parent()
        block = a_block(f"block {view}")
        bench.propose(view, block, parent)
        bench.judge(view, block)
        bench.hear(1, bench.certificate(N, view, block))
    bench.give(RetryDue())
    finals = [vote for vote in votes(bench.give(RetryDue())) if vote[0] == "F"]
    assert len(finals) == 8


def test_c8_a_body_that_did_not_come_is_asked_for_again_from_another() -> None:
    bench, _ = following()
    (first,) = of(FetchBlock, bench.hear(1, bench.certificate(F, 9, A)))
    (second,) = of(FetchBlock, bench.give(RetryDue()))
    assert (first.block, second.block) == (A, A)
    assert first.hint != second.hint


# C9


def test_c9_who_is_behind_is_told_what_it_lacks() -> None:
    bench, view = voted()
    final, skipped = bench.certificate(F, view, A), bench.certificate(S, view + 1)
    bench.hear(1, final)
    bench.hear(1, skipped)
    effects = bench.hear(3, bench.vote(3, S, view))
    (sent,) = of(Send, effects)
    assert sent.to == 3
    assert messages(Certificates, effects)[0].certificates == [final, skipped]


def test_c9_answers_to_one_validator_are_few_between_retries() -> None:
    bench, view = voted()
    bench.hear(1, bench.certificate(F, view, A))
    request = CertificateRequest(epoch=bench.instance.epoch, first_view=0, last_view=view)
    answers = [len(of(Send, bench.hear(2, request))) for _ in range(ANSWERS_MAX + 3)]
    assert answers == [1] * ANSWERS_MAX + [0] * 3
    bench.give(RetryDue())
    assert of(Send, bench.hear(2, request))


def test_c9_a_request_gets_both_certificates_of_a_view() -> None:
    bench, view = following()
    wanted = [bench.certificate(N, view, A), bench.certificate(S, view)]
    for certificate in wanted:
        bench.hear(1, certificate)
    request = CertificateRequest(epoch=bench.instance.epoch, first_view=view, last_view=view)
    (sent,) = messages(Certificates, bench.hear(2, request))
    assert sent.certificates == wanted


# C10


def test_c10_votes_outside_the_window_are_not_counted() -> None:
    bench, _ = following()
    far = bench.core.view + 2
    effects = [bench.hear(signer, bench.vote(signer, S, far)) for signer in (1, 2, 3)]
    assert effects == [[], [], []]


def test_c10_votes_far_below_the_current_view_are_not_counted() -> None:
    bench, _ = following()
    bench.hear(1, bench.certificate(S, VIEWS_TRACKED + 10))
    for signer in (1, 2, 3):
        effects = bench.hear(signer, bench.vote(signer, F, 10, A))
        assert not messages(Certificate, effects)


def test_c10_a_contradicting_vote_is_evidence_once_and_does_not_count() -> None:
    bench, view = following()
    one, two = bench.vote(1, N, view, A), bench.vote(1, N, view, B)
    bench.hear(1, one)
    assert of(Evidence, bench.hear(1, two)) == [Evidence(first=one, second=two)]
    assert bench.hear(1, bench.vote(1, N, view, a_block("c"))) == []
    assert not messages(Certificate, bench.hear(2, bench.vote(2, N, view, B)))
    assert not messages(Certificate, bench.hear(3, bench.vote(3, N, view, B)))


def test_c10_a_liar_s_proposals_take_no_more_room_than_two() -> None:
    bench, view = following()
    for name in ("a", "b", "c", "d"):
        bench.propose(view, a_block(name), bench.parent())
    assert bench.judge(view, a_block("d")) == []


# C12


def test_c12_a_vote_is_written_before_it_is_sent_and_its_block_before_the_vote() -> None:
    bench, view = following()
    bench.propose(view, A, bench.parent())
    first, *rest = bench.judge(view, A)
    assert isinstance(first, Persist)
    assert [type(record) for record in first.records] == [Stored, Voted]
    assert not of(Persist, rest)


def test_c12_a_certificate_is_written_before_the_vote_that_it_allows() -> None:
    bench, view = voted()
    first, *_ = bench.hear(1, bench.certificate(N, view, A))
    assert isinstance(first, Persist)
    assert [type(record) for record in first.records] == [Certified, Voted]


@pytest.mark.parametrize("cut", range(12))
def test_c12_a_node_that_comes_back_never_contradicts_what_it_wrote(cut: int) -> None:
    bench, view = voted()
    bench.hear(1, bench.certificate(N, view, A))
    bench.give(TimedOut(view=bench.core.view))
    again = Bench(0, recovered=bench.written[:cut])
    again.give(Start())
    effects = again.propose(view, B, START)
    effects += again.judge(view, B)
    effects += again.give(TimedOut(view=view))
    said = [record.vote.vote for record in bench.written[:cut] if isinstance(record, Voted)]
    new = [
        record.vote.vote for effect in of(Persist, effects) for record in effect.records if isinstance(record, Voted)
    ]
    for vote in new:
        for old in said:
            same_view = vote.view == old.view
            assert not (same_view and vote.kind == old.kind and vote.block != old.block)
            assert not (same_view and {vote.kind, old.kind} == {S, F})


def test_c12_a_leader_that_comes_back_sends_the_block_that_it_proposed() -> None:
    bench = Bench(0)
    bench.give(Start())
    while bench.core.leader != 0:
        bench.hear(1, bench.certificate(S, bench.core.view))
    bench.built(bench.core.view, A)
    again = Bench(0, recovered=bench.written)
    effects = again.give(Start())
    assert [proposal.vote.vote.block for proposal in messages(Proposal, effects)] == [A]
    assert bench.built(bench.core.view, B) == []


def test_c12_a_node_that_comes_back_commits_what_it_had_not() -> None:
    bench, view = voted()
    bench.hear(1, bench.certificate(F, view, A))
    again = Bench(0, recovered=bench.written)
    assert [commit.block for commit in of(Commit, again.give(Start()))] == [A]
    further = Bench(0, recovered=bench.written, start=Point(view, A))
    assert not of(Commit, further.give(Start()))


def test_c12_a_single_validator_that_comes_back_goes_on() -> None:
    alone = an_instance((5,))
    bench = Bench(0, instance=alone)
    bench.give(Start())
    bench.built(1, A)
    for cut in range(len(bench.written) + 1):
        again = Bench(0, instance=alone, recovered=bench.written[:cut])
        again.give(Start())
        again.give(TimedOut(view=again.core.view))
        assert again.core.view > 1


# C13


def test_c13_a_validator_that_starts_votes_nothing_until_it_has_witnesses() -> None:
    bench = Bench(0, quarantine=True)
    bench.give(Start())
    assert bench.give(TimedOut(view=1)) == []
    bench.give(Witnessed(mark=0, votes=[]))
    assert not bench.core.quarantined
    assert votes(bench.give(TimedOut(view=1))) == [("S", 1)]


def test_c13_up_to_the_mark_it_neither_notarizes_nor_finalizes_nor_skips() -> None:
    bench = Bench(0, quarantine=True)
    bench.give(Start())
    view = bench.follower_view()
    bench.give(Witnessed(mark=view, votes=[]))
    bench.propose(view, A)
    assert votes(bench.judge(view, A)) == []
    assert votes(bench.give(TimedOut(view=view))) == []
    assert votes(bench.hear(1, bench.certificate(N, view, A))) == []
    assert bench.core.view == view + 1
    assert votes(bench.give(TimedOut(view=view + 1))) == [("S", view + 1)]


def test_c13_where_nobody_gets_on_without_it_it_skips_the_views_up_to_the_mark() -> None:
    bench = Bench(0, quarantine=True)
    bench.give(Start())
    bench.give(Witnessed(mark=2, votes=[]))
    assert votes(bench.give(Stalled())) == [("S", 1)]
    assert votes(bench.hear(1, bench.certificate(S, 1))) == [("S", 2)]
    assert votes(bench.hear(1, bench.certificate(S, 2))) == []


def test_c13_a_finalize_vote_that_others_hold_keeps_it_from_skipping() -> None:
    bench = Bench(0, quarantine=True)
    bench.give(Start())
    mine = bench.vote(0, F, 1, A)
    bench.give(Witnessed(mark=2, votes=[mine]))
    assert Voted(vote=mine) in bench.written
    assert votes(bench.give(Stalled())) == []


def test_c13_a_vote_of_its_key_above_the_mark_that_it_has_not_cast_stops_it() -> None:
    bench = Bench(0, quarantine=True)
    bench.give(Start())
    bench.give(Witnessed(mark=2, votes=[]))
    assert of(Halt, bench.give(Witnessed(mark=2, votes=[bench.vote(0, S, 3)])))


def test_c13_a_vote_of_this_node_s_key_that_it_has_not_cast_stops_it() -> None:
    bench, view = following()
    assert of(Halt, bench.hear(None, bench.vote(0, N, view, A)))


def test_c13_a_certificate_with_a_vote_of_its_key_that_it_has_not_cast_stops_it() -> None:
    bench, view = following()
    assert of(Halt, bench.hear(1, bench.certificate(N, view, A, signers=(0, 1, 2))))


def test_c13_a_certificate_with_a_vote_that_it_may_have_forgotten_does_not() -> None:
    bench = Bench(0, quarantine=True)
    bench.give(Start())
    assert not of(Halt, bench.hear(1, bench.certificate(S, 1, signers=(0, 1, 2))))
    bench.give(Witnessed(mark=2, votes=[]))
    assert not of(Halt, bench.hear(1, bench.certificate(S, 2, signers=(0, 1, 2))))
    assert of(Halt, bench.hear(1, bench.certificate(S, 3, signers=(0, 1, 2))))


def test_c13_its_own_vote_come_back_does_not() -> None:
    bench, view = voted()
    assert bench.hear(None, bench.vote(0, N, view, A)) == []


# C14


def test_c14_time_grows_with_each_round_of_leaders_up_to_a_cap() -> None:
    timing = Timing(delta_ms=100, idle_ms=1_000, growth=(3, 2), cap_ms=60_000, retry_ms=200)
    assert [timing.view_ms(rounds) for rounds in (0, 1, 2)] == [1_300, 1_450, 1_675]
    assert timing.view_ms(10**12) == 60_000


def test_c14_a_block_that_becomes_final_shortens_the_time_of_the_view() -> None:
    bench, _ = following()
    (long,) = of(SetTimer, bench.hear(1, bench.certificate(S, 99)))[-1:]
    effects = bench.hear(1, bench.certificate(F, 98, A))
    (short,) = of(SetTimer, effects)
    assert short.view == long.view == 100
    assert short.delay_ms < long.delay_ms


def test_c14_a_leader_that_has_long_been_silent_gets_no_time() -> None:
    bench, _ = following()
    delays = {}
    for _ in range(SILENT_VIEWS + 40):  # validators 1 and 2 are heard, 3 never is
        view = bench.core.view
        effects = [effect for signer in (1, 2) for effect in bench.hear(signer, bench.vote(signer, S, view))]
        for timer in of(SetTimer, effects):
            delays[bench.instance.validators.leader(timer.view)] = timer.delay_ms
    assert delays[3] == 0
    assert delays[1] > 0


# C5, C22


def test_c5_a_range_that_the_driver_synced_moves_the_committed_point() -> None:
    bench, _ = following()
    bench.hear(1, bench.certificate(F, 50, A))
    certificate = bench.certificate(F, 60, B)
    bench.give(Synced(certificate=certificate))
    assert bench.core.ancestry.committed == bench.core.final == Point(60, B)
    assert not of(FetchBlock, bench.give(RetryDue()))


def test_c22_a_follower_commits_and_says_nothing() -> None:
    bench = Bench(None)
    effects = bench.give(Start())
    certificate = bench.certificate(F, 4, A)
    effects += bench.hear(None, certificate)
    effects += bench.hear(None, bench.proposal(5, B, Point(4, A)))
    effects += bench.hear(None, bench.vote(1, N, 5, B))
    effects += bench.know(A, 4, START)
    effects += bench.give(RetryDue())
    assert of(Commit, effects) == [Commit(block=A, certificate=certificate)]
    assert not of(Send, effects)
    assert not of(SetTimer, effects)
    assert not of(Validate, effects)


def test_c13_a_vote_that_others_gave_back_counts_here_as_well() -> None:
    bench = Bench(quarantine=True)
    bench.give(Start())
    mine = bench.vote(0, VoteKind.NULLIFY, 1)
    bench.give(Witnessed(mark=2, votes=[mine]))
    bench.hear(1, bench.vote(1, VoteKind.NULLIFY, 1))
    effects = bench.hear(2, bench.vote(2, VoteKind.NULLIFY, 1))
    assert [sent.vote for sent in messages(Certificate, effects)] == [mine.vote]
