"""Addresses in text, and which belong together."""

import pytest

from node.peers.addresses import ban_name_of, host_port_text, is_reachable, near_of, parse_host_port, region_of
from primitives.reasons import Reason, Refused


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("1.2.3.4:5", "1.2.3.4", 5), ("[::1]:65535", "::1", 65535), ("[2001:DB8::0:1]:0", "2001:db8::1", 0)],
)
def test_an_address_is_read_into_its_one_way_of_writing(text: str, host: str, port: int) -> None:
    assert parse_host_port(text) == (host, port)
    assert parse_host_port(host_port_text(host, port)) == (host, port)


def test_an_ipv4_address_in_ipv6_clothes_is_the_same_address() -> None:
    assert parse_host_port("[::ffff:1.2.3.4]:5") == ("1.2.3.4", 5)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:x",
        "1.2.3.4:65536",
        "1.2.3.4:٥",
        "::1:5",
        "[::1]",
        "[::1%lo]:5",
        "[1.2.3:5",
        "example:5",
        "1.2.3.4:9999999",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_host_port(text)
    assert refused.value.reason is Reason.BAD_ADDRESS


def test_neighbours_share_a_network_and_providers_a_region() -> None:
    assert near_of("1.2.3.4") == near_of("1.2.3.250") != near_of("1.2.4.4")
    assert region_of("1.2.3.4") == region_of("1.2.200.1") != region_of("1.3.3.4")
    assert near_of("2001:db8:1:2::1") == near_of("2001:db8:1:2:ffff::9") != near_of("2001:db8:1:3::1")
    assert region_of("2001:db8:1::1") == region_of("2001:db8:ffff::1")
    assert ban_name_of("1.2.3.4") != ban_name_of("1.2.3.5")
    assert ban_name_of("2001:db8:1:2::1") == ban_name_of("2001:db8:1:2::2")
    assert near_of("?") == "?"


def test_strangers_may_have_us_dial_public_addresses_alone() -> None:
    assert is_reachable("8.8.8.8", from_loopback=False)
    assert is_reachable("2606:4700::1", from_loopback=False)
    for host in ("127.0.0.1", "10.0.0.1", "192.168.1.1", "::1", "fe80::1", "224.0.0.1", "0.0.0.0", "x"):
        assert not is_reachable(host, from_loopback=False)
    assert is_reachable("127.0.0.1", from_loopback=True)
    assert not is_reachable("10.0.0.1", from_loopback=True)
