"""A job with a cut, a tail and somebody who committed to both: what disputes are about."""

from typing import NamedTuple

import msgspec
import numpy as np

from primitives import codec
from primitives.content import LEAF_BYTES, content_id, tree_of
from tests.vm.referee.random_operations import made
from vm.canonical import interpreter
from vm.canonical.arrays import Array, tensor_of
from vm.cut import parted
from vm.layout import Layout
from vm.program import Op, Operation, Program
from vm.referee.source import Held, Piece
from vm.referee.tracing import traced, traced_tail
from vm.referee.witness import Witness
from vm.tensor import Bundle, DType, NamedTensor, TensorType
from vm.trace import Trace

VM_VERSION = 1
ROWS, LONG, WIDE = 3, 20, 7


class Job(NamedTuple):
    """A program with its input."""

    program: Program
    constants: list[Array]
    inputs: list[Array]


class Bundled(NamedTuple):
    """An encoded bundle, and what names it."""

    raw: bytes
    held: Held

    def piece(self, low: int, high: int) -> Piece:
        """Return the content leaves in which these bytes stand, with their proof."""
        start, stop = low // LEAF_BYTES, -(-high // LEAF_BYTES)
        proof = tree_of(self.raw).prove(start, stop)
        return Piece(start=start, data=self.raw[start * LEAF_BYTES : stop * LEAF_BYTES], proof=proof)


def a_job(seed: int = 7) -> Job:
    """Return a job of two contractions' sum with a tail of three operations; operation 0 is before the cut."""

    def op(kind: Op, operands: list[int], dtype: DType, shape: list[int], ints: list[int]) -> Operation:
        return msgspec.structs.replace(made(kind, [], dtype, shape, ints), operands=operands)

    single = DType.FLOAT32
    types = [TensorType(dtype=single, shape=shape) for shape in ([ROWS, WIDE], [LONG, WIDE])]
    operations = [
        op(Op.ADD, [0, 0], single, [ROWS, WIDE], []),
        op(Op.MATMUL, [2, 1], single, [ROWS, LONG], []),
        op(Op.EXP, [3], single, [ROWS, LONG], []),
        op(Op.REDUCE_SUM, [4], DType.FLOAT64, [ROWS], []),
        op(Op.ARG_MAX, [3], DType.INT64, [ROWS], [0]),
    ]
    program = Program(inputs=types[:1], constants=types[1:], operations=operations, outputs=[4, 5, 6], cut=[], tail=[])
    rng = np.random.default_rng(seed)
    x, w = (rng.standard_normal(each.shape).astype(np.float32) for each in types)
    return Job(parted(program, {2, 3}), [w], [x])


def bundled(names: list[bytes], arrays: list[Array]) -> Bundled:
    """Return arrays as an encoded bundle with its layout."""
    tensors = [tensor_of(array) for array in arrays]
    raw = codec.encode(
        Bundle(tensors=[NamedTensor(name=name, tensor=each) for name, each in zip(names, tensors, strict=True)])
    )
    types = [TensorType(dtype=each.dtype, shape=each.shape) for each in tensors]
    return Bundled(raw, Held(Layout(names, types), content_id(raw)))


def whole(job: Job) -> tuple[Trace, list[Witness]]:
    """Return the trace of both runs, and who shows each."""
    runs = [Witness(*job, perturbed=perturbed) for perturbed in (False, True)]
    return traced(*job, vm_version=VM_VERSION, native=True).trace, runs


def canonical_cut(job: Job) -> list[Array]:
    """Return the values at the cut of the canonical run."""
    values = interpreter.run(*job, keep=job.program.cut)
    return [values[at] for at in job.program.cut]


def tail(job: Job, cut: list[Array]) -> tuple[Trace, Witness]:
    """Return the trace of the tail that follows from values at the cut, and who shows it."""
    witness = Witness(*job, given=dict(zip(job.program.cut, cut, strict=True)))
    return traced_tail(*job, cut, vm_version=VM_VERSION).trace, witness
