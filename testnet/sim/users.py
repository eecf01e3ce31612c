"""What users of a simulated ledger do: pay each other, and join, leave and change keys as validators.

They act on what the node that is furthest ahead holds final, and hand what they sign to some nodes.
"""

from collections.abc import Iterator

from ledger.genesis import Charter
from ledger.stake.keys import prove
from ledger.stake.records import ValidatorState
from ledger.state import State
from ledger.transaction import (
    Delegate,
    Payload,
    Transfer,
    Undelegate,
    ValidatorExit,
    ValidatorRegister,
    ValidatorUnjail,
    ValidatorUpdate,
    sign_transaction,
)
from primitives.units import KARAT
from testnet.kit.ledger_builders import GENESIS_MS, a_body, address, onion_of, seed_of
from testnet.sim.ledger import KEYS_MAX, vote_key

BOND = 500 * KARAT
PATIENCE_MS = 3_000
"""After so long without effect somebody signs again what they wanted."""
PAYERS = ("alice", "bob", "client", "publisher")


class Users:
    """Plays everybody, each by their own key."""

    def __init__(self, charter: Charter, *, nodes: int, waiting: int, per_s: int, staking: bool) -> None:
        self._charter = charter
        self._newcomers = list(range(nodes - waiting, nodes)) if staking else []
        self._staking = staking
        self._leaver = 0
        self._per_s = per_s
        self._sent = 0
        self._nonces: dict[str, int] = {}
        self._tried: dict[tuple[str, str], int] = {}
        self._turns: dict[int, int] = {}

    def act(self, state: State, now_ms: int, *, epoch: int) -> Iterator[bytes]:
        """Return the transactions that are signed now."""
        while self._sent * 1_000 < now_ms * self._per_s:
            self._sent += 1
            yield self._payment(state, now_ms)
        if self._staking:
            for name, payload in self._wishes(state, epoch):
                wish = (name, type(payload).__name__)
                if now_ms - self._tried.get(wish, -PATIENCE_MS) >= PATIENCE_MS:
                    self._tried[wish] = now_ms
                    yield self._signed(name, payload, state.account(address(name)).nonce, now_ms)

    def _payment(self, state: State, now_ms: int) -> bytes:
        payer, payee = PAYERS[self._sent % 2], PAYERS[2 + self._sent % 2]
        held = state.account(address(payer)).nonce
        nonce = self._nonces.get(payer, held)
        if not held <= nonce < held + 32:
            nonce = held
        self._nonces[payer] = nonce + 1
        return self._signed(payer, Transfer(to=address(payee), amount=KARAT // 1_000), nonce, now_ms)

    def _signed(self, name: str, payload: Payload, nonce: int, now_ms: int) -> bytes:
        body = a_body(name, payload, nonce=nonce, time_ms=GENESIS_MS + now_ms)
        return sign_transaction(seed_of(name), self._charter.hash, body)

    def _wishes(self, state: State, epoch: int) -> Iterator[tuple[str, Payload]]:
        """Return what validators, and who wants to be one, would sign now."""
        for node in self._newcomers:
            name = f"validator {node}"
            if state.validator(address(name)) is None:
                yield name, self._registration(node)
        if epoch >= 2:  # noqa: PLR2004 - once it all runs
            yield from self._changes(state, epoch)
        for at in range(self._newcomers[-1] + 1 if self._newcomers else 0):
            name = f"validator {at}"
            validator = state.validator(address(name))
            if validator is not None and validator.state is ValidatorState.JAILED:
                yield name, ValidatorUnjail()

    def _changes(self, state: State, epoch: int) -> Iterator[tuple[str, Payload]]:
        """Leave, change a key, delegate and take back, each by another, as the epochs go."""
        leaver = state.validator(address("validator 0"))
        if leaver is not None and leaver.state is ValidatorState.READY and self._newcomers:
            yield "validator 0", ValidatorExit()
        turn = min(KEYS_MAX - 1, epoch // 3)
        if turn and state.validator(address("validator 1")) is not None:
            wanted = prove(seed_of(vote_key(1, turn)), self._charter.hash, address("validator 1"))
            known = state.validator(address("validator 1"))
            if known is not None and known.key != wanted.key:
                yield "validator 1", ValidatorUpdate(key=wanted, peer=None, onion=None, commission=None)
        payee = address("validator 2")
        if state.delegation(address("client"), payee) == 0:
            yield "client", Delegate(validator=payee, amount=10 * KARAT)
        elif epoch % 3 == 0:
            yield "client", Undelegate(validator=payee, amount=None)

    def _registration(self, node: int) -> ValidatorRegister:
        who = address(f"validator {node}")
        return ValidatorRegister(
            key=prove(seed_of(vote_key(node, 0)), self._charter.hash, who),
            peer=prove(seed_of(f"peer of validator {node}"), self._charter.hash, who),
            onion=onion_of(node).tip,
            commission=500,
            bond=BOND,
        )
