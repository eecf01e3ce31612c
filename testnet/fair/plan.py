"""What a fair consists of: who orders which job of whom, and who misbehaves in it. All follows from a seed."""

import enum
import random
from dataclasses import dataclass

from ledger.parameters import Parameters, Tier
from testnet.kit.liars.script import Cast
from testnet.manifest import NEVER_ABSENT, Manifest, Worker

SECOND_MS = 1_000
HONEST, ROGUES = 5, 3
"""Workers 0 to 4 are the product on differing settings; 5 to 7 play what the plan says, job by job."""
TIER_SHARES = {Tier.SPOT: 3, Tier.STANDARD: 3, Tier.HIGH: 3, Tier.MAX: 1}
"""How often each tier is ordered, of ten jobs."""
MISDEED_SHARE = 16
"""One job of so many is of each way to misbehave: twenty of each in five hundred jobs, and half as many again."""


class Way(enum.StrEnum):
    """How a job is gone about."""

    HONEST = "honest"
    WRONG_VALUES = "wrong-values"
    """The provider gives the result of another input."""
    SILENT = "silent"
    """The provider accepts and never commits."""
    UNREVEALED = "unrevealed"
    """The provider commits to what it can't reveal."""
    FALSE_REJECT = "false-reject"
    """Rogues that are drawn give values that are off, and reject."""


MISDEEDS: list[Way] = [way for way in Way if way is not Way.HONEST]
PARTS = {Way.WRONG_VALUES: "other-input", Way.SILENT: "silent", Way.UNREVEALED: "unrevealed"}
"""What the provider plays."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One job of a fair."""

    number: int
    client: int
    tier: Tier
    way: Way
    provider: str | None
    """The worker that must provide; None: whoever takes it."""

    @property
    def providing(self) -> Cast:
        """What is played by the provider."""
        return {} if self.provider is None or self.way not in PARTS else {self.provider: PARTS[self.way]}

    @property
    def verifying(self) -> Cast:
        """What is played by those who are drawn."""
        return dict.fromkeys(rogues(), "nudge-cut") if self.way is Way.FALSE_REJECT else {}


def rogues() -> list[str]:
    """Return the names of the workers that misbehave."""
    return [f"worker{at}" for at in range(HONEST, HONEST + ROGUES)]


def manifest(clients: int) -> Manifest:
    """Return the network of a fair: windows are as short as they may be on a machine that runs all of it."""
    settings = [(1, True), (2, False), (1, False), (2, True), (1, True)]
    crew = [Worker(threads=threads, optimisation=optimisation) for threads, optimisation in settings]
    crew += [Worker(behaviour="puppet") for _ in range(ROGUES)]
    parameters = Parameters(
        commit_ms=20 * SECOND_MS,
        verify_ms=30 * SECOND_MS,
        reveal_ms=15 * SECOND_MS,
        check_ms=15 * SECOND_MS,
        challenge_ms=60 * SECOND_MS,
        absence_views_min=NEVER_ABSENT,  # it is about those who work, and the machine may be slow
    )
    return Manifest(name="fair", workers=crew, accounts=clients + 1, parameters=parameters)


def plan(seed: int, *, jobs: int, clients: int) -> list[Planned]:
    """Return the jobs of a fair in the order in which they are placed; clients are 1 to `clients`, 0 publishes."""
    chance = random.Random(seed)
    each = max(1, jobs // MISDEED_SHARE)
    ways: list[Way] = [way for way in MISDEEDS for _ in range(each)]
    ways += [Way.HONEST] * (jobs - len(ways))
    chance.shuffle(ways)
    return [_planned(chance, number, way, clients) for number, way in enumerate(ways[:jobs])]


def _planned(chance: random.Random, number: int, way: Way, clients: int) -> Planned:
    tiers = [tier for tier, share in TIER_SHARES.items() for _ in range(share)]
    if way in (Way.WRONG_VALUES, Way.FALSE_REJECT):
        tiers = [tier for tier in tiers if tier is not Tier.SPOT]  # where nobody may be drawn, nobody may be wrong
    if way is Way.WRONG_VALUES:
        tiers = [
            Tier.STANDARD,
            Tier.HIGH,
        ]  # in tier max seven of eight verify: none is left to confirm a claim
    if way is Way.FALSE_REJECT:
        tiers = [Tier.HIGH, Tier.MAX]  # of seven who may be drawn three are rogues
    provider = None
    if way in PARTS:
        provider = chance.choice(rogues())
    elif way is Way.FALSE_REJECT:
        provider = f"worker{chance.randrange(HONEST)}"
    return Planned(
        number=number, client=chance.randint(1, clients), tier=chance.choice(tiers), way=way, provider=provider
    )
