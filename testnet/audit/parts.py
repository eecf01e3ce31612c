"""What the parties of a job send: commitments, reveals, leaves that were picked (J20 to J25, J70 to J76).

How far values differ, and which bytes are a bundle, is of the machine's own rules, which `vm` has.
"""

from typing import Any

from primitives.reasons import Refused
from testnet.audit import jobs
from testnet.audit.holdings import ACCEPT, EXACT, REJECT, At, Content, Holdings, Job, Meaning, Part
from testnet.audit.rules import Kind, RefusedError, Why, content_of, must, tagged
from vm.compare import compare_bundles
from vm.manifest import Ratio
from vm.tensor import Bundle, decode_small_bundle

SEAL_BYTES = 48
STATES = {
    Kind.JOB_COMMIT: At.ACCEPTED,
    Kind.VERIFIER_COMMIT: At.VERIFYING,
    Kind.PROVIDER_REVEAL: At.REVEALING,
    Kind.VERIFIER_REVEAL: At.CHECKING,
    Kind.SAMPLE_OPEN: At.SAMPLING,
}


def is_kept(holdings: Holdings, sender: bytes, payload: list[Any]) -> bool:
    """Tell whether a block keeps a place for it: the job waits for it from this very party (L36)."""
    kind, job = Kind(payload[0]), holdings.jobs.get(payload[1])
    if job is None or job.state is not STATES[kind]:
        return False
    mine = _part(job, sender)
    match kind:
        case Kind.JOB_COMMIT | Kind.PROVIDER_REVEAL:
            return job.provider == sender
        case Kind.VERIFIER_COMMIT:
            return mine is not None and mine.commitment is None
        case Kind.VERIFIER_REVEAL:
            return mine is not None and mine.commitment is not None and mine.verdict is None
        case _:
            waits = not job.opened if job.provider == sender else mine is not None and not mine.opened
            return job.picked and waits and (mine is None or mine.verdict is None) is (job.provider == sender)


def _part(job: Job, sender: bytes) -> Part | None:
    return next((each for each in job.verifiers if each.worker == sender), None)


