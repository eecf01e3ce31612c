"""What an honest party proves of others: what deviates most in their values at the cut, and where outputs differ."""

from typing import NamedTuple

from vm.canonical.arrays import tensor_of
from vm.layout import heads, spans
from vm.manifest import Ratio
from vm.noise import IN_SIGMA_MAX, Noise, ill_conditioned
from vm.referee.defence import Beyond
from vm.referee.deviation import ConditionProof, DeviationProof, Measure
from vm.referee.output import OutputProof
from vm.referee.runs import Runs
from vm.referee.showing import Content, ending, rows_tree
from vm.referee.source import FrameProof, Source, leaf_range
from vm.tensor import ROOT_LEAF_BYTES, Tensor, normalised


class Worst(NamedTuple):
    """The largest deviation of somebody's values at the cut, where it stands, and what proves it."""

    thousandths: int
    place: int
    element: int
    proof: Beyond | None
    """None if nothing deviates, or the trace has no noise to measure by."""


def worst(runs: Runs, theirs: Content, tolerance: Ratio) -> Worst:
    """Return what deviates most in a party's values at the cut, by the runs of the whole program (V135)."""
    broken = _frame(theirs, Source.CUT)
    if broken is not None:
        return Worst(IN_SIGMA_MAX, 0, 0, broken)
    found = Worst(0, 0, 0, None)
    noises = runs.noises(range(len(runs.trace.noise)), tolerance)
    for place, noise in enumerate(noises):
        thousandths, element = noise.worst(tensor_in(theirs, place))
        if thousandths > found.thousandths:
            found = Worst(thousandths, place, element, None)
    if not found.thousandths:
        return found
    measured = _measure(runs, noises[found.place], found.place, found.element)
    piece = theirs.piece_of(found.place, found.element, 1)
    return found._replace(proof=DeviationProof(measure=measured, piece=piece))


def conditioned(runs: Runs, tolerance: Ratio) -> Beyond | None:
    """Return what shows that the job is ill-conditioned (V105), or traps before the cut; None if neither is so."""
    if runs.trace.perturbed is not None and not runs.trace.noise:
        return ending(runs)
    for place, noise in enumerate(runs.noises(range(len(runs.trace.noise)), tolerance)):
        unit, element = noise.noisiest()
        if ill_conditioned(unit):
            return ConditionProof(measure=_measure(runs, noise, place, element))
    # A trap in the last operation leaves noise, and whoever objected to the job is excused by it (X65).
    return ending(runs) if runs.trap(perturbed=False) is not None else None


def outputs_differ(runs: Runs, theirs: Content) -> Beyond | None:
    """Return what shows that a party's outputs are others than those of the runs (V136); None if they are the same."""
    if runs.trap(perturbed=False) is not None:
        return ending(runs)
    broken = _frame(theirs, Source.OUTPUTS)
    if broken is not None:
        return broken
    for place, own in enumerate(runs.outputs or []):
        left, right = tensor_of(own).data, told_in(theirs, place)
        if left != right:
            at = next(at for at, (one, other) in enumerate(zip(left, right, strict=True)) if one != other)
            return _output(runs, theirs, place, at // ROOT_LEAF_BYTES)
    return None


def _output(runs: Runs, theirs: Content, place: int, leaf: int) -> OutputProof:
    program, first = runs.program, runs.program.first_result
    value, split = program.outputs[place], len(program.inputs)
    exhibit = runs.exhibit([value], perturbed=False)
    span = leaf_range(program.type_of(value), leaf)
    proof: list[bytes] = []
    if value >= first:
        proof = exhibit.tree.prove_set([value - first])
    elif value >= split:
        proof = runs.papers.prove_constants([value - split])
    return OutputProof(
        outline=runs.papers.outline,
        place=place,
        leaf=leaf,
        opened=exhibit.open_at(value, [span]),
        proof=proof,
        piece=theirs.piece_of(place, *span),
    )


def _measure(runs: Runs, noise: Noise, place: int, element: int) -> Measure:
    value = runs.program.cut[place]
    number, row = value - runs.program.first_result, noise.row_of(element)
    shown = [runs.exhibit([value], perturbed=perturbed) for perturbed in (False, True)]
    return Measure(
        outline=runs.papers.outline,
        place=place,
        element=element,
        values=[each.open_at(value, [(element, 1)]) for each in shown],
        proofs=[each.tree.prove_set([number]) for each in shown],
        row=noise.row(row),
        row_proof=rows_tree(noise.rows()).prove_set([row]),
    )


def tensor_in(theirs: Content, place: int) -> Tensor:
    """Return a tensor of a bundle whose frame is sound, in normal form."""
    type_ = theirs.layout.types[place]
    return normalised(Tensor(dtype=type_.dtype, shape=type_.shape, data=told_in(theirs, place)))


def told_in(theirs: Content, place: int) -> bytes:
    """Return the data of a tensor of a bundle whose frame is sound, as it stands there."""
    span = spans(theirs.layout)[place]
    return theirs.raw[span.low : span.high]


def _frame(theirs: Content, source: Source) -> FrameProof | None:
    """Return what shows that a bundle is none, if it is none; of one of another length nothing can be shown here."""
    at = 0
    ends = [each.high for each in spans(theirs.layout)]
    for place, head in enumerate(heads(theirs.layout)):
        seen = theirs.raw[at : at + len(head)]
        if seen != head:
            wrong = next(step for step, byte in enumerate(head) if seen[step : step + 1] != bytes([byte]))
            return FrameProof(source=source, piece=theirs.piece(at + wrong, at + wrong + 1))
        at = ends[place] if ends else at
    return None
