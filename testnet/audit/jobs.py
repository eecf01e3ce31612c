"""The life of a job: how it moves from state to state, and what the end of a block does (J1, J2, J30, J54, J73)."""

from testnet.audit import money
from testnet.audit.draw import beacon_ready, chooses, draw
from testnet.audit.holdings import ACCEPT, At, End, Holdings, Job, Part
from testnet.audit.rules import tagged

WITH_SLOTS = (At.ACCEPTED, At.COMMITTED, At.VERIFYING, At.REVEALING, At.CHECKING, At.SAMPLING)
TIMES = {
    At.OPEN: ("accept_ms", True),
    At.ACCEPTED: ("commit_ms", True),
    At.COMMITTED: ("draw_ms", False),
    At.VERIFYING: ("verify_ms", True),
    At.REVEALING: ("reveal_ms", False),
    At.CHECKING: ("check_ms", False),
    At.SAMPLING: ("sample_ms", False),
    At.CONTESTED: ("contest_ms", True),
    At.UNVERIFIED: ("challenge_ms", False),
    At.SETTLED: ("challenge_ms", False),
}
"""The parameter of each state's time, and whether the run's is added (J2, J7)."""
DRAWS_MAX, QUEUE_MAX, PICKS_MAX, REDRAWS_MAX = 64, 4_096, 256, 32


def time_of(holdings: Holdings, job: Job, state: At) -> int | None:
    """Return how long a job may stay in a state; None: no limit of its own."""
    if state not in TIMES:
        return None
    name, runs = TIMES[state]
    return holdings.tell(name) + (job.run_ms if runs else 0)


def move(holdings: Holdings, job: Job, state: At) -> None:
    """Bring a job to a state; slots are free when nobody has anything left to run or show (J45)."""
    if job.state in WITH_SLOTS and state not in WITH_SLOTS:
        holdings.workers[job.provider].providing -= 1
        for each in job.verifiers:
            holdings.workers[each.worker].verifying -= 1
    if state in (At.CONTESTED, At.UNVERIFIED, At.SETTLED):
        job.challengeable_ms = job.challengeable_ms or holdings.live_ms
    allowed = time_of(holdings, job, state)
    job.state, job.since = state, holdings.height
    job.due = None if allowed is None else holdings.live_ms + allowed
    holdings.set_due(job.id, job.due)


def end(holdings: Holdings, job: Job, outcome: End) -> None:
    """Carry out what an ending does to money and bonds; who calls it moves the job (J40 to J45)."""
    ended = money.ending(holdings, job, outcome)
    for payout in ended.payouts:
        money.pay(holdings, payout)
    for loser, amount in ended.losses:
        lose(holdings, job, loser, amount)
    job.paid_out += sum(each.amount for each in ended.payouts if each.spent)
    job.escrow, job.outcome = 0, outcome
    if outcome is End.SETTLED:
        track = holdings.track(job.provider)  # J52, J53
        track.trusted += 0 if track.forced else 1
        track.forced = max(0, track.forced - 1)
    else:
        release(holdings, job)


def lose(holdings: Holdings, job: Job, loser: bytes, amount: int) -> None:
    """Take from what a job holds of a party's bond."""
    if not amount:
        return
    holdings.lose(loser, amount)
    job.lost.append(loser)
    if loser == job.provider:
        job.provider_locked -= amount
    for each in job.verifiers:
        if each.worker == loser:
            each.locked -= amount


def release(holdings: Holdings, job: Job) -> None:
    """Give back what a job holds of bonds."""
    if job.provider_locked:
        holdings.workers[job.provider].locked -= job.provider_locked
    job.provider_locked = 0
    for each in job.verifiers:
        if each.locked:
            holdings.workers[each.worker].locked -= each.locked
        each.locked = 0


def end_as_canary(holdings: Holdings, job: Job) -> None:
    """End a canary, and pay the jackpots (J93, J94)."""
    end(holdings, job, End.CANARY)
    money.pay_jackpots(holdings, job)
    move(holdings, job, At.VOID)


def end_void(holdings: Holdings, job: Job, outcome: End) -> None:
    """End a job that is not paid."""
    end(holdings, job, outcome)
    move(holdings, job, At.VOID)


def settle(holdings: Holdings, job: Job) -> None:
    """Pay a job that enough accept."""
    end(holdings, job, End.SETTLED)
    move(holdings, job, At.SETTLED)


def after_reveals(holdings: Holdings, job: Job) -> None:
    """Go on when reveals are over (J41, J73)."""
    if job.large and any(each.verdict is not None for each in job.verifiers) and job.state is At.CHECKING:
        move(holdings, job, At.SAMPLING)
    elif job.rejects:
        move(holdings, job, At.CONTESTED)
    elif len(job.accepts) >= job.needed:
        settle(holdings, job)
    else:
        end_void(holdings, job, End.TOO_FEW_REVEALS)


def take_on(holdings: Holdings, job: Job, drawn: list[bytes]) -> None:
    """Add verifiers that have just been drawn, and lock their bonds and slots (J12)."""
    lock = money.verifier_lock(holdings, job.fee)
    for address in drawn:
        worker = holdings.workers[address]
        worker.locked, worker.verifying = worker.locked + lock, worker.verifying + 1
        job.verifiers.append(Part(worker=address, locked=lock))


