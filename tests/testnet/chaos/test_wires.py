"""Lines that are cut, held up one way and slowed down, between two sockets of this process."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testnet.chaos.links import Line, Order
from testnet.chaos.wires import Wires, open_wires
from testnet.ports import free_ports

LIMIT_S = 10.0


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT_S)
        yield server


@pytest.fixture
def line(listener: socket.socket, tmp_path: Path) -> Line:
    (port,) = free_ports(1, tmp_path)
    return Line(dialler="a", target="b", listen_port=port, target_port=listener.getsockname()[1])


@pytest.fixture
def wires(line: Line) -> Iterator[Wires]:
    with open_wires([line]) as opened:
        yield opened


def connected(line: Line, listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    mine = socket.create_connection(("127.0.0.1", line.listen_port), timeout=LIMIT_S)
    theirs, _ = listener.accept()
    theirs.settimeout(LIMIT_S)
    return mine, theirs


def test_a_good_line_carries_both_ways(wires: Wires, line: Line, listener: socket.socket) -> None:
    mine, theirs = connected(line, listener)
    with mine, theirs:
        mine.sendall(b"there")
        assert theirs.recv(5) == b"there"
        theirs.sendall(b"back")
        assert mine.recv(4) == b"back"


def test_a_cut_ends_connections_that_stand_and_lets_no_new_one_through(
    wires: Wires, line: Line, listener: socket.socket
) -> None:
    mine, theirs = connected(line, listener)
    with mine, theirs:
        wires.cut("b")
        assert mine.recv(1) == b""
        assert theirs.recv(1) == b""
    with socket.create_connection(("127.0.0.1", line.listen_port), timeout=LIMIT_S) as again:
        assert again.recv(1) == b""
    wires.heal("b")
    mine, theirs = connected(line, listener)
    with mine, theirs:
        mine.sendall(b"x")
        assert theirs.recv(1) == b"x"


def test_a_mute_node_hears_and_what_it_said_arrives_later(wires: Wires, line: Line, listener: socket.socket) -> None:
    mine, theirs = connected(line, listener)
    with mine, theirs:
        wires.mute("a")
        mine.sendall(b"late")
        theirs.sendall(b"now")
        assert mine.recv(3) == b"now"
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(4)
        theirs.settimeout(LIMIT_S)
        wires.heal("a")
        assert theirs.recv(4) == b"late"


def test_a_slow_line_delays(wires: Wires, line: Line, listener: socket.socket) -> None:
    mine, theirs = connected(line, listener)
    with mine, theirs:
        wires.order(Order(sender="a", receiver="b", delay_ms=200))
        began = time.monotonic()
        mine.sendall(b"x")
        assert theirs.recv(1) == b"x"
        assert time.monotonic() - began >= 0.2
