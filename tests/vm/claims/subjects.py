"""The jobs about which is lied: every model of the tests, whole and by its tail, and small programs that trap."""

import random

from primitives.hashing import sha256
from tests.vm.claims.lies import all_lies
from tests.vm.claims.play import Score, play
from tests.vm.claims.sides import Honest, Subject, arrays_of, subject, subject_of, tail_of
from tests.vm.models.case import Case
from tests.vm.referee.jobs import a_job_that_traps_last
from tests.vm.referee.random_operations import drawn
from tests.vm.referee.random_programs import Small, small_program
from vm.program import Op
from vm.sandbox.meaning import Derived

TRAPPING = (Op.TAKE, Op.SCATTER, Op.DIV, Op.MOD, Op.POW)


def of_model(case: Case, seed: int) -> Score:
    """Lie about a model: about one operation of each operator, in each run, and about the whole. Raises Refused."""
    job = subject_of(case)
    truth = Honest(job)
    others = [Honest(job._replace(inputs=arrays_of(case, feeds))) for feeds in case.feeds[1:2]]
    return play(job, truth, all_lies(truth, others, _draw(case.name, seed)))


def of_tail(case: Case, seed: int) -> Score:
    """Lie about the tail of a model's own values at the cut. Raises Refused."""
    whole = subject_of(case)
    if not whole.native:
        return Score()
    values = Honest(whole).values(whole.program.cut, perturbed=False)
    cut = [values[at] for at in whole.program.cut]
    job = tail_of(whole, cut)
    truth = Honest(job, cut)
    return play(job, truth, all_lies(truth, [], _draw(f"tail of {case.name}", seed)))


def of_operator(op: Op, seed: int) -> Score:
    """Lie about a small program around a random operation, which may trap."""
    small = small_program(drawn(op, seed))
    job = of_small(f"{op.name} {seed}", small)
    truth = Honest(job)
    return play(job, truth, all_lies(truth, [], _draw(job.name, seed)))


def of_trapped(*, in_tail: bool, seed: int) -> Score:
    """Lie about a job of class native that traps behind its cut, or where the value at the cut would be."""
    told = a_job_that_traps_last(in_tail=in_tail)
    derived = Derived(program=told.program, constants=told.constants, places=[""] * 2, nodes=[], cut=["cut0"])
    job = subject(f"a job that traps {'behind' if in_tail else 'at'} its cut", derived, told.inputs)
    truth = Honest(job)
    return play(job, truth, all_lies(truth, [], _draw(job.name, seed)))


def of_small(name: str, small: Small) -> Subject:
    """Return the job of a small program."""
    return subject(
        name, Derived(program=small.program, constants=small.constants, places=[""] * 3, nodes=[], cut=[]), small.inputs
    )


def _draw(name: str, seed: int) -> random.Random:
    return random.Random(sha256(f"{name} {seed}".encode()))
