"""What disputes put before the referee: tails, sources, deviations and outputs (V131-V136)."""

import msgspec
import numpy as np
import pytest

from primitives import codec
from primitives.reasons import Refused
from tests.vm.referee.jobs import (
    a_job,
    a_job_that_traps_last,
    bundled,
    canonical_cut,
    cut_of,
    grounds,
    inputs_of,
    outputs_of,
    party,
    runs_of,
)
from vm.canonical.arrays import Array, tensor_of
from vm.manifest import Ratio
from vm.noise import IN_SIGMA_MAX, Noise
from vm.place import EndPlace, InputPlace, NoisePlace, Place, ResultPlace, TrapPlace
from vm.referee.blaming import conditioned, outputs_differ, worst
from vm.referee.defence import Blame, Defence, decode_beyond, decode_defence, judge_beyond, judge_defence
from vm.referee.deviation import ConditionProof, DeviationProof
from vm.referee.ending import TrapProof
from vm.referee.membership import AbsentProof
from vm.referee.runs import Runs
from vm.referee.showing import Content, defence, rows_tree
from vm.referee.source import FrameProof, SourceProof
from vm.trace import ABSENT, Run, check_trace

JOB = a_job()
CUT = canonical_cut(JOB)
WHOLE, TAIL = runs_of(JOB), runs_of(JOB, cut=CUT)
OUTPUTS = WHOLE.outputs or []
TOLERANCE = Ratio(numerator=1, denominator=10_000)


def at(number: int, element: int = 0, *, perturbed: bool = False) -> ResultPlace:
    return ResultPlace(perturbed=perturbed, number=number, element=element)


def shown(runs: Runs, place: Place, cut: Content | None = None) -> bool:
    """Return the verdict on an honest defence."""
    proof = defence(runs, place, inputs_of(JOB), cut)
    assert proof is not None
    return judge_defence(runs.trace, decode_defence(codec.encode(proof)), place, grounds(JOB, cut))


def changed(arrays: list[Array], place: int, element: int, by: float) -> list[Array]:
    found = [np.array(each) for each in arrays]
    flat = found[place].reshape(-1)
    flat[element] += flat.dtype.type(by)
    return found


def test_a_trace_of_a_tail_holds_what_is_given_and_what_follows() -> None:
    """V132."""
    assert (JOB.program.cut, JOB.program.tail) == ([3], [2, 3, 4])
    digests = TAIL.digests(perturbed=False)
    assert digests[0] == ABSENT
    assert digests[1:] == WHOLE.digests(perturbed=False)[1:]
    check_trace(TAIL.trace, TAIL.papers.outline, second=False)
    check_trace(WHOLE.trace, WHOLE.papers.outline, second=True)
    with pytest.raises(Refused):
        check_trace(TAIL.trace, TAIL.papers.outline, second=True)


def test_an_honest_trace_is_right_wherever_it_is_asked() -> None:
    """V131, V133."""
    for perturbed in (False, True):
        for number, count in enumerate((21, 60, 60, 3, 3)):
            assert shown(WHOLE, at(number, count - 1, perturbed=perturbed))
    assert shown(WHOLE, InputPlace(input=0, leaf=0))
    for row in range(3):
        assert shown(WHOLE, NoisePlace(place=0, row=row))
    cut = cut_of(CUT)
    for number in range(5):
        assert shown(TAIL, at(number), cut)
    assert shown(TAIL, InputPlace(input=0, leaf=0), cut)


def test_a_defence_of_another_place_says_nothing() -> None:
    """V131."""
    cut = cut_of(CUT)
    places: list[Place] = [
        at(0),
        at(1),
        at(2, 1),
        at(2, 2),
        InputPlace(input=0, leaf=0),
        TrapPlace(perturbed=False, number=2),
    ]
    proofs = [(place, defence(TAIL, place, inputs_of(JOB), cut)) for place in places]
    for place, proof in proofs:
        others: list[Place] = [*places, NoisePlace(place=0, row=0), EndPlace()]
        for other in others:
            if proof is not None and other != place:
                with pytest.raises(Refused):
                    judge_defence(TAIL.trace, proof, other, grounds(JOB, cut))


