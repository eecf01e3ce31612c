"""The life of a dispute: claims, their draw and opening, duels, proofs about parties (X1 to X45).

What a proof shows is the referee's to say: `vm.referee` is used as it is. All else is written here a second time.
"""

from typing import Any

import msgspec

from primitives import codec
from primitives.content import ContentId
from primitives.reasons import Refused
from testnet.audit import duels, jobs
from testnet.audit.draw import beacon_ready, is_free, not_of, pick
from testnet.audit.holdings import NATIVE, At, Content, End, Holdings, Job
from testnet.audit.money import verifier_lock
from testnet.audit.rules import Kind, RefusedError, Why, must, tagged
from testnet.audit.rulings import conclude, ruling_of
from testnet.audit.trials import (
    CHALLENGER,
    CHALLENGERS_MAX,
    DRAWN,
    PARTY,
    TAIL,
    WHOLE,
    WORKERS_DRAWN,
    Claim,
    Dispute,
    Found,
    Stage,
    Told,
    claim_bond,
    dispute_id,
    shown_by,
)
from vm.layout import Layout
from vm.lowering import TOLERANCE_LEAST, Lowering
from vm.program import Outline
from vm.referee.defence import Blame, Grounds, Party, decode_beyond, decode_defence, judge_beyond, judge_defence
from vm.referee.ending import TrapProof, judge_trap
from vm.referee.membership import AbsentProof
from vm.referee.source import Held
from vm.tensor import TensorType
from vm.trace import Trace, check_trace, trace_root

KINDS = (
    Kind.DISPUTE_CLAIM,
    Kind.DISPUTE_OPEN,
    Kind.DISPUTE_TELL,
    Kind.DISPUTE_LEAF,
    Kind.DISPUTE_DEFEND,
    Kind.DISPUTE_BEYOND,
)
ACTS = {Kind.DISPUTE_TELL: (duels.RUN, duels.ROWS, duels.VALUE), Kind.DISPUTE_LEAF: (duels.LEAF,)}
TIMES = {
    Stage.DRAWING: ("draw_ms", False),
    Stage.CLAIMING: ("dispute_claim_ms", True),
    Stage.OPENING: ("dispute_open_ms", False),
    Stage.DUEL: ("dispute_step_ms", True),
    Stage.JUDGING: ("dispute_judge_ms", True),
}
CLAIMABLE = (At.CONTESTED, At.UNVERIFIED, At.SETTLED, At.DISPUTED)
DRAWS_MAX, RECORD_MAX, SPARE_TIMES, ROUNDS_MAX = 64, 1 << 20, 30, 16


def carry_out(holdings: Holdings, sender: bytes, payload: list[Any], carriage: int) -> None:
    """Carry out what concerns a dispute; `carriage` is what it costs at the least base fee. Raises RefusedError."""
    match Kind(payload[0]):
        case Kind.DISPUTE_CLAIM:
            _claim(holdings, sender, payload, carriage)
        case Kind.DISPUTE_OPEN:
            _open(holdings, sender, payload, carriage)
        case Kind.DISPUTE_BEYOND:
            _prove(holdings, sender, payload, carriage)
        case _:
            _act(holdings, sender, payload, carriage)


def is_kept(holdings: Holdings, sender: bytes, payload: list[Any]) -> bool:
    """Tell whether a block keeps a place for it (X18)."""
    if payload[0] == Kind.DISPUTE_CLAIM:
        return _awaits_claim(holdings, sender, payload)
    dispute = holdings.disputes.get(payload[1])
    if dispute is None:
        return False
    mine = dispute.claim_of(sender)
    match Kind(payload[0]):
        case Kind.DISPUTE_OPEN:
            waits = mine is not None and mine.commitment is not None and mine.trace is None
            return dispute.stage is Stage.OPENING and waits
        case Kind.DISPUTE_BEYOND:
            job = holdings.jobs[dispute.job]
            may = dispute.stage is Stage.JUDGING and _may_prove(job, dispute, sender)
            return may and _is_judged(job, dispute, payload[2]) and sender not in dispute.finding(payload[2]).tried
        case kind:
            at = _side_of(dispute, payload[2])
            if dispute.duel is None or at is None or dispute.duel.acted(at):
                return False
            side = dispute.duel.sides[at]
            if mine is None or mine.trace != side.trace:
                return False
            if kind is Kind.DISPUTE_DEFEND:
                return dispute.duel.step == duels.DEFENCE and dispute.claims.index(mine) not in side.tried
            return dispute.duel.step in ACTS[kind]


