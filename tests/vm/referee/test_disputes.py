"""What disputes put before the referee: tails, sources, deviations and outputs (V131-V136)."""

import pytest

from primitives import codec
from primitives.content import content_id
from primitives.reasons import Refused
from tests.vm.referee.jobs import Bundled, a_job, bundled, canonical_cut, tail, whole
from vm.lowering import TOLERANCE_LEAST
from vm.noise import IN_SIGMA_MAX
from vm.place import ResultPlace
from vm.referee.defence import Blame, Grounds, Party, decode_beyond, decode_defence, judge_beyond, judge_defence
from vm.referee.source import FrameProof, Source
from vm.trace import ABSENT, check_trace

JOB = a_job()
INPUTS = bundled([b"x"], JOB.inputs)


def grounds(cut: Bundled | None = None) -> Grounds:
    return Grounds(INPUTS.held, cut.held if cut else None)


def at(number: int, element: int = 0) -> ResultPlace:
    return ResultPlace(perturbed=False, number=number, element=element)


def test_a_trace_of_a_tail_holds_what_is_given_and_what_follows() -> None:
    """V132."""
    given = canonical_cut(JOB)
    trace, witness = tail(JOB, given)
    assert (JOB.program.cut, JOB.program.tail) == ([3], [2, 3, 4])
    assert witness.digests[0] == ABSENT
    assert trace.first.root == witness.tree.root
    check_trace(trace, witness.papers.outline, second=False)
    canonical = whole(JOB)[1][0]
    assert witness.digests[1:] == canonical.digests[1:]


def test_each_digest_of_a_tail_is_defended_by_its_own_kind_of_proof() -> None:
    """V131, V132."""
    given = canonical_cut(JOB)
    cut = bundled([b"c"], given)
    trace, witness = tail(JOB, given)
    absent = decode_defence(codec.encode(witness.absent(0)))
    assert judge_defence(trace, absent, at(0), grounds(cut))
    accused = decode_defence(codec.encode(witness.accuse(3, 1)))
    assert judge_defence(trace, accused, at(3, 1), grounds(cut))
    for proof, place in ((absent, at(1)), (accused, at(3, 2)), (accused, at(2, 1))):
        with pytest.raises(Refused):
            judge_defence(trace, proof, place, grounds(cut))


def test_a_frame_that_is_none_is_shown_by_its_leaf() -> None:
    """V134."""
    sound = bundled([b"cut"], canonical_cut(JOB))
    trace = whole(JOB)[0]
    broken = bytearray(sound.raw)
    broken[4] ^= 1
    for raw, wanted in ((sound.raw, 0), (bytes(broken), IN_SIGMA_MAX)):
        told = bundled([b"cut"], canonical_cut(JOB))
        party = Bundled(raw, told.held._replace(content=content_id(raw)))
        proof = FrameProof(source=Source.CUT, piece=party.piece(0, len(raw)))
        blame = judge_beyond(trace, decode_beyond(codec.encode(proof)), Party(party.held, INPUTS.held, TOLERANCE_LEAST))
        assert blame == Blame(thousandths=wanted)
