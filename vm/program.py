"""The lowered form of a model: a list of operations on numbered values, which is what the model means (DESIGN 7).

A program belongs to a model file and the shapes of its inputs. Values are numbered: first the inputs, then the
constants, then the result of each operation, in order. An operation reads values with smaller numbers only and has one
result. Every element of a result is defined by docs/spec/program.md; `vm.canonical` computes whole values,
`vm.referee` one element.
"""

import enum
from typing import Annotated, NamedTuple

import msgspec

from primitives import codec, merkle
from primitives.hashing import Hash, tagged
from primitives.record import Record
from primitives.units import U32
from vm.tensor import BUNDLE_TENSORS_MAX, FLOATS, DType, TensorType

VM_VERSION = 1
"""Of the meaning of all this, and of the way in which files are lowered."""
OPERATIONS_MAX = 100_000
"""Recurrences and loops are unrolled: 20,000 nodes of a file, and room for a thousand steps of a recurrence."""
CONSTANTS_MAX = 40_000
"""Weights, and what the lowering computes from them."""
OPERANDS_MAX = 256
"""What is joined at once; everything else has at most three."""
INTS_MAX = 256
"""A MOVE between shapes of rank 8 has 80."""
STEPS_MAX = 4096
"""Elements that one element of a result may be folded from: the length of a contraction, a reduction, a sort."""
TENSOR_BYTES_MAX = 1 << 30
"""The largest value. What all of them take together is part of the cost."""


@enum.unique
class Op(enum.IntEnum):
    """The primitive operators. Numbers are for ever; a new meaning is a new number and a new `vm_version`."""

    # data movement: no arithmetic
    MOVE = 1
    """(x): element o is x'[base + M·o], or `fill` where that lies outside, x' being x with another shape of as many
    elements. ints: rank of x', its shape, base, then M row by row (a row for each dimension of x', a column for each
    of the result)."""
    CONCAT = 2
    """(x0, …): joined along ints[0]."""
    TAKE = 3
    """(data, indices int64): data along axis ints[0] at the indices, whose shape takes the axis's place; an index i
    in [−n, n − 1] counts from the end if negative, else trap INDEX."""
    SCATTER = 4
    """(data [R, …], indices int64 [U], updates [U, …]): data, in which row indices[u] is combined with updates[u], for
    u ascending, by ints[0]: 0 replace, 1 add, 2 multiply, 3 larger, 4 smaller. Indices as TAKE's. U ≤ STEPS_MAX."""

    # elementwise, operands broadcast against each other as in numpy; arithmetic of integers wraps
    ADD = 20
    SUB = 21
    MUL = 22
    DIV = 23
    """Integers: truncated towards zero, divisor 0 is trap DIVISION."""
    MOD = 24
    """ints[0]: 0 the sign of the divisor (integers only), 1 the sign of the dividend (C's fmod). Integers: divisor 0
    is trap DIVISION."""
    MIN = 25
    MAX = 26
    """MIN, MAX: a NaN wins."""
    POW = 27
    """In the type of the result; see docs/spec/program.md for 0, 1, infinities and integers."""
    EQUAL = 28
    LESS = 29
    LESS_EQUAL = 30
    AND = 31
    OR = 32
    XOR = 33
    """EQUAL to LESS_EQUAL give bool; AND, OR, XOR take bools or integers (then bit by bit)."""
    SHIFT_LEFT = 34
    SHIFT_RIGHT = 35
    """Unsigned integers; by the type's width or more: 0."""
    SELECT = 36
    """(condition bool, x, y): x where true."""
    NEG = 40
    ABS = 41
    SIGN = 42
    NOT = 43
    """Bools, or integers bit by bit."""
    FLOOR = 44
    CEIL = 45
    ROUND = 46
    """Half to even."""
    SQRT = 47
    IS_NAN = 48
    IS_INFINITE = 49
    """ints: [negative counts, positive counts], 0 or 1."""
    CAST = 50
    """To the result's type: float to integer truncates, NaN gives 0 and what does not fit the nearest that does;
    integer to integer wraps; to bool: not zero."""
    # elementwise, elementary functions: in float64 by our own polynomials, rounded once to the result's type
    EXP = 60
    EXPM1 = 61
    LOG = 62
    LOG1P = 63
    SIN = 64
    COS = 65
    TAN = 66
    ASIN = 67
    ACOS = 68
    ATAN = 69
    SINH = 70
    COSH = 71
    TANH = 72
    ASINH = 73
    ACOSH = 74
    ATANH = 75
    SIGMOID = 76
    ERF = 77

    # folds over the last axis, of at most STEPS_MAX elements
    REDUCE_SUM = 90
    """Floats: a binary tree of float64 additions, the result float64. Integers: wrapping. Of nothing: 0."""
    REDUCE_PRODUCT = 91
    """As REDUCE_SUM, with multiplications. Of nothing: 1."""
    REDUCE_MAX = 92
    REDUCE_MIN = 93
    """MAX, MIN: of a NaN NaN. They and ARG_MAX, ARG_MIN refuse an empty axis. What is reduced leaves the shape."""
    ARG_MAX = 94
    ARG_MIN = 95
    """int64; ints[0]: 0 the first of equals, 1 the last. If there are NaNs the first of them wins in either."""
    CUMULATE = 96
    """Running sums; ints: [exclusive, reversed], 0 or 1. Floats: float64 additions in order, and what is told of each
    is rounded to the result's type."""
    SORT = 97
    """int64: for each place the index of the element that a stable sort puts there; ints[0]: 0 ascending,
    1 descending (equals stay in order of their indices in both). NaN counts as the largest."""

    # contractions: acc = 0; for k ascending: acc = round(acc + round(a_k · b_k)), in the result's type
    # The result's type is float32, float64 or an integer, the operands' the same
    MATMUL = 110
    """(a [*B, M, K], b [*B, N, K]) → [*B, M, N]; the batch dimensions broadcast. K ≤ STEPS_MAX."""
    CONV = 111
    """(x [N, *S, G·C], w [G·F, *T, C]) → [N, *O, G·F]. ints: rank of S, strides, dilations, pads at the begin (each of
    that rank), G. Output channel f of group f // F; taps in C order, then channels; a tap outside of x adds nothing.
    O is the shape of the result. Taps times C ≤ STEPS_MAX."""