def _awaits_claim(holdings: Holdings, sender: bytes, payload: list[Any]) -> bool:
    job = holdings.jobs.get(payload[1])
    dispute = holdings.disputes.get(dispute_id(payload[1], *payload[2]))
    if job is None or not job.provider:
        return False
    if dispute is None:
        return job.state in (At.CONTESTED, At.DISPUTED) and any(each.worker == sender for each in job.rejects)
    if dispute.stage not in (Stage.DRAWING, Stage.CLAIMING):
        return False
    mine = dispute.claim_of(sender)
    return sender in job.parties if mine is None else mine.role == DRAWN and mine.commitment is None


def disputes_of(holdings: Holdings, job: bytes) -> list[Dispute]:
    """Return the disputes about a job, by id."""
    return [each for _, each in sorted(holdings.disputes.items()) if each.job == job]


def move(holdings: Holdings, dispute: Dispute, stage: Stage) -> None:
    """Bring a dispute to a stage, or begin the time of its stage anew (X3)."""
    dispute.stage, dispute.due = stage, None
    if stage in TIMES:
        name, runs = TIMES[stage]
        allowed = holdings.tell(name) + (holdings.jobs[dispute.job].run_ms if runs else 0)
        dispute.due = holdings.live_ms + allowed
        dispute.heard, dispute.spare = holdings.proofs, SPARE_TIMES * allowed
    holdings.set_due(dispute.id, dispute.due)


def postpone(holdings: Holdings, dispute: Dispute, by_ms: int) -> None:
    """Move the deadline of a dispute's stage."""
    assert dispute.due is not None
    dispute.due += by_ms
    holdings.set_due(dispute.id, dispute.due)


def go_on(holdings: Holdings, dispute: Dispute) -> None:
    """Let the next two fight, judge by what stands, or end it (X2)."""
    stands = dispute.standing
    if len(stands) > 1:
        left, right = (dispute.traces[at].trace for at in stands[:2])
        meaning = holdings.meaning(holdings.jobs[dispute.job])
        dispute.duel = duels.begun((stands[0], stands[1]), left, right, meaning)
        move(holdings, dispute, Stage.DUEL)
    elif stands:
        move(holdings, dispute, Stage.JUDGING)
    else:
        _decide(holdings, dispute)


def lapse(holdings: Holdings, dispute: Dispute) -> None:
    """Move a dispute whose time in its stage is over (X2), unless the referee was taken meanwhile (X37)."""
    duel = dispute.duel
    if dispute.stage is Stage.JUDGING or (duel is not None and duel.step == duels.DEFENCE):
        by_ms = min((holdings.proofs - dispute.heard) * holdings.tell("live_step_ms_max"), dispute.spare)
        if by_ms:
            dispute.heard, dispute.spare = holdings.proofs, dispute.spare - by_ms
            postpone(holdings, dispute, by_ms)
            return
    match dispute.stage:
        case Stage.DRAWING if beacon_ready(holdings, dispute.opened_height):
            _draw(holdings, dispute, least=0)
        case Stage.DRAWING:
            move(holdings, dispute, Stage.CLAIMING)
        case Stage.CLAIMING:
            move(holdings, dispute, Stage.OPENING)
        case Stage.OPENING:
            go_on(holdings, dispute)
        case Stage.DUEL:
            _strike(dispute)
            go_on(holdings, dispute)
        case _:
            _decide(holdings, dispute)