def test_a_tail_that_begins_with_other_values_is_wrong_at_the_cut() -> None:
    """V133."""
    claimed = cut_of(changed(CUT, 0, 33, 1.0))
    liar = runs_of(JOB, cut=changed(CUT, 0, 33, 1.0))
    proof = defence(liar, at(1, 33), inputs_of(JOB), claimed)
    assert isinstance(proof, SourceProof)
    honest = cut_of(CUT)
    cheat = msgspec.structs.replace(proof, piece=honest.piece_of(0, 32, 28))
    assert not judge_defence(liar.trace, cheat, at(1, 33), grounds(JOB, honest))
    with pytest.raises(Refused):
        judge_defence(liar.trace, proof, at(1, 33), grounds(JOB, honest))


def test_an_input_that_is_not_the_jobs_is_wrong() -> None:
    """V133."""
    other = JOB._replace(inputs=changed(JOB.inputs, 0, 3, 1.0))
    liar = runs_of(other)
    place = InputPlace(input=0, leaf=0)
    proof = defence(liar, place, inputs_of(other), None)
    assert isinstance(proof, SourceProof)
    cheat = msgspec.structs.replace(proof, piece=inputs_of(JOB).piece_of(0, 0, 21))
    assert not judge_defence(liar.trace, cheat, place, grounds(JOB))
    with pytest.raises(Refused):
        judge_defence(liar.trace, proof, place, grounds(JOB))


def test_bytes_are_compared_in_normal_form() -> None:
    """V133."""
    zeros = np.zeros_like(JOB.inputs[0])
    runs = runs_of(JOB._replace(inputs=[zeros]))
    told = bundled([b"x0"], [-zeros])
    proof = defence(runs, InputPlace(input=0, leaf=0), told, None)
    assert proof is not None
    assert judge_defence(runs.trace, proof, InputPlace(input=0, leaf=0), grounds(JOB)._replace(inputs=told.held))


def test_an_operation_before_the_cut_is_absent_and_no_other_is() -> None:
    """V132."""
    absent = defence(TAIL, at(0), inputs_of(JOB), cut_of(CUT))
    assert judge_defence(TAIL.trace, absent, at(0), grounds(JOB, cut_of(CUT))) if absent else False
    exhibit = TAIL.exhibit([], perturbed=False)
    for number in (1, 2):  # whoever would spoil an ally's defence can't show that a value is not absent
        with pytest.raises(Refused):
            judge_defence(TAIL.trace, exhibit.absent(number), at(number), grounds(JOB, cut_of(CUT)))
    told = list(exhibit.digests)
    told[2] = ABSENT
    exhibit.say(told)
    run = msgspec.structs.replace(TAIL.trace.first, root=exhibit.tree.root)
    liar = msgspec.structs.replace(TAIL.trace, first=run)
    assert not judge_defence(liar, exhibit.absent(2), at(2), grounds(JOB, cut_of(CUT)))
    with pytest.raises(Refused):  # without a whole program there is no part of it that is absent
        judge_defence(liar, exhibit.absent(2), at(2), grounds(JOB))


def test_a_tail_that_ends_before_its_program_is_wrong_where_it_ends() -> None:
    """V132, V133."""
    cut = cut_of(CUT)
    for number in (0, 1, 3):  # absent, of the cut, of the tail
        exhibit = TAIL.exhibit(range(7), perturbed=False)
        exhibit.say(TAIL.digests(perturbed=False)[: number + 1])
        run = Run(count=number + 1, root=exhibit.tree.root)
        liar = msgspec.structs.replace(TAIL.trace, first=run)
        honest = defence(TAIL, at(number), inputs_of(JOB), cut)
        proof: Defence
        match honest:
            case AbsentProof():
                proof = exhibit.absent(number)
            case SourceProof():
                proof = msgspec.structs.replace(honest, run_proof=exhibit.tree.prove_set([number]))
            case _:
                proof = exhibit.accuse(number, 0)
        assert not judge_defence(liar, proof, at(number), grounds(JOB, cut))


@pytest.mark.parametrize("by", [1e-6, 1e-4, 1e-2, 1.0, float("inf"), float("nan")])
def test_a_deviation_is_shown_as_large_as_it_is(by: float) -> None:
    """V135."""
    theirs = cut_of(changed(CUT, 0, 41, by))
    found = worst(WHOLE, theirs, TOLERANCE)
    canonical, perturbed = (tensor_of(WHOLE.values([3], perturbed=run)[3]) for run in (False, True))
    assert found[:1] == Noise(canonical, perturbed, TOLERANCE).worst(tensor_of(changed(CUT, 0, 41, by)[0]))[:1]
    assert found.element == 41
    assert found.thousandths
    proof = decode_beyond(codec.encode(found.proof))
    blame = judge_beyond(WHOLE.trace, proof, party(theirs, outputs_of(OUTPUTS), TOLERANCE))
    assert blame == Blame(thousandths=found.thousandths)


