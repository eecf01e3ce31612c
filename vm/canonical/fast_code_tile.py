"""The innermost loop of every contraction: a tile of sums held in registers, as instructions of LLVM.

A compiler that sees the loop alone keeps the sums in memory and loads and stores them at every step. The instructions
here are plain `fmul` and `fadd` without a flag, which LLVM must not contract, reorder or shorten: each element gets the
same two roundings per step as in `vm.canonical.contraction`, in the same order.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_INDEX = ir.IntType(64)
_LANE = ir.IntType(32)


def _at(number: int) -> ir.Constant:
    return ir.Constant(_INDEX, number)


def tile(rows: int, lanes: int, *, descending: bool, side: bool) -> Callable[..., None]:
    """Return an intrinsic for numba that computes `rows` × `lanes` sums.

    Its arguments: out, of rows · lanes elements; x; starts, the index in x of each row's first element; runs, what is
    added to them for each run; the number of runs; the length of a run; packed, of runs · length · lanes elements. It
    sets out[r, l] to the sum over runs u and steps k of x[starts[r] + runs[u] + k] · packed[u, k, l], in this order or
    the opposite one. With `side` it is the sum of x[starts[r] + runs[u] + k + l] · packed[u, k, l]: the lanes stand
    side by side in x.
    """

    @intrinsic
    def sums(_: Any, out: Any, x: Any, starts: Any, runs: Any, count: Any, length: Any, packed: Any) -> Any:
        floating = isinstance(x.dtype, types.Float)

        def generate(context: Any, build: Any, _signature: Any, arguments: Any) -> Any:
            to, source, first, steps, many, long, weights = arguments
            scalar = context.get_value_type(x.dtype)
            vector = ir.VectorType(scalar, lanes)
            wide = ir.PointerType(vector)
            zero = ir.Constant(vector, [0.0 if floating else 0] * lanes)
            begins = [build.gep(source, [build.load(build.gep(first, [_at(row)]))]) for row in range(rows)]
            held = [cgutils.alloca_once_value(build, zero) for _ in range(rows)]
            multiply, add = (build.fmul, build.fadd) if floating else (build.mul, build.add)

            def step(run: Any, offset: Any, k: Any) -> None:
                place = build.mul(build.add(build.mul(run, long), k), _at(lanes))
                line = build.load(build.bitcast(build.gep(weights, [place]), wide))
                line.align = scalar.get_abi_size(context.target_data)
                here = build.add(offset, k)
                for row in range(rows):
                    place = build.gep(begins[row], [here])
                    if side:
                        value = build.load(build.bitcast(place, wide))
                        value.align = scalar.get_abi_size(context.target_data)
                    else:
                        value = _spread(build, build.load(place), vector, lanes)
                    product = multiply(value, line)
                    build.store(add(build.load(held[row]), product), held[row])

            with cgutils.for_range(build, many) as outer:
                run = build.sub(build.sub(many, outer.index), _at(1)) if descending else outer.index
                offset = build.load(build.gep(steps, [run]))
                with cgutils.for_range(build, long) as inner:
                    step(run, offset, build.sub(build.sub(long, inner.index), _at(1)) if descending else inner.index)
            for row in range(rows):
                end = build.bitcast(build.gep(to, [_at(row * lanes)]), wide)
                build.store(build.load(held[row]), end).align = scalar.get_abi_size(context.target_data)
            return context.get_dummy_value()

        return types.void(out, x, starts, runs, count, length, packed), generate

    made: Callable[..., None] = sums
    return made


def _spread(build: Any, value: Any, vector: ir.VectorType, lanes: int) -> Any:
    """Return a vector of which every lane is `value`."""
    unset = ir.Constant(vector, ir.Undefined)
    one = build.insert_element(unset, value, ir.Constant(_LANE, 0))
    return build.shuffle_vector(one, unset, ir.Constant(ir.VectorType(_LANE, lanes), [0] * lanes))