def _strike(dispute: Dispute) -> None:
    """Strike who falls in the duel (X33, X35)."""
    assert dispute.duel is not None
    for at, by in dispute.duel.fallen():
        dispute.traces[at].fell, dispute.traces[at].beaten_by = True, by
    dispute.duel = None


def _decide(holdings: Holdings, dispute: Dispute) -> None:
    """End a dispute, and with the last one the job (X44, X50)."""
    stands = dispute.standing
    dispute.outcome = Found.NONE_STANDS
    if stands:
        drawn = any(each.role == DRAWN for each in dispute.of_trace(stands[0]))
        won = any(each.role != CHALLENGER for each in dispute.beaten(stands[0]))
        dispute.outcome = Found.UPHELD if drawn or won else Found.UNCONFIRMED
        assert dispute.outline is not None
        dispute.traps = dispute.traps or dispute.traces[stands[0]].trace.first.count < dispute.outline.operations
    move(holdings, dispute, Stage.DECIDED)
    for each in dispute.claims:
        if each.role == DRAWN:
            holdings.workers[each.who].verifying -= 1
    job = holdings.jobs[dispute.job]
    job.disputes -= 1
    if job.disputes == 0:
        conclude(holdings, job, disputes_of(holdings, job.id))


def resume(holdings: Holdings, job: Job) -> None:
    """End a job that its disputes had cleared before its challenge window was over (X50)."""
    job.due = None
    holdings.set_due(job.id, None)
    if job.disputes == 0:
        conclude(holdings, job, disputes_of(holdings, job.id))


def _claim(holdings: Holdings, sender: bytes, payload: list[Any], carriage: int) -> None:
    _, name, (kind, party), commitment = payload
    must(name in holdings.jobs, Why.JOB_UNKNOWN)
    job, identity = holdings.jobs[name], dispute_id(name, kind, party)
    bond = claim_bond(holdings, job)
    claim = Claim(sender, CHALLENGER, bond, commitment, holdings.height, carriage)
    dispute = holdings.disputes.get(identity)
    again = dispute is not None and _may_begin_anew(holdings, job, dispute)
    if dispute is not None and not again:
        _join(holdings, job, dispute, claim)
        return
    must(job.state in CLAIMABLE, Why.JOB_WRONG_STATE)
    if kind == WHOLE:
        must(party is None, Why.SUBJECT_INVALID)
    else:
        judged = party is not None and party in job.parties and shown_by(job, party) is not None
        must(job.class_ == NATIVE and judged, Why.SUBJECT_INVALID)
    holdings.take(sender, bond)
    claim.role = PARTY if sender in job.parties else CHALLENGER
    number = 0 if dispute is None else _laid_aside(holdings, dispute)
    dispute = Dispute(identity, name, kind, party, holdings.height, round=number, escrow=bond, claims=[claim])
    holdings.disputes[identity] = dispute
    job.disputes += 1
    if job.state is not At.DISPUTED:
        jobs.move(holdings, job, At.DISPUTED)
    move(holdings, dispute, Stage.DRAWING)


def _may_begin_anew(holdings: Holdings, job: Job, dispute: Dispute) -> bool:
    """Tell whether a claim opens a decided dispute anew (X5)."""
    if dispute.stage is not Stage.DECIDED or dispute.outcome is Found.UPHELD or dispute.round + 1 >= ROUNDS_MAX:
        return False
    until = job.challengeable_ms + holdings.tell("challenge_ms")
    clears = job.state is At.DISPUTED and ruling_of(job, [dispute]).outcome is End.CLEARED
    return clears and holdings.live_ms < until


