"""What is fuzzed: something that takes bytes from outside, and may refuse them in one way only."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

Feed = Callable[[bytes], object]
"""Takes one input, and may return what was special about it. Raises Refused, or another error of its target's
`refusals`; everything else is a finding."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """One decoder or message handler."""

    name: str
    seeds: Callable[[], list[bytes]]
    """Good inputs to begin with, always the same ones."""
    open: Callable[[], AbstractContextManager[Feed]]
    """Sets the handler up anew, for one round of inputs."""
    is_text: bool = False
    refusals: tuple[type[Exception], ...] = ()
    weight: int = 1
    """Share of all inputs."""


def plainly(feed: Feed) -> Callable[[], AbstractContextManager[Feed]]:
    """Return the `open` of a target without a state."""

    @contextmanager
    def opened() -> Iterator[Feed]:
        yield feed

    return opened
