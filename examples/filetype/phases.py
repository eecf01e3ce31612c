"""What the demonstration tells as it goes: phases with their wall times, and progress in one place on a terminal."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Failed(Exception):
    """What the demonstration promised does not hold."""


class Teller:
    """Prints lines, and keeps the times of phases."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._shown = False
        self.phases: list[tuple[str, float]] = []

    def say(self, line: str = "") -> None:
        """Print one line."""
        self._clear()
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def progress(self, line: str) -> None:
        """Show where things stand: in place on a terminal, else as a line."""
        if not self._terminal:
            self.say(f"  {line}")
            return
        self._clear()
        sys.stdout.write(f"  {line[:100]}")
        sys.stdout.flush()
        self._shown = True

    def _clear(self) -> None:
        if self._shown:
            sys.stdout.write("\r\x1b[K")
            self._shown = False

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Announce a phase, and say how long it took."""
        self.say(f"\n== {name}")
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.phases.append((name, took))
        self.say(f"-- {took:.1f} s")