def _laid_aside(holdings: Holdings, dispute: Dispute) -> int:
    """Lay a round aside under an id of its own, and return the number of the next (X5)."""
    dispute.id, dispute.past = tagged(b"assay/dispute-round", dispute.id + bytes([dispute.round])), True
    holdings.disputes[dispute.id] = dispute
    return dispute.round + 1


def _join(holdings: Holdings, job: Job, dispute: Dispute, claim: Claim) -> None:
    """Add a claim to a dispute (X10 to X13)."""
    must(dispute.stage in (Stage.DRAWING, Stage.CLAIMING), Why.DISPUTE_WRONG_STAGE)
    mine = dispute.claim_of(claim.who)
    if mine is not None:
        must(mine.commitment is None, Why.ALREADY_COMMITTED)
        mine.commitment, mine.height, mine.carriage = claim.commitment, claim.height, claim.carriage
        return
    if claim.who in job.parties:
        claim.role, claim.bond = PARTY, 0
    else:
        challengers = [each for each in dispute.claims if each.role == CHALLENGER]
        must(len(challengers) < CHALLENGERS_MAX, Why.CLAIMS_FULL)
        holdings.take(claim.who, claim.bond)
        dispute.escrow += claim.bond
    dispute.claims.append(claim)


def draw_pending(holdings: Holdings) -> None:
    """Draw workers for the disputes whose beacon is ready, where as many are free as there are, or three (X15)."""
    waiting = [each for each in holdings.disputes.values() if each.stage is Stage.DRAWING]
    for dispute in sorted(waiting, key=lambda each: (each.opened_height, each.id))[:DRAWS_MAX]:
        if not beacon_ready(holdings, dispute.opened_height):
            return
        _draw(holdings, dispute, least=WORKERS_DRAWN)


def _draw(holdings: Holdings, dispute: Dispute, *, least: int) -> None:
    """Draw three workers, or as many as are free; nobody where `least` would be free if they were idle."""
    job = holdings.jobs[dispute.job]
    lock = verifier_lock(holdings, job.fee)
    parties = [job.client, *job.parties, *(each.who for each in dispute.claims)]
    size = holdings.model_bytes(job)
    fresh = [
        (address, worker)
        for address, worker in not_of(holdings, parties)
        if worker.registered < dispute.opened_height
        and (worker.capacity > 0 and worker.bond >= lock and worker.runs(job.class_, size))
    ]
    free = [each for each in fresh if is_free(holdings, each[1], job, times=2)]
    if len(free) < min(least, len(fresh)):
        return
    seed = tagged(b"assay/dispute-draw", holdings.beacon + dispute.id)
    for address in pick(seed, free, min(WORKERS_DRAWN, len(free))):
        worker = holdings.workers[address]
        worker.locked, worker.verifying = worker.locked + lock, worker.verifying + 1
        dispute.claims.append(Claim(address, DRAWN, lock, None, 0, 0))
    move(holdings, dispute, Stage.CLAIMING)


def _known(holdings: Holdings, name: bytes, stage: Stage) -> Dispute:
    must(name in holdings.disputes, Why.DISPUTE_UNKNOWN)
    dispute = holdings.disputes[name]
    must(dispute.stage is stage, Why.DISPUTE_WRONG_STAGE)
    return dispute


def _open(holdings: Holdings, sender: bytes, payload: list[Any], carriage: int) -> None:
    """Open a claim to its trace (X16, X17)."""
    _, name, outline, told, salt = payload
    dispute = _known(holdings, name, Stage.OPENING)
    mine = dispute.claim_of(sender)
    must(mine is not None and mine.commitment is not None, Why.NOT_A_PARTY)
    assert mine is not None
    must(mine.trace is None, Why.ALREADY_REVEALED)
    trace = _record(Trace, told)
    root = trace_root(trace)
    found = tagged(b"assay/claim", holdings.genesis_hash + name + sender + root + salt)
    must(found == mine.commitment, Why.COMMITMENT_MISMATCH)
    seen: Outline = _record(Outline, outline)
    _check_form(holdings, dispute, trace, seen)
    roots = [each.root for each in dispute.traces]
    if root not in roots:
        dispute.traces.append(Told(root, trace))
    mine.trace = roots.index(root) if root in roots else len(roots)
    mine.carriage += carriage
    dispute.outline = seen
    if all(each.commitment is None or each.trace is not None for each in dispute.claims):
        go_on(holdings, dispute)


