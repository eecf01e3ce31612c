"""What the books hold of a dispute, and what may be said of its traces (X1 to X18, X40 to X45)."""

from dataclasses import dataclass, field
from enum import IntEnum

from testnet.audit.duels import Duel
from testnet.audit.holdings import Content, Holdings, Job
from testnet.audit.money import run_fee
from testnet.audit.rules import tagged
from vm.program import Outline
from vm.trace import Trace

WHOLE, TAIL = 1, 2
CHALLENGER, PARTY, DRAWN = 1, 2, 3
CHALLENGERS_MAX, WORKERS_DRAWN = 8, 3


class Stage(IntEnum):
    """The stages of a dispute (X2)."""

    DRAWING = 1
    CLAIMING = 2
    OPENING = 3
    DUEL = 4
    JUDGING = 5
    DECIDED = 6


class Found(IntEnum):
    """How a dispute ends (X44)."""

    UPHELD = 1
    UNCONFIRMED = 2
    NONE_STANDS = 3


@dataclass
class Claim:
    """Somebody's claim."""

    who: bytes
    role: int
    bond: int
    commitment: bytes | None
    height: int
    carriage: int
    trace: int | None = None


@dataclass
class Told:
    """A trace that claims were opened to."""

    root: bytes
    trace: Trace
    fell: bool = False
    beaten_by: int | None = None


@dataclass
class Finding:
    """The worst that was proved of a party (X40)."""

    thousandths: int = 0
    output: bool = False
    tried: list[bytes] = field(default_factory=list)

    @property
    def zone(self) -> int:
        """How many of the bounds it is beyond (X51, X54, X55)."""
        return sum(self.thousandths > sigma * 1_000 for sigma in (8, 16, 64))


@dataclass
class Dispute:
    """A dispute from its first claim on."""

    id: bytes
    job: bytes
    kind: int
    party: bytes | None
    opened_height: int
    round: int = 0
    past: bool = False
    """There was another about the same since (X5)."""
    stage: Stage = Stage.DRAWING
    outcome: Found | None = None
    due: int | None = None
    heard: int = 0
    """Proofs that the referee had heard, of all disputes, up to which the deadline makes up for them (X37)."""
    spare: int = 0
    """Milliseconds of that which are left."""
    escrow: int = 0
    outline: Outline | None = None
    claims: list[Claim] = field(default_factory=list)
    traces: list[Told] = field(default_factory=list)
    duel: Duel | None = None
    ill_conditioned: bool = False
    traps: bool = False
    findings: dict[bytes, Finding] = field(default_factory=dict)

    @property
    def standing(self) -> list[int]:
        """Places of the traces that stand, in order of the first claim to each (X34)."""
        order = dict.fromkeys(each.trace for each in self.claims if each.trace is not None)
        return [at for at in order if not self.traces[at].fell]

    def claim_of(self, who: bytes) -> Claim | None:
        """Return somebody's claim."""
        return next((each for each in self.claims if each.who == who), None)

    def of_trace(self, at: int) -> list[Claim]:
        """Return who opened a trace."""
        return [each for each in self.claims if each.trace == at]

    def beaten(self, at: int) -> list[Claim]:
        """Return who opened a trace that this one has beaten by the referee's verdict."""
        return [each for each in self.claims if each.trace is not None and self.traces[each.trace].beaten_by == at]

    def has_failed(self, claim: Claim) -> bool:
        """Tell whether a claim was not opened, or its trace fell (X59)."""
        return claim.trace is None or self.traces[claim.trace].fell

    def finding(self, party: bytes) -> Finding:
        """Return what was proved of a party."""
        return self.findings.setdefault(party, Finding())

    def weighs_on(self, party: bytes, *, rejects: bool = False) -> bool:
        """Tell whether what stands may be held against a party (X45)."""
        if not self.standing:
            return False
        at = self.standing[0]
        drawn = [each.trace == at for each in self.claims if each.role == DRAWN]
        if sum(drawn) > (1 if rejects and len(drawn) > 1 else 0):
            return True
        return any(each.role == DRAWN or each.who == party for each in self.beaten(at))


def dispute_id(job: bytes, kind: int, party: bytes | None) -> bytes:
    """Return the id of a job's dispute about a subject (X1)."""
    return tagged(b"assay/dispute", job + bytes([kind]) + (party or b""))


def shown_by(job: Job, who: bytes) -> tuple[Content, Content] | None:
    """Return what a party has revealed."""
    if who == job.provider:
        return (job.cut, job.outputs) if job.cut and job.outputs else None
    mine = next((each for each in job.verifiers if each.worker == who), None)
    return (mine.cut, mine.outputs) if mine and mine.cut and mine.outputs else None


def claim_bond(holdings: Holdings, job: Job) -> int:
    """Return the bond of a claim (X12)."""
    return 3 * (WORKERS_DRAWN * run_fee(holdings, job) + holdings.tell("dispute_carriage"))
