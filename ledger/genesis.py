"""Genesis: what a network starts from, its hash, and the facts of it that every block is checked against (L1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from ledger.block import EMPTY_EVIDENCE_ROOT, PROTOCOL_VERSION, Header, block_id
from ledger.limits import GENESIS_ACCOUNTS_MAX, GENESIS_BYTES_MAX, VALIDATORS_MAX, WORKERS_MAX
from ledger.parameters import Parameters
from ledger.records import Account, Clock, Marker, Tip, Totals, Worker
from ledger.stake.epochs import EpochSet, Member, begun, seed_of, set_hash
from ledger.stake.records import (
    VERSIONS_MAX,
    Delegation,
    KeyOwner,
    RuleVersion,
    RuleVersions,
    Validator,
    ValidatorState,
)
from ledger.stake.versions import VM_VERSION
from ledger.state import (
    CLOCK,
    EPOCH,
    TOTALS,
    VERSIONS,
    account_key,
    delegation_key,
    epoch_set_key,
    key_owner_key,
    named_onion_key,
    roll_key,
    tip_key,
    validator_key,
    worker_key,
)
from primitives import codec, merkle
from primitives.hashing import ZERO_HASH, AddressBytes, Hash, KeyBytes, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import BASIS, NUMBER_MAX, U8, U64

Prefix = Literal["asy", "tasy", "dasy"]
"""The network's human part of addresses, one of primitives.address.NETWORK_PREFIXES."""


class GenesisValidator(Record):
    """A validator of the first epoch."""

    key: KeyBytes
    """Signs votes."""
    stake: U64
    onion_tip: Hash
    """The outermost layer of its hash onion (ledger.onion)."""
    peer: KeyBytes
    """Network public key of its node."""
    operator: AddressBytes
    """Names the validator, and receives what its blocks earn."""


class GenesisAccount(Record):
    """An account with a balance."""

    address: AddressBytes
    balance: U64


class GenesisWorker(Record):
    """A worker that is registered from the start, its bond in addition to any balance."""

    address: AddressBytes
    operator: AddressBytes
    """Whose worker it is: an operator's workers share one weight and never verify each other's jobs."""
    peer: KeyBytes
    bond: U64
    capacity: U8
    ask: U64
    gas_ask: U64
    classes: U8
    max_model_bytes: U64


class Genesis(Record):
    """Everything that a network starts from."""

    prefix: Prefix
    name: Annotated[bytes, msgspec.Meta(min_length=1, max_length=64)]
    timestamp_ms: U64
    validators: Annotated[list[GenesisValidator], msgspec.Meta(min_length=1, max_length=VALIDATORS_MAX)]
    beacon: Hash
    """R₀."""
    accounts: Annotated[list[GenesisAccount], msgspec.Meta(max_length=GENESIS_ACCOUNTS_MAX)]
    workers: Annotated[list[GenesisWorker], msgspec.Meta(max_length=WORKERS_MAX)]
    parameters: Parameters
    rewards: U64 = 0
    """What there is to pay for blocks (Q40)."""
    versions: Annotated[list[RuleVersion], msgspec.Meta(min_length=1, max_length=VERSIONS_MAX)] = msgspec.field(
        default_factory=lambda: [RuleVersion(protocol=PROTOCOL_VERSION, vm=VM_VERSION, from_ms=0)]
    )
    """Which rules hold from when (Q50)."""


def genesis_hash(genesis: Genesis) -> bytes:
    """Return the hash that names the network, 32 bytes (L1)."""
    return tagged("assay/genesis", codec.encode(genesis))


def decode_genesis(raw: bytes) -> Genesis:
    """Return the genesis that `raw` encodes, checked. Raises Refused TOO_LARGE or MALFORMED (L2)."""
    genesis = codec.decode(Genesis, raw, at_most=GENESIS_BYTES_MAX)
    check_genesis(genesis)
    return genesis


def total_supply(genesis: Genesis) -> int:
    """Return all grains that there are: balances, bonds of workers, stakes of validators, the reward pot (L4)."""
    return (
        sum(each.balance for each in genesis.accounts)
        + sum(each.bond for each in genesis.workers)
        + sum(each.stake for each in genesis.validators)
        + genesis.rewards
    )


def check_genesis(genesis: Genesis) -> None:
    """Raise Refused MALFORMED unless fields are within bounds, names distinct, stakes positive and sums sound (L2)."""
    codec.decode(Genesis, codec.encode(genesis), at_most=GENESIS_BYTES_MAX)  # one that was built has had no check yet
    lists = {
        "validators": [each.operator for each in genesis.validators],
        "validators' keys": [each.key for each in genesis.validators],
        "validators' peers": [each.peer for each in genesis.validators],
        "validators' onions": [each.onion_tip for each in genesis.validators],
        "accounts": [each.address for each in genesis.accounts],
        "workers": [each.address for each in genesis.workers],
    }
    for what, names in lists.items():
        for earlier, later in zip(sorted(names), sorted(names)[1:], strict=False):
            if earlier == later:
                raise Refused(Reason.MALFORMED, what=what, why="named twice", seen=later)
    least = max(1, genesis.parameters.validator_bond_min)
    for each in genesis.validators:
        if each.stake < least:  # it would fade from the sets at once (Q22)
            raise Refused(Reason.MALFORMED, what="validators", why="a stake below the least bond", seen=each.stake)
    starts = [each.from_ms for each in genesis.versions]
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise Refused(Reason.MALFORMED, what="rule versions", wanted="the first from 0 on, each later than the last")
    shares = genesis.parameters.owner_share_bps + genesis.parameters.protocol_share_bps
    if shares > BASIS:
        raise Refused(Reason.MALFORMED, what="shares of the price", seen=shares, wanted=BASIS)
    if total_supply(genesis) > NUMBER_MAX:
        raise Refused(Reason.MALFORMED, what="supply", seen=str(total_supply(genesis)), wanted=NUMBER_MAX)


