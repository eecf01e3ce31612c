from pathlib import Path

import pytest

from node.sync.blob_store import PARTS_MAX, ROOM_BYTES_MIN, BlobStore
from primitives.content import LEAF_BYTES, ContentId, check_slice, content_id
from primitives.reasons import Reason, Refused
from testnet.kit.faulty_disk import FaultyDisk


def a_text(length: int, *, salt: int = 1) -> bytes:
    return bytes((at * at * salt + at // 251) % 256 for at in range(length))


LENGTHS = [1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 5 * LEAF_BYTES + 7]


@pytest.mark.parametrize("length", LENGTHS)
def test_what_is_put_is_there_over_a_restart(tmp_path: Path, length: int) -> None:
    raw = a_text(length)
    content = BlobStore(tmp_path).put(raw)
    store = BlobStore(tmp_path)
    assert content == content_id(raw)
    assert store.has(content)
    assert store.get(content) == raw
    assert store.used == length


def test_putting_content_twice_keeps_it_once(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    assert store.put(b"once") == store.put(b"once")
    assert store.used == 4


def test_content_of_another_length_is_not_there(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    content = store.put(b"text")
    other = ContentId(root=content.root, length=5)
    assert not store.has(other)
    assert store.get(other) is None
    assert store.cut(other, 0, 1) is None


def test_damaged_content_is_not_served_as_whole_and_is_removed(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    content = store.put(a_text(3000))
    file = tmp_path / content.root.hex()
    file.write_bytes(b"\xff" + file.read_bytes()[1:])
    assert store.get(content) is None
    assert not store.has(content)
    assert store.used == 0


def test_the_store_has_a_limit(tmp_path: Path) -> None:
    store = BlobStore(tmp_path, at_most=10)
    store.put(b"12345678")
    with pytest.raises(Refused) as caught:
        store.put(b"abc")
    assert caught.value.reason is Reason.STORE_FULL
    assert sorted(path.name for path in tmp_path.iterdir()) == [content_id(b"12345678").root.hex()]


@pytest.mark.parametrize("length", LENGTHS)
def test_every_slice_proves_to_be_part_of_the_content(tmp_path: Path, length: int) -> None:
    store = BlobStore(tmp_path)
    content = store.put(a_text(length))
    leaves = -(-length // LEAF_BYTES)
    for start in range(leaves):
        for count in range(1, leaves - start + 1):
            piece = store.cut(content, start, count)
            assert piece is not None
            check_slice(content, piece)
    assert store.cut(content, leaves, 1) is None


def test_an_unfinished_fetch_goes_on_over_a_restart_even_from_a_torn_leaf(tmp_path: Path) -> None:
    raw = a_text(3 * LEAF_BYTES + 5)
    source = BlobStore(tmp_path / "source")
    content = source.put(raw)
    first = source.cut(content, 0, 2)
    rest = source.cut(content, 2, 2)
    assert first is not None
    assert rest is not None
    BlobStore(tmp_path / "sink").extend_part(content, first)
    part = tmp_path / "sink" / f"{content.root.hex()}.part"
    part.write_bytes(part.read_bytes() + b"torn")
    sink = BlobStore(tmp_path / "sink")
    assert sink.part_bytes(content) // LEAF_BYTES == 2
    assert not sink.has(content)
    sink.extend_part(content, rest)
    assert sink.finish_part(content) == raw
    assert sink.get(content) == raw
    assert sink.used == len(raw)


def test_a_part_that_the_disk_spoilt_is_given_up(tmp_path: Path) -> None:
    source = BlobStore(tmp_path / "source")
    content = source.put(a_text(2 * LEAF_BYTES))
    piece = source.cut(content, 0, 2)
    assert piece is not None
    sink = BlobStore(tmp_path / "sink")
    sink.extend_part(content, piece)
    (tmp_path / "sink" / f"{content.root.hex()}.part").write_bytes(bytes(2 * LEAF_BYTES))
    with pytest.raises(Refused) as caught:
        sink.finish_part(content)
    assert caught.value.reason is Reason.CONTENT_MISMATCH
    assert sink.part_bytes(content) == 0
    assert sink.used == 0


def test_a_restart_keeps_a_bounded_number_of_parts_and_no_half_written_file(tmp_path: Path) -> None:
    for number in range(PARTS_MAX + 3):
        (tmp_path / f"{number:064x}.part").write_bytes(b"x")
    (tmp_path / f"{99:064x}.new").write_bytes(b"x")
    assert BlobStore(tmp_path).used == PARTS_MAX
    assert not list(tmp_path.glob("*.new"))


def test_content_leaves_room_for_the_store_n45(tmp_path: Path) -> None:
    disk = FaultyDisk()
    store = BlobStore(tmp_path, disk=disk)
    disk.free = ROOM_BYTES_MIN + 5
    store.put(b"12345")
    with pytest.raises(Refused) as refused:
        store.put(b"123456")
    assert refused.value.reason is Reason.STORE_FULL


def test_damaged_files_are_told_and_parts_of_fetches_are_not_among_them(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    content = store.put(b"text")
    (tmp_path / "abc.part").write_bytes(b"tex")
    assert store.damaged() == []
    (tmp_path / content.root.hex()).write_bytes(b"tent")
    assert store.damaged() == [tmp_path / content.root.hex()]
