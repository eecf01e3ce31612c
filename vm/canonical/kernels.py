"""What may stand in for the numpy definition of an operator, bit for bit."""

from collections.abc import Callable, Mapping

from vm.canonical.arrays import Array
from vm.program import Op, Operation

Kernel = Callable[[Operation, list[Array], bool], Array | None]
"""From operation, operands and whether the run is the perturbed one to the result in normal form, before it is scaled
(G82); None where it does not serve the case."""
Kernels = Mapping[Op, Kernel]
NUMPY: Kernels = {}
"""Nothing stands in: the definition itself."""
