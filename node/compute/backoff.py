"""When what failed is tried again: one, two, four, and then always eight blocks later (D11)."""

from collections.abc import Hashable

from node.ports import ChainView

APART_MAX = 8
"""Blocks between two tries: several fit into the shortest deadline, and a try that a block refuses costs its fee."""


class Backoff:
    """The steps of one job, or of one dispute, that have failed."""

    def __init__(self, chain: ChainView) -> None:
        self._chain = chain
        self._failed: dict[Hashable, tuple[int, int]] = {}
        """How often each step has failed, and the height before which it is not tried again."""

    def failed(self, step: Hashable, *, apart_max: int = APART_MAX) -> int:
        """Note that a step has failed, and return how often it has by now."""
        times = self._failed.get(step, (0, 0))[0] + 1
        apart = min(apart_max, 1 << min(times - 1, APART_MAX))
        self._failed[step] = (times, self._chain.head.height + apart)
        return times

    def is_due(self, step: Hashable) -> bool:
        """Tell whether a step may be tried, for the first time or again."""
        return self._chain.head.height >= self._failed.get(step, (0, 0))[1]

    def forget(self, step: Hashable) -> None:
        """Let a step begin anew."""
        self._failed.pop(step, None)
