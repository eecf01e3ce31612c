"""Targets of disputes: proofs before a referee whose trace and contents accomplices have made to fit."""

from contextlib import suppress
from functools import cache

import msgspec

from primitives import codec, merkle
from primitives.content import LEAF_BYTES, ContentId, leaf_count
from primitives.hashing import tagged
from primitives.reasons import Refused
from tests.fuzz.target import Target, plainly
from tests.fuzz.vm_handlers import forged
from tests.vm.referee.jobs import a_job, canonical_cut, cut_of, inputs_of, outputs_of, runs_of
from vm.layout import Layout, bundle_length
from vm.lowering import TOLERANCE_LEAST
from vm.place import EndPlace, InputPlace, NoisePlace, Place, ResultPlace, TrapPlace
from vm.program import TAIL_LEAF_BYTES, Outline, TrapCode, outline_root
from vm.referee.accusation import Accusation, Claim
from vm.referee.blaming import outputs_differ, worst
from vm.referee.defence import Blame, Grounds, Party, decode_beyond, decode_defence, judge_beyond, judge_defence
from vm.referee.deviation import ConditionProof, DeviationProof, Measure
from vm.referee.ending import TrapProof
from vm.referee.membership import AbsentProof
from vm.referee.noise import NoiseAccusation
from vm.referee.opening import Opened, opened_root
from vm.referee.output import OutputProof
from vm.referee.reach import Range
from vm.referee.showing import defence
from vm.referee.source import FrameProof, Held, Piece, Source, SourceProof, leaf_range
from vm.tensor import BUNDLE_TENSORS_MAX, ROOT_LEAF_BYTES, bytes_of, element_count
from vm.trace import Run, Trace, trap_digest

JOB = a_job()
CUT = canonical_cut(JOB)
WHOLE, TAIL = runs_of(JOB), runs_of(JOB, cut=CUT)
INPUTS, VALUES = inputs_of(JOB), cut_of(CUT)
OTHERS = [each + 1 for each in WHOLE.outputs or []]
OUTPUTS, TRUE_OUTPUTS = outputs_of(OTHERS), outputs_of(WHOLE.outputs or [])
BITS = 20_000
"""Operations of a program whose bits take some leaves."""


def _defences() -> list[bytes]:
    """Return a proof of each kind."""
    places: list[tuple[bool, Place]] = [
        (False, ResultPlace(perturbed=True, number=2, element=5)),
        (False, InputPlace(input=0, leaf=0)),
        (False, NoisePlace(place=0, row=1)),
        (True, ResultPlace(perturbed=False, number=0, element=0)),
        (True, ResultPlace(perturbed=False, number=1, element=40)),
        (True, ResultPlace(perturbed=False, number=4, element=1)),
    ]
    found: list[bytes] = []
    for tail, place in places:
        found.append(codec.encode(defence(TAIL if tail else WHOLE, place, INPUTS, VALUES if tail else None)))
    return [*found, codec.encode(TrapProof(perturbed=False, code=TrapCode.INDEX, proof=[bytes(32)] * 2))]


def _beyonds() -> list[bytes]:
    """Return a proof of each kind."""
    moved = cut_of([CUT[0] + 1])
    deviation = worst(WHOLE, moved, TOLERANCE_LEAST).proof
    assert isinstance(deviation, DeviationProof)
    frame = FrameProof(source=Source.CUT, piece=VALUES.piece(0, 1))
    condition = ConditionProof(measure=deviation.measure)
    output = outputs_differ(TAIL, OUTPUTS)
    return [codec.encode(each) for each in (deviation, frame, condition, output)]


def _fed_defence(raw: bytes) -> None:
    shown = decode_defence(raw)
    whole = Grounds(INPUTS.held, None)
    match shown:
        case Accusation():
            trace, accusation = forged(shown)
            value = ResultPlace(perturbed=shown.perturbed, number=shown.number, element=shown.element)
            trap = TrapPlace(perturbed=shown.perturbed, number=shown.number)
            judge_defence(trace, accusation, trap if shown.claim is Claim.TRAP else value, whole)
        case NoiseAccusation():
            trace, noise = _noise(shown)
            judge_defence(trace, noise, NoisePlace(place=shown.place, row=shown.row), whole)
        case SourceProof():
            _fed_source(shown)
        case AbsentProof():
            _fed_absent(shown)
        case TrapProof():
            run = Run(count=5, root=_root_at(trap_digest(shown.code, 4), 4, 5, shown.proof))
            trace = msgspec.structs.replace(TAIL.trace, first=run, perturbed=run)
            judge_defence(trace, shown, EndPlace(), whole)


def _fed_absent(shown: AbsentProof) -> None:
    """Judge an absence that fits: the trace has the digest, and the program the bits."""
    told = _outlined(shown.outline, operations=BITS)
    per_leaf = 8 * TAIL_LEAF_BYTES
    place, leaves = shown.number // per_leaf, -(-told.operations // per_leaf)
    tail = _root_at(shown.tail.leaf, place, leaves, shown.tail.proof)
    told = msgspec.structs.replace(told, tail=tail)
    run = Run(count=told.operations, root=_root_at(shown.digest, shown.number, told.operations, shown.run_proof))
    trace = msgspec.structs.replace(TAIL.trace, program=outline_root(told), first=run)
    at = ResultPlace(perturbed=False, number=shown.number, element=0)
    judge_defence(trace, msgspec.structs.replace(shown, outline=told), at, Grounds(INPUTS.held, VALUES.held))