@enum.unique
class TrapCode(enum.IntEnum):
    """Why an operation has no result. That is a result of the run: the trapped operation of the smallest number."""

    INDEX = 1
    """TAKE, SCATTER: an index outside of the axis."""
    DIVISION = 2
    """DIV, MOD of integers: a divisor 0; POW of integers: 0 to a negative power."""


CONTRACTIONS = frozenset({Op.MATMUL, Op.CONV})
"""What parts a program: the tail is what no contraction follows."""
FLOAT_FOLDS = frozenset({Op.REDUCE_SUM, Op.REDUCE_PRODUCT, Op.CUMULATE})
ELEMENTARY = frozenset(op for op in Op if Op.EXP <= op <= Op.ERF) | {Op.POW}
INEXACT = CONTRACTIONS | FLOAT_FOLDS | ELEMENTARY
"""With a float result these depend on order and method: the second run perturbs them (DESIGN 7)."""

TAIL_LEAF_BYTES = 128
"""Of the bits that say which operations are in the tail: a thousand of them in a leaf, seven hashes beside it."""
NOISE_BITS = 21
"""The second run scales inexact results by about 1 ± 2⁻²¹ (G82)."""
NOISE_BITS_FLOAT16 = 10
"""So small a part of a float16 would be lost again: there it is 2⁻¹⁰."""
NOISE_BITS_SUM = 23
"""Engines fuse additions of float32 with what stands before: a rounding more or less, which is an ulp."""
SUMS = frozenset({Op.ADD, Op.SUB})
ROUNDED_FLOAT16 = frozenset({Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.SQRT})
"""Engines keep more bits between such operations, or don't: in float16 each rounding is perturbed."""

Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Operation(Record):
    """One record of the lowered graph."""

    op: Op
    operands: Annotated[list[U32], msgspec.Meta(min_length=1, max_length=OPERANDS_MAX)]
    result: TensorType
    ints: Annotated[list[Int], msgspec.Meta(max_length=INTS_MAX)]
    """What the operator takes beside its operands, as told at `Op`."""
    fill: Annotated[bytes, msgspec.Meta(max_length=8)]
    """MOVE: one element of the result's type, little-endian; else empty."""
    origin: U32
    """The node of the outermost graph from which it comes, by its place there: for people, for the cut, which
    falls between such nodes, and for the cost of a native run, which starts them."""


