"""Answers are shared out among those who ask."""

from hypothesis import given
from hypothesis import strategies as some

from node.answer_slots import PER_PEER, SHARED, SLOTS, AnswerSlots


def test_four_greedy_peers_leave_room_for_everybody_else() -> None:  # N10
    slots = AnswerSlots()
    taken = [sum(slots.take(bytes([peer])) for _ in range(100)) for peer in range(4)]
    assert taken == [PER_PEER, SHARED - PER_PEER, 1, 1]
    assert all(slots.take(bytes([peer])) for peer in range(4, 4 + SLOTS - sum(taken)))
    assert not slots.take(b"one too many")


def test_a_slot_that_is_given_back_is_free_again() -> None:
    slots = AnswerSlots()
    for _ in range(10 * SLOTS):
        assert slots.take(b"peer")
        slots.give_back(b"peer")


@given(some.lists(some.tuples(some.booleans(), some.integers(0, 20)), max_size=300))
def test_the_number_of_answers_under_way_is_bounded(deeds: list[tuple[bool, int]]) -> None:
    slots = AnswerSlots()
    held: list[bytes] = []
    for takes, who in deeds:
        peer = bytes([who])
        if takes and slots.take(peer):
            held.append(peer)
        elif not takes and peer in held:
            held.remove(peer)
            slots.give_back(peer)
        assert len(held) <= SLOTS
        assert max((held.count(each) for each in held), default=0) <= PER_PEER
