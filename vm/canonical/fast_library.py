"""Kernels as machine code: an object file, loaded into this process and called by address.

Loading needs llvmlite alone, 30 MB and 60 ms, and must come before the process is sealed off: it maps memory that can
be executed. The calls themselves allocate nothing and leave Python's lock, so that threads can share a result's rows.
"""

import ctypes
from typing import Any

import llvmlite.binding as llvm

LANES = {"f4": (8, 16, 32), "f8": (8,), "i4": (16,)}
"""What is contracted fast, by numpy's names, and the columns of a tile: a narrow result must not pay for a wide one."""
FLOATS = ("f4", "f8")
"""Those whose sums depend on the order."""
ROWS_MAX = 8
"""Rows of a tile, at most."""

Word = int
"""An argument of a kernel: an integer of 64 bits or an address."""


class Library:
    """The kernels of one object file. It lives as long as its functions are called."""

    def __init__(self, code: bytes) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        empty = llvm.parse_assembly(f'target triple = "{llvm.get_process_triple()}"')
        machine = llvm.Target.from_default_triple().create_target_machine()
        self._engine = llvm.create_mcjit_compiler(empty, machine)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self._functions: dict[str, Any] = {}
        # numba's functions return values and raise exceptions through two pointers; ours do neither.
        self._unused = ctypes.create_string_buffer(64)

    def call(self, name: str, *words: Word) -> None:
        """Call a kernel; the caller answers for every address."""
        function = self._functions.get(name)
        if function is None:
            address = self._engine.get_function_address(f"assay_{name}")
            assert address, name
            kinds = [ctypes.c_void_p, ctypes.c_void_p, *(ctypes.c_int64 for _ in words)]
            function = self._functions[name] = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(address)
        failed = function(self._unused, self._unused, *words)
        assert failed == 0, name