def test_honest_values_deviate_by_nothing() -> None:
    """V135."""
    found = worst(WHOLE, cut_of(CUT), TOLERANCE)
    assert (found.thousandths, found.proof) == (0, None)


def test_a_deviation_from_another_trace_or_row_or_bundle_is_refused() -> None:
    """V135."""
    theirs = cut_of(changed(CUT, 0, 41, 1.0))
    proof = worst(WHOLE, theirs, TOLERANCE).proof
    assert isinstance(proof, DeviationProof)
    told = party(theirs, outputs_of(OUTPUTS), TOLERANCE)
    measure = proof.measure
    row = msgspec.structs.replace(measure.row, noise=measure.row.noise - 1)
    for wrong in (
        msgspec.structs.replace(measure, element=5),
        msgspec.structs.replace(measure, place=1),
        msgspec.structs.replace(measure, row=row),
        msgspec.structs.replace(measure, values=measure.values[::-1]),
    ):
        with pytest.raises(Refused):
            judge_beyond(WHOLE.trace, msgspec.structs.replace(proof, measure=wrong), told)
    with pytest.raises(Refused):
        judge_beyond(WHOLE.trace, proof, party(cut_of(CUT), outputs_of(OUTPUTS), TOLERANCE))
    with pytest.raises(Refused):
        judge_beyond(TAIL.trace, proof, told)


def test_a_record_that_measures_nothing_is_refused_whoever_let_it_stand() -> None:
    """V135."""
    theirs = cut_of(changed(CUT, 0, 41, 1.0))
    proof = worst(WHOLE, theirs, TOLERANCE).proof
    assert isinstance(proof, DeviationProof)
    for wrong in ({"members": 0}, {"total": b""}, {"noise": 0}):
        row = msgspec.structs.replace(proof.measure.row, **wrong)
        tree = rows_tree([row] * 3)
        trace = msgspec.structs.replace(WHOLE.trace, noise=[tree.root])
        measure = msgspec.structs.replace(proof.measure, row=row, row_proof=tree.prove_set([2]))
        with pytest.raises(Refused, match="noise"):
            judge_beyond(trace, msgspec.structs.replace(proof, measure=measure), party(theirs, theirs))


def test_a_job_is_shown_to_be_ill_conditioned_if_it_is() -> None:
    """V105, V135."""
    assert conditioned(WHOLE, TOLERANCE) is None
    job = JOB._replace(inputs=[JOB.inputs[0] * np.float32(np.inf)])
    runs = runs_of(job)
    proof = conditioned(runs, TOLERANCE)
    assert isinstance(proof, ConditionProof)
    blame = judge_beyond(runs.trace, proof, party(cut_of(CUT), outputs_of(OUTPUTS)))
    assert blame == Blame(ill_conditioned=True)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_output_that_does_not_follow_is_shown_by_a_leaf(place: int) -> None:
    """V136."""
    theirs = outputs_of(changed(OUTPUTS, place, 1, 1.0))
    for runs in (TAIL, runs_of(JOB, native=False)):
        proof = outputs_differ(runs, theirs)
        assert proof is not None
        told = decode_beyond(codec.encode(proof))
        assert judge_beyond(runs.trace, told, party(cut_of(CUT), theirs)) == Blame(output=True)
        with pytest.raises(Refused):
            judge_beyond(runs.trace, told, party(cut_of(CUT), outputs_of(OUTPUTS)))
    whole = outputs_differ(WHOLE, theirs)
    assert whole is not None
    with pytest.raises(Refused):  # in class native the whole does not say what the outputs are
        judge_beyond(WHOLE.trace, whole, party(cut_of(CUT), theirs))
    assert outputs_differ(TAIL, outputs_of(OUTPUTS)) is None


def test_outputs_that_say_the_same_in_other_bytes_are_wrong() -> None:
    """V136: their id is another, so whoever rejects them must be able to show why."""
    low = np.full_like(CUT[0], -200)
    runs = runs_of(JOB, cut=[low])
    told = [np.array(each) for each in runs.outputs or []]
    assert not told[0].any()
    told[0][1, 2] = -0.0
    proof = outputs_differ(runs, outputs_of(told))
    assert proof is not None
    assert judge_beyond(runs.trace, proof, party(cut_of([low]), outputs_of(told))) == Blame(output=True)


