"""What a model for tests is: a file, inputs that fit it, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Array = NDArray[Any]
Feeds = dict[str, Array]
"""An array for each input, by name."""


@dataclass(frozen=True)
class Case:
    """A model, bound to the shapes of its feeds, which are the same in all of them."""

    name: str
    build: Callable[[], bytes]
    """Makes or reads the file: the same bytes each time."""
    feeds: list[Feeds]
    licence: str
    source: str
    kind: str = "float"
    """float; trees: sums of leaves; quantised: rounds inside; integer."""
    smaller: Callable[[], bytes] | None = None
    """Another model with the same interface and less inside, if there is one."""
    draw: "Callable[[Noise], Feeds] | None" = None
    """Makes another input out of numbers that look random."""

    def drawn(self, count: int) -> list[Feeds]:
        """Return other inputs than the feeds, the same each time."""
        assert self.draw is not None, self.name
        return [self.draw(Noise(1_000 + at)) for at in range(count)]

    @cached_property
    def model(self) -> bytes:
        """Return the file."""
        return self.build()

    @cached_property
    def proto(self) -> onnx.ModelProto:
        """Return the file, parsed; not to be changed."""
        return onnx.ModelProto.FromString(self.model)

    @property
    def inputs(self) -> list[str]:
        """Return the names of the inputs in the order of the file."""
        inherent = {tensor.name for tensor in self.proto.graph.initializer}
        return [value.name for value in self.proto.graph.input if value.name not in inherent]

    @property
    def outputs(self) -> list[str]:
        """Return the names of the outputs in the order of the file."""
        return [value.name for value in self.proto.graph.output]

    @property
    def shapes(self) -> list[list[int]]:
        """Return the binding: the shape of each input in the order of the file."""
        return [list(self.feeds[0][name].shape) for name in self.inputs]


class Noise:
    """Numbers that look random and are the same for ever: numpy has promised to leave this generator as it is."""

    def __init__(self, seed: int) -> None:
        self._state = np.random.RandomState(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        """Return float32 numbers around 0."""
        drawn: Array = (self._state.standard_normal(shape) * scale).astype(np.float32)
        return drawn

    def weights(self, *shape: int, fan_in: int) -> Array:
        """Return float32 weights that keep the size of what they are applied to."""
        return self.normal(*shape, scale=fan_in**-0.5)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Array:
        """Return float32 numbers in a range."""
        drawn: Array = self._state.uniform(low, high, shape).astype(np.float32)
        return drawn

    def integers(self, *shape: int, low: int, high: int, dtype: type = np.int64) -> Array:
        """Return integers of [low, high)."""
        drawn: Array = self._state.randint(low, high, shape).astype(dtype)
        return drawn
