"""Walks of random people whose blocks are entered in the books as they come."""

import json
from dataclasses import dataclass

from ledger.genesis import Genesis
from ledger.market.withheld.payloads import WithheldPayload
from ledger.state import change
from ledger.transaction import LoweringPublish, ModelPublish, StakePayload
from node.genesis_file import render_genesis
from primitives.codec import encode
from testnet.audit.books import Books
from testnet.audit.rules import NEVER_ABSENT
from tests.ledger.walk.moves import Move
from tests.ledger.walk.walk import Walk, a_genesis_of_walkers

BEYOND = (ModelPublish | LoweringPublish, StakePayload, WithheldPayload)
"""What a walk of random people sends that the books have no rules for, or not all."""


def a_genesis_that_fines_nobody() -> Genesis:
    """Return the walkers' genesis, in which the end of an epoch moves no money."""
    genesis = a_genesis_of_walkers()
    return change(genesis, parameters=change(genesis.parameters, absence_views_min=NEVER_ABSENT))


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
        state = self._world.state
        for person, balance in self.books.balances.items():
            assert state.account(person).balance == balance, f"height {self.books.height}: {person.hex()}"
        for address, worker in state.workers():
            seen = self.books.holdings.workers[address]
            assert (seen.bond, seen.locked) == (worker.bond, worker.locked), f"height {self.books.height}"
        totals, held = state.totals(), self.books.holdings
        assert (held.burned, held.protocol, held.staked) == (totals.burned, totals.protocol, totals.staked)

    def raw_blocks(self) -> list[bytes]:
        """Return all blocks."""
        return [encode(final.block) for final in self._world.finals]