def _check_form(holdings: Holdings, dispute: Dispute, trace: Trace, outline: Outline) -> None:
    """Check that a trace has the form of its program's (X17). Raises RefusedError."""
    job = holdings.jobs[dispute.job]
    raw = holdings.meaning(job).raw
    must((trace.vm_version, trace.program) == (raw[1], raw[4]), Why.MALFORMED)
    second = job.class_ == NATIVE and dispute.kind == WHOLE
    try:
        check_trace(trace, outline, second=second)
    except Refused:
        raise RefusedError(Why.MALFORMED) from None
    must(not second or len(outline.cut) == len(raw[7]), Why.MALFORMED)
    runs = [trace.first] if trace.perturbed is None else [trace.first, trace.perturbed]
    must(all((run.count == 0) == (outline.operations == 0) for run in runs), Why.MALFORMED)


def _record(kind: Any, told: Any) -> Any:  # noqa: ANN401  # a record of the machine's, whichever
    """Return a record of the machine's from what was sent."""
    return codec.decode(kind, msgspec.msgpack.encode(told), at_most=RECORD_MAX)


def _side_of(dispute: Dispute, root: bytes) -> int | None:
    sides = [] if dispute.duel is None else dispute.duel.sides
    return next((at for at, side in enumerate(sides) if dispute.traces[side.trace].root == root), None)


def _act(holdings: Holdings, sender: bytes, payload: list[Any], carriage: int) -> None:
    """Tell, open or defend for a side of a duel (X31 to X33)."""
    dispute = _known(holdings, payload[1], Stage.DUEL)
    duel, at = dispute.duel, _side_of(dispute, payload[2])
    must(duel is not None and at is not None, Why.DISPUTE_NOT_ASKED)
    assert duel is not None
    assert at is not None
    mine, before, right = dispute.claim_of(sender), duel.asks, None
    match Kind(payload[0]):
        case Kind.DISPUTE_TELL:
            duel.tell(at, payload[3], None if payload[4] is None else _record(TensorType, payload[4]))
        case Kind.DISPUTE_LEAF:
            duel.open_leaf(at, payload[3])
        case _:
            must(mine is not None and mine.trace == duel.sides[at].trace, Why.NOT_A_PARTY)
            assert mine is not None
            right = _defended(holdings, dispute, duel, at, mine, payload[3])
            carriage = carriage if right else 0
    if mine is not None:
        mine.carriage += carriage
    if duel.is_over:
        _strike(dispute)
        go_on(holdings, dispute)
    elif duel.asks != before:
        move(holdings, dispute, Stage.DUEL)


def _defended(
    holdings: Holdings, dispute: Dispute, duel: duels.Duel, at: int, claim: Claim, proof: bytes
) -> bool | None:
    """Return what the referee says of a side; None where the proof shows nothing (X33)."""
    side, number = duel.sides[at], dispute.claims.index(claim)
    ready = duel.step == duels.DEFENCE and not duel.acted(at) and side.asked is not None and number not in side.tried
    must(ready, Why.DISPUTE_NOT_ASKED)
    assert side.asked is not None
    holdings.proofs += 1
    job, right = holdings.jobs[dispute.job], None
    lowering: Lowering = _record(Lowering, holdings.meaning(job).raw)
    inputs = Held(Layout([port[0] for port in holdings.models[job.model][1]], lowering.inputs), _content(job.input))
    cut = None if dispute.party is None else _held(job, lowering, dispute.party)
    try:
        shown = decode_defence(proof)
        if not (isinstance(shown, AbsentProof) and side.committed != duels.ABSENT_LEAF):
            right = judge_defence(dispute.traces[side.trace].trace, shown, side.asked, Grounds(inputs, cut))
    except Refused:
        right = None
    side.tried.append(number)
    side.right = side.right if right is None else right
    return right


