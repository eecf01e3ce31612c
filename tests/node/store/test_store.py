"""The store: what is final stays so, whatever ends the process and when."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import plyvel
import pytest

from consensus.io import Certified, GuardRecord, Stored, Voted
from consensus.messages import SignedVote, Vote, VoteKind
from node.final_chain import FinalChain
from node.mempool.pool import Pool
from node.store import schema
from node.store.database import Database
from node.store.disk import Disk
from node.store.store import Store
from primitives.codec import encode
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from testnet.kit.ledger_builders import a_transfer
from tests.node.chains import CHARTER, LIMITS, Producer, certify


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[Producer]:
    made = Producer(tmp_path / "state")
    yield made
    made.close()


def reopened(store: Path, copy: Path) -> FinalChain:
    """Return the chain as a process finds it that starts after this one was killed now."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(store, copy)
    (copy / "LOCK").unlink()
    opened = Store(copy, CHARTER.hash)
    chain = FinalChain(charter=CHARTER, store=opened, pool=Pool(LIMITS), now_ms=lambda: 0, spread=lambda _: None)
    opened.close()
    return chain


async def test_a_crash_after_any_block_leaves_that_block_final(producer: Producer, tmp_path: Path) -> None:
    for nonce in range(4):
        await producer.chain.submit(a_transfer(CHARTER, payer="client", payee="publisher", amount=5, nonce=nonce))
        before = producer.chain.head
        block = producer.propose()
        assert reopened(producer.path, tmp_path / "copy").head == before
        producer.finalize(block)
        assert reopened(producer.path, tmp_path / "copy").head == producer.chain.head


def test_a_block_and_its_ancestors_become_final_together(producer: Producer) -> None:
    first = producer.propose(view=1)
    second = producer.propose(view=2, parent=producer.chain.hold(first))
    certificate = producer.finalize(second)
    assert producer.chain.head.height == 2
    assert producer.chain.certificate_at(1) is None
    assert producer.chain.certificate_at(2) == certificate
    assert producer.chain.block(1) == (first, certificate)
    assert producer.chain.height_of(producer.chain.hold(first)) == 1


def a_vote(view: int, kind: VoteKind) -> Voted:
    vote = Vote(epoch=0, view=view, kind=kind, block=sha256(b"block"))
    return Voted(vote=SignedVote(vote=vote, signer=1, signature=bytes(64)))


def test_what_consensus_persists_survives_a_crash(producer: Producer, tmp_path: Path) -> None:
    stored = Stored(view=9, block=sha256(b"block"), parent_view=8, parent=sha256(b"parent"), body=b"body")
    certified = Certified(certificate=certify(CHARTER, 8, sha256(b"parent"), kind=VoteKind.NOTARIZE))
    records: list[GuardRecord] = [certified, a_vote(9, VoteKind.NOTARIZE), a_vote(9, VoteKind.FINALIZE), stored]
    for at in range(len(records)):
        producer.store.guard.persist(0, records[at : at + 1])
        copy = tmp_path / f"copy{at}"
        shutil.copytree(producer.path, copy)
        (copy / "LOCK").unlink()
        opened = Store(copy, CHARTER.hash)
        assert opened.guard.recall(0) == records[: at + 1]
        opened.close()


def test_what_a_final_view_has_closed_is_forgotten_with_it(producer: Producer) -> None:
    producer.store.guard.persist(
        0, [a_vote(1, VoteKind.NOTARIZE), a_vote(1, VoteKind.FINALIZE), a_vote(2, VoteKind.NOTARIZE)]
    )
    producer.finalize(producer.propose(view=1))
    assert producer.store.guard.recall(0) == [a_vote(2, VoteKind.NOTARIZE)]


def test_a_store_of_another_network_is_refused(tmp_path: Path) -> None:
    Store(tmp_path, bytes(32)).close()
    with pytest.raises(Refused) as refused:
        Store(tmp_path, CHARTER.hash)
    assert refused.value.reason is Reason.STORE_FOREIGN


def test_a_store_of_another_layout_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path, Disk())
    database.write([(schema.META, encode(schema.Meta(version=99, genesis_hash=CHARTER.hash)))], sync=True)
    database.close()
    with pytest.raises(Refused) as refused:
        Store(tmp_path, CHARTER.hash)
    assert refused.value.reason is Reason.STORE_FOREIGN


def test_a_store_of_the_layout_before_segments_is_refused_as_that(tmp_path: Path) -> None:
    database = plyvel.DB(str(tmp_path), create_if_missing=True)
    database.put(schema.META, encode(schema.Meta(version=1, genesis_hash=CHARTER.hash)))
    database.close()
    with pytest.raises(Refused) as refused:
        Store(tmp_path, CHARTER.hash)
    assert (refused.value.reason, refused.value.facts["seen"]) == (Reason.STORE_FOREIGN, 1)
    assert "fetches the chain again" in str(refused.value)


@pytest.mark.parametrize("lost", [schema.META, b"\xff"])
def test_a_row_that_every_store_has_is_missed(producer: Producer, lost: bytes) -> None:
    producer.close()
    database = Database(producer.path, Disk())
    database.write([(lost, None)], sync=True)
    database.close()
    with pytest.raises(Refused) as refused:
        Store(producer.path, CHARTER.hash)
    assert refused.value.reason is Reason.STORE_DAMAGED


def test_state_rows_without_their_root_stop_the_node(producer: Producer) -> None:
    producer.extend(2)
    producer.close()
    database = Database(producer.path, Disk())
    (key, _), *_ = database.rows(schema.STATE).scan(limit=1)
    database.write([(schema.STATE + key, None)], sync=True)
    database.close()
    with pytest.raises(Refused) as refused:
        reopened(producer.path, producer.path.with_name("copy"))
    assert refused.value.reason is Reason.STORE_DAMAGED


def test_a_second_process_finds_the_store_in_use(producer: Producer) -> None:
    with pytest.raises(Refused) as refused:
        Store(producer.path, CHARTER.hash)
    assert refused.value.reason is Reason.HOME_IN_USE


def test_a_snapshot_keeps_what_was_and_a_scan_keeps_its_bounds(tmp_path: Path) -> None:
    database = Database(tmp_path, Disk())
    rows = [(b"a" + bytes([at]), bytes([at])) for at in range(5)] + [(b"a\xff", b"x"), (b"b", b"y")]
    database.write(rows, sync=False)
    kept = database.snapshot(b"a")
    database.write([(b"a\x02", None)], sync=True)
    assert [key for key, _ in kept.scan()] == [bytes([at]) for at in range(5)] + [b"\xff"]
    assert kept.get(b"\x02") == b"\x02"
    assert database.rows(b"a").get(b"\x02") is None
    assert [key for key, _ in database.rows(b"").scan(b"a", 2, after=b"a\x02")] == [b"a\x03", b"a\x04"]
    assert [key for key, _ in database.rows(b"a").scan(b"\xff")] == [b"\xff"]
    database.close()
