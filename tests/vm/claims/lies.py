"""Every way in which we know to claim something else than the canonical runs of a job (DESIGN 6.10b)."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from primitives.hashing import sha256
from tests.vm.claims.sides import Honest, Liar, flipped
from vm.canonical import interpreter
from vm.canonical.arrays import NUMPY_OF, Array
from vm.canonical.trapped import Trapped
from vm.program import Op, TrapCode
from vm.referee.reach import needs
from vm.referee.tracing import root_of
from vm.tensor import element_count
from vm.trace import ABSENT, trap_digest


class Lie(NamedTuple):
    """A false claim, and what is false in it."""

    kind: str
    op: Op | None
    """The operator that it is about, if it is about one."""
    liar: Honest


class Spot(NamedTuple):
    """An operation of a run, and an element of its result."""

    number: int
    element: int
    perturbed: bool


def spots(truth: Honest, draw: random.Random, per_op: int = 1) -> Iterator[Spot]:
    """Yield for each operator of the program some of its operations that have a result, in each run."""
    for perturbed in sorted(truth._all):
        have = len(truth.digests(perturbed=perturbed)) - (truth.trap(perturbed=perturbed) is not None)
        numbers: dict[Op, list[int]] = defaultdict(list)
        for number, operation in enumerate(truth.program.operations[:have]):
            inside = not truth.tail or truth.papers.in_tail(number)
            if inside and element_count(operation.result.shape):
                numbers[operation.op].append(number)
        for _, found in sorted(numbers.items()):
            for number in draw.sample(found, min(per_op, len(found))):
                count = element_count(truth.program.operations[number].result.shape)
                yield Spot(number, draw.randrange(count), perturbed)


def of_results(truth: Honest, spot: Spot) -> Iterator[Lie]:
    """Yield the lies about one result."""
    op = truth.program.operations[spot.number].op
    yield Lie("one flipped bit", op, _flip(truth, spot))
    other = _flip(truth, spot)
    other.other_leaf = True
    yield Lie("wrong leaf", op, other)
    yield Lie("digest without a preimage", op, _digest(truth, spot, sha256(b"nothing")))
    yield Lie("result of another type", op, _retyped(truth, spot))
    weighted = _other_weight(truth, spot)
    if weighted is not None:
        yield Lie("wrong weight", op, weighted)
    for code in TrapCode:
        yield Lie("trap that there is not", op, _trapping(truth, spot, code))
    if spot.number + 1 < len(truth.program.operations):
        yield Lie("run cut short", op, _short(truth, spot, spot.number + 1))
        yield Lie("run cut short without its last value", op, _short(_flip(truth, spot), spot, spot.number + 1))
    if truth.tail:
        yield Lie("result said to be absent", op, _digest(truth, spot, ABSENT))


def of_wholes(truth: Honest, others: Sequence[Honest]) -> Iterator[Lie]:
    """Yield the lies about more than one result; `others` are runs of other jobs of the same model."""
    for other in others:
        if other.trace.inputs != truth.trace.inputs:
            yield Lie("another job's trace", None, Liar(other))
            dressed = Liar(other)
            dressed.say_inputs(truth.trace.inputs)
            if dressed.trace.first != truth.trace.first:  # inputs that change nothing are no lie
                yield Lie("another job's results for this job's inputs", None, dressed)
    for kind, change in (("another vm_version", {"vm_version": 2}), ("another program", {"program": bytes(32)})):
        foreign = Liar(truth)
        foreign.trace = msgspec.structs.replace(truth.trace, **change)
        yield Lie(kind, None, foreign)
    roots = truth.trace.inputs
    if len(set(roots)) > 1:
        swapped = Liar(truth)
        swapped.say_inputs([*roots[1:], roots[0]])
        yield Lie("swapped inputs", None, swapped)
    for place in range(len(truth.trace.noise)):
        yield from _of_noise(truth, place)
    if truth.trace.noise:
        silent = Liar(truth)
        silent.trace = msgspec.structs.replace(silent.trace, noise=[])
        yield Lie("no noise", None, silent)
    for perturbed in sorted(truth._all):
        if truth.trap(perturbed=perturbed) is not None:
            yield from _of_trap(truth, perturbed=perturbed)
    if truth.tail:
        yield from _of_tail(truth)


def _flip(truth: Honest, spot: Spot) -> Liar:
    liar, value = Liar(truth), truth.program.first_result + spot.number
    [array] = truth.values([value], perturbed=spot.perturbed).values()
    return _hold(liar, spot, flipped(array, spot.element))


def _hold(liar: Liar, spot: Spot, array: Array) -> Liar:
    """Tell an array for a result, and nothing that follows from it."""
    liar.change(liar.program.first_result + spot.number, array, perturbed=spot.perturbed)
    return _said(liar, spot, root_of(array))


def _said(liar: Liar, spot: Spot, digest: bytes) -> Liar:
    told = list(liar.digests(perturbed=spot.perturbed))
    told[spot.number] = digest
    liar.say(perturbed=spot.perturbed, digests=told)
    return liar


def _digest(truth: Honest, spot: Spot, digest: bytes) -> Liar:
    return _said(Liar(truth), spot, digest)


def _retyped(truth: Honest, spot: Spot) -> Liar:
    value = truth.program.first_result + spot.number
    [array] = truth.values([value], perturbed=spot.perturbed).values()
    return _hold(Liar(truth), spot, array.reshape(-1) if array.ndim != 1 else array.reshape(1, -1))


def _other_weight(truth: Honest, spot: Spot) -> Liar | None:
    """Return who computes a result with another weight, if it reads one and that makes a difference."""
    program, operation = truth.program, truth.program.operations[spot.number]
    split, first = len(program.inputs), program.first_result
    held = truth.values([*operation.operands, first + spot.number], perturbed=spot.perturbed)
    types = [program.type_of(operand) for operand in operation.operands]
    for reach in needs(operation, types, spot.element):
        value = operation.operands[reach.operand]
        ranges = [each for each in reach.ranges if each[1]]
        if not split <= value < first or not ranges:
            continue
        weight = flipped(held[value], ranges[0][0])
        operands = [weight if each == value else held[each] for each in operation.operands]
        try:
            array = interpreter.apply(operation, spot.number, operands, perturbed=spot.perturbed)
        except Trapped:
            continue
        if root_of(array) != root_of(held[first + spot.number]):
            liar = _hold(Liar(truth), spot, array)
            liar.change(value, weight, perturbed=spot.perturbed)
            return liar
    return None


def _trapping(truth: Honest, spot: Spot, code: TrapCode) -> Liar:
    liar = Liar(truth)
    kept = list(truth.digests(perturbed=spot.perturbed)[: spot.number])
    liar.say(perturbed=spot.perturbed, digests=[*kept, trap_digest(code, spot.number)])
    liar.stop(Trapped(code, spot.number), spot.number, perturbed=spot.perturbed)
    liar.fit_noise()
    return liar


def _short(truth: Honest, spot: Spot, count: int) -> Liar:
    liar = Liar(truth)
    liar.say(perturbed=spot.perturbed, digests=list(truth.digests(perturbed=spot.perturbed)[:count]))
    liar.stop(None, count, perturbed=spot.perturbed)
    liar.fit_noise()
    return liar


def _speaking_for(truth: Honest, other: Honest) -> Liar:
    """Return who says that the runs of another job are this one's; its own input is all that it can show."""
    return Liar(other)


