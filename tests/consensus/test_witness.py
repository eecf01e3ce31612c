"""What validators tell one that starts, and what it makes of it (C13)."""

import pytest

from consensus import witness
from consensus.ancestry import Point
from consensus.io import Start, TimedOut
from consensus.messages import VoteKind
from consensus.witness import Inquiry, Statement, Witnesses, decode_inquiry
from primitives.codec import encode
from primitives.reasons import Reason, Refused
from testnet.kit.consensus_builders import Bench, a_block, an_instance

N, S, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE
A = a_block("a")


def asked(bench: Bench, signer: int = 0) -> Statement:
    told = witness.testify(bench.core, Inquiry(epoch=bench.instance.epoch, signer=signer))
    assert told is not None
    return told


def at_view(view: int, me: int = 1) -> Bench:
    bench = Bench(me)
    bench.give(Start())
    others = [each for each in range(4) if each != me]
    bench.hear(others[0], bench.certificate(S, view - 1, signers=others))
    assert bench.core.view == view
    return bench


def witnesses(*weights: int) -> Witnesses:
    bench = Bench(0, instance=an_instance(weights or (1, 1, 1, 1)))
    return Witnesses(bench.instance, 0, bench.core._scheme)


def test_c13_a_validator_shows_the_certificate_of_the_highest_view_that_is_over() -> None:
    told = witnesses()
    assert told.view == 1
    told.take(1, encode(asked(at_view(5))))
    told.take(2, encode(asked(at_view(9, me=2))))
    assert told.view == 9


def test_c13_it_shows_the_asker_s_votes_of_the_views_around_its_own() -> None:
    bench = at_view(5)
    mine = [bench.vote(0, S, view) for view in (5, 6)]
    for signed in mine:
        bench.hear(0, signed)
    told = witnesses()
    told.take(1, encode(asked(bench)))
    assert told.votes == mine
    assert asked(bench, signer=3).votes == []


def test_c13_those_who_answered_are_enough_if_they_are_a_quorum_with_the_asker() -> None:
    told = witnesses()
    told.take(1, encode(asked(at_view(2))))
    assert not told.enough
    told.take(2, encode(asked(at_view(2, me=2))))
    assert (told.enough, told.everybody) == (True, False)
    told.take(3, encode(asked(at_view(2, me=3))))
    assert told.everybody


def test_c13_the_weight_of_those_who_answered_counts_and_not_their_number() -> None:
    told = witnesses(1, 1, 1, 7)
    for validator in (1, 2):
        told.take(validator, encode(Statement(epoch=7, certificate=None, votes=[])))
    assert not told.enough
    told.take(3, encode(Statement(epoch=7, certificate=None, votes=[])))
    assert told.enough


def test_c13_who_is_in_a_later_epoch_counts_for_nothing_and_who_is_in_an_earlier_one_for_view_1() -> None:
    told = witnesses()
    told.take(1, encode(Statement(epoch=8, certificate=None, votes=[])))
    told.take(2, encode(Statement(epoch=6, certificate=None, votes=[])))
    assert not told.enough
    told.take(3, encode(Statement(epoch=6, certificate=None, votes=[])))
    assert (told.enough, told.view) == (True, 1)


def test_c13_a_certificate_that_proves_nothing_and_another_s_vote_are_refused() -> None:
    bench = Bench(0)
    weak = bench.certificate(S, 50, signers=(1, 2))
    for testimony in (
        Statement(epoch=7, certificate=weak, votes=[]),
        Statement(epoch=7, certificate=None, votes=[bench.vote(1, S, 5)]),
        Statement(epoch=7, certificate=None, votes=[bench.vote(0, S, 5, A)]),
    ):
        told = witnesses()
        with pytest.raises(Refused):
            told.take(1, encode(testimony))
        assert (told.view, told.votes) == (1, [])


def test_c13_a_validator_of_another_epoch_has_no_more_to_say() -> None:
    bench = at_view(5)
    told = witness.testify(bench.core, Inquiry(epoch=bench.instance.epoch + 1, signer=0))
    assert told == Statement(epoch=bench.instance.epoch, certificate=None, votes=[])


def test_c13_a_validator_without_certificates_says_that_view_1_is_not_over() -> None:
    bench = Bench(1)
    bench.give(Start())
    bench.give(TimedOut(view=1))
    assert asked(bench).certificate is None


def test_c13_who_knows_a_view_to_be_over_and_can_not_show_it_says_nothing() -> None:
    bench = Bench(1, start=Point(9, A))  # its chain ends with a block whose certificate it has not fetched yet
    bench.give(Start())
    inquiry = Inquiry(epoch=bench.instance.epoch, signer=0)
    assert witness.testify(bench.core, inquiry) is None
    final = bench.certificate(F, 12, a_block("b"), signers=(0, 2, 3))
    bench.hear(2, final)
    assert asked(bench).certificate == final


def test_a_question_that_is_too_long_is_none() -> None:
    with pytest.raises(Refused) as refused:
        decode_inquiry(bytes(100))
    assert refused.value.reason is Reason.TOO_LARGE
