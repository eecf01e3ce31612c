"""A tape: kernels with their words in one array, which one call runs from end to end, and the memory they work in.

What a program's operations need is known from its shapes alone, so addresses, sizes and steps are worked out once. A
place in memory serves again when the value in it is needed no longer.
"""

from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vm.canonical.arrays import Array
from vm.canonical.fast_library import DIMENSIONS, Library

_ALIGNED = 64
"""Bytes: a line of the cache, and the widest vector."""


class Place(NamedTuple):
    """A place in the tape's memory, by its offset in bytes."""

    offset: int

    def after(self, size: int) -> "Place":
        """Return the place so many bytes further on."""
        return Place(self.offset + size)


Word = int | Place | Array
"""What a kernel is told: a number, a place in memory, or an array that stays where it is."""


@dataclass(frozen=True, slots=True)
class Call:
    """A kernel and its words."""

    name: str
    words: list[Word]


class Memory:
    """Places given out and taken back; how much there must be is known at the end."""

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []
        self._given: dict[int, int] = {}

    def take(self, size: int) -> Place:
        """Return a place of so many bytes: the first gap that is large enough, or the end."""
        size = max(_ALIGNED, -(-size // _ALIGNED) * _ALIGNED)
        for at, (offset, room) in enumerate(self._free):
            if room >= size:
                if room == size:
                    del self._free[at]
                else:
                    self._free[at] = offset + size, room - size
                break
        else:
            offset, self.size = self.size, self.size + size
        self._given[offset] = size
        return Place(offset)

    def give_back(self, place: Place) -> None:
        """Take a place back, and join it with gaps beside it."""
        insort(self._free, (place.offset, self._given.pop(place.offset)))
        joined: list[tuple[int, int]] = []
        for offset, room in self._free:
            if joined and sum(joined[-1]) == offset:
                joined[-1] = joined[-1][0], joined[-1][1] + room
            else:
                joined.append((offset, room))
        self._free = joined


class Tape:
    """Calls of kernels in order, and between them steps in Python."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._steps: list[list[tuple[int, Call]] | Callable[[], None]] = []
        self._ready: list[tuple[Array, dict[int, int]] | Callable[[], None]] = []
        self._held: list[Array] = []
        self._memory = np.empty(0, np.uint8)

    def add(self, number: int, calls: list[Call]) -> None:
        """Append the calls that carry out an operation."""
        if not calls:
            return
        if not self._steps or callable(self._steps[-1]):
            self._steps.append([])
        segment = self._steps[-1]
        assert isinstance(segment, list)
        segment.extend((number, call) for call in calls)

    def add_step(self, step: Callable[[], None]) -> None:
        """Append a step in Python."""
        self._steps.append(step)

    def finish(self, size: int) -> None:
        """Get the memory, and write down the words with its address."""
        room = np.zeros(size + _ALIGNED, np.uint8)
        start = -room.ctypes.data % _ALIGNED
        self._memory = room[start : start + size]
        for step in self._steps:
            if callable(step):
                self._ready.append(step)
                continue
            words, numbers = [0], {}
            for number, call in step:
                numbers[len(words)] = number
                words += [self._library.address(call.name), len(call.words), *map(self._address, call.words)]
            words[0] = len(words)
            self._ready.append((np.array(words, np.int64), numbers))
        self._steps = []

    def _address(self, word: Word) -> int:
        if isinstance(word, Place):
            return int(self._memory.ctypes.data) + word.offset
        if isinstance(word, int):
            return word
        self._held.append(word)
        return int(word.ctypes.data)

    def view(self, place: Place, dtype: "np.dtype[np.generic]", shape: list[int], count: int) -> Array:
        """Return the array that stands in a place."""
        return self._memory[place.offset : place.offset + count * dtype.itemsize].view(dtype).reshape(shape)

    def run(self) -> int | None:
        """Run everything; return the number of the operation that trapped, if one did."""
        for step in self._ready:
            if callable(step):
                step()
                continue
            words, numbers = step
            at = self._library.call("tape", words)
            if at:
                return numbers[at]
        return None


def joined(sizes: list[int], *steps: list[int]) -> tuple[list[int], list[list[int]]] | None:
    """Return a box of as many dimensions as kernels take, its elements in the same order; None if there is none."""
    kept: list[int] = []
    told: list[list[int]] = [[] for _ in steps]
    for at, size in enumerate(sizes):
        if size == 1:
            continue
        if kept and all(line[-1] == each[at] * size for line, each in zip(told, steps, strict=True)):
            kept[-1] *= size
            for line, each in zip(told, steps, strict=True):
                line[-1] = each[at]
            continue
        kept.append(size)
        for line, each in zip(told, steps, strict=True):
            line.append(each[at])
    missing = DIMENSIONS - len(kept)
    if missing < 0:
        return None
    if missing == DIMENSIONS:
        return [1] * DIMENSIONS, [[1] * DIMENSIONS for _ in steps]
    return [1] * missing + kept, [[0] * missing + line for line in told]


def steps_of(shape: list[int]) -> list[int]:
    """Return the distances in elements between neighbours, in C order."""
    steps = [1]
    for size in reversed(shape[1:]):
        steps.append(steps[-1] * size)
    return steps[::-1][-len(shape) :] if shape else []
