"""Walks of random people whose blocks are entered in the books as they come."""

import json
from dataclasses import dataclass

from ledger.genesis import Genesis
from ledger.state import State
from ledger.transaction import LoweringPublish, ModelPublish
from node.genesis_file import render_genesis
from primitives.codec import encode
from testnet.audit.books import Books
from tests.ledger.walk.invariants import unfinished
from tests.ledger.walk.moves import Move
from tests.ledger.walk.walk import Walk

BEYOND = (ModelPublish | LoweringPublish,)
"""What a walk of random people sends that the books have no rules for, or not all."""


def books_of(genesis: Genesis, **changed: int) -> Books:
    """Return books of a network; `changed` are parameters that they are told wrongly."""
    told = json.loads(render_genesis(genesis))
    told["genesis"]["parameters"] |= changed
    return Books(told)


def all_of(books: Books) -> str:
    """Return all that the books say of money."""
    held = books.holdings
    bonds = [(address, worker.bond, worker.locked) for address, worker in sorted(held.workers.items())]
    return repr((sorted(held.balances.items()), bonds, held.burned, held.protocol))


def disagreements(books: Books, state: State) -> list[str]:
    """Return where the books and the ledger differ: balances, bonds, slots, pots, and where each job stands."""
    held, totals = books.holdings, state.totals()
    found = [
        f"{person.hex()} has {state.account(person).balance}, by the books {balance}"
        for person, balance in held.balances.items()
        if state.account(person).balance != balance
    ]
    for address, worker in state.workers():
        mine = held.workers[address]
        theirs = (worker.bond, worker.locked, worker.providing, worker.verifying)
        if theirs != (mine.bond, mine.locked, mine.providing, mine.verifying):
            found.append(f"worker {address.hex()} holds {theirs}, by the books {mine}")
    for name, job in state.jobs():
        mine_job = held.jobs[name]
        if (int(job.state), job.due_live_ms, job.escrow) != (int(mine_job.state), mine_job.due, mine_job.escrow):
            found.append(f"job {name.hex()} is {job.state.name}, by the books {mine_job.state.name}")
    if (totals.burned, totals.protocol, totals.staked, totals.rewards) != (
        held.burned,
        held.protocol,
        held.staked,
        held.rewards,
    ):
        found.append(f"{totals}, by the books {held.burned} burned and {held.protocol} in the pot")
    return found


@dataclass
class AuditedWalk(Walk):
    """A walk that is held against the books after every block."""

    beyond: tuple[object, ...] = BEYOND

    def __post_init__(self) -> None:
        super().__post_init__()
        self.books = books_of(self.genesis)
        self.told: list[str] = []

    def _move(self) -> Move | None:
        while True:
            move = super()._move()
            if move is None or not isinstance(move[1], self.beyond):  # type: ignore[arg-type]  # unions are classes
                return move

    def _check(self) -> None:
        for final in self._world.finals[self.books.height :]:
            self.books.take(encode(final.block))
            self.told.append(all_of(self.books))
        faults = disagreements(self.books, self._world.state)
        assert not faults, f"height {self.books.height}: {faults[0]}"

    def _end(self) -> None:
        while unfinished(self._world.state):
            self._world.block(passed_ms=2_000)
            self._check()

    def raw_blocks(self) -> list[bytes]:
        """Return all blocks."""
        return [encode(final.block) for final in self._world.finals]