def carry_out(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    """Carry out a party's act. Raises RefusedError."""
    kind = Kind(payload[0])
    must(payload[1] in holdings.jobs, Why.JOB_UNKNOWN)
    job = holdings.jobs[payload[1]]
    must(job.state is STATES[kind], Why.JOB_WRONG_STATE)
    match kind:
        case Kind.JOB_COMMIT:
            must(job.provider == sender, Why.NOT_A_PARTY)
            job.commitment, job.commit_height = payload[2], holdings.height
            jobs.move(holdings, job, At.COMMITTED)
        case Kind.VERIFIER_COMMIT:
            mine = _mine(job, sender)
            must(mine.commitment is None, Why.ALREADY_COMMITTED)
            mine.commitment = payload[2]
            if all(each.commitment is not None for each in job.verifiers):
                jobs.move(holdings, job, At.REVEALING)
        case Kind.PROVIDER_REVEAL:
            must(job.provider == sender, Why.NOT_A_PARTY)
            _provider_reveal(holdings, job, payload)
        case Kind.VERIFIER_REVEAL:
            mine = _mine(job, sender)
            must(mine.verdict is None, Why.ALREADY_REVEALED)
            _verifier_reveal(holdings, job, mine, payload)
        case _:
            _open_samples(holdings, job, sender)


def _mine(job: Job, sender: bytes) -> Part:
    mine = _part(job, sender)
    if mine is None:
        raise RefusedError(Why.NOT_A_PARTY)
    return mine


def _provider_reveal(holdings: Holdings, job: Job, payload: list[Any]) -> None:
    _, _, salt, cut, outputs, sealed = payload
    shown = _opened(holdings, job, job.provider, job.commitment, (cut, outputs, salt))
    _check_seal(holdings.meaning(job), shown[1], sealed, owed=True)
    job.cut, job.outputs = shown
    job.sealed = sealed and (sealed[0], sealed[1])
    job.shown_whole = cut if isinstance(cut, bytes) else None
    jobs.move(holdings, job, At.CHECKING if job.verifiers else At.UNVERIFIED)


def _verifier_reveal(holdings: Holdings, job: Job, mine: Part, payload: list[Any]) -> None:
    _, _, salt, cut, outputs, verdict, sealed = payload
    shown = _opened(holdings, job, mine.worker, mine.commitment, (cut, outputs, salt))
    if job.class_ == EXACT or shown[0] == job.cut:  # J24
        must(verdict == (ACCEPT if shown == (job.cut, job.outputs) else REJECT), Why.VERDICT_CONTRADICTS)
    elif job.shown_whole is not None and not _agree(holdings.meaning(job), cut, job.shown_whole):
        must(verdict == REJECT, Why.VERDICT_CONTRADICTS)
        mine.forced = True
    assert job.outputs is not None
    _check_seal(holdings.meaning(job), job.outputs, sealed, owed=verdict == ACCEPT)
    mine.cut, mine.outputs, mine.verdict = *shown, verdict
    mine.sealed = sealed and (sealed[0], sealed[1])
    if all(each.commitment is None or each.verdict is not None for each in job.verifiers):
        jobs.after_reveals(holdings, job)


def _agree(meaning: Meaning, own: bytes, other: bytes) -> bool:
    """Tell whether two cuts differ by no more than the lowering's tolerance (V20)."""
    numerator, denominator = meaning.raw[8]
    tolerance = Ratio(numerator=numerator, denominator=denominator)
    return compare_bundles(_bundle(own), _bundle(other), tolerance).within


def _opened(
    holdings: Holdings, job: Job, who: bytes, committed: bytes | None, told: tuple[Any, Any, bytes]
) -> tuple[Content, Content]:
    """Return the ids of the bundles that open a commitment (J20, J22)."""
    cut, outputs = (content_of(each) if isinstance(each, bytes) else (each[0], each[1]) for each in told[:2])
    found = tagged(b"assay/commit", holdings.genesis_hash + job.id + who + cut[0] + outputs[0] + told[2])
    must(found == committed, Why.COMMITMENT_MISMATCH)
    meaning, ports = holdings.meaning(job), holdings.models[job.model][2]
    values = meaning.raw[7] if job.class_ != EXACT else []
    _check_form(told[0], values, whole=meaning.cut_is_whole(job.class_))
    named = [[port[0], type_] for port, type_ in zip(ports, meaning.raw[3], strict=True)]
    _check_form(told[1], named, whole=meaning.outputs_are_whole)
    return cut, outputs


def _check_form(shown: Any, wanted: list[Any], *, whole: bool) -> None:  # noqa: ANN401  # whatever a record holds
    """Check that a bundle is shown whole, or not, with the names, types and shapes of the lowering (J22, J70)."""
    must(isinstance(shown, bytes) is whole, Why.WRONG_SHAPE)
    if whole:
        seen = [[each.name, [each.tensor.dtype, each.tensor.shape]] for each in _bundle(shown).tensors]
        must(seen == wanted, Why.WRONG_SHAPE)


def _bundle(raw: bytes) -> Bundle:
    """Return the tensors of a bundle in normal form."""
    try:
        return decode_small_bundle(raw)
    except Refused as refused:
        raise RefusedError(Why(refused.reason)) from None


def _check_seal(meaning: Meaning, outputs: Content, sealed: Any, *, owed: bool) -> None:  # noqa: ANN401
    """Check that large outputs, and no others, come sealed (J72)."""
    wanted = None if meaning.outputs_are_whole or not owed else outputs[1] + SEAL_BYTES
    must((None if sealed is None else sealed[1]) == wanted, Why.WRONG_SEAL)


def _open_samples(holdings: Holdings, job: Job, sender: bytes) -> None:
    must(job.picked, Why.JOB_WRONG_STATE)
    holdings.presumed = True  # that the leaves are those that were picked, and as they must be (J73 to J75)
    if sender == job.provider:
        must(not job.opened, Why.ALREADY_REVEALED)
        job.opened = True
    else:
        mine = _mine(job, sender)
        must(mine.verdict is not None, Why.NOT_A_PARTY)
        must(not mine.opened, Why.ALREADY_REVEALED)
        mine.opened = True
    if job.opened and all(each.verdict is None or each.opened for each in job.verifiers):
        jobs.after_reveals(holdings, job)
