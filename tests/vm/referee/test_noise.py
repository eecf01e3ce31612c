"""V89: the verdict on scale and noise of a row."""

import msgspec
import numpy as np
import pytest

from primitives import codec, merkle
from primitives.reasons import Refused
from tests.vm.referee.random_operations import made
from vm.canonical.arrays import Array, tensor_of
from vm.noise import Noise, Row
from vm.program import Op, Program
from vm.referee.noise import NoiseAccusation, decode_noise_accusation, judge_noise
from vm.referee.opening import Opened
from vm.referee.tracing import rows_root, traced
from vm.referee.witness import Witness
from vm.tensor import DType, TensorType, bound_root, element_count
from vm.trace import Trace, run_of

ROWS, LONG = 3, 20


def a_job() -> tuple[Program, list[Array], list[Array]]:
    types = [TensorType(dtype=DType.FLOAT32, shape=shape) for shape in ([ROWS, 7], [LONG, 7])]
    product = msgspec.structs.replace(made(Op.MATMUL, [], DType.FLOAT32, [ROWS, LONG], []), operands=[0, 1])
    program = Program(inputs=types[:1], constants=types[1:], operations=[product], outputs=[2], cut=[2], tail=[])
    rng = np.random.default_rng(7)
    x, w = (rng.standard_normal(each.shape).astype(np.float32) for each in types)
    return program, [w], [x]


def accused(row: int, change: int = 0) -> tuple[Trace, NoiseAccusation]:
    """Return a trace whose noise of a row is off by so much, and the accusation of that row."""
    program, constants, inputs = a_job()
    runs = [Witness(program, constants, inputs, perturbed=perturbed) for perturbed in (False, True)]
    canonical, perturbed = (tensor_of(each.values[2]) for each in runs)
    rows = Noise(canonical, perturbed).rows()
    rows[row] = msgspec.structs.replace(rows[row], noise=rows[row].noise + change)
    trace = traced(program, constants, inputs, vm_version=1, native=True).trace
    if not change:
        assert trace.noise == [rows_root(rows)]
    every = [(0, element_count([ROWS, LONG]))]
    tree = merkle.Tree([merkle.leaf_hash(codec.encode(each)) for each in rows])
    accusation = NoiseAccusation(
        outline=runs[0].accuse(0, 0).outline,
        place=0,
        row=row,
        told=rows[row],
        told_proof=tree.prove_set([row]),
        values=[each.open_at(2, every) for each in runs],
        proofs=[each.accuse(0, 0).run_proof for each in runs],
    )
    return msgspec.structs.replace(trace, noise=[rows_root(rows)]), accusation


@pytest.mark.parametrize("row", range(ROWS))
def test_a_row_told_right_is_right_and_off_by_one_is_wrong(row: int) -> None:
    trace, accusation = accused(row)
    right, found = judge_noise(trace, decode_noise_accusation(codec.encode(accusation)))
    assert right
    wrong, again = judge_noise(*accused(row, change=1))
    assert not wrong
    assert again == found


@pytest.mark.parametrize(
    "change",
    [
        {"place": 1},
        {"row": 1},
        {"row": ROWS},
        {"told": Row(total=b"", members=1, noise=0)},
        {"told_proof": []},
        {"proofs": [[bytes(32)], []]},
    ],
    ids=["place", "other row", "no row", "told", "told proof", "proof"],
)
def test_what_does_not_show_the_row_is_refused(change: dict[str, object]) -> None:
    trace, accusation = accused(0)
    with pytest.raises(Refused):
        judge_noise(trace, msgspec.structs.replace(accusation, **change))


def test_other_values_and_other_traces_are_refused() -> None:
    trace, accusation = accused(0)
    swapped = msgspec.structs.replace(accusation, values=accusation.values[::-1])
    for seen, told in (
        (trace, swapped),
        (msgspec.structs.replace(trace, program=bytes(32)), accusation),
        (msgspec.structs.replace(trace, perturbed=None), accusation),
    ):
        with pytest.raises(Refused):
            judge_noise(seen, told)


def test_a_value_without_elements_is_refused_whatever_its_dimensions() -> None:
    """V89: a stranger's trace may have any root there, and numpy holds no such shape."""
    trace, accusation = accused(0)
    for shape in ([2**31 - 1, 2**31 - 1, 0], [0], [ROWS, 0]):
        type_ = TensorType(dtype=DType.FLOAT32, shape=shape)
        run = run_of([bound_root(type_, merkle.EMPTY_ROOT)])
        empty = Opened(type=type_, leaves=[], proof=[merkle.EMPTY_ROOT])
        theirs = msgspec.structs.replace(trace, first=run, perturbed=run)
        with pytest.raises(Refused):
            judge_noise(theirs, msgspec.structs.replace(accusation, values=[empty, empty], proofs=[[], []]))
