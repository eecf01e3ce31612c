"""The compiled kernels as stand-ins for the definitions in numpy: the same bits, several times sooner.

Whoever runs one program often makes the kernels for it once: they keep the weights in the order in which the machine
reads them, and what follows from the shapes alone.
"""

from vm.canonical.fast_contraction import Contractions
from vm.canonical.fast_library import Library
from vm.canonical.fast_program import Runs
from vm.canonical.kernels import Kernels, Made
from vm.program import Op, Program


def kernels(library: Library, *, program: Program | None = None, threads: int = 1) -> Kernels:
    """Return the kernels of a library, for one program with one set of constants, or for any."""
    contractions = Contractions(library, program, threads)
    own = {Op.MATMUL: contractions.matmul, Op.CONV: contractions.conv}
    return own if program is None else Made(own, Runs(library, program, own, threads).run)
