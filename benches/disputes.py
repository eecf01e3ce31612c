"""Disputes: what each kind of proof takes to judge, what a duel tells, and how long a dispute takes (goal: 50 ms)."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from time import process_time
from typing import NamedTuple

import numpy as np

from benches.figures import Figure
from ledger.parameters import Parameters
from ledger.transaction import Decision
from primitives import codec
from primitives.reasons import Refused
from tests.ledger.market.dispute import played
from tests.vm.claims.duelling import fight
from tests.vm.claims.lies import Spot, of_results
from tests.vm.claims.sides import Honest, Subject, subject_of, tail_of
from tests.vm.models.catalogue import all_models
from tests.vm.referee.jobs import bundled
from vm.canonical.arrays import tensor_of
from vm.lowering import TOLERANCE_LEAST
from vm.noise import Noise
from vm.place import InputPlace, NoisePlace, Place, ResultPlace
from vm.program import Op
from vm.referee.blaming import outputs_differ, worst
from vm.referee.defence import Party, judge_beyond, judge_defence
from vm.referee.showing import defence
from vm.tensor import CUT_VALUES_BYTES_MAX, Tensor, element_count

PER_OPERATOR = 6
"""Elements of each operator that a model has, in each run."""
REPEATS = 3
"""The fastest of so many verdicts counts, by the processor's time: the machine has other work."""


REJECTS = (Decision.REJECT,) * 3


class Verdict(NamedTuple):
    """What one verdict took."""

    ms: float
    proof_bytes: int


def run() -> Iterator[Figure]:
    """Yield verdicts by model and by operator, those of other proofs, digest lists, and whole disputes."""
    operators: dict[str, list[Verdict]] = defaultdict(list)
    others: dict[str, list[Verdict]] = defaultdict(list)
    for case in all_models():
        try:
            job = subject_of(case)
        except Refused:
            continue
        truth = Honest(job)
        found = list(_of_elements(job, truth))
        for op, each in found:
            operators[op.name].append(each)
        yield _verdicts(case.name, [each for _, each in found])
        yield from _duels(job, truth)
        for kind, each in _of_other_proofs(job, truth):
            others[kind].append(each)
    for name, verdicts in [*sorted(operators.items()), *sorted(others.items())]:
        yield _verdicts(name, verdicts)
    yield from _largest_noise()
    yield from _whole_disputes()


def _verdicts(what: str, found: list[Verdict]) -> Figure:
    times, sizes = [each.ms for each in found], [each.proof_bytes for each in found]
    method = (
        f"median of {len(found)}; worst {max(times):.2f} ms; "
        f"proof median {median(sizes) / 1024:.1f}, worst {max(sizes) / 1024:.1f} KiB"
    )
    return Figure(what=f"verdict: {what}", value=median(times), unit="ms", method=method)


def _timed(verdict: Callable[[], object], proof: object) -> Verdict:
    took = []
    for _ in range(REPEATS):
        start = process_time()
        verdict()
        took.append(process_time() - start)
    return Verdict(min(took) * 1e3, len(codec.encode(proof)))


def _at(job: Subject, truth: Honest, place: Place) -> Verdict:
    proof = defence(truth, place, job.content, job.cut)
    assert proof is not None
    assert judge_defence(truth.trace, proof, place, job.grounds)
    return _timed(lambda: judge_defence(truth.trace, proof, place, job.grounds), proof)


def _of_elements(job: Subject, truth: Honest) -> Iterator[tuple[Op, Verdict]]:
    """Yield verdicts on elements of every operator of a job, as a duel asks for them."""
    draw = random.Random(1)
    for perturbed in (False, True) if job.native else (False,):
        numbers: dict[Op, list[int]] = defaultdict(list)
        for number, operation in enumerate(job.program.operations):
            if element_count(operation.result.shape):
                numbers[operation.op].append(number)
        for op, places in sorted(numbers.items()):
            for _ in range(PER_OPERATOR):
                number = draw.choice(places)
                element = draw.randrange(element_count(job.program.operations[number].result.shape))
                yield op, _at(job, truth, ResultPlace(perturbed=perturbed, number=number, element=element))


