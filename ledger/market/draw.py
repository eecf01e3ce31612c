"""The draw of verifiers: who may be drawn, with what weight, and whom the beacon picks (J30)."""

from ledger.market.settlement import verifier_lock
from ledger.moment import Moment
from ledger.records import Job, Worker
from ledger.state import State
from primitives.hashing import tagged
from primitives.units import BASIS
from vm.manifest import Class, Model

OPERATOR_SHARE = 10
"""An operator counts for at most this part (a tenth) of all bonds (J33)."""
REVEALED_STAKE = 3
"""Reveals must have come from more than this part (a third) of the stake (J30)."""


def can_run(worker: Worker, model: Model, class_: Class) -> bool:
    """Tell whether a worker is registered for models of this size and for jobs of this class (J31)."""
    return bool(worker.classes >> class_ - 1 & 1) and worker.max_model_bytes >= model.file.length


def could_verify(worker: Worker, model: Model, class_: Class, lock: int) -> bool:
    """Tell whether a worker could verify and lock so much if none of its slots and bond were taken (J13)."""
    return worker.capacity > 0 and worker.bond >= lock and can_run(worker, model, class_)


def can_verify_now(worker: Worker, model: Model, class_: Class, lock: int) -> bool:
    """Tell whether a worker has a free slot and bond for one verification (J31)."""
    return worker.verifying < worker.capacity and _can_lock(worker, model, class_, lock)


def can_claim_now(worker: Worker, model: Model, class_: Class, lock: int) -> bool:
    """Tell whether a worker has a free slot and bond to be drawn for a dispute (X15)."""
    # As many again as jobs can take: else who has all verifiers busy would have no drawn worker against it.
    return worker.verifying < 2 * worker.capacity and _can_lock(worker, model, class_, lock)


def _can_lock(worker: Worker, model: Model, class_: Class, lock: int) -> bool:
    return worker.free_bond >= lock and can_run(worker, model, class_)


def not_of(state: State, parties: list[bytes]) -> list[tuple[bytes, Worker]]:
    """Return the workers that are neither one of `parties` (addresses) nor of one operator with one (J32)."""
    own = list(parties)
    for party in parties:
        worker = state.worker(party)
        if worker is not None:
            own.append(worker.operator)
    return [(at, worker) for at, worker in state.workers() if at not in own and worker.operator not in own]


def beacon_ready(state: State, since: int) -> bool:
    """Tell whether, in blocks above height `since`, reveals came from more than a third of the weight (J30)."""
    validators = state.validators()
    revealed = sum(each.weight for each in validators.members if state.tip(each.validator).height > since)
    return revealed * REVEALED_STAKE > validators.weight


def chooses(beacon: bytes, job_id: bytes, audit_bps: int) -> bool:
    """Tell whether the beacon chooses a job for verification, with a chance in ten-thousandths (J51)."""
    # 256 bits against ten thousand: the bias is below 2⁻²⁴².
    return int.from_bytes(tagged("assay/audit", beacon, job_id), "big") % BASIS < audit_bps


def draw(moment: Moment, job: Job, seed: bytes, model: Model, *, count: int, least: int) -> list[bytes] | None:
    """Return the addresses of `count` more verifiers of a job, or of all that are eligible (J31, J34).

    None where fewer than `least` are.
    """
    assert job.provider is not None
    drawn = [each.worker for each in job.verifiers]
    lock = verifier_lock(moment.parameters, job.verifier_fee)
    eligible = [
        (address, worker)
        for address, worker in not_of(moment.state, [job.client, job.provider])
        if address not in drawn
        and worker.registered < job.commit_height
        and can_verify_now(worker, model, job.class_, lock)
    ]
    if len(eligible) < least:
        return None
    picked = pick(seed, weights([worker for _, worker in eligible]), min(count, len(eligible)))
    return [eligible[at][0] for at in picked]


def weights(workers: list[Worker]) -> list[int]:
    """Return the weight of each worker: its bond, an operator's together capped at a tenth of all (J33).

    An operator's weight is shared in proportion to bonds, rounded down; nobody's is less than 1.
    """
    total = sum(worker.bond for worker in workers)
    by_operator: dict[bytes, int] = {}
    for worker in workers:
        by_operator[worker.operator] = by_operator.get(worker.operator, 0) + worker.bond
    out = []
    for worker in workers:
        bonds = by_operator[worker.operator]
        capped = min(bonds, total // OPERATOR_SHARE)
        out.append(max(1, worker.bond * capped // bonds) if bonds else 1)
    return out


def pick(seed: bytes, weight: list[int], count: int) -> list[int]:
    """Return `count` places in `weight`, drawn by weight without replacement (J34)."""
    left = list(weight)
    picked = []
    for turn in range(count):
        # 256 bits modulo less than 2⁶⁴: the bias is below 2⁻¹⁹².
        point = int.from_bytes(tagged("assay/draw-pick", seed, turn.to_bytes(4, "big")), "big") % sum(left)
        at = 0
        while point >= left[at]:
            point -= left[at]
            at += 1
        picked.append(at)
        left[at] = 0
    return picked