def _fed_source(shown: SourceProof) -> None:
    """Judge a source that fits: the trace has its root, and the content its piece."""
    source = INPUTS if shown.source is Source.INPUT else VALUES
    held = _held(source.layout, shown.piece)
    wanted = source.layout.types[min(shown.place, len(source.layout.types) - 1)]
    same = shown.opened.type == wanted
    root = opened_root(shown.opened, [leaf_range(wanted, shown.leaf)] if same and bytes_of(wanted) else [])
    told = _outlined(shown.outline)
    if shown.source is Source.INPUT:
        trace = msgspec.structs.replace(WHOLE.trace, inputs=[root], program=outline_root(told))
        place: Place = InputPlace(input=shown.place, leaf=shown.leaf)
    else:
        number = (told.cut or [3])[0] - len(told.inputs) - told.constants
        count = TAIL.trace.first.count
        run = Run(count=count, root=_root_at(root, number, count, shown.run_proof))
        trace = msgspec.structs.replace(TAIL.trace, first=run, program=outline_root(told))
        place = ResultPlace(perturbed=False, number=max(number, 0), element=shown.leaf * ROOT_LEAF_BYTES // 4)
    grounds = Grounds(held if shown.source is Source.INPUT else INPUTS.held, held)
    judge_defence(trace, msgspec.structs.replace(shown, outline=told), place, grounds)


def _noise(shown: NoiseAccusation) -> tuple[Trace, NoiseAccusation]:
    """Return a trace in which the values and the record stand."""
    told = _outlined(shown.outline)
    number = (told.cut or [3])[0] - len(told.inputs) - told.constants
    runs = []
    for opened, proof in zip(shown.values, shown.proofs, strict=True):
        root = opened_root(opened, [(0, element_count(opened.type.shape))])
        runs.append(Run(count=5, root=_root_at(root, number, 5, proof)))
    rows = max(1, element_count(shown.values[0].type.shape) // max(1, (shown.values[0].type.shape or [1])[-1]))
    noise = _root_at(codec.encode(shown.told), shown.row, rows, shown.told_proof)
    trace = msgspec.structs.replace(
        WHOLE.trace,
        program=outline_root(told),
        first=runs[0],
        perturbed=runs[1],
        noise=_as_many(noise, shown.place),
    )
    return trace, msgspec.structs.replace(shown, outline=told)


def _fed_beyond(raw: bytes) -> None:
    shown = decode_beyond(raw)
    party = Party(VALUES.held, OUTPUTS.held, TOLERANCE_LEAST)
    match shown:
        case DeviationProof():
            trace, measure = _measured(shown.measure)
            fitted = msgspec.structs.replace(shown, measure=measure)
            opened = measure.values[0].type
            many = min(measure.place, BUNDLE_TENSORS_MAX) + 1
            held = _held(Layout([b"cut0"] * many, [opened] * many), shown.piece)
            judge_beyond(trace, fitted, party._replace(cut=held))
        case ConditionProof():
            trace, measure = _measured(shown.measure)
            judge_beyond(trace, ConditionProof(measure=measure), party)
        case FrameProof():
            held = _held(VALUES.layout, shown.piece)
            judge_beyond(WHOLE.trace, shown, party._replace(cut=held, outputs=held))
        case OutputProof():
            _fed_output(shown, party)
        case TrapProof():
            run = Run(count=5, root=_root_at(trap_digest(shown.code, 4), 4, 5, shown.proof))
            judge_beyond(msgspec.structs.replace(TAIL.trace, first=run), shown, party)


def _fed_output(shown: OutputProof, party: Party) -> None:
    told = _outlined(shown.outline)
    held = _held(OUTPUTS.layout, shown.piece)
    wanted = OUTPUTS.layout.types[min(shown.place, 2)]
    ranges: list[Range] = [leaf_range(wanted, shown.leaf)] if shown.opened.type == wanted else []
    root = opened_root(shown.opened, ranges)
    value = told.outputs[shown.place] if shown.place < len(told.outputs) else 4
    number = value - len(told.inputs) - told.constants
    run = Run(count=5, root=_root_at(root, number, 5, shown.proof))
    trace = msgspec.structs.replace(TAIL.trace, program=outline_root(told), first=run)
    if len(told.inputs) != len(trace.inputs):
        return  # refused when the trace is opened
    judge_beyond(trace, msgspec.structs.replace(shown, outline=told), party._replace(outputs=held))


def _measured(measure: Measure) -> tuple[Trace, Measure]:
    """Return a trace in which a measure stands."""
    told = _outlined(measure.outline)
    number = (told.cut or [3])[0] - len(told.inputs) - told.constants
    runs = []
    for opened, proof in zip(measure.values, measure.proofs, strict=True):
        root = _opened(opened, measure.element)
        runs.append(Run(count=5, root=_root_at(root, number, 5, proof)))
    shape = measure.values[0].type.shape
    length = max(1, shape[-1] if shape else 1)
    rows = element_count(shape) // length
    noise = _root_at(codec.encode(measure.row), measure.element // length, rows, measure.row_proof)
    trace = msgspec.structs.replace(
        WHOLE.trace,
        program=outline_root(told),
        first=runs[0],
        perturbed=runs[1],
        noise=_as_many(noise, measure.place),
    )
    return trace, msgspec.structs.replace(measure, outline=told)


def _as_many(root: bytes, place: int) -> list[bytes]:
    """Return a root that stands at a place, if a trace has so many."""
    return [root] * (min(place, BUNDLE_TENSORS_MAX) + 1)


def _opened(opened: Opened, element: int) -> bytes:
    return opened_root(opened, [(element, 1)])


def _outlined(told: Outline, operations: int = 5) -> Outline:
    """Return an outline as a lowering may have it that nobody has checked."""
    return msgspec.structs.replace(told, operations=max(1, min(told.operations, operations)))


def _root_at(leaf: bytes, place: int, count: int, proof: list[bytes]) -> bytes:
    """Return the root that a leaf gives; any, if there is no such place: then the referee will see that."""
    try:
        return merkle.root_from_set([leaf], places=[place], count=count, proof=proof)
    except Refused:
        return bytes(32)


def _held(layout: Layout, piece: Piece) -> Held:
    """Return a content of the layout's length that has this piece in it."""
    length = bundle_length(layout)
    leaves = [piece.data[at : at + LEAF_BYTES] for at in range(0, len(piece.data), LEAF_BYTES)]
    try:
        tree = merkle.root_from_range(leaves, start=piece.start, count=leaf_count(length), proof=piece.proof)
    except Refused:
        tree = bytes(32)
    return Held(layout, ContentId(root=tagged("assay/content", length.to_bytes(8, "big"), tree), length=length))


PLACES: list[Place] = [
    *(ResultPlace(perturbed=perturbed, number=number, element=0) for perturbed in (False, True) for number in range(5)),
    *(TrapPlace(perturbed=False, number=number) for number in range(5)),
    InputPlace(input=0, leaf=0),
    NoisePlace(place=0, row=1),
    EndPlace(),
]


def _spoilers() -> list[bytes]:
    """Return every proof of every place, of the whole and of the tail, to be told of others."""
    found = [
        defence(runs, place, INPUTS, VALUES if runs is TAIL else None) for runs in (WHOLE, TAIL) for place in PLACES
    ]
    other = TAIL.exhibit([], perturbed=False)
    found += [other.absent(number) for number in range(5)]
    return [codec.encode(each) for each in found if each is not None]


def _fed_spoiler(raw: bytes) -> None:
    """Try to make an honest trace wrong with a proof of whatever kind: whoever claims the same may bring one."""
    shown = decode_defence(raw)
    for runs, cut in ((WHOLE, None), (TAIL, VALUES.held)):
        for place in PLACES:
            with suppress(Refused):
                assert judge_defence(runs.trace, shown, place, Grounds(INPUTS.held, cut)), "an honest trace is wrong"


def _slanders() -> list[bytes]:
    """Return what shows something of others, to be told of an honest party."""
    honest = worst(WHOLE, cut_of([CUT[0] + 1]), TOLERANCE_LEAST).proof
    assert isinstance(honest, DeviationProof)
    measured = msgspec.structs.replace(honest, piece=VALUES.piece(0, len(VALUES.raw)))
    frames = [
        FrameProof(source=source, piece=content.piece(0, len(content.raw)))
        for source, content in ((Source.CUT, VALUES), (Source.OUTPUTS, TRUE_OUTPUTS))
    ]
    output = outputs_differ(TAIL, OUTPUTS)
    assert isinstance(output, OutputProof)
    fitted = msgspec.structs.replace(output, piece=TRUE_OUTPUTS.piece(0, len(TRUE_OUTPUTS.raw)))
    return [*_beyonds(), *(codec.encode(each) for each in (measured, *frames, fitted))]


def _fed_slander(raw: bytes) -> None:
    """Try to blame a party that committed to the canonical values."""
    shown = decode_beyond(raw)
    for runs in (WHOLE, TAIL):
        with suppress(Refused):
            assert judge_beyond(runs.trace, shown, Party(VALUES.held, TRUE_OUTPUTS.held, TOLERANCE_LEAST)) == Blame()


def dispute_handlers() -> list[Target]:
    """Return the targets of this module."""
    return [
        Target(name="defence", seeds=cache(_defences), open=plainly(_fed_defence), weight=4),
        Target(name="spoiled-defence", seeds=cache(_spoilers), open=plainly(_fed_spoiler)),
        Target(name="slander", seeds=cache(_slanders), open=plainly(_fed_slander)),
        Target(name="beyond", seeds=cache(_beyonds), open=plainly(_fed_beyond), weight=4),
    ]
