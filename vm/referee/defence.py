"""What is put before the referee in a dispute, as bytes, and which question each kind of proof answers (V131)."""

from typing import NamedTuple, assert_never

from primitives import codec
from primitives.reasons import Reason, Refused
from vm.manifest import Ratio
from vm.noise import IN_SIGMA_MAX
from vm.place import EndPlace, InputPlace, NoisePlace, Place, ResultPlace, TrapPlace
from vm.referee.accusation import Accusation, Claim
from vm.referee.deviation import ConditionProof, DeviationProof, judge_condition, judge_deviation
from vm.referee.ending import TrapProof, judge_trap
from vm.referee.judge import judge
from vm.referee.membership import AbsentProof, judge_absent
from vm.referee.noise import NoiseAccusation, judge_noise
from vm.referee.output import OutputProof, judge_output
from vm.referee.source import FrameProof, Held, Source, SourceProof, judge_frame, judge_source
from vm.tensor import ITEM_BYTES, ROOT_LEAF_BYTES
from vm.tiles import PROOF_BYTES_MAX
from vm.trace import Trace

Defence = Accusation | NoiseAccusation | SourceProof | AbsentProof | TrapProof
"""What shows whether a trace is right at a place."""
Beyond = DeviationProof | OutputProof | TrapProof | FrameProof | ConditionProof
"""What shows that a party's values are not what the true trace gives, or that nobody can be blamed."""


class Grounds(NamedTuple):
    """What stands before any trace: the job's input, and in a dispute about a tail the party's values at the cut."""

    inputs: Held
    cut: Held | None


class Party(NamedTuple):
    """What a party committed to, and the tolerance of the job's lowering: the least one in class exact (V103)."""

    cut: Held
    """In class exact a bundle of nothing."""
    outputs: Held
    tolerance: Ratio


class Blame(NamedTuple):
    """What a proof in JUDGING has shown of a party."""

    thousandths: int = 0
    """Of σ; IN_SIGMA_MAX where no number says how far it is off."""
    output: bool = False
    """Its outputs are not those of the trace."""
    ill_conditioned: bool = False
    """The job is."""


def decode_defence(raw: bytes) -> Defence:
    """Return the proof that `raw` encodes. Raises Refused TOO_LARGE above 256 KiB, or MALFORMED (V90)."""
    shown: Defence = codec.decode(Defence, raw, at_most=PROOF_BYTES_MAX)  # type: ignore[arg-type]  # a union
    return shown


def decode_beyond(raw: bytes) -> Beyond:
    """Return the proof that `raw` encodes. Raises Refused TOO_LARGE above 256 KiB, or MALFORMED (V90)."""
    shown: Beyond = codec.decode(Beyond, raw, at_most=PROOF_BYTES_MAX)  # type: ignore[arg-type]  # a union
    return shown


def judge_defence(trace: Trace, shown: Defence, at: Place, grounds: Grounds) -> bool:
    """Return whether a trace is right at the place where it differs from another (V131).

    Whoever brings the proof, the answer is the trace's own. Raises Refused BAD_PROOF where the proof is not about the
    place, or does not show what it should: then it says nothing.
    """
    match shown:
        case Accusation():
            return _judge_accusation(trace, shown, at, tail=grounds.cut is not None)
        case NoiseAccusation():
            _must(at == NoisePlace(place=shown.place, row=shown.row), at)
            return judge_noise(trace, shown)[0]
        case SourceProof():
            return _judge_source(trace, shown, at, grounds)
        case AbsentProof():
            wanted = ResultPlace(perturbed=False, number=shown.number, element=0)
            _must(grounds.cut is not None and at == wanted, at)
            return judge_absent(trace, shown)
        case TrapProof():
            _must(at == EndPlace() and not trace.noise, at)
            return judge_trap(trace, shown)
        case _:
            assert_never(shown)


