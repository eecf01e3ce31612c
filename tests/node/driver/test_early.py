"""Room for what is said in an epoch before it begins here, and the last word in one that is over (C24, N76)."""

import pytest

from consensus.messages import CertificateRequest, Certificates, Message, VoteKind
from consensus.parting import last_word
from node.driver.early import EARLY_BYTES_MAX, EARLY_MAX, EARLY_OF_ONE_MAX, Early
from testnet.kit.consensus_builders import START, Bench, a_block

BENCH = Bench(0)
REQUEST = CertificateRequest(epoch=8, first_view=1, last_view=2)


def test_what_comes_early_is_given_in_order_when_its_epoch_begins() -> None:
    early = Early()
    assert early.keep(8, b"one", REQUEST, 10)
    assert not early.keep(8, b"one", REQUEST, 10)
    assert early.keep(8, b"two", REQUEST, 10)
    assert [peer for peer, _ in early.take(8)] == [b"one", b"one", b"two"]
    assert early.take(8) == []


def test_another_epoch_takes_the_place_of_the_one_before() -> None:
    early = Early()
    early.keep(8, b"one", REQUEST, 10)
    early.keep(9, b"two", REQUEST, 10)
    assert early.take(8) == []
    assert early.take(9) == []


def test_nobody_takes_more_than_its_room_and_all_together_no_more_than_there_is() -> None:
    early = Early()
    for _ in range(EARLY_OF_ONE_MAX + 5):
        early.keep(8, b"loud", REQUEST, 10)
    for at in range(EARLY_MAX):
        early.keep(8, b"%d" % at, REQUEST, 10)
    kept = early.take(8)
    assert len(kept) == EARLY_MAX
    assert [peer for peer, _ in kept].count(b"loud") == EARLY_OF_ONE_MAX
    early.keep(8, b"big", REQUEST, EARLY_BYTES_MAX)
    early.keep(8, b"small", REQUEST, 1)
    assert [peer for peer, _ in early.take(8)] == [b"big"]


@pytest.mark.parametrize(
    "message", [BENCH.vote(1, VoteKind.NULLIFY, 3), BENCH.proposal(1, a_block("x"), START), REQUEST]
)
def test_c24_who_still_speaks_in_an_ended_epoch_is_told_its_end(message: Message) -> None:
    end = BENCH.certificate(VoteKind.FINALIZE, 5, a_block("the last"))
    assert last_word(message, end) == Certificates(certificates=[end])


def test_c24_certificates_of_an_ended_epoch_ask_for_nothing() -> None:
    end = BENCH.certificate(VoteKind.FINALIZE, 5, a_block("the last"))
    assert last_word(end, end) is None
    assert last_word(Certificates(certificates=[end]), end) is None
