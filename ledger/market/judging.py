"""The chain's own comparison of what provider and verifier have shown, and what must come sealed (J24, J72, J76)."""

from ledger.market.commitment import Opened
from ledger.records import Job
from ledger.state import State
from ledger.transaction import Decision
from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from vm.compare import compare_bundles
from vm.lowering import Lowering
from vm.manifest import Class
from vm.tensor import decode_small_bundle

SEAL_BYTES = 48
"""What a sealed result is longer than the result (K6)."""


def provided(state: State, job_id: bytes, job: Job) -> Opened:
    """Return what the provider of a job has revealed."""
    shown = state.revealed(job_id)
    assert shown is not None
    assert job.cut is not None
    assert job.outputs is not None
    cut = None if isinstance(shown.cut, ContentId) else decode_small_bundle(shown.cut)
    return Opened(cut=cut, cut_id=job.cut, outputs_id=job.outputs)


def check_seal(lowering: Lowering, outputs: ContentId, sealed: ContentId | None, *, owed: bool = True) -> None:
    """Raise Refused WRONG_SEAL unless large outputs, where they are owed, come sealed, and no others do (J72)."""
    wanted = None if lowering.outputs_are_whole or not owed else outputs.length + SEAL_BYTES
    seen = None if sealed is None else sealed.length
    if seen != wanted:
        raise Refused(Reason.WRONG_SEAL, seen=seen, wanted=wanted)


def is_forced(own: Opened, other: Opened, found: Decision | None, class_: Class) -> bool:
    """Tell whether the comparison left a verifier no verdict but reject, for what may be noise alone (J24).

    Equal cuts have equal outputs, and class exact has no noise: there somebody is wrong.
    """
    return class_ is Class.NATIVE and own.cut_id != other.cut_id and found is Decision.REJECT


def judge(own: Opened, other: Opened, lowering: Lowering, class_: Class) -> Decision | None:
    """Return the verdict on the provider's cut and outputs; the verifier's own are the reference (J24).

    None where it takes more than a comparison: the cuts agree but are not equal, so the outputs must be recomputed
    from the provider's own cut (J25), or they are shown by their ids alone (J76). Either is a worker's work.
    """
    if class_ is Class.EXACT or own.cut_id == other.cut_id:
        equal = (own.cut_id, own.outputs_id) == (other.cut_id, other.outputs_id)
        return Decision.ACCEPT if equal else Decision.REJECT
    if own.cut is None or other.cut is None:
        return None
    assert lowering.tolerance is not None
    return None if compare_bundles(own.cut, other.cut, lowering.tolerance).within else Decision.REJECT