def test_a_bundle_whose_frame_is_broken_is_none() -> None:
    """V134."""
    sound = cut_of(CUT)
    raw = bytearray(sound.raw)
    raw[4] ^= 1
    broken = Content(bytes(raw), sound.layout)
    found = worst(WHOLE, broken, TOLERANCE)
    assert isinstance(found.proof, FrameProof)
    told = decode_beyond(codec.encode(found.proof))
    assert judge_beyond(WHOLE.trace, told, party(broken, broken)) == Blame(thousandths=IN_SIGMA_MAX)
    honest = msgspec.structs.replace(found.proof, piece=sound.piece(0, len(sound.raw)))
    assert judge_beyond(WHOLE.trace, honest, party(sound, sound)) == Blame()
    with pytest.raises(Refused):
        judge_beyond(WHOLE.trace, found.proof, party(sound, sound))


def test_who_tells_no_noise_shows_that_a_run_ends_in_a_trap() -> None:
    """V82, V131: at the end of the runs only that side defends itself."""
    job = a_job_that_traps_last(in_tail=False)
    runs = runs_of(job)
    assert runs.trace.noise == []
    assert runs.trace.first.count == len(job.program.operations)
    check_trace(runs.trace, runs.papers.outline, second=True)
    proof = defence(runs, EndPlace(), inputs_of(job), None)
    assert proof is not None
    assert judge_defence(runs.trace, decode_defence(codec.encode(proof)), EndPlace(), grounds(job))
    noisy = msgspec.structs.replace(runs.trace, noise=[bytes(32)])
    check_trace(noisy, runs.papers.outline, second=True)
    with pytest.raises(Refused):
        judge_defence(noisy, proof, EndPlace(), grounds(job))
    assert defence(WHOLE, EndPlace(), inputs_of(JOB), None) is None


def test_noise_is_told_where_both_runs_have_reached_the_cut() -> None:
    """V82."""
    behind = runs_of(a_job_that_traps_last())
    assert len(behind.trace.noise) == 1
    check_trace(behind.trace, behind.papers.outline, second=True)
    without = msgspec.structs.replace(behind.trace, noise=[])
    with pytest.raises(Refused, match="noise"):
        check_trace(without, behind.papers.outline, second=True)
    with pytest.raises(Refused, match="noise"):
        check_trace(msgspec.structs.replace(WHOLE.trace, noise=[]), WHOLE.papers.outline, second=True)
    early = msgspec.structs.replace(WHOLE.trace, first=Run(count=2, root=bytes(32)))
    with pytest.raises(Refused, match="noise"):
        check_trace(early, WHOLE.papers.outline, second=True)


def test_who_objected_to_a_job_that_traps_behind_its_cut_can_show_the_trap() -> None:
    """X65."""
    shown = conditioned(runs_of(a_job_that_traps_last()), TOLERANCE)
    assert isinstance(shown, TrapProof)
    assert not shown.perturbed
    assert conditioned(runs_of(a_job()), TOLERANCE) is None


def test_a_job_that_traps_before_its_cut_measures_nobody() -> None:
    """V135."""
    runs = runs_of(a_job_that_traps_last(in_tail=False))
    proof = conditioned(runs, TOLERANCE)
    assert proof is not None
    told = decode_beyond(codec.encode(proof))
    assert judge_beyond(runs.trace, told, party(cut_of(CUT), outputs_of(OUTPUTS))) == Blame(ill_conditioned=True)
    behind = runs_of(a_job_that_traps_last())
    trap = outputs_differ(behind, outputs_of(OUTPUTS))
    assert trap is not None
    with pytest.raises(Refused):  # in class native the tail of each party says whether there are outputs
        judge_beyond(behind.trace, trap, party(cut_of(CUT), outputs_of(OUTPUTS)))


def test_outputs_of_a_run_that_traps_are_wrong_whatever_they_are() -> None:
    """V136."""
    job = a_job_that_traps_last()
    cut = canonical_cut(job)
    tail = runs_of(job, cut=cut)
    outputs = outputs_of([np.zeros(1, np.float32)])
    proof = outputs_differ(tail, outputs)
    assert proof is not None
    told = decode_beyond(codec.encode(proof))
    assert judge_beyond(tail.trace, told, party(cut_of(cut), outputs)) == Blame(output=True)
