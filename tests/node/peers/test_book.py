"""The address book: what it keeps, whom it chooses, and that nobody can fill it alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as some

from node.p2p.peer_id import peer_id_of
from node.peers.book import BUCKET_SIZE, BUCKETS_PER_SOURCE, FAILURES_MAX, RETRY_S_MIN, Book, Entry
from node.peers.records import (
    RECORD_AGE_MAX_S,
    Endpoint,
    PeerRecord,
    SignedPeerRecord,
    check_record,
    is_recent,
    record_sign_bytes,
    sign_record,
)
from node.peers.saved import MAGIC, read_peers, write_peers
from primitives.ed25519 import public_key_of, sign
from primitives.reasons import Reason, Refused

NETWORK = b"n" * 32
NOW = 1_800_000_000


def claimed(number: int, host: str = "", signed_s: int = NOW) -> SignedPeerRecord:
    """Return a record that was not signed, which the book does not ask for."""
    host = host or f"11.{number // 256 % 256}.{number % 256}.1"
    peer = peer_id_of(number.to_bytes(32, "big"))
    record = PeerRecord(peer=peer, endpoints=[Endpoint(host=host, port=4001)], signed_s=signed_s)
    return SignedPeerRecord(record=record, signature=bytes(64))


def book() -> Book:
    return Book(bytes(32), random.Random(1))


def anybody(_: Entry) -> bool:
    return True


def test_a_record_is_its_peers_own_recent_and_plain() -> None:  # N11
    endpoint = Endpoint(host="1.2.3.4", port=4001)
    signed = sign_record(b"s" * 32, NETWORK, [endpoint], now_s=NOW)
    check_record(signed, NETWORK)
    assert signed.record.peer == peer_id_of(public_key_of(b"s" * 32))
    for other, reason in (
        (sign_record(b"s" * 32, b"m" * 32, [endpoint], now_s=NOW), Reason.BAD_SIGNATURE),
        (sign_record(b"s" * 32, NETWORK, [Endpoint(host="::ffff:1.2.3.4", port=1)], now_s=NOW), Reason.BAD_ADDRESS),
        (SignedPeerRecord(record=signed.record, signature=bytes(64)), Reason.BAD_SIGNATURE),
    ):
        with pytest.raises(Refused) as refused:
            check_record(other, NETWORK)
        assert refused.value.reason is reason
    assert [is_recent(signed, now_s=NOW + late) for late in (-10_000, 0, RECORD_AGE_MAX_S, RECORD_AGE_MAX_S + 1)] == [
        False,
        True,
        True,
        False,
    ]
    strange = PeerRecord(peer=bytes(38), endpoints=[endpoint], signed_s=NOW)
    forged = SignedPeerRecord(record=strange, signature=sign(b"s" * 32, record_sign_bytes(NETWORK, strange)))
    with pytest.raises(Refused) as refused:
        check_record(forged, NETWORK)
    assert refused.value.reason is Reason.BAD_KEY


def test_one_source_reaches_a_small_part_of_the_book() -> None:
    kept = book()
    for number in range(5_000):
        kept.hear(claimed(number), source_host="66.66.1.1" if number % 2 else "66.66.200.7")
    assert len(kept) <= BUCKETS_PER_SOURCE * BUCKET_SIZE
    honest = claimed(9_999, "77.1.1.1")
    assert kept.hear(honest, source_host="88.1.1.1")
    for number in range(10_000, 20_000):
        kept.hear(claimed(number), source_host="66.66.1.1")
    chosen = {kept.choose(NOW, wanted=anybody).peer for _ in range(300)}  # type: ignore[union-attr]  # there is one
    assert honest.record.peer in chosen or honest.record.peer not in kept


def test_who_was_reached_is_not_driven_out_by_who_was_heard_of() -> None:
    kept = book()
    for number in range(20):
        kept.hear(claimed(number), source_host="88.1.1.1")
        kept.note_reached(claimed(number).record.peer, NOW)
    for number in range(1_000, 5_000):
        kept.hear(claimed(number), source_host=f"{number % 200 + 1}.66.1.1")
    assert all(claimed(number).record.peer in kept for number in range(20))


def test_a_peer_that_does_not_answer_is_left_alone_for_a_while_and_then_forgotten() -> None:
    kept = book()
    peer = claimed(1).record.peer
    kept.hear(claimed(1), source_host="88.1.1.1")
    now = float(NOW)
    kept.note_try(peer, now)
    assert kept.choose(now + RETRY_S_MIN, wanted=anybody) is None
    assert kept.choose(now + 2 * RETRY_S_MIN, wanted=anybody) is not None
    for _ in range(FAILURES_MAX):
        kept.note_try(peer, now)
    assert peer not in kept
    assert kept.choose(now + 1e6, wanted=anybody) is None


def test_a_later_record_takes_the_place_of_an_earlier_one() -> None:
    kept = book()
    kept.hear(claimed(1, "1.1.1.1"), source_host="88.1.1.1")
    kept.note_reached(claimed(1).record.peer, NOW)
    kept.hear(claimed(1, "2.2.2.2", NOW + 1), source_host="66.1.1.1")
    kept.hear(claimed(1, "3.3.3.3", NOW - 1), source_host="66.1.1.1")
    entry = kept.get(claimed(1).record.peer)
    assert entry is not None
    assert [address.host for address in entry.addresses] == ["2.2.2.2"]
    kept.forget(entry.peer)
    assert len(kept) == 0


def test_only_what_is_heard_is_chosen_to_be_checked() -> None:
    kept = book()
    kept.hear(claimed(1), source_host="88.1.1.1")
    kept.note_reached(claimed(1).record.peer, NOW)
    assert kept.choose(NOW, wanted=anybody, only_heard=True) is None
    kept.hear(claimed(2), source_host="88.1.1.1")
    chosen = kept.choose(NOW, wanted=anybody, only_heard=True)
    assert chosen is not None
    assert chosen.peer == claimed(2).record.peer


def test_a_sample_holds_at_most_a_quarter_of_the_book_and_nobody_who_failed() -> None:
    kept = book()
    for number in range(200):
        kept.hear(claimed(number), source_host=f"{number + 1}.1.1.1")
    kept.note_try(claimed(3).record.peer, NOW)
    sample = kept.sample(64, NOW)
    assert len(sample) == len(kept) // 4
    assert claimed(3) not in sample
    assert len({signed.record.peer for signed in sample}) == len(sample)


@given(
    some.lists(
        some.tuples(some.integers(0, 60), some.integers(1, 5), some.sampled_from(["hear", "try", "reach", "forget"]))
    )
)
def test_the_book_is_written_and_read_back_whole(deeds: list[tuple[int, int, str]]) -> None:
    kept = book()
    for number, source, deed in deeds:
        signed = claimed(number, f"{source}.1.1.1", NOW + source)
        match deed:
            case "hear":
                kept.hear(signed, source_host=f"{source}.9.1.1")
            case "try":
                kept.note_try(signed.record.peer, NOW)
            case "reach":
                kept.note_reached(signed.record.peer, NOW)
            case _:
                kept.forget(signed.record.peer)
    bans = [("ab", NOW), ("1.2.3.4/32", NOW + 1)]
    read, read_bans = read_peers(write_peers(kept, bans), random.Random(1))
    assert read_bans == bans
    assert [(each.signed, each.is_reached, each.failures) for each in read.entries()] == [
        (each.signed, each.is_reached, each.failures) for each in kept.entries()
    ]


@given(some.integers(0, 500), some.integers(1, 255))
def test_damage_to_the_file_is_noticed(at: int, flip: int) -> None:
    kept = book()
    kept.hear(claimed(1), source_host="88.1.1.1")
    raw = bytearray(write_peers(kept, []))
    raw[at % len(raw)] ^= flip
    for damaged in (bytes(raw), bytes(raw)[: at % len(raw)], MAGIC):
        with pytest.raises(Refused) as refused:
            read_peers(damaged, random.Random(1))
        assert refused.value.reason is Reason.MALFORMED
