"""The check finds whatever is wrong in a store, and nothing in one that is right (N47)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from node.store import schema
from node.store.check import Findings, check_store
from node.store.database import Database
from node.store.disk import Disk
from node.store.pruning import Keep
from node.store.store import Store
from primitives.codec import decode, encode
from primitives.hashing import sha256
from primitives.record import Record
from testnet.kit.ledger_builders import a_transfer
from tests.node.chains import CHARTER, Producer, certify

HEIGHT = 6


def fill(producer: Producer) -> None:
    for nonce in range(HEIGHT):
        raw = a_transfer(CHARTER, payer="client", payee="publisher", amount=5, nonce=nonce)
        producer.chain.take(producer.chain.open(raw))
        producer.finalize(producer.propose())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    producer = Producer(tmp_path / "store")
    fill(producer)
    producer.close()
    return producer.path


def checked(path: Path) -> Findings:
    store = Store(path, CHARTER.hash)
    try:
        return check_store(store, CHARTER.hash, lambda _what, _done, _of: None)
    finally:
        store.close()


def test_a_whole_store_has_no_problems_n47(path: Path) -> None:
    found = checked(path)
    assert found.problems == []
    assert (found.height, found.blocks, found.receipts, found.signed) == (HEIGHT, HEIGHT + 1, HEIGHT + 1, HEIGHT)
    assert found.state_rows > 5


def test_a_pruned_store_has_no_problems(tmp_path: Path) -> None:
    producer = Producer(tmp_path, keep=Keep(blocks=4, history=2))
    fill(producer)
    producer.close()
    found = checked(tmp_path)
    assert found.problems == []
    assert (found.blocks, found.receipts) == (4, 2)


def test_an_empty_store_is_told(tmp_path: Path) -> None:
    assert [each["what"] for each in checked(tmp_path).problems] == ["the store is empty"]


def rewrite(path: Path, key: bytes, change: Callable[[bytes], bytes | None]) -> None:
    database = Database(path, Disk())
    raw = database.rows(b"").get(key)
    assert raw is not None
    database.write([(key, change(raw))], sync=True)
    database.close()


def with_fields(kind: type[Record], **changed: object) -> Callable[[bytes], bytes]:
    def change(raw: bytes) -> bytes:
        record = decode(kind, raw, at_most=len(raw))
        fields = {name: getattr(record, name) for name in record.__struct_fields__}
        return encode(kind(**(fields | changed)))

    return change


def at(kind: bytes, height: int) -> bytes:
    return schema.numbered(kind, height)


DAMAGES: dict[str, tuple[bytes, Callable[[bytes], bytes | None], str]] = {
    "an index row is gone": (at(schema.BLOCK, 3), lambda _: None, "index is absent"),
    "an index row names another block": (
        at(schema.BLOCK, 3),
        with_fields(schema.BlockRow, id=sha256(b"other")),
        "index tells of another block",
    ),
    "an index row points elsewhere": (at(schema.BLOCK, 3), with_fields(schema.BlockRow, offset=5), "checksum"),
    "an index row has another epoch": (at(schema.BLOCK, 3), with_fields(schema.BlockRow, epoch=9), "another block"),
    "receipts are gone": (at(schema.RECEIPTS, 3), lambda _: None, "receipts or the state root"),
    "receipts are others": (at(schema.RECEIPTS, 3), lambda _: encode([]), "receipts or the state root"),
    "receipts do not decode": (at(schema.RECEIPTS, 3), lambda raw: raw[:-1], "do not decode"),
    "a state root is another": (at(schema.ROOT, 3), sha256, "state root is another"),
    "the last state root is another": (at(schema.ROOT, HEIGHT), sha256, "state has another root"),
    "a certificate is for another block": (
        at(schema.CERTIFICATE, 3),
        lambda _: encode(certify(CHARTER, 3, sha256(b"other"))),
        "no block at its height",
    ),
    "the head is another": (schema.HEAD, with_fields(schema.HeadRow, block=sha256(b"other")), "head is another"),
    "the head's root is another": (
        schema.HEAD,
        with_fields(schema.HeadRow, state_root=sha256(b"other")),
        "state has another root",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_row_that_does_not_fit_the_others_is_found_n47(path: Path, what: str) -> None:
    key, change, told = DAMAGES[what]
    rewrite(path, key, change)
    assert any(told in str(each["what"]) for each in checked(path).problems)


def test_a_certificate_whose_signatures_do_not_hold_is_found(path: Path) -> None:
    store = Store(path, CHARTER.hash)
    name = store.id_at(3)
    store.close()
    assert name is not None
    rewrite(path, at(schema.CERTIFICATE, 3), lambda _: encode(certify(CHARTER, 3, name, signers=1)))
    (problem,) = checked(path).problems
    assert "does not hold" in str(problem["what"])


def test_lost_state_rows_and_rows_of_nothing_are_found(path: Path) -> None:
    database = Database(path, Disk())
    (key, _), *_ = database.rows(schema.STATE).scan(limit=1)
    database.write([(schema.STATE + key, None), (schema.TRANSACTION + bytes(32), bytes(12))], sync=True)
    database.write([(at(schema.ROOT, 99), bytes(32)), (schema.HEIGHT + bytes(32), bytes(8))], sync=True)
    database.close()
    told = [str(each["what"]) for each in checked(path).problems]
    assert told == [
        "the state has another root",
        "a row is of no block that is kept",
        "blocks are told of that are not kept",
    ]


def test_damaged_blocks_are_named_with_their_place(path: Path) -> None:
    segment = path / "segments" / "00000001.seg"
    raw = bytearray(segment.read_bytes())
    raw[len(raw) // 2] ^= 1
    segment.write_bytes(raw)
    (problem,) = checked(path).problems
    assert problem["file"] == str(segment)
    assert problem["height"] in range(HEIGHT)