@dataclass(frozen=True, kw_only=True)
class Charter:
    """What block rules need of a genesis, worked out once."""

    genesis: Genesis
    hash: bytes

    @property
    def parameters(self) -> Parameters:
        """Return the network's numbers."""
        return self.genesis.parameters


def charter_of(genesis: Genesis) -> Charter:
    """Return the charter of a genesis. Raises Refused MALFORMED (L2)."""
    check_genesis(genesis)
    return Charter(
        genesis=genesis,
        hash=genesis_hash(genesis),
    )


def genesis_header(charter: Charter) -> Header:
    """Return the header of block 0, which is final by definition and executes nothing (L5)."""
    return Header(
        version=PROTOCOL_VERSION,
        genesis=charter.hash,
        epoch=0,
        view=0,
        height=0,
        parent=ZERO_HASH,
        parent_view=0,
        timestamp_ms=charter.genesis.timestamp_ms,
        proposer=0,
        tx_root=merkle.EMPTY_ROOT,
        evidence_root=EMPTY_EVIDENCE_ROOT,
        state_root=ZERO_HASH,
        receipts_root=merkle.EMPTY_ROOT,
        validators_hash=set_hash(first_set(charter.genesis, 0)),
        next_validators_hash=set_hash(first_set(charter.genesis, 1)),
        beacon_reveal=charter.genesis.beacon,
        base_fee=charter.parameters.base_fee_min,
        parent_gas_used=0,
    )


def first_set(genesis: Genesis, epoch: int) -> EpochSet:
    """Return the validators of epoch 0 or 1, which genesis fixes (L3, Q3)."""
    members = [
        Member(validator=each.operator, key=each.key, peer=each.peer, onion=each.onion_tip, weight=each.stake)
        for each in genesis.validators
    ]
    return EpochSet(epoch=epoch, seed=seed_of(genesis.beacon, epoch), members=members)


def genesis_block_id(charter: Charter) -> bytes:
    """Return the id of block 0, 32 bytes: view 0 of consensus."""
    return block_id(genesis_header(charter))


def initial_rows(charter: Charter) -> dict[bytes, bytes]:
    """Return the rows of the state before block 1, by key (L6)."""
    genesis = charter.genesis
    rows: list[tuple[bytes, Record]] = [
        (account_key(each.address), Account(nonce=0, balance=each.balance)) for each in genesis.accounts
    ]
    rows += [(worker_key(each.address), _worker(each)) for each in genesis.workers]
    rows += _validator_rows(genesis)
    rows.append((VERSIONS, RuleVersions(planned=genesis.versions)))
    rows += [
        (tip_key(each.operator), Tip(onion=each.onion_tip, last=each.onion_tip, reveals=0, height=0))
        for each in genesis.validators
    ]
    rows += [(epoch_set_key(epoch), first_set(genesis, epoch)) for epoch in (0, 1)]
    rows.append((EPOCH, begun(0, genesis.timestamp_ms, len(genesis.validators))))
    totals = Totals(
        supply=total_supply(genesis),
        staked=sum(each.stake for each in genesis.validators),
        burned=0,
        protocol=0,
        workers=len(genesis.workers),
        rewards=genesis.rewards,
        validators=len(genesis.validators),
        registrations=len(genesis.validators),
    )
    clock = Clock(
        height=0,
        time_ms=genesis.timestamp_ms,
        live_ms=0,
        beacon=genesis.beacon,
        gas_used=0,
        base_fee=genesis.parameters.base_fee_min,
    )
    rows += [(TOTALS, totals), (CLOCK, clock)]
    return {key: codec.encode(row) for key, row in rows}


def _validator_rows(genesis: Genesis) -> Iterator[tuple[bytes, Record]]:
    """Yield what there is of a validator beside the sets: itself, its own stake, and whose its keys are."""
    for at, each in enumerate(genesis.validators):
        yield (
            validator_key(each.operator),
            Validator(
                number=at,
                key=each.key,
                peer=each.peer,
                onion=each.onion_tip,
                commission=0,
                state=ValidatorState.READY,
                stake=each.stake,
                shares=each.stake,
                jailed_until_ms=0,
            ),
        )
        yield delegation_key(each.operator, each.operator), Delegation(shares=each.stake)
        yield roll_key(each.operator), Marker()
        for key in (each.key, each.peer):
            yield key_owner_key(key), KeyOwner(validator=each.operator)
        yield named_onion_key(each.onion_tip, each.operator), KeyOwner(validator=each.operator)


def _worker(each: GenesisWorker) -> Worker:
    return Worker(
        operator=each.operator,
        peer=each.peer,
        bond=each.bond,
        locked=0,
        capacity=each.capacity,
        providing=0,
        verifying=0,
        ask=each.ask,
        gas_ask=each.gas_ask,
        classes=each.classes,
        max_model_bytes=each.max_model_bytes,
        registered=0,
    )
