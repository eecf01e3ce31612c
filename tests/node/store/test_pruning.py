"""What a node lets go of, and what it keeps whatever it is told (N46)."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.block import block_id
from node.store import segments
from node.store.pruning import KEEP_BLOCKS_MIN, STEP_HEIGHTS, Keep, Mode, keep_of
from node.store.schema import FloorRow
from node.store.store import Store
from testnet.kit.ledger_builders import a_transfer
from tests.node.chains import CHARTER, Producer

SECOND_MS = 1_000
"""Between two blocks of a producer."""


def test_modes_are_what_they_are_called() -> None:
    assert keep_of(Mode.ARCHIVE, 5_000, age_ms=7) == Keep(blocks=None, history=None, age_ms=7)
    assert keep_of(Mode.FULL, 5_000, age_ms=7) == Keep(blocks=None, history=5_000, age_ms=7)
    assert keep_of(Mode.PRUNED, 5_000, age_ms=7) == Keep(blocks=5_000, history=5_000, age_ms=7)
    assert KEEP_BLOCKS_MIN == 1_024


@pytest.fixture
def producers(tmp_path: Path) -> Callable[[Keep], Producer]:
    return lambda keep: Producer(tmp_path / "store", keep=keep)


async def test_a_pruned_store_keeps_the_last_blocks_and_gives_room_back_n46(
    producers: Callable[[Keep], Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES_MAX", 2_000)
    producer = producers(Keep(blocks=5, history=3))
    ids, transactions = [], []
    for nonce in range(20):
        raw = a_transfer(CHARTER, payer="client", payee="publisher", amount=5, nonce=nonce)
        transactions.append(await producer.chain.submit(raw))
        block = producer.propose()
        producer.finalize(block)
        ids.append(block_id(block.header))
    store = producer.store
    assert store.floor == FloorRow(blocks=16, history=18)
    for height in range(21):
        assert (store.block(height) is not None) == (height >= 16)
        assert (store.receipts(height) is not None) == (height >= 18)
        assert (store.state_root(height) is not None) == (height >= 18)
    for height, (name, txid) in enumerate(zip(ids, transactions, strict=True), start=1):
        assert (store.height_of(name) is not None) == (height >= 16)
        assert (store.place_of(txid) is not None) == (height >= 18)
    assert producer.chain.block(15) is None
    assert producer.chain.block(16) is not None
    assert len(list((producer.path / "segments").iterdir())) <= 4
    producer.close()
    again = Store(producer.path, CHARTER.hash)
    assert again.floor == FloorRow(blocks=16, history=18)
    assert again.certificate_from(0) == (16, again.certificate_from(16)[1])  # type: ignore[index]  # there is one
    again.close()


def test_a_full_store_keeps_all_blocks(producers: Callable[[Keep], Producer]) -> None:
    producer = producers(Keep(history=3))
    producer.extend(10)
    assert producer.store.floor == FloorRow(blocks=0, history=8)
    assert all(producer.store.block(height) for height in range(11))
    producer.close()


def test_what_is_younger_than_the_unbonding_time_stays(producers: Callable[[Keep], Producer]) -> None:
    producer = producers(Keep(blocks=2, history=2, age_ms=6 * SECOND_MS))
    producer.extend(10)
    assert producer.store.floor == FloorRow(blocks=5, history=5)
    producer.close()


def test_a_shorter_memory_is_reached_step_by_step(producers: Callable[[Keep], Producer], tmp_path: Path) -> None:
    producer = producers(Keep())
    producer.extend_by_groups(40)
    producer.close()
    shorter = Producer(tmp_path / "store", keep=Keep(blocks=10, history=10))
    shorter.now_ms = producer.now_ms
    floors = []
    for _ in range(12):
        shorter.extend(1)
        floors.append(shorter.store.floor.blocks)
    assert floors[0] == STEP_HEIGHTS
    assert all(after - before <= STEP_HEIGHTS for before, after in itertools.pairwise(floors))
    assert floors[-1] == 52 + 1 - 10
    shorter.close()


def test_pruning_by_hand_ends_and_changes_nothing_more(producers: Callable[[Keep], Producer], tmp_path: Path) -> None:
    producer = producers(Keep())
    producer.extend_by_groups(40)
    producer.close()
    store = Store(tmp_path / "store", CHARTER.hash, keep=Keep(blocks=10, history=5))
    assert store.prune()
    while store.prune():
        pass
    assert store.floor == FloorRow(blocks=31, history=36)
    assert not store.prune()
    store.close()
