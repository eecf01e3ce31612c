"""What every kernel for compilation is built from: its words, and the few instructions that numba lacks.

A kernel takes one argument, its *words*: integers of 64 bits, some of which are addresses. It returns 0, or the code
of a trap. Kernels are written for one type of element each.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

WORDS = types.CPointer(types.int64)
KERNEL = types.int64(WORDS)
"""The signature of every kernel."""
_UNUSED = 64
"""Bytes for what numba's functions could say about an exception; ours raise none."""


def pointer(kind: Any) -> Any:
    """Return the intrinsic that makes a pointer to elements of a type from an address."""

    @intrinsic
    def made(_: Any, address: Any) -> Any:
        to = types.CPointer(kind)

        def generate(context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
            return build.inttoptr(arguments[0], context.get_value_type(to))

        return to(address), generate

    return made


@intrinsic
def shifted(_: Any, base: Any, offset: Any) -> Any:
    """Return a pointer moved by some elements."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        return build.gep(arguments[0], [arguments[1]])

    return base(base, offset), generate


@intrinsic
def clean(_: Any, value: Any) -> Any:
    """Return a number in normal form: one NaN, no -0."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        [number] = arguments
        if not isinstance(value, types.Float):
            return number
        wrong = build.fcmp_unordered("uno", number, number)
        return build.select(wrong, number.type(float("nan")), build.fadd(number, number.type(0.0)))

    return value(value), generate


@intrinsic
def from_bits(_: Any, bits: Any) -> Any:
    """Return the float64 of these bits."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        return build.bitcast(arguments[0], ir.DoubleType())

    return types.float64(bits), generate


@intrinsic
def choose(_: Any, condition: Any, x: Any, y: Any) -> Any:
    """Return x where the condition holds, else y, both of which are computed: a branch would keep vectors away."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        return build.select(*arguments)

    return x(condition, x, y), generate


@intrinsic
def to_bits(_: Any, value: Any) -> Any:
    """Return the bits of a float64."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        return build.bitcast(arguments[0], ir.IntType(64))

    return types.int64(value), generate


def built_in(name: str) -> Any:
    """Return the intrinsic that is one of LLVM's of one operand: exactly defined ones alone are meant."""

    @intrinsic
    def applied(_: Any, x: Any) -> Any:
        def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
            function = build.module.declare_intrinsic(f"llvm.{name}", [arguments[0].type])
            return build.call(function, arguments)

        return x(x), generate

    return applied


def polynomial(terms: list[float]) -> Any:
    """Return the intrinsic that is the polynomial of ascending terms, by Horner's rule."""

    @intrinsic
    def evaluated(_: Any, x: Any) -> Any:
        def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
            value = ir.Constant(ir.DoubleType(), terms[-1])
            for term in reversed(terms[:-1]):
                value = build.fadd(build.fmul(value, arguments[0]), ir.Constant(ir.DoubleType(), term))
            return value

        return types.float64(x), generate

    return evaluated


@intrinsic
def invoke(_: Any, address: Any, words: Any) -> Any:
    """Call the kernel at an address with its words; return what it returns."""

    def generate(_context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
        number, byte = ir.IntType(64), ir.IntType(8)
        kind = ir.FunctionType(ir.IntType(32), [number.as_pointer(), byte.as_pointer(), arguments[1].type])
        with build.goto_entry_block():
            result, unused = build.alloca(number), build.alloca(byte, _UNUSED)
        build.call(build.inttoptr(arguments[0], kind.as_pointer()), [result, unused, arguments[1]])
        return build.load(result)

    return types.int64(address, words), generate


def tape(words):
    """Run kernels one after the other until one traps.

    Words: number of words in all; then for each kernel its address, the number of its words, and these. Returns 0, or
    where the kernel that trapped stands.
    """
    at = 1
    while at < words[0]:
        if invoke(words[at], shifted(words, at + 2)) != 0:
            return at
        at += 2 + words[at + 1]
    return 0