def _of_noise(truth: Honest, place: int) -> Iterator[Lie]:
    """Yield records of noise that are off."""
    [noise] = truth.noises([place])
    rows = noise.rows()
    if not rows:
        return
    at = len(rows) // 2
    total = int.from_bytes(rows[at].total, "big") + 1
    changes: list[tuple[str, dict[str, object]]] = [
        ("wrong noise", {"noise": rows[at].noise + 1}),
        (
            "wrong scale",
            {"total": total.to_bytes(-(-total.bit_length() // 8), "big")},
        ),
        ("wrong count in a scale", {"members": rows[at].members + 1}),
    ]
    for kind, change in changes:
        liar = Liar(truth)
        liar.say_rows(place, [*rows[:at], msgspec.structs.replace(rows[at], **change), *rows[at + 1 :]])
        yield Lie(kind, None, liar)
    if len(set(map(repr, rows))) > 1:
        liar = Liar(truth)
        liar.say_rows(place, rows[::-1])
        if liar.trace != truth.trace:
            yield Lie("noise of other rows", None, liar)


def _of_trap(truth: Honest, *, perturbed: bool) -> Iterator[Lie]:
    """Yield who goes on after a trap, or tells another."""
    trap = truth.trap(perturbed=perturbed)
    assert trap is not None
    operation = truth.program.operations[trap.operation]
    digests = truth.digests(perturbed=perturbed)
    zeros = np.zeros(operation.result.shape, NUMPY_OF[operation.result.dtype])
    going = Liar(truth)
    going._traps[perturbed] = None
    going.change(truth.program.first_result + trap.operation, zeros, perturbed=perturbed)
    rest = [sha256(b"rest")] * (len(truth.program.operations) - len(digests))
    going.say(perturbed=perturbed, digests=[*digests[:-1], root_of(zeros), *rest])
    yield Lie("trap hidden", operation.op, going)
    if rest:
        beyond = Liar(truth)
        beyond.say(perturbed=perturbed, digests=[*digests, *rest])
        yield Lie("run that goes on behind its trap", operation.op, beyond)
    if not rest and not truth.trace.noise and truth.trace.perturbed is not None and truth.program.cut:
        noisy = Liar(truth)
        noisy.trace = msgspec.structs.replace(truth.trace, noise=[bytes(32)] * len(truth.program.cut))
        yield Lie("noise of runs that trap", operation.op, noisy)
    other = TrapCode.INDEX if trap.code is TrapCode.DIVISION else TrapCode.DIVISION
    spot = Spot(trap.operation, 0, perturbed)
    yield Lie("another trap", operation.op, _trapping(truth, spot, other))
    if trap.operation:
        early = Liar(truth)
        early.say(perturbed=perturbed, digests=list(digests[:-1]))
        early.stop(None, trap.operation, perturbed=perturbed)
        yield Lie("run cut short before its trap", operation.op, early)


def _of_tail(truth: Honest) -> Iterator[Lie]:
    """Yield what can be false of a tail beside its results."""
    program, first = truth.program, truth.program.first_result
    for value in program.cut:
        spot = Spot(value - first, 0, perturbed=False)
        [array] = truth.values([value], perturbed=False).values()
        if not array.size:
            continue
        yield Lie("other value at the cut", None, _hold(Liar(truth), spot, flipped(array, array.size - 1)))
        yield Lie("value at the cut said to be absent", None, _digest(truth, spot, ABSENT))
    before = [number for number in range(len(program.operations)) if truth.digests(perturbed=False)[number] == ABSENT]
    for number in before[:2]:
        operation = program.operations[number]
        zeros = np.zeros(operation.result.shape, NUMPY_OF[operation.result.dtype])
        spot = Spot(number, 0, perturbed=False)
        yield Lie("value before the cut", None, _hold(Liar(truth), spot, zeros))
        yield Lie("digest before the cut", None, _digest(truth, spot, sha256(b"before")))
        for code in TrapCode:
            yield Lie("trap before the cut", None, _trapping(truth, spot, code))


def all_lies(truth: Honest, others: Sequence[Honest], draw: random.Random) -> Iterator[Lie]:
    """Yield every kind of lie about a job that differs from the truth."""
    for spot in spots(truth, draw):
        for lie in of_results(truth, spot):
            if lie.liar.trace != truth.trace:
                yield lie
    for lie in of_wholes(truth, others):
        if lie.liar.trace != truth.trace:
            yield lie
