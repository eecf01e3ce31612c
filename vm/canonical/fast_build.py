"""Compiles the kernels to one object file: machine code that needs nothing but the processor it was made for.

This is the one module that runs numba, which takes its time; whoever uses the kernels loads the object file alone
(`vm.canonical.fast_library`).
"""

from collections.abc import Callable, Iterator
from typing import Any

import llvmlite.binding as llvm
from numba import njit, types

from vm.canonical import fast_code_elementwise as elementwise
from vm.canonical import fast_code_functions as functions
from vm.canonical import fast_code_movement as movement
from vm.canonical.fast_code_contraction import contraction
from vm.canonical.fast_code_words import KERNEL, tape
from vm.canonical.fast_library import FLOATS, LANES, ROWS_MAX

_TYPES = {
    "f4": types.float32, "f8": types.float64, "i4": types.int32, "i8": types.int64, "u1": types.uint8, "i1": types.int8,
}  # fmt: skip
_SIZES = {1: types.uint8, 2: types.uint16, 4: types.uint32, 8: types.uint64}
_BINARY = {
    "add": (functions.add, "f4 f8 i4 i8"),
    "sub": (functions.subtract, "f4 f8 i4 i8"),
    "mul": (functions.multiply, "f4 f8 i4 i8"),
    "div": (functions.divide, "f4 f8"),
    "min": (functions.smaller, "f4 f8"),
    "max": (functions.larger, "f4 f8"),
    "and": (functions.both, "u1"),
    "or": (functions.either, "u1"),
}
_COMPARED = {
    "equal": (functions.equal, "f4 i4 i8"),
    "less": (functions.less, "f4 i8"),
    "less_equal": (functions.less_equal, "f4"),
}
_UNARY = {
    "neg": (functions.negative, "f4 f8"),
    "abs": (functions.absolute, "f4"),
    "sqrt": (functions.root, "f4 f8"),
    "floor": (functions.floor, "f4"),
    "ceil": (functions.ceiling, "f4"),
    "round": (functions.rounded, "f4"),
    "not": (functions.no, "u1"),
    "exp": (functions.exp, "f8"),
    "log": (functions.log, "f4 f8"),
    "tanh": (functions.tanh, "f4"),
    "sigmoid": (functions.sigmoid, "f4"),
    "erf": (functions.erf, "f4"),
}
_CASTS = "f4_f8 f8_f4 i8_f4 i8_f8 i4_f4 i4_i8 i8_i4 u1_f4 u1_i4 u1_i8 i1_i4"


def compiled() -> bytes:
    """Return the object file of all kernels for the processor that numba was told of when it was imported, or this."""
    whole = llvm.parse_assembly("")
    for name, function in _kernels():
        whole.link_in(_module(name, function))
    _check(whole)
    return bytes(_codegen()._tm.emit_object(whole))


def _kernels() -> Iterator[tuple[str, Callable[..., int]]]:
    yield "tape", tape
    yield from _contractions()
    for size, kind in _SIZES.items():
        yield f"fill_{size}", movement.fill(kind)
        yield f"copy_{size}", movement.copy(kind)
        yield f"take_{size}", movement.take(kind)
        yield f"select_{size}", elementwise.select(kind)
    for table, flag in ((_BINARY, None), (_COMPARED, types.uint8)):
        for name, (function, elements) in table.items():
            for element in elements.split():
                yield f"{name}_{element}", elementwise.binary(function, _TYPES[element], flag or _TYPES[element])
    for name, (function, elements) in _UNARY.items():
        for element in elements.split():
            yield f"{name}_{element}", elementwise.unary(function, _TYPES[element], _TYPES[element])
    for cast in _CASTS.split():
        before, after = cast.split("_")
        yield f"cast_{cast}", elementwise.unary(functions.same, _TYPES[before], _TYPES[after])
    yield "exp_f4", elementwise.unary(functions.exp_to_float32, types.float32, types.float32)
    for element in ("i1", "u1", "i4", "i8"):
        limits = _TYPES[element].minval, _TYPES[element].maxval
        yield f"cast_f4_{element}", elementwise.unary(functions.whole(*limits), types.float32, _TYPES[element])
    for element in FLOATS:
        yield f"reduce_sum_{element}", elementwise.fold(functions.add, _TYPES[element])
        yield f"reduce_product_{element}", elementwise.fold(functions.multiply, _TYPES[element])
    for element in ("f4", "f8", "i8"):
        yield f"reduce_max_{element}", elementwise.extreme(functions.larger, _TYPES[element])
        yield f"reduce_min_{element}", elementwise.extreme(functions.smaller, _TYPES[element])


def _contractions() -> Iterator[tuple[str, Callable[..., int]]]:
    for element, widths in LANES.items():
        kind = _TYPES[element]
        for lanes in widths:
            rows = max(1, min(ROWS_MAX, _room() // (lanes * kind.bitwidth // 8)))
            for descending in (False, True) if element in FLOATS else (False,):
                for side in (False, True):
                    name = f"contract_{element}_{lanes}{'_descending' * descending}{'_side' * side}"
                    yield name, contraction(kind, rows, lanes, descending=descending, side=side)


def _room() -> int:
    """Return the bytes of sums that half of the processor's vector registers hold."""
    features = _codegen().magic_tuple()[2].split(",")
    if "+avx512f" in features:
        return 16 * 64
    if "+avx2" in features:
        return 8 * 32
    return 16 * 16 if "+neon" in features else 8 * 16


def _module(name: str, function: Callable[..., int]) -> Any:
    """Return the optimised code of one kernel, with the kernel alone visible."""
    # fastmath stays off: it would let LLVM contract and reorder. The other options leave out the ways in from Python.
    jitted = njit(error_model="numpy", fastmath=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)
    jitted.compile(KERNEL)
    result = jitted.overloads[KERNEL.args]
    module = llvm.parse_assembly(result.library.get_llvm_str())
    for each in module.functions:
        if each.name == result.fndesc.llvm_func_name:
            each.name = f"assay_{name}"
        elif not each.is_declaration:
            each.linkage = "internal"
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
