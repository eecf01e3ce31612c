"""Run a program (G1): every operation by its definition in numpy, or by a kernel that gives the same bits."""

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from vm.canonical import contraction, elementwise, folds, functions, movement
from vm.canonical.arrays import DTYPE_OF, Array, mended
from vm.canonical.elementwise import simple
from vm.canonical.kernels import NUMPY, Kernels, Made
from vm.canonical.perturbed import scaled
from vm.canonical.trapped import Trapped
from vm.program import CONTRACTIONS, FLOAT_FOLDS, Op, Operation, Program, noise_bits

__all__ = ["NUMPY", "Trapped", "Values", "apply", "run"]

Values = dict[int, Array]
"""Values by their numbers. Nobody changes them: some are views of others."""

_DEFINED: dict[Op, elementwise.Exact] = {
    Op.MOVE: movement.move,
    Op.CONCAT: movement.concat,
    Op.TAKE: movement.take,
    Op.SCATTER: movement.scatter,
    Op.ADD: simple(np.add),  # G20
    Op.SUB: simple(np.subtract),  # G20
    Op.MUL: simple(np.multiply),  # G20
    Op.DIV: elementwise.divide,
    Op.MOD: elementwise.modulo,
    Op.MIN: simple(np.minimum),  # G24
    Op.MAX: simple(np.maximum),  # G24
    Op.EQUAL: simple(np.equal),  # G26
    Op.LESS: simple(np.less),  # G26
    Op.LESS_EQUAL: simple(np.less_equal),  # G26
    Op.AND: simple(np.bitwise_and),  # G26
    Op.OR: simple(np.bitwise_or),  # G26
    Op.XOR: simple(np.bitwise_xor),  # G26
    Op.SHIFT_LEFT: elementwise.shift(np.left_shift),
    Op.SHIFT_RIGHT: elementwise.shift(np.right_shift),
    Op.SELECT: simple(np.where),  # G26
    Op.NEG: simple(np.negative),  # G20
    Op.ABS: simple(np.absolute),  # G20
    Op.SIGN: simple(np.sign),  # G20
    Op.NOT: simple(np.invert),  # G26
    Op.FLOOR: simple(np.floor),  # G21
    Op.CEIL: simple(np.ceil),  # G21
    Op.ROUND: simple(np.rint),  # G21
    Op.SQRT: simple(np.sqrt),  # G20
    Op.IS_NAN: simple(np.isnan),  # G26
    Op.IS_INFINITE: elementwise.infinite,
    Op.CAST: elementwise.cast,
    Op.POW: functions.raised,
    **dict.fromkeys(functions.UNARY, functions.unary),
    Op.REDUCE_SUM: folds.reduce,
    Op.REDUCE_PRODUCT: folds.reduce,
    Op.REDUCE_MAX: folds.extreme,
    Op.REDUCE_MIN: folds.extreme,
    Op.ARG_MAX: folds.place,
    Op.ARG_MIN: folds.place,
    Op.CUMULATE: folds.cumulate,
    Op.SORT: folds.sort,
    Op.MATMUL: contraction.matmul,
    Op.CONV: contraction.conv,
}
_UNCHANGED = frozenset({Op.MOVE, Op.CONCAT, Op.TAKE, Op.SELECT})
"""What only moves values leaves them in normal form."""


def apply(
    operation: Operation, number: int, operands: list[Array], *, kernels: Kernels = NUMPY, perturbed: bool = False
) -> Array:
    """Return the result of one operation, operation `number` of its program, in normal form.

    The operands are in normal form and fit the operation (see `vm.program`). Raises Trapped.
    """
    with np.errstate(all="ignore"):
        return _applied(operation, number, operands, kernels, perturbed=perturbed)


def run(  # noqa: PLR0913 - what is run, how, and what is wanted of it
    program: Program,
    constants: Sequence[Array],
    inputs: Sequence[Array],
    *,
    kernels: Kernels = NUMPY,
    perturbed: bool = False,
    given: Mapping[int, Array] | None = None,
    only: Sequence[int] | None = None,
    keep: Collection[int] = (),
    watch: Callable[[int, Array], None] | None = None,
) -> Values:
    """Return the outputs, and the values to `keep`, of a well-formed program on inputs in normal form.

    `only` names the operations to run, ascending; what they need from others is `given`, by value. Other values are
    dropped once nothing needs them. `watch` is shown each result with its number. Raises Trapped.
    """
    if isinstance(kernels, Made) and not perturbed and watch is None:
        found = kernels.whole(program, constants, inputs, given, only, keep)
        if found is not None:
            return found
    numbers = range(len(program.operations)) if only is None else only
    first, split = program.first_result, len(program.inputs)
    values: Values = dict(given or {})
    wanted = {*program.outputs, *keep}
    last = {value: number for number in numbers for value in program.operations[number].operands}

    def value(at: int) -> Array:
        if at in values:
            return values[at]
        assert at < first, "an operation needs a value that is neither given nor computed"
        return inputs[at] if at < split else constants[at - split]

    with np.errstate(all="ignore"):
        for number in numbers:
            operation = program.operations[number]
            operands = [value(at) for at in operation.operands]
            result = _applied(operation, number, operands, kernels, perturbed=perturbed)
            if watch is not None:
                watch(first + number, result)
            values[first + number] = result
            for at in (*operation.operands, first + number):
                if last.get(at, number) == number and at not in wanted:
                    values.pop(at, None)
    return {at: value(at) for at in sorted(wanted)}


def _applied(operation: Operation, number: int, operands: list[Array], kernels: Kernels, *, perturbed: bool) -> Array:
    kernel = kernels.get(operation.op)
    result = kernel(operation, operands, perturbed) if kernel is not None else None
    if result is None:
        try:
            result = np.asarray(_defined(operation, operands, perturbed=perturbed))
        except Trapped as trap:
            raise Trapped(trap.code, number) from None
        if result.dtype.kind == "f" and operation.op not in _UNCHANGED:
            result = mended(result)  # G2
    assert DTYPE_OF[result.dtype] is operation.result.dtype, operation
    assert list(result.shape) == operation.result.shape, operation
    bits = noise_bits(operation, DTYPE_OF[operands[0].dtype]) if perturbed else 0
    return scaled(result, number, bits) if bits else result


def _defined(operation: Operation, operands: list[Array], *, perturbed: bool) -> Array:
    """Return the result as the operator's definition gives it, before it is put into normal form."""
    op = operation.op
    if perturbed and op in CONTRACTIONS:
        contract = contraction.matmul if op is Op.MATMUL else contraction.conv
        return contract(operation, operands, backwards=True)
    if perturbed and op in FLOAT_FOLDS and operands[0].dtype.kind == "f":
        fold = folds.cumulate_perturbed if op is Op.CUMULATE else folds.reduce_perturbed
        return fold(operation, operands)
    return _DEFINED[op](operation, operands)
