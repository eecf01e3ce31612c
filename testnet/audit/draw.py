"""Who verifies: eligibility, weights, the beacon's choice (J13, J30 to J34, J51)."""

from testnet.audit.holdings import Holdings, Job, Worker
from testnet.audit.money import BASIS, verifier_lock
from testnet.audit.rules import tagged

Eligible = list[tuple[bytes, Worker]]


def not_of(holdings: Holdings, parties: list[bytes]) -> Eligible:
    """Return the workers that are none of these parties, nor of an operator with one (J32)."""
    own = {*parties, *(holdings.workers[each].operator for each in parties if each in holdings.workers)}
    return [
        (address, worker)
        for address, worker in sorted(holdings.workers.items())
        if address not in own and worker.operator not in own
    ]


def beacon_ready(holdings: Holdings, since: int) -> bool:
    """Tell whether validators with more than a third of the stake have revealed above a height (J30)."""
    stakes = holdings.stakes
    members = stakes.running.members
    seen = sum(each.weight for each in members if stakes.revealed.get(each.validator, 0) > since)
    return 3 * seen > stakes.running.weight


def is_free(holdings: Holdings, worker: Worker, job: Job, *, times: int = 1) -> bool:
    """Tell whether a worker can verify now (J31), or run for a dispute, with `times` as many slots (X15)."""
    free = worker.verifying < times * worker.capacity and worker.free >= verifier_lock(holdings, job.fee)
    return free and worker.runs(job.class_, holdings.model_bytes(job))


def chooses(beacon: bytes, job: Job) -> bool:
    """Tell whether the beacon chooses a job for verification (J51)."""
    return int.from_bytes(tagged(b"assay/audit", beacon + job.id), "big") % BASIS < job.audit_bps


def draw(holdings: Holdings, job: Job, tag: bytes, *, count: int, least: int) -> list[bytes]:
    """Return verifiers of a job, `count` or all that are eligible; nobody, where fewer than `least` are (J31, J54)."""
    drawn = [each.worker for each in job.verifiers]
    eligible = [
        (address, worker)
        for address, worker in not_of(holdings, [job.client, job.provider])
        if address not in drawn and worker.registered < job.commit_height and is_free(holdings, worker, job)
    ]
    if len(eligible) < least:
        return []
    return pick(tagged(tag, holdings.beacon + job.id), eligible, min(count, len(eligible)))


def pick(seed: bytes, eligible: Eligible, count: int) -> list[bytes]:
    """Return so many workers, picked by weight (J33, J34)."""
    total = sum(worker.bond for _, worker in eligible)
    of_operator: dict[bytes, int] = {}
    for _, worker in eligible:
        of_operator[worker.operator] = of_operator.get(worker.operator, 0) + worker.bond
    left = []
    for _, worker in eligible:
        bonds = of_operator[worker.operator]
        left.append(max(1, worker.bond * min(bonds, total // 10) // bonds) if bonds else 1)
    found = []
    for turn in range(count):
        point = int.from_bytes(tagged(b"assay/draw-pick", seed + turn.to_bytes(4, "big")), "big") % sum(left)
        at = 0
        while point >= left[at]:
            point -= left[at]
            at += 1
        left[at] = 0
        found.append(eligible[at][0])
    return found
