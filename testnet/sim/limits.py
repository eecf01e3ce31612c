"""Shrunken limits: a seed may make any limit of the consensus core tiny. Since limits are values, no core knows."""

import random
import sys
from types import TracebackType
from typing import Self

SHRINKABLE = {
    "VIEWS_BACK": (0, 1),
    "VERDICTS_BACK": (2, 8),
    "WANTED_MAX": (1, 2),
    "LINKS_MAX": (8, 32),
    "JUSTIFICATION_MAX": (4, 8),
    "ANSWERS_MAX": (1,),
    "REPEATED_MAX": (1, 2),
    "SILENT_VIEWS": (3, 6),
    "VIEWS_TRACKED": (2, 8),
}
"""The limits of consensus that may be shrunk, and to what. The least leave a core what its rules need at any moment."""
SHRUNK_SHARE = 0.5


class Limits:
    """Within it, the limits of this seed hold in every module of consensus that names them."""

    def __init__(self, chance: random.Random | None) -> None:
        """`chance` chooses; None leaves all limits as they are."""
        self.chosen = {
            name: chance.choice(values)
            for name, values in SHRINKABLE.items()
            if chance is not None and chance.random() < SHRUNK_SHARE
        }
        self._before: list[tuple[object, str, int]] = []

    def __enter__(self) -> Self:
        modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("consensus.")]
        for module in modules:
            for name, value in self.chosen.items():
                if hasattr(module, name):
                    self._before.append((module, name, getattr(module, name)))
                    setattr(module, name, value)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for module, name, value in reversed(self._before):
            setattr(module, name, value)
        self._before.clear()
