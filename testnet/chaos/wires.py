"""The runner's hand on the lines between nodes: starts their program, and gives it orders."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from primitives.reasons import Reason, Refused
from testnet.chaos.links import Line, Order


class Wires:
    """The running program. Made by `open_wires`."""

    def __init__(self, program: subprocess.Popen[bytes], names: Sequence[str]) -> None:
        self._program = program
        self._names = names

    def cut(self, node: str) -> None:
        """Cut a node off from all others."""
        self._all(node, cut=True)

    def mute(self, node: str) -> None:
        """Let a node hear the others but not be heard."""
        for other in self._others(node):
            self.order(Order(sender=node, receiver=other, held=True))

    def slow(self, node: str, *, delay_ms: int, bytes_per_s: int) -> None:
        """Put a node at the end of a long thin line."""
        self._all(node, delay_ms=delay_ms, bytes_per_s=bytes_per_s)

    def heal(self, node: str) -> None:
        """Make all lines of a node good."""
        self._all(node)

    def order(self, order: Order) -> None:
        """Have one order obeyed. Raises Refused NODE_DID_NOT_START if the program is gone."""
        assert self._program.stdin is not None
        self._program.stdin.write(msgspec.json.encode(order) + b"\n")
        self._program.stdin.flush()
        _expect(self._program, b"done\n")

    def _all(self, node: str, *, cut: bool = False, delay_ms: int = 0, bytes_per_s: int = 0) -> None:
        for other in self._others(node):
            for sender, receiver in ((node, other), (other, node)):
                self.order(Order(sender=sender, receiver=receiver, cut=cut, delay_ms=delay_ms, bytes_per_s=bytes_per_s))

    def _others(self, node: str) -> list[str]:
        return [name for name in self._names if name != node]


@contextmanager
def open_wires(lines: Sequence[Line]) -> Iterator[Wires]:
    """Run the program for as long as the block lasts. Raises Refused NODE_DID_NOT_START."""
    command = [sys.executable, "-m", "testnet.chaos.links"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        try:
            assert program.stdin is not None
            program.stdin.write(msgspec.json.encode(list(lines)) + b"\n")
            program.stdin.flush()
            _expect(program, b"ready\n")
            names = sorted({name for line in lines for name in (line.dialler, line.target)})
            yield Wires(program, names)
        finally:
            program.kill()


def _expect(program: subprocess.Popen[bytes], word: bytes) -> None:
    assert program.stdout is not None
    if program.stdout.readline() != word:
        raise Refused(Reason.NODE_DID_NOT_START, node="testnet.chaos.links", why="the program of the lines ended")