def judge_beyond(trace: Trace, shown: Beyond, party: Party) -> Blame:
    """Return what a proof shows of a party, by a trace that stands: of the whole, or of the party's tail (V134-V136).

    Raises Refused BAD_PROOF or CONTENT_MISMATCH where it does not show what it should.
    """
    match shown:
        case DeviationProof():
            return Blame(thousandths=judge_deviation(trace, shown, party.cut, party.tolerance))
        case OutputProof():
            _check_decides(trace)
            return Blame(output=judge_output(trace, shown, party.outputs))
        case TrapProof():
            return _judge_trap(trace, shown)
        case FrameProof():
            return _judge_frame(shown, party)
        case ConditionProof():
            return Blame(ill_conditioned=judge_condition(trace, shown, party.tolerance))
        case _:
            assert_never(shown)


def _judge_trap(trace: Trace, shown: TrapProof) -> Blame:
    """Return what a trap shows: that there are no outputs; before the cut in class native, that none can be judged."""
    if trace.perturbed is None:
        return Blame(output=judge_trap(trace, shown))
    if trace.noise:
        raise Refused(Reason.BAD_PROOF, what="trap", wanted="one that leaves no noise to judge by")
    return Blame(ill_conditioned=judge_trap(trace, shown))


def _check_decides(trace: Trace) -> None:
    """Raise Refused BAD_PROOF unless the trace says what the outputs are: in class native that of a tail alone does."""
    if trace.perturbed is not None:
        raise Refused(Reason.BAD_PROOF, what="trace", wanted="one of the tail, or of class exact")


def _judge_frame(shown: FrameProof, party: Party) -> Blame:
    match shown.source:
        case Source.CUT:
            return Blame(thousandths=IN_SIGMA_MAX if judge_frame(shown, party.cut) else 0)
        case Source.OUTPUTS:
            return Blame(output=judge_frame(shown, party.outputs))
        case Source.INPUT:
            raise Refused(Reason.BAD_PROOF, what="source", wanted="a party's bundle")
        case _:
            assert_never(shown.source)


def _must(holds: object, at: Place) -> None:
    if not holds:
        raise Refused(Reason.BAD_PROOF, what="proof", wanted=f"one about {at}")


def _judge_accusation(trace: Trace, shown: Accusation, at: Place, *, tail: bool) -> bool:
    if shown.claim is Claim.TRAP:
        _must(at == TrapPlace(perturbed=shown.perturbed, number=shown.number) and shown.result is None, at)
        # An element that does not trap says nothing: another may.
        _must(judge(trace, shown, tail=tail).right, at)
        return True
    _must(at == ResultPlace(perturbed=shown.perturbed, number=shown.number, element=shown.element), at)
    return judge(trace, shown, tail=tail).right


def _judge_source(trace: Trace, shown: SourceProof, at: Place, grounds: Grounds) -> bool:
    match at:
        case InputPlace():
            _must(shown.source is Source.INPUT and (shown.place, shown.leaf) == (at.input, at.leaf), at)
            return judge_source(trace, shown, grounds.inputs)
        case ResultPlace():
            _must(grounds.cut is not None and shown.source is Source.CUT, at)
            assert grounds.cut is not None
            _must(_is_value_of_cut(shown, at, grounds.cut), at)
            return judge_source(trace, shown, grounds.cut)
        case NoisePlace() | TrapPlace() | EndPlace():
            raise Refused(Reason.BAD_PROOF, what="proof", seen="of a source", wanted=f"one about {at}")
        case _:
            assert_never(at)


def _is_value_of_cut(shown: SourceProof, at: ResultPlace, cut: Held) -> bool:
    """Tell whether a proof is about the leaf of the value of the cut in which an element stands."""
    told = shown.outline
    if shown.place >= min(len(told.cut), len(cut.layout.types)) or at.perturbed:
        return False
    item = ITEM_BYTES[cut.layout.types[shown.place].dtype]
    number = told.cut[shown.place] - len(told.inputs) - told.constants
    return (number, shown.leaf) == (at.number, at.element * item // ROOT_LEAF_BYTES)