def draw_pending(holdings: Holdings) -> None:
    """Draw, or spare, the jobs whose beacon is ready (L42, J30, J51)."""
    waiting = [holdings.jobs[each] for each in holdings.deadlines if each in holdings.jobs]
    queue = sorted((job.commit_height, job.id) for job in waiting if job.state is At.COMMITTED)[:QUEUE_MAX]
    ready = [name for height, name in queue if beacon_ready(holdings, height)]
    first = holdings.height * DRAWS_MAX % len(ready) if len(ready) > DRAWS_MAX else 0
    for name in [*ready[first:], *ready[:first]][:DRAWS_MAX]:
        job = holdings.jobs[name]
        if not job.chosen and not chooses(holdings.beacon, job):
            move(holdings, job, At.REVEALING)
            continue
        job.chosen = True
        drawn = draw(holdings, job, b"assay/draw", count=job.k, least=job.k)
        if drawn:
            take_on(holdings, job, drawn)
            move(holdings, job, At.VERIFYING)


def pick_pending(holdings: Holdings) -> None:
    """Note for which jobs the beacon picks leaves (J73)."""
    waiting = [holdings.jobs[each] for each in sorted(holdings.deadlines) if each in holdings.jobs]
    unpicked = [job for job in waiting if job.state is At.SAMPLING and not job.picked][:QUEUE_MAX]
    for job in [job for job in unpicked if job.since < holdings.height][:PICKS_MAX]:
        job.picked = True


def can_redraw(job: Job) -> bool:
    """Tell whether silent verifiers of a job are replaced (J54)."""
    committed = [each for each in job.verifiers if each.commitment is not None]
    return job.state is At.VERIFYING and not job.redrawn and len(committed) < job.needed


def redraw(holdings: Holdings, job: Job) -> bool:
    """Replace the silent, and tell whether there were enough others (J54)."""
    silent = [each for each in job.verifiers if each.commitment is None]
    least = job.needed - (len(job.verifiers) - len(silent))
    drawn = draw(holdings, job, b"assay/redraw", count=len(silent), least=least)
    if not drawn:
        return False
    for part, (loser, lost) in zip(silent, money.lost_by_silence(holdings, silent), strict=True):
        worker = holdings.workers[loser]
        worker.bond, worker.locked, worker.verifying = (
            worker.bond - lost,
            worker.locked - part.locked,
            worker.verifying - 1,
        )
        holdings.burned += lost
        job.lost += [loser] if lost else []
    job.verifiers = [each for each in job.verifiers if each.commitment is not None]
    job.redrawn = True
    take_on(holdings, job, drawn)
    move(holdings, job, At.VERIFYING)
    return True


def lapse(holdings: Holdings, job: Job) -> None:
    """Move a job whose time in its state is over (J1)."""
    match job.state:
        case At.OPEN:
            end_void(holdings, job, End.NOT_ACCEPTED)
        case At.ACCEPTED:
            end_void(holdings, job, End.PROVIDER_SILENT_AFTER_ACCEPT)
        case At.COMMITTED:
            end_void(holdings, job, End.NOT_DRAWN)
        case At.VERIFYING if all(each.commitment is None for each in job.verifiers):
            end_void(holdings, job, End.NO_VERIFIER_COMMITTED)
        case At.VERIFYING:
            move(holdings, job, At.REVEALING)
        case At.REVEALING:
            end_void(holdings, job, End.PROVIDER_SILENT_AT_REVEAL)
        case At.SAMPLING if not job.opened and not job.rejects:  # J74
            end_void(holdings, job, End.PROVIDER_SILENT_AT_REVEAL)
        case At.CHECKING | At.SAMPLING:
            after_reveals(holdings, job)
        case At.CONTESTED:
            _lapse_contested(holdings, job)
        case At.UNVERIFIED:
            end(holdings, job, End.UNCHALLENGED)
            move(holdings, job, At.PAST_CHALLENGE)
        case _:
            release(holdings, job)
            move(holdings, job, At.PAST_CHALLENGE)


def _lapse_contested(holdings: Holdings, job: Job) -> None:
    """End a job that was rejected, and of which nobody claims anything (J56), as a canary or not (J94)."""
    if job.large and not job.opened:
        end_void(holdings, job, End.PROVIDER_SILENT_AT_REVEAL)  # J74
    elif len(job.accepts) >= job.needed:
        settle(holdings, job)
    else:
        end_void(holdings, job, End.REJECTED)


def confess(holdings: Holdings, job: Job) -> None:
    """Note that a job is a canary (J91)."""
    job.canary_opened = True
    accepted = any(job.verdict_of(each) == ACCEPT for each in job.verifiers)
    if job.state is At.UNVERIFIED or (job.state is At.CONTESTED and not accepted):
        end_as_canary(holdings, job)


def canary_of(genesis_hash: bytes, client: bytes, provider: bytes, salt: bytes) -> bytes:
    """Return what a submission carries that is a canary (J90)."""
    return tagged(b"assay/canary", genesis_hash + client + provider + salt)
