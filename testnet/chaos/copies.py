"""Older copies of nodes' homes, as a careless operator has them, and their coming back."""

import random
import shutil
from pathlib import Path

KEPT_MAX = 3
"""Copies of each node; the first one, of a home that has never run, is soon among those that go."""


class Copies:
    """The copies of all homes of a network; taken and put back only while a node is down."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        """Copy every home, none of which has run."""
        self._directory = directory
        self._kept: dict[str, list[Path]] = {}
        self._count = 0
        for name in names:
            self.take(name)

    def take(self, name: str) -> None:
        """Copy a node's home as it is now; an older copy may go."""
        self._count += 1
        place = self._directory / "copies" / f"{name}-{self._count}"
        shutil.copytree(self._directory / name, place, ignore=_not_plain)
        kept = self._kept.setdefault(name, [])
        kept.append(place)
        if len(kept) > KEPT_MAX:
            shutil.rmtree(kept.pop(0))

    def put_back(self, name: str, chance: random.Random) -> None:
        """Put one of the copies in the place of a node's home."""
        home = self._directory / name
        shutil.rmtree(home)
        shutil.copytree(chance.choice(self._kept[name]), home)


def _not_plain(folder: str, names: list[str]) -> list[str]:
    """Return what is neither file nor folder, such as a socket."""
    return [name for name in names if not (Path(folder) / name).is_file() and not (Path(folder) / name).is_dir()]
