"""Stake: validators, what is delegated to them, and what was taken out and is not paid yet (Q10 to Q17, Q45)."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple

from primitives import ed25519
from primitives.reasons import Refused
from testnet.audit.holdings import Holdings
from testnet.audit.rules import Kind, RefusedError, Why, must

REGISTERED_MAX = 1_000
PAYMENTS_MAX = 256
NUMBER_MAX = 2**63 - 1
KINDS = (
    Kind.VALIDATOR_REGISTER,
    Kind.VALIDATOR_UPDATE,
    Kind.VALIDATOR_EXIT,
    Kind.VALIDATOR_UNJAIL,
    Kind.DELEGATE,
    Kind.UNDELEGATE,
)


class Stands(IntEnum):
    """The states of a validator (Q16)."""

    READY = 1
    JAILED = 2
    LEAVING = 3
    BANNED = 4


TAKING = (Stands.READY, Stands.JAILED)
"""The states in which a validator takes stake, and its operator has to keep the least bond (Q10, Q12)."""


@dataclass
class Validator:
    """Whoever has ever registered (Q18)."""

    number: int
    key: bytes
    peer: bytes
    onion: bytes
    commission: int = 0
    state: Stands = Stands.READY
    stake: int = 0
    shares: int = 0
    jailed_until: int = 0

    def worth(self, shares: int) -> int:
        """Return what shares can be taken out for (Q13)."""
        return shares * self.stake // self.shares if self.shares else 0


@dataclass
class Pool:
    """What was taken out of a validator in one epoch (Q14)."""

    stake: int = 0
    shares: int = 0


class Member(NamedTuple):
    """A place in a set, as it is encoded (Q2)."""

    validator: bytes
    key: bytes
    peer: bytes
    onion: bytes
    weight: int


class Set(NamedTuple):
    """The validators of an epoch, as they are encoded (Q2)."""

    epoch: int
    seed: bytes
    members: list[Member]

    @property
    def weight(self) -> int:
        """The weight of all."""
        return sum(each.weight for each in self.members)


@dataclass
class Offender:
    """Who was convicted for an epoch, and what that has cost so far (Q32)."""

    weight: int
    reporter: bytes
    bps: int = 0


@dataclass
class Stakes:
    """All stake, and the epoch that runs."""

    validators: dict[bytes, Validator] = field(default_factory=dict)
    roll: list[bytes] = field(default_factory=list)
    delegated: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    """Shares, by account and validator."""
    pools: dict[tuple[bytes, int], Pool] = field(default_factory=dict)
    """By validator and epoch."""
    claims: dict[tuple[int, bytes, bytes], tuple[int, int]] = field(default_factory=dict)
    """Epoch of the pool and shares of it, by block time, account and validator."""
    owners: dict[bytes, bytes] = field(default_factory=dict)
    """Whose a key is."""
    onions: dict[tuple[bytes, bytes], bool] = field(default_factory=dict)
    """That a validator has named an onion."""
    sets: dict[int, Set] = field(default_factory=dict)
    offenders: dict[tuple[int, bytes], Offender] = field(default_factory=dict)
    """By epoch and validator."""
    epoch: int = 0
    started_ms: int = 0
    proposed: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    revealed: dict[bytes, int] = field(default_factory=dict)
    """Height of each validator's last reveal."""

    @property
    def running(self) -> Set:
        """The set of the epoch that runs."""
        return self.sets[self.epoch]

    def staked(self) -> int:
        """Return all stake of validators."""
        return sum(each.stake for each in self.validators.values())

    def total(self) -> int:
        """Return all that is staked or being taken out."""
        return self.staked() + sum(each.stake for each in self.pools.values())


