from collections.abc import Callable

import pytest

from ledger.genesis import (
    Genesis,
    GenesisAccount,
    charter_of,
    check_genesis,
    decode_genesis,
    genesis_block_id,
    genesis_hash,
    genesis_header,
    initial_rows,
    total_supply,
)
from ledger.parameters import Parameters
from ledger.stake.records import RuleVersion
from ledger.state import MemoryReader, State, change
from primitives import codec
from primitives.reasons import Reason, Refused
from primitives.units import NUMBER_MAX
from testnet.kit import ledger_builders as kit

GENESIS = kit.a_genesis()

OF_THE_FIRST = {field: getattr(GENESIS.validators[0], field) for field in ("operator", "key", "peer", "onion_tip")}


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.reason


def test_a_genesis_reads_back() -> None:
    assert decode_genesis(codec.encode(GENESIS)) == GENESIS


def test_every_part_of_a_genesis_is_in_its_hash() -> None:
    others = [
        change(GENESIS, name=b"another"),
        change(GENESIS, prefix="tasy"),
        change(GENESIS, beacon=bytes(32)),
        change(GENESIS, timestamp_ms=1),
        change(GENESIS, accounts=GENESIS.accounts[1:]),
        change(GENESIS, workers=GENESIS.workers[1:]),
        change(GENESIS, rewards=1),
        change(GENESIS, versions=[RuleVersion(protocol=1, vm=2, from_ms=0)]),
        change(GENESIS, validators=GENESIS.validators[1:]),
        change(GENESIS, parameters=Parameters(base_fee_min=1)),
    ]
    assert len({genesis_hash(each) for each in [GENESIS, *others]}) == len(others) + 1


def test_the_supply_is_all_that_is_handed_out() -> None:
    state = State(MemoryReader(initial_rows(charter_of(GENESIS))))
    assert kit.supply_of(state) == state.totals().supply == total_supply(GENESIS)


def test_the_initial_state_holds_what_the_genesis_names() -> None:
    state = State(MemoryReader(initial_rows(charter_of(GENESIS))))
    assert state.account(kit.address("client")).balance == kit.RICH
    assert [address for address, _ in state.workers()] == sorted(each.address for each in GENESIS.workers)
    assert state.totals().workers == len(GENESIS.workers)
    assert [state.tip(each.operator).last for each in GENESIS.validators] == [
        each.onion_tip for each in GENESIS.validators
    ]
    assert (state.clock().time_ms, state.clock().live_ms, state.clock().height) == (GENESIS.timestamp_ms, 0, 0)


def test_block_zero_is_a_function_of_the_genesis() -> None:
    charter = charter_of(GENESIS)
    assert genesis_header(charter).genesis == genesis_hash(GENESIS)
    assert genesis_block_id(charter) == genesis_block_id(charter_of(kit.a_genesis()))
    assert genesis_block_id(charter) != genesis_block_id(charter_of(change(GENESIS, name=b"another")))


@pytest.mark.parametrize(
    "bad",
    [
        change(GENESIS, accounts=[*GENESIS.accounts, GENESIS.accounts[0]]),
        change(GENESIS, validators=[*GENESIS.validators, GENESIS.validators[0]]),
        change(GENESIS, workers=[*GENESIS.workers, GENESIS.workers[0]]),
        change(
            GENESIS, validators=[change(GENESIS.validators[0], stake=0)], parameters=Parameters(validator_bond_min=0)
        ),
        change(GENESIS, validators=[change(GENESIS.validators[0], stake=GENESIS.parameters.validator_bond_min - 1)]),
        *(
            change(GENESIS, validators=[GENESIS.validators[0], change(GENESIS.validators[1], **{field: value})])
            for field, value in OF_THE_FIRST.items()
        ),
        change(GENESIS, accounts=[GenesisAccount(address=bytes(20), balance=NUMBER_MAX)]),
        change(GENESIS, parameters=Parameters(owner_share_bps=9_000, protocol_share_bps=2_000)),
        change(GENESIS, parameters=Parameters(accept_ms=0)),
        change(GENESIS, parameters=Parameters(verifier_fee=-1)),
    ],
    ids=[
        "account twice",
        "validator twice",
        "worker twice",
        "no stake",
        "too small a stake",
        *(f"{field} of another" for field in OF_THE_FIRST),
        "too much money",
        "shares over all",
        "no time",
        "a negative fee",
    ],
)
def test_a_genesis_is_refused_with(bad: Genesis) -> None:
    assert refusal(lambda: check_genesis(bad)) is Reason.MALFORMED


def test_a_genesis_needs_a_validator_and_a_known_prefix() -> None:
    for bad in (change(GENESIS, validators=[]), change(GENESIS, prefix="xyz")):
        raw = codec.encode(bad)
        with pytest.raises(Refused):
            decode_genesis(raw)
