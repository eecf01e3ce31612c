"""Whole programs as subjects of the referee: their runs, elements drawn from these, and what is done to accusations."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from primitives.reasons import Refused
from tests.vm.models.case import Array, Case
from vm.canonical.arrays import normal
from vm.program import Program
from vm.referee.accusation import Accusation
from vm.referee.judge import judge
from vm.referee.opening import Opened
from vm.referee.tracing import traced
from vm.referee.witness import Witness
from vm.sandbox.lower.lowering import lower
from vm.tensor import element_count
from vm.trace import Trace, run_of

VM_VERSION = 1


class Subject(NamedTuple):
    """One job: both runs, and the trace that they give."""

    trace: Trace
    runs: list[Witness]
    places: list[str]


def subject_of(program: Program, constants: Sequence[Array], inputs: Sequence[Array], places: list[str]) -> Subject:
    """Return a job whose trace is put together from the runs, without the noise."""
    runs = [Witness(program, constants, inputs, perturbed=perturbed) for perturbed in (False, True)]
    bare = traced(program, constants, inputs, vm_version=VM_VERSION, native=False).trace
    first, perturbed = (run_of(run.digests) for run in runs)
    assert bare.first == first
    return Subject(msgspec.structs.replace(bare, perturbed=perturbed), runs, places)


def subject_of_model(case: Case) -> Subject:
    """Return a job of a model for tests, with its first input."""
    lowered = lower(case.proto, case.shapes)
    inputs = [normal(case.feeds[0][name]) for name in case.inputs]
    return subject_of(lowered.program, lowered.constants, inputs, lowered.places)


def elements_of(run: Witness, draw: random.Random, count: int) -> Iterator[tuple[int, int]]:
    """Yield operations with an element of each: all operations in turn, those without an element left out."""
    sizes = [element_count(operation.result.shape) for operation in run.program.operations]
    numbers = [number for number, size in enumerate(sizes) if size and run.program.first_result + number in run.values]
    offset = draw.randrange(len(numbers)) if numbers else 0
    for at in range(count if numbers else 0):
        number = numbers[(offset + at * _STRIDE) % len(numbers)]
        yield number, draw.randrange(sizes[number])


_STRIDE = 7919
"""A prime: all operations come in turn, whatever their number."""


class Judged(NamedTuple):
    """How many elements were judged, and what was found otherwise than it should be."""

    elements: int
    findings: list[str]


def judged(subject: Subject, draw: random.Random, count: int) -> Judged:
    """Judge so many elements of each run, and each once more with a bit of the proof changed."""
    done, findings = 0, list[str]()
    for run in subject.runs:
        for number, element in elements_of(run, draw, count):
            accusation = run.accuse(number, element)
            verdict = judge(subject.trace, accusation)
            told = f"{subject.places[number]} {run.program.operations[number].op.name}, element {element}"
            if not verdict.right:
                findings.append(f"{told}: {verdict}, perturbed {run.perturbed}")
            if holds(subject.trace, mutated(accusation, draw)):
                findings.append(f"{told}: a changed proof passed")
            done += 1
    return Judged(done, findings)


def holds(trace: Trace, accusation: Accusation) -> bool:
    """Tell whether an accusation is heard and the trace found right."""
    try:
        return judge(trace, accusation).right
    except Refused:
        return False


def mutated(accusation: Accusation, draw: random.Random) -> Accusation:
    """Return the accusation with one bit changed in one leaf or hash of it."""
    pieces: list[tuple[str, int]] = [("constants_proof", at) for at in range(len(accusation.constants_proof))]
    pieces += [("run_proof", at) for at in range(len(accusation.run_proof))]
    pieces += [("operation_proof", at) for at in range(len(accusation.operation_proof))]
    pieces += [("operands", at) for at in range(len(accusation.operands))]
    pieces.append(("result", 0))
    name, at = draw.choice(pieces)
    if name == "result":
        assert accusation.result is not None
        return msgspec.structs.replace(accusation, result=_broken(accusation.result, draw))
    kept = list(getattr(accusation, name))
    kept[at] = _broken(kept[at], draw) if name == "operands" else _flipped(kept[at], draw)
    return msgspec.structs.replace(accusation, **{name: kept})


def _broken(opened: Opened, draw: random.Random) -> Opened:
    leaves, proof = list(opened.leaves), list(opened.proof)
    chosen = draw.choice([part for part in (leaves, proof) if part])
    at = draw.randrange(len(chosen))
    chosen[at] = _flipped(chosen[at], draw)
    return msgspec.structs.replace(opened, leaves=leaves, proof=proof)


def _flipped(raw: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(raw))
    return raw[:at] + bytes([raw[at] ^ 1 << draw.randrange(8)]) + raw[at + 1 :]