def carry_out(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    """Carry out what concerns stake. Raises RefusedError, and nothing has changed then."""
    stakes = holdings.stakes
    match Kind(payload[0]):
        case Kind.VALIDATOR_REGISTER:
            _register(holdings, sender, payload)
        case Kind.VALIDATOR_UPDATE:
            _update(holdings, sender, payload)
        case Kind.VALIDATOR_EXIT:
            _leave(holdings, sender)
        case Kind.VALIDATOR_UNJAIL:
            validator = _known(stakes, sender)
            must(validator.state is Stands.JAILED, Why.VALIDATOR_WRONG_STATE)
            must(holdings.time_ms >= validator.jailed_until, Why.STILL_JAILED)
            must(validator.stake >= holdings.tell("validator_bond_min"), Why.BOND_TOO_SMALL)  # Q45
            validator.state = Stands.READY
        case Kind.DELEGATE:
            validator = _known(stakes, payload[1])
            must(validator.state in TAKING, Why.VALIDATOR_WRONG_STATE)
            must(payload[2], Why.ZERO_AMOUNT)
            _put_in(holdings, sender, payload[1], validator, payload[2])
        case _:
            _undelegate(holdings, sender, payload[1], payload[2])


def _known(stakes: Stakes, who: bytes) -> Validator:
    if who not in stakes.validators:
        raise RefusedError(Why.VALIDATOR_UNKNOWN)
    return stakes.validators[who]


def _register(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    _, key, peer, onion, commission, bond = payload
    stakes = holdings.stakes
    known = stakes.validators.get(sender)
    must(known is None or known.state is Stands.LEAVING, Why.VALIDATOR_EXISTS)
    must(bond >= holdings.tell("validator_bond_min"), Why.BOND_TOO_SMALL)
    must(sender in stakes.roll or len(stakes.roll) < REGISTERED_MAX, Why.BUSY)
    for each in (key, peer):
        _check_key(holdings, sender, each)
    must((known is not None and known.onion == onion) or (onion, sender) not in stakes.onions, Why.KEY_TAKEN)
    must(known is None or holdings.time_ms >= known.jailed_until, Why.STILL_JAILED)
    validator = known or Validator(number=len(stakes.validators), key=key[0], peer=peer[0], onion=onion)
    _put_in(holdings, sender, sender, validator, bond)
    stakes.validators[sender] = validator
    validator.state = Stands.READY
    _name(stakes, sender, validator, [key, peer, onion, commission])
    if sender not in stakes.roll:
        stakes.roll.append(sender)


def _update(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    _, key, peer, onion, commission = payload
    validator = _known(holdings.stakes, sender)
    must(validator.state is not Stands.BANNED, Why.VALIDATOR_WRONG_STATE)  # Q17
    for each in (key, peer):
        if each is not None:
            _check_key(holdings, sender, each)
    must((onion, sender) not in holdings.stakes.onions, Why.KEY_TAKEN)
    _name(holdings.stakes, sender, validator, [key, peer, onion, commission])


def _check_key(holdings: Holdings, sender: bytes, proven: list[bytes]) -> None:
    """Refuse a key that is none, that the sender does not hold, or that is another's (Q11)."""
    key, proof = proven
    try:
        ed25519.check_public_key(key)
    except Refused:
        raise RefusedError(Why.BAD_KEY) from None
    must(ed25519.verify(key, b"assay/validator-key" + holdings.genesis_hash + sender, proof), Why.BAD_SIGNATURE)
    must(holdings.stakes.owners.get(key, sender) == sender, Why.KEY_TAKEN)


def _name(stakes: Stakes, sender: bytes, validator: Validator, told: list[Any]) -> None:
    key, peer, onion, commission = told
    if key is not None:
        validator.key = key[0]
        stakes.owners[key[0]] = sender
    if peer is not None:
        validator.peer = peer[0]
        stakes.owners[peer[0]] = sender
    if onion is not None:
        validator.onion = onion
        stakes.onions[onion, sender] = True
    if commission is not None:
        validator.commission = commission


def _put_in(holdings: Holdings, who: bytes, address: bytes, validator: Validator, grains: int) -> None:
    """Move grains from a balance to a validator's stake (Q12)."""
    must(holdings.balances.get(who, 0) >= grains, Why.INSUFFICIENT_BALANCE)
    must(validator.stake or not validator.shares, Why.ZERO_AMOUNT)
    bought = grains * validator.shares // validator.stake if validator.shares else grains
    must(bought, Why.ZERO_AMOUNT)
    must(validator.shares + bought <= NUMBER_MAX, Why.TOO_LARGE)
    holdings.take(who, grains)
    validator.stake, validator.shares = validator.stake + grains, validator.shares + bought
    delegated = holdings.stakes.delegated
    delegated[who, address] = delegated.get((who, address), 0) + bought


def _undelegate(holdings: Holdings, sender: bytes, address: bytes, amount: int | None) -> None:
    stakes = holdings.stakes
    validator = _known(stakes, address)
    held = stakes.delegated.get((sender, address), 0)
    must(held, Why.DELEGATION_UNKNOWN)
    must(amount is None or amount, Why.ZERO_AMOUNT)
    shares, grains = held, validator.worth(held)
    if amount is not None:
        shares, grains = (-(-amount * validator.shares // validator.stake) if validator.stake else 0), amount
        if shares == validator.shares and grains < validator.stake:
            grains = validator.stake  # whoever takes the last shares out gets all (Q13)
    must(shares <= held and grains <= validator.stake, Why.BOND_TOO_SMALL)
    if sender == address and validator.state in TAKING:
        must(validator.worth(held - shares) >= holdings.tell("validator_bond_min"), Why.BOND_TOO_SMALL)
    _take_out(holdings, sender, address, shares, grains)


def _leave(holdings: Holdings, sender: bytes) -> None:
    validator = _known(holdings.stakes, sender)
    must(validator.state is not Stands.LEAVING, Why.VALIDATOR_WRONG_STATE)
    shares = holdings.stakes.delegated.get((sender, sender), 0)
    _take_out(holdings, sender, sender, shares, validator.worth(shares))
    if validator.state is not Stands.BANNED:
        validator.state = Stands.LEAVING


def _take_out(holdings: Holdings, who: bytes, address: bytes, shares: int, grains: int) -> None:
    """Move grains for shares into this epoch's pool (Q14)."""
    stakes, validator = holdings.stakes, holdings.stakes.validators[address]
    if grains:
        pool = stakes.pools.get((address, stakes.epoch), Pool())
        must(pool.stake or not pool.shares, Why.BUSY)  # all of it is slashed
        bought = grains * pool.shares // pool.stake if pool.shares else grains
        must(pool.shares + bought <= NUMBER_MAX, Why.BUSY)
        stakes.pools[address, stakes.epoch] = Pool(stake=pool.stake + grains, shares=pool.shares + bought)
        key = (holdings.time_ms + holdings.tell("unbonding_ms"), who, address)
        stakes.claims[key] = (stakes.epoch, bought + stakes.claims.get(key, (0, 0))[1])
    left = stakes.delegated.get((who, address), 0) - shares
    stakes.delegated.pop((who, address), None)
    if left:
        stakes.delegated[who, address] = left
    validator.stake, validator.shares = validator.stake - grains, validator.shares - shares


def pay_unbonded(holdings: Holdings) -> None:
    """Pay what was taken out long enough ago (Q15)."""
    stakes = holdings.stakes
    for key in sorted(stakes.claims)[:PAYMENTS_MAX]:
        due, who, address = key
        if due > holdings.time_ms:
            return
        epoch, shares = stakes.claims.pop(key)
        pool = stakes.pools[address, epoch]
        grains = shares * pool.stake // pool.shares
        pool.stake, pool.shares = pool.stake - grains, pool.shares - shares
        if not pool.shares:
            del stakes.pools[address, epoch]
        holdings.give(who, grains)
