"""Kernels as machine code: an object file, loaded into this process and called by address.

Loading needs llvmlite alone, 30 MB and 60 ms, and must come before the process is sealed off: it maps memory that can
be executed. The calls themselves allocate nothing and leave Python's lock, so that threads can share a result's rows.
"""

import ctypes

import numpy as np

from vm.canonical.arrays import Array

LANES = {"f4": (8, 16, 32), "f8": (8,), "i4": (16,)}
"""What is contracted fast, by numpy's names, and the columns of a tile: a narrow result must not pay for a wide one."""
FLOATS = ("f4", "f8")
"""Those whose sums depend on the order."""
ROWS_MAX = 8
"""Rows of a tile, at most."""
DIMENSIONS = 5
"""Of the boxes on which kernels work; what has more after joining is left to numpy."""
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class Library:
    """The kernels of one object file. It lives as long as its functions are called."""

    def __init__(self, code: bytes) -> None:
        """Load an object file. Raises ImportError where there is no llvmlite."""
        import llvmlite.binding as llvm  # noqa: PLC0415 - everything else works without it

        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        empty = llvm.parse_assembly(f'target triple = "{llvm.get_process_triple()}"')
        machine = llvm.Target.from_default_triple().create_target_machine()
        self._engine = llvm.create_mcjit_compiler(empty, machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self._addresses: dict[str, int] = {}

    def address(self, name: str) -> int:
        """Return where a kernel begins; 0 if there is none of this name."""
        if name not in self._addresses:
            self._addresses[name] = self._engine.get_function_address(f"assay_{name}")
        return self._addresses[name]

    def call(self, name: str, words: Array) -> int:
        """Call a kernel with its words (int64), and return what it returns; the caller answers for every address."""
        address = self.address(name)
        assert address, name
        results = np.zeros(8, np.int64)  # what it returns, and room for an exception, which none raises
        here: int = results.ctypes.data
        failed = _FUNCTION(address)(here, here + results.itemsize, words.ctypes.data)
        assert failed == 0, name
        return int(results[0])
