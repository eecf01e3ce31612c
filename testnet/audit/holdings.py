"""What the books hold: accounts, workers, models, jobs, pots and the clock."""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from testnet.audit.rules import RefusedError, Why

if TYPE_CHECKING:
    from testnet.audit.stakes import Stakes
    from testnet.audit.trials import Dispute
    from testnet.audit.withheld import Filing

NATIVE, EXACT = 1, 2
FILING_MAX, ASKED_MAX = 16, 48
"""Chunks: of one filing, and of all whose holders are asked (H12, H14)."""
ACCEPT, REJECT = 1, 2
SMALL_BYTES = 4_096
ITEM_BYTES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8}
TIERS = {1: "spot", 2: "standard", 3: "high", 4: "max"}
Content = tuple[bytes, int]
"""Root and length."""


class At(IntEnum):
    """The states of a job (J1)."""

    OPEN = 1
    ACCEPTED = 2
    COMMITTED = 3
    VERIFYING = 4
    REVEALING = 5
    CHECKING = 6
    SETTLED = 7
    PAST_CHALLENGE = 8
    VOID = 9
    UNVERIFIED = 10
    CONTESTED = 11
    DISPUTED = 12
    SAMPLING = 13


class End(IntEnum):
    """How jobs end."""

    SETTLED = 1
    NOT_ACCEPTED = 2
    PROVIDER_SILENT_AFTER_ACCEPT = 3
    NOT_DRAWN = 4
    NO_VERIFIER_COMMITTED = 5
    PROVIDER_SILENT_AT_REVEAL = 6
    REJECTED = 7
    TOO_FEW_REVEALS = 8
    DECLINED = 9
    UNCHALLENGED = 10
    CONVICTED = 15
    GREY = 16
    UNDECIDED = 17
    ILL_CONDITIONED = 18
    CLEARED = 19
    WITHHELD = 25
    CANARY = 30


@dataclass
class Worker:
    """A registered worker (L51)."""

    operator: bytes
    bond: int
    capacity: int
    ask: int
    gas_ask: int
    classes: int
    max_model_bytes: int
    registered: int
    locked: int = 0
    providing: int = 0
    verifying: int = 0

    @property
    def free(self) -> int:
        """The part of the bond that no job holds."""
        return self.bond - self.locked

    def runs(self, class_: int, model_bytes: int) -> bool:
        """Tell whether it is registered for this class and size (J31)."""
        return bool(self.classes >> class_ - 1 & 1) and self.max_model_bytes >= model_bytes


