"""Disks that fail and disks that lie: a node stops with the file's name, and never goes on from a wrong state (N45)."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consensus.io import Voted
from consensus.messages import SignedVote, Vote, VoteKind
from node.final_chain import FinalChain
from node.mempool.pool import Pool
from node.store import segments
from node.store.disk import FREE_BYTES_MIN, Disk, StoreFailedError
from node.store.store import Store
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from testnet.kit.faulty_disk import FaultyDisk
from tests.node.chains import CHARTER, LIMITS, Producer

BLOCKS = 6
SCENARIO_STEPS_MAX = 60


def a_vote(view: int) -> Voted:
    vote = Vote(epoch=0, view=view, kind=VoteKind.NOTARIZE, block=sha256(b"block"))
    return Voted(vote=SignedVote(vote=vote, signer=1, signature=bytes(64)))


def opened(path: Path) -> tuple[Store, FinalChain]:
    """Return a store as a node opens it at its start."""
    store = Store(path, CHARTER.hash)
    try:
        chain = FinalChain(charter=CHARTER, store=store, pool=Pool(LIMITS), now_ms=lambda: 0, spread=lambda _: None)
    except BaseException:
        store.close()
        raise
    return store, chain


def run_until_it_fails(path: Path, disk: Disk) -> tuple[int, list[int]]:
    """Vote for and finalize block after block; return the last height and the views of the votes that were told."""
    height = -1
    votes: list[int] = []
    failed: StoreFailedError | None = None
    try:
        producer = Producer(path, disk=disk)
    except StoreFailedError:
        return height, votes
    try:
        height = 0
        for view in range(1, BLOCKS + 1):
            producer.store.guard.persist(0, [a_vote(view + 1)])
            votes.append(view + 1)
            producer.finalize(producer.propose(view=view))
            height = view
    except StoreFailedError as fault:
        failed = fault
    if failed is not None:
        assert str(path) in str(failed)
        with pytest.raises(StoreFailedError):
            producer.store.guard.persist(0, [a_vote(99)])
    producer.close()
    return height, votes


@pytest.mark.parametrize("torn_after", [0, 1, 27, 200])
def test_a_disk_that_is_full_at_any_step_ends_the_node_and_loses_nothing_that_was_told_n45(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn_after: int
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES_MAX", 1_000)
    for step in range(SCENARIO_STEPS_MAX):
        path = tmp_path / f"store{step}"
        disk = FaultyDisk(step, torn_after=torn_after)
        height, votes = run_until_it_fails(path, disk)
        if height == BLOCKS:
            assert step > 4 * BLOCKS
            return
        producer = Producer(path)  # there is room again
        assert producer.chain.head.height in (height, height + 1, 0)
        assert producer.chain.head.height >= height
        recalled = [each.vote.vote.view for each in producer.store.guard.recall(0) if isinstance(each, Voted)]
        assert {view for view in votes if view > producer.chain.head_view} <= set(recalled)
        assert 99 not in recalled
        producer.extend(2)
        assert all(producer.store.block(each) for each in range(producer.chain.head.height + 1))
        producer.close()
    raise AssertionError("the scenario takes more steps than thought")


def test_a_disk_that_is_nearly_full_ends_the_node_before_anything_is_written_n45(tmp_path: Path) -> None:
    disk = FaultyDisk()
    producer = Producer(tmp_path, disk=disk)
    producer.extend(1)
    disk.free, steps = FREE_BYTES_MIN - 1, disk.steps
    with pytest.raises(StoreFailedError, match="nearly full"):
        producer.extend(1)
    assert disk.steps == steps
    producer.close()
    with pytest.raises(StoreFailedError, match="start the node again"):
        Store(tmp_path, CHARTER.hash, disk=disk)
    disk.free = FREE_BYTES_MIN
    store, chain = opened(tmp_path)
    assert chain.head.height == 1
    store.close()


_GROW = """
import pathlib, resource, sys
from node.store.disk import StoreFailedError
from tests.node.chains import Producer
producer = Producer(pathlib.Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    while producer.chain.head.height < 200:
        producer.extend(1)
        print(producer.chain.head.height, flush=True)
except StoreFailedError as failed:
    print(failed, flush=True)
"""


@pytest.mark.parametrize("size_max", [9_000, 20_011])
def test_files_that_really_can_not_grow_end_the_node_with_their_name(tmp_path: Path, size_max: int) -> None:
    path = tmp_path / "store"
    command = [sys.executable, "-c", _GROW, str(path), str(size_max)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.splitlines()
    assert str(path) in told[-1]
    assert "File too large" in told[-1]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    store, chain = opened(path)
    assert chain.head.height == int(told[-2])
    store.close()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same chain twice: with its rows in LevelDB's log, and in its tables."""
    folder = tmp_path_factory.mktemp("stores")
    producer = Producer(folder / "in the log")
    producer.extend(BLOCKS)
    producer.store.guard.persist(0, [a_vote(view) for view in range(BLOCKS + 1, BLOCKS + 9)])
    producer.close()
    shutil.copytree(folder / "in the log", folder / "in tables")
    for _ in range(2):
        Store(folder / "in tables", CHARTER.hash).close()
    return {path.name: path for path in folder.iterdir()}


def whole(path: Path) -> list[object]:
    """Return all that a store tells, each thing refused by name if it is."""
    store, chain = opened(path)
    try:
        told: list[object] = [chain.head, store.guard.recall(0)]
        for height in range(chain.head.height + 1):
            told += [block_or_file(store, height), store.receipts(height)]
        return told
    finally:
        store.close()


def block_or_file(store: Store, height: int) -> object:
    """Return a block, or where it is said to be damaged."""
    try:
        return store.block(height)
    except Refused as refused:
        return Path(str(refused.facts["file"])).name


def whole_or_fault(path: Path) -> list[object] | Refused | StoreFailedError:
    try:
        return whole(path)
    except (Refused, StoreFailedError) as fault:
        return fault


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_store_that_is_damaged_anywhere_is_refused_by_name_or_tells_what_it_told_n45(
    stores: dict[str, Path], tmp_path: Path, data: st.DataObject
) -> None:
    original = stores[data.draw(st.sampled_from(sorted(stores)), label="store")]
    truth = whole_once(original, tmp_path)
    copy = tmp_path / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(original, copy)
    files = sorted(path for path in copy.rglob("*") if path.is_file() and path.stat().st_size)
    victim = data.draw(st.sampled_from(files), label="file")
    raw = bytearray(victim.read_bytes())
    match data.draw(st.sampled_from(["flip", "zero", "cut", "remove"]), label="fault"):
        case "flip":
            raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            victim.write_bytes(raw)
        case "zero":
            start = data.draw(st.integers(0, len(raw) - 1))
            end = data.draw(st.integers(start, min(start + 512, len(raw))))
            raw[start:end] = bytes(end - start)
            victim.write_bytes(raw)
        case "cut":
            victim.write_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
        case _:
            victim.unlink()
    told = whole_or_fault(copy)
    if not isinstance(told, list):
        assert str(copy) in str(told)
        assert "assay db check" in str(told)
        assert isinstance(told, StoreFailedError) or told.reason is Reason.STORE_DAMAGED
        return
    if told[0] != truth[0]:  # what a crash leaves that came when the last batch of rows was written
        assert victim.suffix == ".log"
        store, chain = opened(copy)
        assert chain.head.height == BLOCKS - 1
        store.close()
        told = told[:1] + told[2:]
    else:
        assert victim.suffix == ".log" or told[1] == truth[1]
    assert all(each in (*truth, "00000001.seg") for each in told[2:])


_TRUTHS: dict[Path, list[object]] = {}


def whole_once(original: Path, tmp_path: Path) -> list[object]:
    if original not in _TRUTHS:
        shutil.copytree(original, tmp_path / "truth")
        _TRUTHS[original] = whole(tmp_path / "truth")
        shutil.rmtree(tmp_path / "truth")
    return _TRUTHS[original]


def test_a_log_that_is_cut_at_any_byte_of_its_last_rows_loses_no_more_than_them_n45(
    stores: dict[str, Path], tmp_path: Path
) -> None:
    (log,) = stores["in the log"].glob("*.log")
    raw = log.read_bytes()
    heights = set()
    for end in range(len(raw) - 700, len(raw), 13):
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(stores["in the log"], copy)
        (copy / log.name).write_bytes(raw[:end])
        store, chain = opened(copy)
        heights.add(chain.head.height)
        assert chain.head.height in (BLOCKS, BLOCKS - 1)
        store.close()
    assert BLOCKS in heights
