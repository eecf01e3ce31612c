"""The rules of money, written a second time: from docs/spec alone, on plain lists, importing nothing of the product.

Whoever changes a rule of the ledger changes this file too, or the recount says so. What is written here: how blocks,
transactions and receipts are encoded and bound by hashes, addresses, gas, the base fee, fees and tips, and transfers.
What is not: the market, staking, and what the end of an epoch pays or takes where there is a reward pot, or where
absence costs anything. A chain that has those is refused, never guessed.
"""

import hashlib
from typing import Any, NamedTuple

import msgspec

TRANSFER_TAG = 1
TRANSFER_GAS = 100
PIECE_GAS, PIECE_BYTES = 400, 256
GAS_TARGET = 750_000
STEP_PARTS = 8
NEVER_ABSENT = 2**32 - 1
"""Views that nobody misses in an epoch: so absence costs nothing, and as no stake moves the sets stay as they are."""
TOO_LITTLE = 206
"""The number in the receipt of a transfer that its sender can't pay."""


class BeyondError(Exception):
    """The chain holds what this program has no rules for."""


class WrongError(Exception):
    """The chain contradicts the rules, or itself."""


class Header(NamedTuple):
    """The fields of a block's header, in the order in which they are encoded."""

    version: int
    genesis: bytes
    epoch: int
    view: int
    height: int
    parent: bytes
    parent_view: int
    timestamp_ms: int
    proposer: int
    tx_root: bytes
    evidence_root: bytes
    state_root: bytes
    receipts_root: bytes
    validators_hash: bytes
    next_validators_hash: bytes
    beacon_reveal: bytes
    base_fee: int
    parent_gas_used: int


def tagged(tag: bytes, raw: bytes) -> bytes:
    """Hash under a name (P5)."""
    return hashlib.sha256(bytes([len(tag)]) + tag + raw).digest()


def address_of(key: bytes) -> bytes:
    """Return the address of a public key (P12)."""
    return tagged(b"assay/address", key)[:20]


def merkle_root(leaves: list[bytes]) -> bytes:
    """Return the root of RFC 6962 over leaves (P7), by its recursive definition."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    left = 1
    while 2 * left < len(leaves):
        left *= 2
    return hashlib.sha256(b"\1" + merkle_root(leaves[:left]) + merkle_root(leaves[left:])).digest()


def next_base_fee(base_fee: int, gas: int, floor: int) -> int:
    """Return the base fee after a block that used so much gas (L27)."""
    if gas == GAS_TARGET:
        return max(floor, base_fee)
    step = max(1, base_fee * abs(gas - GAS_TARGET) // GAS_TARGET // STEP_PARTS)
    return max(floor, base_fee + step if gas > GAS_TARGET else base_fee - step)


class Books:
    """All money of a network, followed from genesis block by block."""

    def __init__(self, genesis: dict[str, Any]) -> None:
        """Open the books with what genesis.json gives: {"hash": ..., "genesis": {...}}."""
        told = genesis["genesis"]
        if told["workers"] or told["rewards"]:
            raise BeyondError("workers and rewards from genesis")
        self.genesis_hash = bytes.fromhex(genesis["hash"])
        self.balances = {bytes.fromhex(each["address"]): int(each["balance"]) for each in told["accounts"]}
        self.staked = sum(int(each["stake"]) for each in told["validators"])
        self.burned = 0
        self.transactions = self.failed = 0
        self.supply = self.total()
        self._ends_are_free = told["parameters"]["absence_views_min"] == NEVER_ABSENT
        self._operators = [bytes.fromhex(each["operator"]) for each in told["validators"]]
        self._nonces: dict[bytes, int] = {}
        self._floor = int(told["parameters"]["base_fee_min"])
        self._last: tuple[Header, bytes] | None = None
        self._receipts: list[bytes] = []
        self._gas = 0

    @property
    def height(self) -> int:
        """The block up to which the books are kept."""
        return self._last[0].height if self._last else 0

    def total(self) -> int:
        """Return all money there is by these books."""
        return sum(self.balances.values()) + self.staked + self.burned

    def take(self, raw: bytes) -> None:
        """Enter the next block. Raises WrongError and BeyondError."""
        _, fields, transactions, evidence = msgspec.msgpack.decode(raw)
        header = Header(*fields)
        if evidence or (header.epoch and not self._ends_are_free):
            raise BeyondError(f"evidence, or the end of an epoch, before height {header.height}")
        self._check(header, transactions)
        self._receipts, self._gas = [], 0
        tips = sum(self._pay(header, envelope) for envelope in transactions)
        operator = self._operators[header.proposer]
        if tips:
            self.balances[operator] = self.balances.get(operator, 0) + tips
        if self.total() != self.supply:  # no rule above makes or loses money
            raise WrongError(f"{self.total()} grains at height {header.height}, not {self.supply}")
        self._last = (header, tagged(b"assay/block", msgspec.msgpack.encode(fields)))

    def _check(self, header: Header, transactions: list[bytes]) -> None:
        """Check that a block follows the last one, and that its parent's receipts are those of these books."""
        wanted = [
            ("network", header.genesis, self.genesis_hash),
            ("height", header.height, self.height + 1),
            ("transactions", header.tx_root, merkle_root(transactions)),
        ]
        if self._last is not None:
            last, name = self._last
            wanted += [
                ("parent", header.parent, name),
                ("parent's receipts", header.receipts_root, merkle_root(self._receipts)),
                ("parent's gas", header.parent_gas_used, self._gas),
                ("base fee", header.base_fee, next_base_fee(last.base_fee, self._gas, self._floor)),
            ]
        for what, seen, right in wanted:
            if seen != right:
                raise WrongError(f"{what} of block {header.height}: {seen!r}, by these books {right!r}")

    def _pay(self, header: Header, envelope: bytes) -> int:
        """Enter a transaction; return its tip."""
        encoded: bytes = msgspec.msgpack.decode(envelope)[0]
        key, nonce, cap, offer, _, payload = msgspec.msgpack.decode(encoded)
        if payload[0] != TRANSFER_TAG:
            raise BeyondError(f"a transaction of kind {payload[0]} at height {header.height}")
        sender = address_of(key)
        if nonce != self._nonces.get(sender, 0):
            raise WrongError(f"nonce {nonce} at height {header.height}, by these books {self._nonces.get(sender, 0)}")
        self._nonces[sender] = nonce + 1
        gas: int = TRANSFER_GAS + PIECE_GAS * -(-len(envelope) // PIECE_BYTES)
        burned, tip = gas * header.base_fee, gas * min(int(offer), int(cap) - header.base_fee)
        left = self.balances.get(sender, 0) - burned - tip
        if cap < header.base_fee or left < 0:
            raise WrongError(f"a fee that its sender does not offer or have, at height {header.height}")
        self.balances[sender], self.burned = left, self.burned + burned
        self._gas += gas
        self.transactions += 1
        to, amount = payload[1:]
        reason = 0 if amount <= left else TOO_LITTLE
        if reason:
            self.failed += 1
        else:
            self.balances[sender] -= amount
            self.balances[to] = self.balances.get(to, 0) + amount
        name = tagged(b"assay/tx-id", encoded)
        self._receipts.append(msgspec.msgpack.encode([name, reason, burned + tip]))
        return tip
