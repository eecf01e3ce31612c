"""What must hold of the ledger after each block, whatever was sent (S5, S6)."""

from collections import Counter

from ledger.market.dispute.records import DisputeStage, Role
from ledger.market.dispute.rows import disputes
from ledger.market.lifecycle import FINAL_STATES, SLOT_STATES
from ledger.market.withheld.records import Filing, FilingState
from ledger.market.withheld.rows import line_of
from ledger.records import DueKind, Job, JobState
from ledger.stake.records import Delegation, Validator
from ledger.state import DELEGATION, VALIDATOR, WITHHELD, State
from testnet.kit.ledger_builders import supply_of


def faults(state: State) -> list[str]:
    """Return what is wrong with a state."""
    jobs = dict(state.jobs())
    found = []
    supply = state.totals().supply
    if supply_of(state) != supply:
        found.append(f"{supply_of(state)} grains, and the supply is {supply}")
    return [*found, *_stake(state), *_bonds(state, jobs), *_deadlines(state, jobs), *_jobs(jobs)]


def unfinished(state: State) -> list[str]:
    """Return what has not come to a final state."""
    found = [f"job {name.hex()[:8]} {job.state.name}" for name, job in state.jobs() if job.state not in FINAL_STATES]
    found += [
        f"dispute {name.hex()[:8]} {dispute.stage.name}"
        for name, dispute in disputes(state)
        if dispute.stage is not DisputeStage.DECIDED
    ]
    open_filings = (FilingState.WAITING, FilingState.ASKED)
    found += [
        f"filing {key[1:].hex()[:8]} {filing.state.name}"
        for key, filing in state.scan(Filing, WITHHELD)
        if filing.state in open_filings
    ]
    return found


def _stake(state: State) -> list[str]:
    """Compare the sums of stake, shares and validators with what they are sums of."""
    totals = state.totals()
    validators = {key[1:]: row for key, row in state.scan(Validator, VALIDATOR)}
    found = []
    if totals.staked != (staked := sum(each.stake for each in validators.values())):
        found.append(f"{staked} grains are staked, and the totals say {totals.staked}")
    if totals.validators != (count := len(list(state.registered_validators()))):
        found.append(f"{count} validators are on the roll, and the totals say {totals.validators}")
    shares: Counter[bytes] = Counter()
    for key, delegation in state.scan(Delegation, DELEGATION):
        shares[key[-20:]] += delegation.shares
    wrong = [who for who, each in sorted(validators.items()) if shares[who] != each.shares]
    found += [f"the shares of validator {who.hex()[:8]} are others' sum than its own" for who in wrong]
    if not state.validators().members:
        found.append("nobody validates")
    return found


def _bonds(state: State, jobs: dict[bytes, Job]) -> list[str]:
    """Compare what workers say is locked and taken with what jobs and disputes hold."""
    locked: Counter[bytes] = Counter()
    providing: Counter[bytes] = Counter()
    verifying: Counter[bytes] = Counter()
    for job in jobs.values():
        if job.provider is not None:
            locked[job.provider] += job.provider_locked
            providing[job.provider] += job.state in SLOT_STATES
        for each in job.verifiers:
            locked[each.worker] += each.locked
            verifying[each.worker] += job.state in SLOT_STATES
    for _, dispute in disputes(state):
        for claim in dispute.claims:
            if claim.role is Role.DRAWN and jobs[dispute.job].state is JobState.DISPUTED:
                locked[claim.who] += claim.bond  # until the job ends (X15)
                verifying[claim.who] += dispute.stage is not DisputeStage.DECIDED
    found = []
    for address, worker in state.workers():
        seen = (worker.locked, worker.providing, worker.verifying)
        held = (locked[address], providing[address], verifying[address])
        if seen != held or worker.locked > worker.bond:
            found.append(f"worker {address.hex()[:8]} of bond {worker.bond} says {seen}, and held are {held}")
    return found


def _deadlines(state: State, jobs: dict[bytes, Job]) -> list[str]:
    """Compare the index of deadlines with whatever has one."""
    wanted: set[tuple[int, DueKind, bytes]] = set()
    wanted |= {(job.due_live_ms, DueKind.JOB, name) for name, job in jobs.items() if job.due_live_ms is not None}
    for name, dispute in disputes(state):
        if dispute.due_live_ms is not None:
            wanted.add((dispute.due_live_ms, DueKind.DISPUTE, name))
    line = line_of(state)
    found = []
    for key, filing in state.scan(Filing, WITHHELD):
        name = key[1:]
        if filing.due_live_ms is not None:
            wanted.add((filing.due_live_ms, DueKind.WITHHELD, name))
        if (filing.state is FilingState.WAITING) != (name in line.waiting):
            found.append(f"filing {name.hex()[:8]} is {filing.state.name} and stands in the line otherwise")
    listed = set(state.deadlines())
    found += [f"no entry for the deadline of {kind.name} {name.hex()[:8]}" for _, kind, name in sorted(wanted - listed)]
    found += [f"an entry too many for {kind.name} {name.hex()[:8]}" for _, kind, name in sorted(listed - wanted)]
    return found


def _jobs(jobs: dict[bytes, Job]) -> list[str]:
    """Check that each job has a way on by itself, and what it holds fits its state."""
    found = []
    for name, job in jobs.items():
        final = job.state in FINAL_STATES
        if final and (job.escrow or job.forfeited or job.provider_locked or any(each.locked for each in job.verifiers)):
            found.append(f"job {name.hex()[:8]} is over and holds something")
        if job.disputes and job.state is not JobState.DISPUTED:
            found.append(f"job {name.hex()[:8]} is {job.state.name} with {job.disputes} disputes")
        if final == (job.due_live_ms is not None or job.disputes > 0):  # a disputed one may wait for its window (X50)
            found.append(f"job {name.hex()[:8]} is {job.state.name}, due at {job.due_live_ms}")
    return found