def _content(told: Content) -> ContentId:
    return ContentId(root=told[0], length=told[1])


def _held(job: Job, lowering: Lowering, party: bytes) -> Held:
    """Return the values at the cut that a party has shown."""
    shown, values = shown_by(job, party), lowering.cut if job.class_ == NATIVE else []
    assert shown is not None
    return Held(Layout([value.name for value in values], [value.type for value in values]), _content(shown[0]))


def _may_prove(job: Job, dispute: Dispute, who: bytes) -> bool:
    """Tell whether somebody may put a proof about a party before the referee (X41)."""
    claims = dispute.of_trace(dispute.standing[0])
    return who in job.parties or who == job.client or any(each.who == who for each in claims)


def _is_judged(job: Job, dispute: Dispute, party: bytes) -> bool:
    """Tell whether proofs about a party count in a dispute (X40, X43)."""
    judged = party in job.parties and shown_by(job, party) is not None
    return judged and (dispute.kind != TAIL or party == dispute.party)


def _prove(holdings: Holdings, sender: bytes, payload: list[Any], carriage: int) -> None:
    """Take a proof of how far a party is off (X40 to X43)."""
    _, name, party, proof = payload
    dispute = _known(holdings, name, Stage.JUDGING)
    job = holdings.jobs[dispute.job]
    must(_may_prove(job, dispute, sender), Why.NOT_A_PARTY)
    must(_is_judged(job, dispute, party), Why.SUBJECT_INVALID)
    found = dispute.finding(party)
    must(sender not in found.tried, Why.ALREADY_REVEALED)
    before = found.zone, found.output, dispute.ill_conditioned, dispute.traps
    try:
        blame, traps = _blame(holdings, job, dispute, party, proof)
    except Refused:
        blame, traps = Blame(), False
    found.thousandths = max(found.thousandths, blame.thousandths)
    found.output = found.output or blame.output
    found.tried.append(sender)
    dispute.ill_conditioned = dispute.ill_conditioned or blame.ill_conditioned
    dispute.traps = dispute.traps or traps
    mine = dispute.claim_of(sender)
    if mine is not None and (found.zone, found.output, dispute.ill_conditioned, dispute.traps) != before:
        mine.carriage += carriage
    holdings.proofs += 1


def _blame(holdings: Holdings, job: Job, dispute: Dispute, party: bytes, proof: bytes) -> tuple[Blame, bool]:
    """Return what a proof shows by the trace that stands, and whether it shows a trap. Raises Refused."""
    trace = dispute.traces[dispute.standing[0]].trace
    lowering: Lowering = _record(Lowering, holdings.meaning(job).raw)
    shown = shown_by(job, party)
    assert shown is not None
    outputs = Layout([port[0] for port in holdings.models[job.model][2]], lowering.outputs)
    held = Party(
        cut=_held(job, lowering, party),
        outputs=Held(outputs, _content(shown[1])),
        tolerance=lowering.tolerance or TOLERANCE_LEAST,
    )
    told = decode_beyond(proof)
    if isinstance(told, TrapProof) and trace.noise and not told.perturbed:
        return Blame(), judge_trap(trace, told)  # X65
    found = judge_beyond(trace, told, held)
    # X42, X43: by the whole trace of class native the values at the cut are judged, else the outputs.
    whole_native = job.class_ == NATIVE and dispute.kind != TAIL
    if found.output if whole_native else not found.output:
        return Blame(), False
    return found, isinstance(told, TrapProof)
