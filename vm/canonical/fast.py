"""The compiled kernels as stand-ins for the definitions in numpy: the same bits, several times sooner.

Whoever runs one program often makes the kernels for it once: they keep the weights in the order in which the machine
reads them, and what follows from the shapes alone.
"""

from msgspec import structs

from vm.canonical.arrays import DTYPE_OF, Array
from vm.canonical.fast_contraction import Contractions
from vm.canonical.fast_library import Library
from vm.canonical.fast_plan import RULES
from vm.canonical.fast_program import Prepared, Runs
from vm.canonical.kernels import Kernels, Made
from vm.canonical.trapped import Trapped
from vm.program import Op, Operation, Program
from vm.tensor import TensorType


def kernels(library: Library, *, program: Program | None = None, threads: int = 1) -> Kernels:
    """Return the kernels of a library, for one program with one set of constants, or for any."""
    contractions = Contractions(library, program, threads)
    own = {Op.MATMUL: contractions.matmul, Op.CONV: contractions.conv}
    return own if program is None else Made(own, Runs(library, program, own, threads).run)


def each_alone(library: Library) -> Kernels:
    """Return the kernels with which every operation runs as a program of its own: to check them, not to be fast."""

    def alone(operation: Operation, operands: list[Array], perturbed: bool) -> Array | None:  # noqa: FBT001 - a Kernel
        if perturbed:
            return None
        kinds = [TensorType(dtype=DTYPE_OF[each.dtype], shape=list(each.shape)) for each in operands]
        split = 1 if operation.op is Op.CONV else len(operands)
        own = structs.replace(operation, operands=[*range(len(operands))])
        program = Program(
            inputs=kinds[:split], constants=kinds[split:], operations=[own], outputs=[len(operands)], cut=[], tail=[]
        )
        try:
            return Prepared(library, program, operands[split:]).run(operands)[len(operands)]
        except Trapped as trap:
            raise Trapped(trap.code) from None

    return {**dict.fromkeys(RULES, alone)}
