"""Rows of late final states, proved by a node and checked by somebody who knows the validators alone."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from ledger.block import block_id
from ledger.genesis import charter_of, first_set
from ledger.parameters import Parameters
from ledger.proven import PROVEN_BYTES_MAX, ProvenRows, check_proven_rows, decode_proven_rows
from ledger.records import Account
from ledger.stake.epochs import set_hash
from ledger.state import MemoryReader, account_key
from ledger.tree import StateTree
from node.past_states import CHANGES_MAX, STATES_MAX, STATES_MIN, PastState, PastStates
from primitives import codec
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import RICH, a_genesis, a_transfer, address
from tests.node.chains import CHARTER, Producer, certify

CLIENT, PUBLISHER, NOBODY = account_key(address("client")), account_key(address("publisher")), account_key(bytes(20))
VALIDATORS = set_hash(first_set(CHARTER.genesis, 0))


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Producer]:
    made = Producer(tmp_path / "state")
    yield made
    made.close()


async def pay(producer: Producer, nonce: int) -> None:
    await producer.chain.submit(a_transfer(CHARTER, payer="client", payee="publisher", amount=5, nonce=nonce))
    producer.extend(1)


def check(proven: ProvenRows, *, validators: bytes = VALIDATORS, network: bytes = CHARTER.hash) -> None:
    check_proven_rows(decode_proven_rows(codec.encode(proven)), genesis_hash=network, validators_hash=validators)


def refusal(proven: ProvenRows, *, validators: bytes = VALIDATORS, network: bytes = CHARTER.hash) -> Reason:
    with pytest.raises(Refused) as refused:
        check(proven, validators=validators, network=network)
    return refused.value.reason


def balance(proven: ProvenRows, at: int) -> int:
    value = proven.rows[at].value
    assert value is not None
    return codec.decode(Account, value, at_most=100).balance


async def test_rows_and_absent_ones_are_proved_after_the_block_before_the_head(producer: Producer) -> None:  # L66
    await pay(producer, 0)
    await pay(producer, 1)
    proven = producer.chain.prove([PUBLISHER, NOBODY], None)
    check(proven)
    assert (proven.height, proven.state_root) == (1, producer.chain.state_root_at(1))
    assert balance(proven, 0) == RICH + 5
    assert proven.rows[1].value is None
    assert len(codec.encode(proven)) < PROVEN_BYTES_MAX


async def test_rows_of_an_older_state_are_those_that_it_had(producer: Producer) -> None:  # R11
    for nonce in range(4):
        await pay(producer, nonce)
    for height in (1, 2, 3):
        proven = producer.chain.prove([PUBLISHER], height)
        check(proven)
        assert balance(proven, 0) == RICH + 5 * height


async def test_what_no_final_block_carries_or_is_not_kept_is_not_found(producer: Producer) -> None:  # R11
    def reason(height: int | None) -> Reason:
        with pytest.raises(Refused) as refused:
            producer.chain.prove([CLIENT], height)
        return refused.value.reason

    assert reason(None) is Reason.NOT_FOUND
    producer.extend(1)
    assert reason(1) is reason(9) is Reason.NOT_FOUND
    check(producer.chain.prove([CLIENT], 0))
    producer.extend_by_groups(3, group=3)
    assert reason(2) is Reason.NOT_FOUND
    check(producer.chain.prove([CLIENT], 1))


async def test_one_certificate_proves_the_state_below_several_headers(producer: Producer) -> None:
    producer.extend(1)
    producer.extend_by_groups(3, group=3)
    proven = producer.chain.prove([CLIENT], None)
    check(proven)
    assert [header.height for header in proven.headers] == [2, 3, 4]
    without = msgspec.structs.replace(proven, headers=[proven.headers[0], proven.headers[2]])
    assert refusal(without) is Reason.BLOCK_WRONG_PARENT


async def test_nothing_is_believed_that_was_changed_on_the_way(producer: Producer) -> None:
    await pay(producer, 0)
    await pay(producer, 1)
    proven = producer.chain.prove([PUBLISHER, NOBODY], None)
    (row, absent), (header,) = proven.rows, proven.headers
    change = msgspec.structs.replace

    assert refusal(proven, network=bytes(32)) is Reason.WRONG_NETWORK
    assert refusal(proven, validators=bytes(32)) is Reason.BLOCK_WRONG_VALIDATORS
    others = change(proven.validators, seed=bytes(32))
    assert refusal(change(proven, validators=others)) is Reason.BLOCK_WRONG_VALIDATORS
    assert refusal(change(proven, validators=others), validators=set_hash(others)) is Reason.BLOCK_WRONG_VALIDATORS
    richer = codec.encode(Account(nonce=0, balance=RICH * 2))
    assert refusal(change(proven, rows=[change(row, value=richer)])) is Reason.BAD_PROOF
    assert refusal(change(proven, rows=[change(row, value=None)])) is Reason.BAD_PROOF
    assert refusal(change(proven, rows=[change(row, key=CLIENT)])) is Reason.BAD_PROOF
    assert refusal(change(proven, rows=[change(absent, value=richer)])) is Reason.BAD_PROOF
    assert refusal(change(proven, headers=[change(header, state_root=bytes(32))])) is Reason.BAD_PROOF
    few = certify(CHARTER, header.view, block_id(header), signers=2)
    assert refusal(change(proven, certificate=few)) is Reason.BAD_PROOF
    forged = change(proven.certificate, signatures=[bytes(64)] * 3)
    assert refusal(change(proven, certificate=forged)) is Reason.BAD_SIGNATURE


def test_in_a_later_epoch_its_own_validators_are_the_ones_to_trust(tmp_path: Path) -> None:
    charter = charter_of(a_genesis(parameters=Parameters(epoch_ms=2_000)))
    producer = Producer(tmp_path / "state", charter=charter)
    producer.extend(7)
    proven = producer.chain.prove([CLIENT], None)
    epoch = proven.headers[-1].epoch
    assert epoch >= 2
    validators = producer.chain.state().epoch_set(epoch)
    assert validators is not None
    check(proven, validators=set_hash(validators), network=charter.hash)
    assert refusal(proven, validators=VALIDATORS, network=charter.hash) is Reason.BLOCK_WRONG_VALIDATORS
    producer.close()


def test_states_are_let_go_of_by_number_and_by_what_they_changed() -> None:
    def kept(*, count: int, changes: int) -> int:
        states = PastStates()
        for height in range(count):
            states.keep(PastState(height=height, tree=StateTree(), rows=MemoryReader(), changes=changes))
        return len(states._states)

    assert kept(count=STATES_MAX + 5, changes=1) == STATES_MAX
    assert kept(count=10, changes=CHANGES_MAX // 4) == 4
    assert kept(count=10, changes=CHANGES_MAX + 1) == STATES_MIN
