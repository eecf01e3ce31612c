"""Segments: what the index tells of is there whole, or it is said which file is not."""

from pathlib import Path

import pytest

from node.store import segments
from node.store.disk import Disk
from node.store.segments import START, Segments, Spot
from primitives.reasons import Reason, Refused

BLOCKS = [(height, bytes([height]) * (10 + height)) for height in range(6)]


def opened(folder: Path, last: Spot = START, first: int = 1, height: int = 5) -> Segments:
    made = Segments(folder, Disk())
    made.open(first, last, height)
    return made


def written(folder: Path) -> list[Spot]:
    made = opened(folder)
    spots = made.append(BLOCKS[:2]) + made.append(BLOCKS[2:])
    made.close()
    return spots


def test_what_was_written_is_read(tmp_path: Path) -> None:
    spots = written(tmp_path)
    again = opened(tmp_path, spots[-1])
    assert [again.read(spot, height) for spot, (height, _) in zip(spots, BLOCKS, strict=True)] == [
        payload for _, payload in BLOCKS
    ]
    assert again.append([(6, b"more")])[0].offset == spots[-1].end
    again.close()


def test_a_full_segment_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES_MAX", 86)
    spots = written(tmp_path)
    assert [spot.segment for spot in spots] == [1, 1, 2, 2, 3, 3]
    assert all(path.stat().st_size <= 86 for path in tmp_path.iterdir())
    again = opened(tmp_path, spots[-1])
    assert [again.read(spot, height) for spot, (height, _) in zip(spots, BLOCKS, strict=True)] == [
        payload for _, payload in BLOCKS
    ]


def test_what_a_crash_left_behind_the_index_is_cut_off_n44(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES_MAX", 86)
    spots = written(tmp_path)
    again = opened(tmp_path, spots[1], height=1)
    assert again.numbers() == [1]
    assert again.path(1).stat().st_size == spots[1].end
    assert again.append(BLOCKS[2:]) == spots[2:]
    again.close()


@pytest.mark.parametrize("size_max", [86, 1_000])
def test_more_than_one_batch_behind_the_index_tells_of_lost_rows_n44(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_max: int
) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES_MAX", size_max)
    spots = written(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Refused) as refused:
        opened(tmp_path, spots[0], height=0)
    assert refused.value.facts["what"] == "rows were lost"
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir()}


def test_segments_below_the_first_that_is_kept_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES_MAX", 86)
    spots = written(tmp_path)
    again = opened(tmp_path, spots[-1], first=2)
    assert again.numbers() == [2, 3]
    assert again.remove_before(3) > 0
    assert again.read(spots[-1], 5) == BLOCKS[5][1]


@pytest.mark.parametrize("lost", [1, 5, 30])
def test_a_segment_that_ends_too_soon_is_named(tmp_path: Path, lost: int) -> None:
    last = written(tmp_path)[-1]
    path = tmp_path / "00000001.seg"
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(Refused) as refused:
        opened(tmp_path, last)
    assert refused.value.reason is Reason.STORE_DAMAGED
    assert refused.value.facts["file"] == str(path)


def test_a_segment_that_is_gone_is_named(tmp_path: Path) -> None:
    last = written(tmp_path)[-1]
    (tmp_path / "00000001.seg").unlink()
    with pytest.raises(Refused) as refused:
        opened(tmp_path, last)
    assert refused.value.facts["what"] == "the file is absent"


def test_every_flipped_bit_of_a_record_is_found(tmp_path: Path) -> None:
    spots = written(tmp_path)
    again = opened(tmp_path, spots[-1])
    path, spot = again.path(1), spots[3]
    good = path.read_bytes()
    for bit in range(8 * spot.offset, 8 * spot.end):
        bad = bytearray(good)
        bad[bit >> 3] ^= 1 << (bit & 7)
        path.write_bytes(bad)
        with pytest.raises(Refused) as refused:
            again.read(spot, 3)
        assert refused.value.facts["file"] == str(path)
        assert again.read(spots[2], 2) == BLOCKS[2][1]


def test_a_record_of_another_height_is_not_given(tmp_path: Path) -> None:
    spots = written(tmp_path)
    again = opened(tmp_path, spots[-1])
    with pytest.raises(Refused):
        again.read(spots[2], 3)


def test_a_write_that_was_torn_at_any_byte_is_cut_off_n44(tmp_path: Path) -> None:
    spots = written(tmp_path)
    path = tmp_path / "00000001.seg"
    raw = path.read_bytes()
    for size in range(spots[0].offset, len(raw) + 1):
        path.write_bytes(raw[:size])
        if size < spots[1].end:
            with pytest.raises(Refused) as refused:
                opened(tmp_path, spots[1], height=1)
            assert refused.value.facts["file"] == str(path)
        else:
            opened(tmp_path, spots[1], height=1).close()
            assert path.read_bytes() == raw[: spots[1].end]
