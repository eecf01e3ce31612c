"""Whether a run ends in a trap: then there are no outputs, and no noise (V83)."""

from primitives import merkle
from primitives.reasons import Reason, Refused
from primitives.record import Record
from vm.program import TrapCode
from vm.referee.known_answers import check_known_answers
from vm.referee.opening import Proof
from vm.trace import Trace, trap_digest


class TrapProof(Record, tag=9):
    """The last digest of a run, which is a trap's."""

    perturbed: bool
    code: TrapCode
    proof: Proof


def judge_trap(trace: Trace, shown: TrapProof) -> bool:
    """Return whether a run of a trace ends in a trap. Raises Refused BAD_PROOF where the proof does not show it."""
    check_known_answers()
    run = trace.perturbed if shown.perturbed else trace.first
    if run is None or not run.count:
        raise Refused(Reason.BAD_PROOF, what="run", wanted="one with results")
    last = run.count - 1
    digest = trap_digest(shown.code, last)
    seen = merkle.root_from_set([digest], places=[last], count=run.count, proof=shown.proof)
    if seen != run.root:
        raise Refused(Reason.BAD_PROOF, what="trap", seen=seen, wanted=run.root)
    return True
