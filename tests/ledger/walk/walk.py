"""A walk: random people send random transactions of every kind, and after each block all must add up."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

from ledger.genesis import Genesis
from ledger.market.dispute.records import DisputeStage
from ledger.market.dispute.rows import disputes
from ledger.market.lifecycle import FINAL_STATES
from ledger.market.withheld.records import Filing
from ledger.parameters import Parameters, Tiers, TierTerms
from ledger.state import WITHHELD, change
from ledger.transaction import LoweringPublish, ModelPublish, Payload, ValidatorUpdate, WorkerExit, WorkerRegister
from primitives.hashing import sha256
from primitives.units import KARAT
from testnet.kit.ledger_builders import (
    RICH,
    a_genesis,
    a_lowering,
    a_model,
    a_worker,
    a_world,
    address,
    transaction_id_of,
)
from tests.ledger.market.dispute.played import LOWERING, MODEL
from tests.ledger.walk import large
from tests.ledger.walk.anything import Anything
from tests.ledger.walk.coverage import watching
from tests.ledger.walk.filings import filing_move
from tests.ledger.walk.invariants import faults, unfinished
from tests.ledger.walk.moves import Move, job_move, order
from tests.ledger.walk.staking import OPERATORS, VALIDATORS, Roll
from tests.ledger.walk.trials import dispute_move
from vm.lowering import lowering_id
from vm.manifest import model_id

WORKERS = 10
PEOPLE = ("client", "publisher", "stranger", *(f"worker {at}" for at in range(WORKERS)))
KINDS = get_args(Payload)
LIVE_JOBS_MAX = 24
"""More only wait for the same moves."""
SENT_MAX = 6
"""Transactions in a block."""
HALT_MS = 3_600_000
END_BLOCKS_MAX = 6_000
"""Until all is over by time alone: all windows of a job and of its disputes, two seconds a block."""


class FaultError(Exception):
    """What must hold does not."""


def a_genesis_of_walkers() -> Genesis:
    """Return a genesis with everybody who walks."""
    parameters = Parameters(
        challenge_ms=60_000,
        protocol_share_bps=2_000,
        canary_epoch_bps=2_000,
        canary_spacing_ms=1_000,
        tiers=Tiers(spot=TierTerms(q_bps=100, k=1, bond_multiple=12)),
        audit_trust=1,
        epoch_ms=10_000,
        unbonding_ms=120_000,
        jail_ms=20_000,
        absence_views_min=1,
    )
    accounts = ("client", "publisher", "stranger", *OPERATORS)
    made = a_genesis(validators=VALIDATORS, workers=WORKERS, accounts=accounts, parameters=parameters)
    rich = [each for each in made.accounts if each.balance == RICH]
    assert rich
    assert made.workers[0].bond >= 10 * KARAT
    return change(made, rewards=RICH)


@dataclass
class Seen:
    """What a walk has come by, counted."""

    carried: Counter[str] = field(default_factory=Counter)
    """Transactions that were carried out, by kind."""
    refused: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    """How jobs ended."""
    stages: Counter[str] = field(default_factory=Counter)
    """How disputes and filings ended."""
    rows: Counter[str] = field(default_factory=Counter)
    """Transitions of the tables."""

    def add(self, other: dict[str, dict[str, int]]) -> None:
        """Add what another walk has come by."""
        for name, counts in other.items():
            vars(self)[name].update(counts)


@dataclass
class Walk:
    """One walk from a seed; the same seed goes the same way."""

    seed: int
    genesis: Genesis = field(default_factory=a_genesis_of_walkers)
    staking: float = 0.03
    """Of all transactions, so many are about stake."""
    offences: float = 0.006
    """Of all blocks, so many hold evidence against a validator."""
    steps: int = 0
    """Transactions that were sent."""
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._world = a_world(self.genesis)
        self._world.names |= {address(name): name for name in OPERATORS}
        self._world.must("publisher", ModelPublish(model=MODEL, lowering=LOWERING))
        self._world.must("publisher", ModelPublish(model=large.MODEL, lowering=large.LOWERING))
        self._anything = Anything(self._chance)
        self._roll = Roll(self._world, self._chance)
        self._published = 0

    def go(self, steps: int) -> None:
        """Send so many transactions, then nothing until all is over. Raises FaultError."""
        with watching(self.seen.rows):
            while self.steps < steps:
                self._block()
            self._end()
        state = self._world.state
        self.seen.outcomes.update("none" if job.outcome is None else job.outcome.name for _, job in state.jobs())
        self.seen.stages.update("none" if each.outcome is None else each.outcome.name for _, each in disputes(state))
        self.seen.stages.update(filing.state.name for _, filing in state.scan(Filing, WITHHELD))

    def _block(self) -> None:
        if self._chance.random() < 0.02:
            self._world.block(passed_ms=HALT_MS)
            self._check()
            return
        self._learn()
        chosen: dict[str, Payload] = {}
        for _ in range(self._chance.randint(0, SENT_MAX)):
            move = self._move()
            if move is not None:
                chosen.setdefault(*move)
        sent = [self._world.sign(name, payload) for name, payload in chosen.items()]
        skipped = self._chance.randrange(4) if self._chance.random() < 0.2 else 0
        final = self._world.block(
            *sent,
            passed_ms=self._chance.choice([50, 200, 500, 2_000]),
            view=self._world.chain.head.child_parent_view + 1 + skipped,
            proposer=self._roll.proposer(),
            evidence=self._roll.offences(self.offences),
        )
        self.steps += len(sent)
        kinds = {self._id(raw): type(payload).__name__ for raw, payload in zip(sent, chosen.values(), strict=True)}
        for receipt in final.outcome.receipts:
            (self.seen.carried if receipt.ok else self.seen.refused)[kinds[receipt.transaction]] += 1
        self._check()

    def _id(self, raw: bytes) -> bytes:
        return transaction_id_of(self._world.charter, raw)

    def _move(self) -> Move | None:
        chance, state = self._chance, self._world.state
        if chance.random() < 0.15:
            return chance.choice([*PEOPLE, *OPERATORS]), self._nonsense()
        if chance.random() < self.staking:
            return self._roll.move()
        if chance.random() < 0.01:
            return self._coming_or_going()
        live = [(name, job) for name, job in state.jobs() if job.state not in FINAL_STATES]
        if len(live) < LIVE_JOBS_MAX and chance.random() < 0.25:
            return order(self._world, chance)
        if chance.random() < 0.08:
            return filing_move(self._world, chance, live)
        fought = [each for _, each in disputes(state) if each.stage is not DisputeStage.DECIDED]
        if fought and chance.random() < 0.6:
            dispute = chance.choice(fought)
            return dispute_move(self._world, chance, dispute, dict(live)[dispute.job])
        return job_move(self._world, chance, *chance.choice(live)) if live else None

    def _nonsense(self) -> Payload:
        """Return any record; an onion that nobody has grown would leave its validator without a block to propose."""
        made: Payload = self._anything.record(self._chance.choice(KINDS))
        return change(made, onion=None) if isinstance(made, ValidatorUpdate) else made

    def _coming_or_going(self) -> Move:
        """Return a worker who goes, comes or comes back, or a model or a lowering that comes."""
        here = {address for address, _ in self._world.state.workers()}
        idle = [self._world.name(who) for who, each in self._world.state.workers() if not each.providing + each.locked]
        if idle and self._chance.random() < 0.2:
            return self._chance.choice(idle), WorkerExit(amount=None)
        gone = [name for name in PEOPLE if name.startswith("worker") and address(name) not in here]
        if gone:
            terms = a_worker(name := self._chance.choice(gone))
            fields = {field: getattr(terms, field) for field in WorkerRegister.__struct_fields__}
            return name, WorkerRegister(**fields)
        self._published += 1
        model = a_model(file=self._published.to_bytes(4, "big"))
        if self._chance.random() < 0.5:
            return "publisher", ModelPublish(model=model, lowering=a_lowering(model))
        return "publisher", LoweringPublish(lowering=change(large.LOWERING, program_root=sha256(model.file.root)))

    def _learn(self) -> None:
        """Let the source of nonsense know what exists."""
        state = self._world.state
        hashes = [model_id(MODEL), lowering_id(LOWERING), model_id(large.MODEL), lowering_id(large.LOWERING)]
        hashes += [name for name, job in state.jobs() if job.state not in FINAL_STATES]
        hashes += [name for name, _ in disputes(state)]
        self._anything.known = {20: [address(name) for name in (*PEOPLE, *OPERATORS)], 32: hashes}

    def _check(self) -> None:
        found = faults(self._world.state)
        if found:
            raise FaultError(f"seed {self.seed}, height {self._world.state.clock().height}: {found[0]}")

    def _end(self) -> None:
        """Let time alone end everything (S5)."""
        for _ in range(END_BLOCKS_MAX):
            if not unfinished(self._world.state):
                self._check()
                return
            self._world.block(passed_ms=2_000)
        raise FaultError(f"seed {self.seed}: not over by time alone: {unfinished(self._world.state)[0]}")
