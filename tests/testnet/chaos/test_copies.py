"""Copies of homes are taken and put back whole, and only a few are kept."""

import random
import socket
from pathlib import Path

from testnet.chaos.copies import KEPT_MAX, Copies

NAME = "validator0"


def test_an_older_state_comes_back_and_what_came_later_is_gone(tmp_path: Path) -> None:
    home = tmp_path / NAME
    home.mkdir()
    (home / "votes").write_text("old")
    copies = Copies(tmp_path, [NAME])
    (home / "votes").write_text("new")
    (home / "later").touch()
    copies.put_back(NAME, random.Random(1))
    assert [(path.name, path.read_text()) for path in home.iterdir()] == [("votes", "old")]


def test_only_the_latest_copies_are_kept(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    copies = Copies(tmp_path, [NAME])
    for at in range(2 * KEPT_MAX):
        (tmp_path / NAME / "age").write_text(str(at))
        copies.take(NAME)
    kept = sorted((tmp_path / "copies").glob("*/age"))
    assert [path.read_text() for path in kept] == [str(at) for at in range(KEPT_MAX, 2 * KEPT_MAX)]


def test_a_socket_in_a_home_is_left_out(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / NAME / "admin"))
        Copies(tmp_path, [NAME])
    assert not list((tmp_path / "copies").glob("*/admin"))
