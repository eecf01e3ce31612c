"""What a node is told: read, refused, written back."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.config import Config, KeysSection, MempoolSection, NetworkSection, parse_config, parse_peer, render_config
from primitives.reasons import Reason, Refused

PEER = "12D3KooWGzmFhKDywjG77swn7UpQQU99L3kN2dEyqxJctYUsxy4t@127.0.0.1:4001"


def test_the_defaults_are_read_back_as_they_were_written() -> None:
    assert parse_config(render_config(Config())) == Config()


def test_an_empty_file_means_the_defaults() -> None:
    assert parse_config("") == Config()


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
def test_any_text_survives_being_written_and_read(text: str) -> None:
    config = Config(keys=KeysSection(password_file=text), network=NetworkSection(peers=[PEER, PEER]))
    assert parse_config(render_config(config)) == config


def test_every_key_is_explained() -> None:
    lines = render_config(Config()).splitlines()
    for above, line in itertools.pairwise(lines):
        if " = " in line and not line.startswith("#"):
            assert above.startswith("# ")


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("[network]\npers = []", "network.pers", "network.peers"),
        ("netwrk = 3", "netwrk", "network"),
        ("[consensus]\nidle = 3", "consensus.idle", "consensus.idle_ms"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_right_one(text: str, key: str, nearest: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_config(text)
    assert refused.value.reason is Reason.CONFIG_INVALID
    assert refused.value.facts["key"] == key
    assert refused.value.facts["nearest"] == nearest


@pytest.mark.parametrize(
    "text",
    [
        "[network]\npeers = 3",
        "[network",
        '[rpc]\nlisten = "somewhere"',
        '[network]\npeers = ["x@127.0.0.1:1"]',
        "[mempool]\ntotal = 0",
        "network = 3",
        "x = " + "[" * 5_000,
        "x = " + "9" * 5_000,
    ],
)
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_config(text)


def test_a_number_at_its_limit_is_taken() -> None:
    assert parse_config("[mempool]\ntotal = 1").mempool == MempoolSection(total=1)


def test_a_peer_is_an_id_and_where_it_listens() -> None:
    address = parse_peer(PEER)
    assert (address.host, address.port, len(address.peer)) == ("127.0.0.1", 4001, 38)
