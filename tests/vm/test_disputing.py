"""V137: what a sandbox answers in a dispute, in this process."""

import pytest

from primitives import codec
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, classifier, tensor
from vm.dispute_protocol import (
    Answer,
    Asked,
    BytesTold,
    ConditionAsked,
    DefenceAsked,
    LeafAsked,
    NoiseAsked,
    OutputsAsked,
    Part,
    PartsTold,
    ResultAsked,
    RunAsked,
    TraceAsked,
    TraceTold,
    ValueAsked,
    WorstAsked,
    WorstTold,
)
from vm.layout import Layout
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Class
from vm.place import InputPlace, NoisePlace, Place, ResultPlace
from vm.referee.defence import Blame, Grounds, Party, decode_beyond, decode_defence, judge_beyond, judge_defence
from vm.referee.source import Held
from vm.sandbox.engine import Engine
from vm.sandbox_protocol import MODELS_KEPT, Ask, Execute, Executed, Optimisation, Prepare, Settings
from vm.tensor import DType, TensorType, bound_root
from vm.trace import Window, check_leaf, check_told, check_trace, part_width

SETTINGS = Settings(threads=1, optimisation=Optimisation.ALL, memory_bytes=0, parent=0)
KEY = bytes(32)
JOB = bundle(x=tensor([1, 2, 3, 4], [1, 4]))
RAW: bytes = classifier().SerializeToString()
INPUTS = Held(Layout([b"x"], [TensorType(dtype=DType.FLOAT32, shape=[1, 4])]), content_id(JOB))
THREE = TensorType(dtype=DType.FLOAT32, shape=[1, 3])


def prepared(class_: Class = Class.NATIVE) -> Engine:
    engine = Engine(SETTINGS)
    engine.prepare(Prepare(key=KEY, model=RAW, shapes=[[1, 4]], class_=class_))
    return engine


def ask(engine: Engine, asked: Asked, cut: bytes | None = None) -> Answer:
    return engine.ask(Ask(key=KEY, bundle=JOB, cut=cut, tolerance=TOLERANCE_LEAST, asked=asked))


def traced(engine: Engine, cut: bytes | None = None) -> TraceTold:
    found = ask(engine, TraceAsked(), cut)
    assert isinstance(found, TraceTold)
    return found


def executed(engine: Engine) -> Executed:
    return engine.execute(Execute(key=KEY, bundle=JOB, prove=None))


def party(cut: bytes, outputs: bytes) -> Party:
    return Party(
        Held(Layout([b"m"], [THREE]), content_id(cut)),
        Held(Layout([b"y"], [THREE]), content_id(outputs)),
        TOLERANCE_LEAST,
    )


def test_a_trace_is_told_part_by_part_down_to_a_leaf() -> None:
    """V137."""
    engine = prepared()
    told = traced(engine)
    check_trace(told.trace, told.outline, second=True)
    count, first = told.outline.operations, len(told.outline.inputs) + told.outline.constants
    run = ask(engine, RunAsked(perturbed=False, part=Part(low=0, high=count + 5, width=1)))
    assert isinstance(run, PartsTold)
    check_told(run.roots, Window(0, count), told.trace.first.root)
    value = ask(engine, ValueAsked(perturbed=False, value=first, part=None))
    assert isinstance(value, PartsTold)
    assert value.value_type is not None
    leaf = ask(engine, LeafAsked(perturbed=False, value=first, leaf=0))
    assert isinstance(leaf, BytesTold)
    assert leaf.raw is not None
    check_leaf(leaf.raw, 0, value.value_type, value.roots[0])
    assert len(value.roots) == 1
    assert bound_root(THREE, bytes(32)) != bound_root(value.value_type, value.roots[0])
    rows = ask(engine, NoiseAsked(place=0, part=Part(low=0, high=1, width=1)))
    assert isinstance(rows, PartsTold)
    assert rows.roots == told.trace.noise


