"""The door: who may shake hands, by address alone."""

import trio
import trio.testing

from node.p2p.door import KNOCKS_OF_STRANGERS, KNOWN_MAX, OPEN_PER_ADDRESS, PENDING_MAX, PENDING_PER_NEAR, Door, Knock
from node.peers.standing import Standing


def standing() -> Standing:
    return Standing(faults_until_ban=8, ban_s=60, clock=lambda: 1_800_000_000.0)


def door(*, is_test_network: bool = False) -> Door:
    return Door(standing(), is_test_network=is_test_network)


def knocks(opened: Door, *hosts: str) -> list[Knock | None]:
    return [opened.knock(host) for host in hosts]


async def test_one_network_of_addresses_may_come_so_often(autojump_clock: trio.testing.MockClock) -> None:  # N9
    opened = door()
    crowd = knocks(opened, *(f"1.2.3.{at}" for at in range(60)))
    assert sum(knock is not None for knock in crowd) == 24
    assert opened.knock("1.2.4.1") is not None
    for knock in crowd:
        if knock is not None:
            opened.settled(knock)
    await trio.sleep(1)
    assert sum(knock is not None for knock in knocks(opened, *(f"1.2.3.{at}" for at in range(60)))) == 4


async def test_all_strangers_together_may_come_so_often_and_known_ones_always(
    autojump_clock: trio.testing.MockClock,
) -> None:
    opened = door()
    opened.know("9.9.9.9")
    crowd = knocks(opened, *(f"1.{at // 250}.{at % 250}.1" for at in range(1_000)))
    assert sum(knock is not None for knock in crowd) == KNOCKS_OF_STRANGERS.burst
    assert opened.knock("8.8.8.8") is None
    assert opened.knock("9.9.9.9") is not None
    await trio.sleep(1)
    assert opened.knock("8.8.8.8") is not None


async def test_a_network_has_so_many_handshakes_under_way_whoever_it_is(autojump_clock: trio.testing.MockClock) -> None:
    opened = door(is_test_network=True)
    assert [knock is not None for knock in knocks(opened, *["127.0.0.1"] * 40)].count(True) == PENDING_PER_NEAR


async def test_when_all_places_are_taken_the_oldest_of_the_most_crowded_network_gives_way(
    autojump_clock: trio.testing.MockClock,
) -> None:
    opened = door()
    hosts = [f"1.{at % 16}.0.{at // 16}" for at in range(PENDING_MAX)]
    for host in hosts:
        opened.know(host)
    held = knocks(opened, *hosts)
    assert None not in held
    opened.know("1.3.0.200")
    late = knocks(opened, "1.3.0.200")
    assert late[0] is not None
    gone = [knock for knock in held if knock is not None and knock.scope.cancel_called]
    assert gone == [held[3]]


async def test_an_address_has_so_many_connections_unless_a_test_network_lives_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    for opened, expected in ((door(), False), (door(is_test_network=True), True)):
        for _ in range(OPEN_PER_ADDRESS):
            opened.opened("127.0.0.1")
        assert (opened.knock("127.0.0.1") is not None) is expected
        opened.closed("127.0.0.1")
        assert opened.knock("127.0.0.1") is not None


async def test_a_banned_address_is_refused_and_known_ones_are_bounded(autojump_clock: trio.testing.MockClock) -> None:
    kept = standing()
    opened = Door(kept, is_test_network=False)
    kept.ban("1.2.3.4/32")
    kept.ban("2001:db8::/64")
    assert knocks(opened, "1.2.3.4", "2001:db8::77") == [None, None]
    for at in range(2 * KNOWN_MAX):
        opened.know(str(at))
    assert len(opened._known) == KNOWN_MAX