def _duels(job: Subject, truth: Honest) -> Iterator[Figure]:
    """Yield the lists that one side tells, of the lie that is found last: in the largest result."""
    sizes = [element_count(operation.result.shape) for operation in job.program.operations]
    number = max(range(len(sizes)), key=sizes.__getitem__)
    lie = next(of_results(truth, Spot(number, sizes[number] - 1, perturbed=False)))
    fought = fight(job, truth, lie.liar)
    method = f"of one side, in {fought.rounds} windows; proof {fought.proof_bytes / 1024:.1f} KiB"
    yield Figure(what=f"lists: {job.name}", value=fought.list_bytes / 1024, unit="KiB", method=method)


def _of_other_proofs(job: Subject, truth: Honest) -> Iterator[tuple[str, Verdict]]:
    """Yield verdicts on inputs, noise, deviations and outputs."""
    yield "an input", _at(job, truth, InputPlace(input=0, leaf=0))
    if not job.native:
        return
    if truth.trace.noise:
        yield "a row of noise", _at(job, truth, NoisePlace(place=0, row=0))
    held = truth.values(job.program.cut, perturbed=False)
    cut = [held[at] for at in job.program.cut]
    moved = [each + np.ones((), each.dtype) for each in cut]
    theirs = bundled([b"cut%d" % at for at in range(len(cut))], moved)
    outputs = truth.outputs or []
    false = [each ^ True if each.dtype.kind == "b" else each + np.ones((), each.dtype) for each in outputs]
    told = bundled([b"out%d" % at for at in range(len(outputs))], false)
    party = Party(theirs.held, told.held, TOLERANCE_LEAST)
    deviation = worst(truth, theirs, TOLERANCE_LEAST).proof
    if deviation is not None:
        yield "a deviation", _timed(lambda: judge_beyond(truth.trace, deviation, party), deviation)
    tail = Honest(tail_of(job, cut), cut)
    output = outputs_differ(tail, told)
    if output is not None:
        yield "an output", _timed(lambda: judge_beyond(tail.trace, output, party), output)


def _largest_noise() -> Iterator[Figure]:
    """Yield a row of noise of the largest cut that is admitted."""
    rng = np.random.default_rng(1)
    for dtype, length in ((np.float16, 1), (np.float32, 1024), (np.float32, 8), (np.float64, 8)):
        count = CUT_VALUES_BYTES_MAX // np.dtype(dtype).itemsize
        drawn = rng.standard_normal((count // length, length))
        moved = drawn * (1 + 1e-6 * rng.standard_normal(drawn.shape))
        first, second = (tensor_of(each.astype(dtype)) for each in (drawn, moved))
        took = min(_seconds(partial(_first_row, first, second)) for _ in range(REPEATS))
        what = f"verdict: a row of noise of {count} {np.dtype(dtype).name}, {length} in each"
        yield Figure(what=what, value=took * 1e3, unit="ms", method="both runs whole, 64 KiB each; hashing aside")


def _first_row(first: Tensor, second: Tensor) -> object:
    return Noise(first, second).row(0)


def _seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def _whole_disputes() -> Iterator[Figure]:
    """Yield the blocks from the first claim to the decision, on the pure ledger."""
    for false in (0, 3):
        world = played.a_world()
        held = played.off_by(1_000)
        job_id = played.a_job_played(world, held, REJECTS)
        court = played.Court(world, job_id)
        begin = world.chain.head.header.height
        rejecter = played.drawn_of(world, job_id)[0]
        court.claim(rejecter, played.truth())
        for at in range(false):
            court.claim(f"challenger {at}", played.lie(1, at))
        court.all_drawn_claim(played.truth())
        court.open_all()
        court.fight()
        court.prove_deviation(rejecter, played.PROVIDER, held)
        court.finish()
        yield Figure(
            what=f"a dispute with {false} false claims",
            value=world.chain.head.header.height - begin,
            unit="blocks",
            method="nobody waits, but each transaction has a block of its own; the other windows run out",
        )
    step = Parameters().dispute_step_ms / 1000
    yield Figure(what="a step of a duel that a silent side delays", value=step, unit="s", method="parameter")
