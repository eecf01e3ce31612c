"""A job with a cut, a tail and somebody who committed to both: what disputes are about."""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import msgspec
import numpy as np

from primitives import codec
from tests.vm.referee.random_operations import made
from vm.canonical import interpreter
from vm.canonical.arrays import Array, tensor_of
from vm.canonical.trapped import Trapped
from vm.cut import parted
from vm.layout import Layout
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Ratio
from vm.program import Op, Operation, Program
from vm.referee.defence import Grounds, Party
from vm.referee.runs import Runs
from vm.referee.showing import Content
from vm.referee.witness import Papers
from vm.tensor import Bundle, DType, NamedTensor, TensorType

VM_VERSION = 1
ROWS, LONG, WIDE = 3, 20, 7


class Job(NamedTuple):
    """A program with its input."""

    program: Program
    constants: list[Array]
    inputs: list[Array]


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


def a_job_that_traps_last(*, in_tail: bool = True) -> Job:
    """Return a job whose last operation takes a row that is not there: of the one value at the cut, or to be that."""
    single, index = DType.FLOAT32, DType.INT64
    types = [TensorType(dtype=single, shape=[ROWS, WIDE]), TensorType(dtype=index, shape=[1])]
    weights = TensorType(dtype=single, shape=[LONG, WIDE])
    operations = [
        msgspec.structs.replace(made(Op.MATMUL, [], single, [ROWS, LONG], []), operands=[0, 2]),
        msgspec.structs.replace(made(Op.TAKE, [], single, [1, LONG], [0]), operands=[3, 1]),
    ]
    program = Program(inputs=types, constants=[weights], operations=operations, outputs=[4], cut=[], tail=[])
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(each.shape).astype(np.float32) for each in (types[0], weights))
    return Job(parted(program, {3} if in_tail else {4}), [w], [x, np.array([ROWS], np.int64)])


def bundled(names: list[bytes], arrays: Sequence[Array]) -> Content:
    """Return arrays as an encoded bundle with its layout."""
    tensors = [tensor_of(array) for array in arrays]
    named = [NamedTensor(name=name, tensor=each) for name, each in zip(names, tensors, strict=True)]
    types = [TensorType(dtype=each.dtype, shape=each.shape) for each in tensors]
    return Content(codec.encode(Bundle(tensors=named)), Layout(names, types))


def inputs_of(job: Job) -> Content:
    """Return the job's input as it is told on chain."""
    return bundled([b"x%d" % at for at in range(len(job.inputs))], job.inputs)


def cut_of(cut: Sequence[Array]) -> Content:
    """Return somebody's values at the cut as they are committed to."""
    return bundled([b"cut%d" % at for at in range(len(cut))], cut)


def outputs_of(outputs: Sequence[Array]) -> Content:
    """Return somebody's outputs as they are committed to."""
    return bundled([b"out%d" % at for at in range(len(outputs))], outputs)


def runs_of(job: Job, *, native: bool = True, cut: Sequence[Array] | None = None) -> Runs:
    """Return a job's runs, or the tail of values at the cut."""
    papers = Papers(job.program, job.constants)
    return Runs(papers, job.constants, job.inputs, vm_version=VM_VERSION, native=native, cut=cut)


def canonical_cut(job: Job) -> list[Array]:
    """Return the values at the cut of the canonical run."""
    found: dict[int, Array] = {}
    with suppress(Trapped):
        interpreter.run(*job, watch=found.__setitem__)
    return [found[at] for at in job.program.cut]


def grounds(job: Job, cut: Content | None = None) -> Grounds:
    """Return what stands before any trace of the job."""
    return Grounds(inputs_of(job).held, cut.held if cut else None)


def party(cut: Content, outputs: Content, tolerance: Ratio = TOLERANCE_LEAST) -> Party:
    """Return what somebody committed to."""
    return Party(cut.held, outputs.held, tolerance)
