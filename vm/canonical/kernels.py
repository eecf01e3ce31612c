"""What may stand in for the numpy definition of an operator, bit for bit."""

from collections.abc import Callable, Collection, Mapping, Sequence

from vm.canonical.arrays import Array
from vm.program import Op, Operation, Program

Kernel = Callable[[Operation, list[Array], bool], Array | None]
"""From operation, operands and whether the run is the perturbed one to the result in normal form, before it is scaled
(G82); None where it does not serve the case."""
Kernels = Mapping[Op, Kernel]
Whole = Callable[
    [Program, Sequence[Array], Sequence[Array], Mapping[int, Array] | None, Sequence[int] | None, Collection[int]],
    dict[int, Array] | None,
]
"""From program, constants, inputs, given values, the operations to run and the values to keep to what
`interpreter.run` returns; None where it does not serve the case. Raises Trapped."""


class Made(dict[Op, Kernel]):
    """Kernels that are made for one program, and what runs it without looking at one operation after the other."""

    def __init__(self, kernels: Kernels, whole: Whole) -> None:
        super().__init__(kernels)
        self.whole = whole


NUMPY: Kernels = {}
"""Nothing stands in: the definition itself."""