class Meaning(NamedTuple):
    """A lowering, as it is encoded (V120): what the market needs of it."""

    raw: list[Any]

    @property
    def vm_version(self) -> int:
        """The rules that it is for."""
        return int(self.raw[1])

    def offers(self, class_: int) -> bool:
        """Tell whether jobs of a class are served."""
        return bool(self.raw[6] >> class_ - 1 & 1)

    @property
    def outputs_are_whole(self) -> bool:
        """Tell whether outputs go on the chain whole (V123)."""
        return sum(map(bytes_of, self.raw[3])) <= SMALL_BYTES

    def cut_is_whole(self, class_: int) -> bool:
        """Tell whether the cut does; in class exact there is none (V124)."""
        return sum(bytes_of(type_) for _, type_ in self.raw[7]) <= SMALL_BYTES if class_ == NATIVE else True

    def gas(self, class_: int) -> int:
        """Return the gas of a run in a class (J8)."""
        return int(self.raw[9][9 if class_ == NATIVE else 8])

    @property
    def run_ms(self) -> int:
        """What a run may take (J7)."""
        return int(-(-4 * self.raw[9][8] // 1_000) + self.raw[9][6] // 12_500)


def bytes_of(type_: list[Any]) -> int:
    """Return how many bytes a tensor of an encoded type has."""
    size = ITEM_BYTES[type_[0]]
    for dimension in type_[1]:
        size *= dimension
    return size


@dataclass
class Part:
    """A drawn verifier's part of a job."""

    worker: bytes
    locked: int
    commitment: bytes | None = None
    cut: Content | None = None
    outputs: Content | None = None
    verdict: int | None = None
    forced: bool = False
    """The chain would not have let it accept, and noise may be why (J24)."""
    sealed: Content | None = None
    """The provider's outputs, sealed by this verifier."""
    opened: bool = False


@dataclass
class Job:
    """A job from its submission on."""

    id: bytes
    client: bytes
    model: bytes
    lowering: bytes
    input: Content
    large: bool
    tier: int
    k: int
    audit_bps: int
    class_: int
    run_ms: int
    fee: int
    """What a verifier earns (J10)."""
    max_price: int
    at_risk: int
    bond_multiple: int
    named: bytes | None
    canary: bytes
    escrow: int
    state: At = At.OPEN
    outcome: End | None = None
    due: int | None = None
    challengeable_ms: int = 0
    """Live time at which anybody could dispute it first."""
    since: int = 0
    """Height at which it came to its state."""
    chosen: bool = False
    canary_opened: bool = False
    provider: bytes = b""
    price: int = 0
    provider_locked: int = 0
    commitment: bytes | None = None
    commit_height: int = 0
    cut: Content | None = None
    outputs: Content | None = None
    sealed: Content | None = None
    shown_whole: bytes | None = None
    """The provider's cut, where it stands on the chain whole."""
    picked: bool = False
    opened: bool = False
    redrawn: bool = False
    disputes: int = 0
    ruled: End | None = None
    forfeited: int = 0
    """What who withheld in a dispute has lost, and nobody has got yet (H31)."""
    paid_out: int = 0
    """What its client's money has gone for, less what came back to it (X57)."""
    verifiers: list[Part] = field(default_factory=list)
    declined: list[bytes] = field(default_factory=list)
    lost: list[bytes] = field(default_factory=list)
    """Who has lost something by it."""

    def verdict_of(self, part: Part) -> int | None:
        """Return a verdict that counts: of large values, of who has opened what was picked (J41)."""
        return None if self.large and not part.opened else part.verdict

    @property
    def accepts(self) -> list[Part]:
        """Who accepts."""
        return [each for each in self.verifiers if self.verdict_of(each) == ACCEPT]

    @property
    def rejects(self) -> list[Part]:
        """Who rejects."""
        return [each for each in self.verifiers if self.verdict_of(each) == REJECT]

    @property
    def needed(self) -> int:
        """How many accepts settle it: two thirds of k, to the nearest (J41)."""
        return (2 * self.k + 1) // 3

    @property
    def parties(self) -> list[bytes]:
        """Provider and verifiers."""
        return [self.provider, *(each.worker for each in self.verifiers)]


@dataclass
class Track:
    """What a provider's jobs have come to (J52)."""

    trusted: int = 0
    forced: int = 0


@dataclass
class Holdings:
    """All that the books hold, and the block that is entered."""

    genesis_hash: bytes
    parameters: dict[str, Any]
    balances: dict[bytes, int]
    workers: dict[bytes, Worker]
    stakes: "Stakes"
    versions: list[dict[str, int]]
    beacon: bytes
    rewards: int = 0
    burned: int = 0
    protocol: int = 0
    nonces: dict[bytes, int] = field(default_factory=dict)
    models: dict[bytes, list[Any]] = field(default_factory=dict)
    """As they are encoded, by id."""
    lowerings: dict[tuple[bytes, bytes], Meaning] = field(default_factory=dict)
    """By model and id."""
    jobs: dict[bytes, Job] = field(default_factory=dict)
    batches: dict[bytes, int] = field(default_factory=dict)
    """How many items, by id."""
    tracks: dict[bytes, Track] = field(default_factory=dict)
    planters: dict[bytes, int] = field(default_factory=dict)
    """Live time of a provider's last canary."""
    jackpots: Counter[int] = field(default_factory=Counter)
    """What each epoch has paid."""
    disputes: dict[bytes, "Dispute"] = field(default_factory=dict)
    proofs: int = 0
    """How many the referee has heard, in all disputes (X37)."""
    filings: dict[bytes, "Filing"] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)
    """Filings whose holders' clock runs."""
    waiting: list[bytes] = field(default_factory=list)
    unbonding: Counter[tuple[int, bytes]] = field(default_factory=Counter)
    deadlines: dict[bytes, int] = field(default_factory=dict)
    """Live time at which something moves by itself, by id."""
    height: int = 0
    epoch: int = 0
    time_ms: int = 0
    live_ms: int = 0
    presumed: bool = False
    """A transaction of this block was taken to be right in something that these books have no rules for."""

    def total(self) -> int:
        """Return all money there is (L50)."""
        return (
            sum(self.balances.values())
            + sum(each.bond for each in self.workers.values())
            + sum(self.unbonding.values())
            + sum(each.escrow + each.forfeited for each in self.jobs.values())
            + sum(each.escrow for each in self.disputes.values())
            + sum(each.carriage for each in self.filings.values())
            + self.stakes.total()
            + self.rewards
            + self.burned
            + self.protocol
        )

    @property
    def staked(self) -> int:
        """All stake of validators."""
        return self.stakes.staked()

    def tell(self, name: str) -> int:
        """Return a parameter of the network."""
        return int(self.parameters[name])

    def give(self, to: bytes, amount: int) -> None:
        """Pay into an account."""
        if amount:
            self.balances[to] = self.balances.get(to, 0) + amount

    def take(self, who: bytes, amount: int) -> None:
        """Take from an account. Raises RefusedError."""
        if self.balances.get(who, 0) < amount:
            raise RefusedError(Why.INSUFFICIENT_BALANCE)
        self.balances[who] = self.balances.get(who, 0) - amount

    def worker(self, who: bytes) -> Worker:
        """Return a worker. Raises RefusedError."""
        if who not in self.workers:
            raise RefusedError(Why.WORKER_UNKNOWN)
        return self.workers[who]

    def lose(self, who: bytes, amount: int) -> None:
        """Take from what is locked of a worker's bond."""
        worker = self.workers[who]
        worker.bond, worker.locked = worker.bond - amount, worker.locked - amount

    def over_by(self, filing: "Filing") -> int:
        """Return when a filing is over at the latest whose holder's clock runs, or that waits in line (H14, H22)."""
        if filing.id in self.asked:
            return self.deadlines[filing.id]
        before = [*self.asked, *self.waiting[: self.waiting.index(filing.id)]]
        ahead = sum(len(self.filings[each].chunks) for each in before)
        turns = 1 - (-ahead // (ASKED_MAX - FILING_MAX + 1))
        return self.live_ms + (turns + 1) * self.tell("withheld_ms")

    def track(self, provider: bytes) -> Track:
        """Return a provider's record."""
        return self.tracks.setdefault(provider, Track())

    def distrust(self, provider: bytes) -> None:
        """Begin a provider's trust anew (J53)."""
        track = self.track(provider)
        track.trusted, track.forced = 0, self.tell("audit_forced")

    def set_due(self, name: bytes, due: int | None) -> None:
        """Note when something moves by itself, or that it does no more."""
        self.deadlines.pop(name, None)
        if due is not None:
            self.deadlines[name] = due

    def publisher(self, job: Job) -> bytes:
        """Return who published a job's model."""
        publisher: bytes = self.models[job.model][5]
        return publisher

    def model_bytes(self, job: Job) -> int:
        """Return the size of a job's model."""
        return int(self.models[job.model][0][1])

    def meaning(self, job: Job) -> Meaning:
        """Return a job's lowering."""
        return self.lowerings[job.model, job.lowering]
