"""Compiles the kernels to one object file: machine code that needs nothing but the processor it was made for.

This is the one module that runs numba, which takes its time; whoever uses the kernels loads the object file alone
(`vm.canonical.fast_library`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
from numba import njit, types

from vm.canonical.fast_code_contraction import contraction
from vm.canonical.fast_library import FLOATS, LANES, ROWS_MAX

_INDEX = types.int64
_INDICES = types.CPointer(_INDEX)
_TYPES = {"f4": types.float32, "f8": types.float64, "i4": types.int32}


def compiled() -> bytes:
    """Return the object file of all kernels for this processor, or for the one that numba is told of."""
    whole: Any = None
    for name, function, signature in _kernels():
        module = _module(name, function, signature)
        if whole is None:
            whole = module
        else:
            whole.link_in(module)
    _check(whole)
    return bytes(_codegen()._tm.emit_object(whole))


def _kernels() -> Iterator[tuple[str, Callable[..., None], Any]]:
    for element, widths in LANES.items():
        kind = _TYPES[element]
        to = types.CPointer(kind)
        signature = types.void(to, _INDICES, _INDEX, _INDICES, _INDEX, _INDEX, to, _INDEX, to, _INDEX, _INDEX, to)
        for lanes in widths:
            rows = max(1, min(ROWS_MAX, _room() // (lanes * kind.bitwidth // 8)))
            for descending in (False, True) if element in FLOATS else (False,):
                for side in (False, True):
                    name = f"contract_{element}_{lanes}{'_descending' * descending}{'_side' * side}"
                    yield name, contraction(rows, lanes, descending=descending, side=side), signature


def _room() -> int:
    """Return the bytes of sums that half of the processor's vector registers hold."""
    features = _codegen().magic_tuple()[2].split(",")
    if "+avx512f" in features:
        return 16 * 64
    if "+avx2" in features:
        return 8 * 32
    return 16 * 16 if "+neon" in features else 8 * 16


def _module(name: str, function: Callable[..., None], signature: Any) -> Any:
    """Return the optimised code of one kernel, with the kernel alone visible."""
    # fastmath stays off: it would let LLVM contract and reorder. The other options leave out the ways in from Python.
    jitted = njit(error_model="numpy", fastmath=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    jitted.compile(signature)
    result = jitted.overloads[signature.args]
    module = llvm.parse_assembly(result.library.get_llvm_str())
    module.get_function(result.fndesc.llvm_func_name).name = f"assay_{name}"
    return module


def _check(module: Any) -> None:
    """Check that the code calls nothing outside, and nowhere asks for a multiplication and addition in one."""
    for function in module.functions:
        name = function.name
        built_in = name.startswith("llvm.") and "fma" not in name and "fmul" not in name
        assert built_in or not function.is_declaration, name


def _codegen() -> Any:
    """Return numba's generator of code for the processor that it compiles for."""
    return njit(_nothing).targetctx.codegen()


def _nothing() -> None:
    """Do nothing: numba tells its target by a function."""
