"""The files of the repository, as git knows them."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PURE = ("primitives/", "consensus/", "ledger/", "vm/")
PRODUCT = (*PURE, "node/", "cli/", "testnet/", "examples/", "benches/", "scripts/")
SHELL_OF_VM = ("vm/compiled.py", "vm/pool.py", "vm/launcher.py", "vm/sandbox/")
"""What of vm starts, feeds or is the sandbox; all the rest of it is pure."""
FLOATS = ("vm/canonical/", "vm/referee/")
"""What of the pure code computes with floats, each operation of which is exactly defined."""


@dataclass(frozen=True)
class Source:
    """One text file."""

    name: str
    """Its path from the root."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text, self.name)

    @property
    def is_product(self) -> bool:
        """Whether it is code that users run."""
        return self.name.startswith(PRODUCT)

    @property
    def is_pure(self) -> bool:
        """Whether it must compute the same everywhere."""
        return self.name.startswith(PURE) and not self.name.startswith(SHELL_OF_VM)

    @property
    def has_floats(self) -> bool:
        """Whether floats are its business."""
        return self.name.startswith(FLOATS)

    def at(self, line: int, what: str) -> str:
        """Say what was found in which line."""
        return f"{self.name}:{line} {what}"


@cache
def names() -> list[str]:
    """Return the paths of all files that are in the repository or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    found = sorted(set(listed.stdout.decode().split("\0")) - {""})
    return [name for name in found if (ROOT / name).is_file()]


@cache
def _read(name: str) -> Source | None:
    try:
        return Source(name=name, text=(ROOT / name).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return None


def texts() -> Iterator[Source]:
    """Yield every file that is text."""
    yield from filter(None, map(_read, names()))


def python() -> list[Source]:
    """Return every Python file."""
    return [source for source in texts() if source.name.endswith(".py")]


def pages() -> list[Source]:
    """Return every page of documentation."""
    return [source for source in texts() if source.name.endswith(".md")]
