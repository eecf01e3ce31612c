"""What a sandbox answers when its node takes part in a dispute (V137). The runs asked about last are kept."""

from typing import assert_never

from primitives import codec, merkle
from primitives.content import ContentId, content_id
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from vm.canonical.arrays import array_of
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
from vm.layout import Layout, bundle_length
from vm.manifest import Class, Ratio
from vm.program import VM_VERSION
from vm.referee.blaming import conditioned, outputs_differ, tensor_in, worst
from vm.referee.runs import Runs
from vm.referee.showing import Content, defence, rows_tree
from vm.referee.witness import Exhibit, Papers
from vm.sandbox.prepared import Prepared, named
from vm.sandbox_protocol import Ask
from vm.tensor import ROOT_LEAF_BYTES
from vm.trace import PARTS_MAX, Window, part_width, tell


class Disputed:
    """The subject of a dispute: a job's runs, or the tail of one party, as this machine computes them."""

    def __init__(self, prepared: Prepared, papers: Papers, bundle: bytes, cut: bytes | None) -> None:
        """Run. Raises Refused INPUT_... for an input, and MALFORMED for values at the cut of another length."""
        self._prepared, program = prepared, papers.program
        names = [port.name for port in prepared.inputs]
        arrays = prepared.input(bundle)
        self._inputs = Content(bundle, Layout(names, program.inputs))
        self._cut = None if cut is None else self._held(cut, _cut_layout(prepared))
        given = None
        if self._cut is not None:
            given = [array_of(tensor_in(self._cut, at)) for at in range(len(program.cut))]
        self._runs = Runs(
            papers,
            prepared.derived.constants,
            arrays,
            vm_version=VM_VERSION,
            native=prepared.class_ is Class.NATIVE,
            cut=given,
            kernels=prepared.kernels,
        )

    def answer(self, asked: Asked, tolerance: Ratio) -> Answer:
        """Return what a question asks for. Raises Refused MALFORMED for what is not there."""
        match asked:
            case TraceAsked():
                return TraceTold(trace=self._runs.trace, outline=self._runs.papers.outline)
            case RunAsked():
                return _parts(self._runs.tree(perturbed=asked.perturbed), asked.part)
            case ValueAsked():
                return self._value(asked)
            case NoiseAsked():
                [noise] = self._runs.noises([_below(asked.place, len(self._runs.trace.noise))])
                return _parts(rows_tree(noise.rows()), asked.part)
            case LeafAsked():
                return self._leaf(asked)
            case DefenceAsked():
                return BytesTold(raw=_encoded(defence(self._runs, asked.at, self._inputs, self._cut)))
            case WorstAsked():
                return self._worst(asked, tolerance)
            case OutputsAsked():
                theirs = self._held(asked.outputs, _output_layout(self._prepared))
                return BytesTold(raw=_encoded(outputs_differ(self._runs, theirs)))
            case ConditionAsked():
                return BytesTold(raw=_encoded(conditioned(self._runs, tolerance)))
            case ResultAsked():
                return BytesTold(raw=_encoded(self._result()))
            case _:
                assert_never(asked)

    def _held(self, raw: bytes, layout: Layout) -> Content:
        if len(raw) != bundle_length(layout):
            raise Refused(Reason.MALFORMED, what="bundle", seen=len(raw), wanted=bundle_length(layout))
        return Content(raw, layout)

    def _result(self) -> ContentId | None:
        """Return the id of the outputs, encoded as a bundle; None if the run traps."""
        outputs = self._runs.outputs
        return None if outputs is None else content_id(codec.encode(named(self._prepared.output_names, outputs)))

    def _exhibit(self, asked: ValueAsked | LeafAsked) -> Exhibit:
        """Return what shows a value, unless its run has none. Raises Refused MALFORMED for no value of the program."""
        program = self._runs.program
        count = program.first_result + len(program.operations)
        if asked.value >= count or (asked.perturbed and self._runs.trace.perturbed is None):
            raise Refused(Reason.MALFORMED, what="value", seen=asked.value, wanted=f"below {count}, of a run there is")
        return self._runs.exhibit([asked.value], perturbed=asked.perturbed)

    def _value(self, asked: ValueAsked) -> PartsTold:
        exhibit = self._exhibit(asked)
        if asked.value not in exhibit.values:
            return PartsTold(roots=[], value_type=None)
        shown = exhibit.shown(asked.value)
        whole = Window(0, len(shown.tree))
        part = asked.part or Part(low=0, high=len(shown.tree), width=part_width(whole))
        return PartsTold(roots=_parts(shown.tree, part).roots, value_type=shown.type)

    def _leaf(self, asked: LeafAsked) -> BytesTold:
        exhibit = self._exhibit(asked)
        if asked.value not in exhibit.values:
            return BytesTold(raw=None)
        data = exhibit.shown(asked.value).data
        return BytesTold(raw=data[asked.leaf * ROOT_LEAF_BYTES : (asked.leaf + 1) * ROOT_LEAF_BYTES] or None)

    def _worst(self, asked: WorstAsked, tolerance: Ratio) -> WorstTold:
        found = worst(self._runs, self._held(asked.cut, _cut_layout(self._prepared)), tolerance)
        return WorstTold(
            thousandths=found.thousandths, place=found.place, element=found.element, proof=_encoded(found.proof)
        )


class Disputes:
    """The subject that was asked about last."""

    def __init__(self) -> None:
        self._key = self._name = b""
        self._kept: Disputed | None = None

    def forget(self, key: bytes) -> None:
        """Keep no runs of a model that has made room for others: they would keep all of it alive (V63)."""
        if key == self._key:
            self._kept = None

    def answer(self, prepared: Prepared, request: Ask) -> Answer:
        """Answer a question, after a run if it is about another subject than the last. Raises Refused."""
        name = sha256(codec.encode([request.key, sha256(request.bundle), request.cut]))
        if self._kept is None or name != self._name:
            self._kept = None
            self._kept = Disputed(prepared, prepared.papers, request.bundle, request.cut)
            self._key, self._name = request.key, name
        return self._kept.answer(request.asked, request.tolerance)


def _encoded(shown: object | None) -> bytes | None:
    return None if shown is None else codec.encode(shown)


def _below(place: int, count: int) -> int:
    if place >= count:
        raise Refused(Reason.MALFORMED, what="value of the cut", seen=place, wanted=f"below {count}")
    return place


def _parts(tree: merkle.Tree, part: Part) -> PartsTold:
    """Return parts of a tree, of what is there of the window: the other side's run may be longer."""
    window, width = Window(part.low, min(part.high, len(tree))), part.width
    if not width or width & width - 1 or part.low % width or window.high - window.low > PARTS_MAX * width:
        seen = f"{part.low} to {part.high} by {width}"
        raise Refused(Reason.MALFORMED, what="part", seen=seen, wanted="at most 4,096 aligned parts")
    return PartsTold(roots=tell(tree, window, part.width), value_type=None)


def _cut_layout(prepared: Prepared) -> Layout:
    program = prepared.derived.program
    return Layout([name.encode() for name in prepared.derived.cut], [program.type_of(at) for at in program.cut])


def _output_layout(prepared: Prepared) -> Layout:
    program = prepared.derived.program
    names = [name.encode() for name in prepared.output_names]
    return Layout(names, [program.type_of(at) for at in program.outputs])