class Program(Record):
    """What a model means for inputs of these shapes. The constants' values travel beside it, by their roots."""

    inputs: list[TensorType]
    constants: Annotated[list[TensorType], msgspec.Meta(max_length=CONSTANTS_MAX)]
    operations: Annotated[list[Operation], msgspec.Meta(max_length=OPERATIONS_MAX)]
    outputs: list[U32]
    """Numbers of the values that are the model's outputs."""
    cut: list[U32]
    """Numbers of the values at which runs are compared, ascending: see `vm.cut`."""
    tail: list[U32]
    """Numbers of the operations (not values) of the tail, ascending: what everyone computes canonically."""

    @property
    def first_result(self) -> int:
        """Return the number of the first operation's result."""
        return len(self.inputs) + len(self.constants)

    def type_of(self, value: int) -> TensorType:
        """Return the type of a value by its number."""
        if value < len(self.inputs):
            return self.inputs[value]
        if value < self.first_result:
            return self.constants[value - len(self.inputs)]
        return self.operations[value - self.first_result].result


class Outline(Record):
    """What a program's root is the hash of: with it and one operation, proved, an element can be judged.

    The types of constants are bound by their roots, which cover them (V4).
    """

    inputs: Annotated[list[TensorType], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
    outputs: Annotated[list[U32], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
    cut: Annotated[list[U32], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
    tail: Hash
    """Root over `tail_bits`, in leaves of 128 bytes: one of them shows whether an operation is in the tail."""
    constants: U32
    operations: U32
    constants_root: Hash
    operations_root: Hash


def operation_hashes(program: Program) -> list[bytes]:
    """Return the leaf hashes of the program's operations, of which any can be proved against `operations_root`."""
    return [merkle.leaf_hash(codec.encode(operation)) for operation in program.operations]


def tail_bits(program: Program) -> bytes:
    """Return a bit for each operation, the first in the highest place: whether it is in the tail."""
    found = bytearray(-(-len(program.operations) // 8))
    for number in program.tail:
        found[number // 8] |= 0x80 >> number % 8
    return bytes(found)


def tail_hashes(program: Program) -> list[bytes]:
    """Return the leaf hashes of `tail_bits`."""
    return merkle.leaf_hashes(tail_bits(program), TAIL_LEAF_BYTES)


def outline(program: Program, constants: list[Hash]) -> Outline:
    """Return the outline of a program whose constants have these roots."""
    return Outline(
        inputs=program.inputs,
        outputs=program.outputs,
        cut=program.cut,
        tail=merkle.root_of_hashes(tail_hashes(program)),
        constants=len(constants),
        operations=len(program.operations),
        constants_root=merkle.root(constants),
        operations_root=merkle.root_of_hashes(operation_hashes(program)),
    )


def outline_root(told: Outline) -> bytes:
    """Return the root of the program that has this outline, 32 bytes."""
    return tagged("assay/program", codec.encode(told))


def program_root(program: Program, constants: list[Hash]) -> bytes:
    """Return what identifies a program: its interface, its operations and the roots of its constants, 32 bytes."""
    return outline_root(outline(program, constants))


class Movement(NamedTuple):
    """What the ints of a MOVE say."""

    shape: list[int]
    """Of x'."""
    base: list[int]
    matrix: list[list[int]]
    """A row for each dimension of x', a column for each of the result."""


class Convolution(NamedTuple):
    """What the ints of a CONV say, for each dimension of space, and the number of groups."""

    strides: list[int]
    dilations: list[int]
    pads: list[int]
    groups: int


def movement(operation: Operation) -> Movement:
    """Return what the ints of a MOVE say."""
    ints, columns = operation.ints, len(operation.result.shape)
    rank = ints[0]
    rows = range(1 + 2 * rank, 1 + 2 * rank + rank * columns, columns) if columns else [0] * rank
    matrix = [ints[at : at + columns] for at in rows]
    return Movement(shape=ints[1 : 1 + rank], base=ints[1 + rank : 1 + 2 * rank], matrix=matrix)


def convolution(operation: Operation) -> Convolution:
    """Return what the ints of a CONV say."""
    ints, rank = operation.ints, operation.ints[0]
    strides, dilations, pads = (ints[1 + part * rank : 1 + (part + 1) * rank] for part in range(3))
    return Convolution(strides=strides, dilations=dilations, pads=pads, groups=ints[1 + 3 * rank])


def noise_bits(operation: Operation, operand: DType) -> int:
    """Return b if the second run scales the operation's results by 1 ± m · 2⁻ᵇ, or 0. `operand` is its first's type."""
    dtype, op = operation.result.dtype, operation.op
    if dtype not in FLOATS:
        return 0
    if dtype is not DType.FLOAT16:
        if op in SUMS and dtype is DType.FLOAT32:
            return NOISE_BITS_SUM
        return NOISE_BITS if op in INEXACT else 0
    rounded = op in INEXACT or op in ROUNDED_FLOAT16 or (op is Op.CAST and operand in (DType.FLOAT32, DType.FLOAT64))
    return NOISE_BITS_FLOAT16 if rounded else 0