def test_each_place_has_its_defence() -> None:
    """V137."""
    engine = prepared()
    told, cut = traced(engine), executed(engine).cut
    grounds = Grounds(INPUTS, None)
    places: list[Place] = [
        InputPlace(input=0, leaf=0),
        ResultPlace(perturbed=True, number=0, element=1),
        NoisePlace(place=0, row=0),
    ]
    for place in places:
        found = ask(engine, DefenceAsked(at=place))
        assert isinstance(found, BytesTold)
        assert found.raw is not None
        assert judge_defence(told.trace, decode_defence(found.raw), place, grounds)
    tail = traced(engine, cut)
    check_trace(tail.trace, tail.outline, second=False)
    for number in range(tail.outline.operations):
        place = ResultPlace(perturbed=False, number=number, element=0)
        found = ask(engine, DefenceAsked(at=place), cut)
        assert isinstance(found, BytesTold)
        assert found.raw is not None
        held = party(cut, cut).cut
        assert judge_defence(tail.trace, decode_defence(found.raw), place, Grounds(INPUTS, held))


def test_what_is_worst_in_somebody_s_bundles_is_proved() -> None:
    """V137."""
    engine = prepared()
    told, ran = traced(engine), executed(engine)
    moved = bundle(m=tensor([3.0, 2.0, 1.0], [1, 3]))
    for cut, least in ((ran.cut, 0), (moved, 64_000)):
        found = ask(engine, WorstAsked(cut=cut))
        assert isinstance(found, WorstTold)
        assert found.thousandths >= least
        if found.proof is not None:
            blame = judge_beyond(told.trace, decode_beyond(found.proof), party(cut, ran.outputs))
            assert blame == Blame(thousandths=found.thousandths)
    wrong = bundle(y=tensor([3.0, 2.0, 1.0], [1, 3]))
    tail = traced(engine, ran.cut)
    for outputs, differs in ((ran.outputs, False), (wrong, True)):
        shown = ask(engine, OutputsAsked(outputs=outputs), ran.cut)
        assert isinstance(shown, BytesTold)
        assert (shown.raw is not None) == differs
        if shown.raw is not None:
            blame = judge_beyond(tail.trace, decode_beyond(shown.raw), party(ran.cut, outputs))
            assert blame == Blame(output=True)
    # Outputs that nobody serves are known by their id.
    assert ask(engine, ResultAsked(), ran.cut) == BytesTold(raw=codec.encode(content_id(ran.outputs)))
    assert ask(engine, ConditionAsked()) == BytesTold(raw=None)


def test_the_same_question_has_the_same_answer_whoever_is_asked() -> None:
    """V137."""
    asked = DefenceAsked(at=ResultPlace(perturbed=False, number=1, element=0))
    kept, fresh = prepared(), prepared()
    traced(kept)
    traced(kept, executed(kept).cut)
    assert codec.encode(ask(kept, asked)) == codec.encode(ask(fresh, asked)) == codec.encode(ask(kept, asked))


def test_what_is_not_there_is_refused() -> None:
    """V137."""
    engine = prepared()
    short = bundle(m=tensor([3.0, 2.0], [1, 2]))
    questions: list[tuple[Asked, bytes | None]] = [
        (NoiseAsked(place=9, part=Part(low=0, high=1, width=1)), None),
        (RunAsked(perturbed=False, part=Part(low=0, high=1, width=0)), None),
        (RunAsked(perturbed=False, part=Part(low=1, high=2, width=2)), None),
        (WorstAsked(cut=short), None),
        (OutputsAsked(outputs=short), None),
        (TraceAsked(), short),
        (LeafAsked(perturbed=False, value=999, leaf=0), None),
    ]
    for asked, cut in questions:
        with pytest.raises(Refused) as refused:
            ask(engine, asked, cut)
        assert refused.value.reason is Reason.MALFORMED
    assert ask(engine, LeafAsked(perturbed=False, value=3, leaf=99)) == BytesTold(raw=None)
    assert part_width(Window(0, 5000)) == 2


def test_runs_are_forgotten_with_their_model() -> None:
    """V63, V137."""
    engine = prepared()
    told = traced(engine)
    for at in range(MODELS_KEPT):
        engine.prepare(Prepare(key=bytes([at + 1]) * 32, model=RAW, shapes=[[1, 4]], class_=Class.EXACT))
    with pytest.raises(Refused, match="not loaded"):
        traced(engine)
    engine.prepare(Prepare(key=KEY, model=RAW, shapes=[[1, 4]], class_=Class.NATIVE))
    assert traced(engine) == told
