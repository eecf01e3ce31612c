from pathlib import Path

import pytest

from node.compute.journal import Journal, Part, Work

JOB = b"j" * 32
WORK = Work(job=JOB, salt=b"s" * 32, cut=b"cut", outputs=b"outputs")


def test_an_entry_is_found_again_by_part_and_job(tmp_path: Path) -> None:
    Journal(tmp_path).keep(Part.PROVIDER, WORK)
    journal = Journal(tmp_path)
    assert journal.find(Part.PROVIDER, JOB) == WORK
    assert journal.find(Part.VERIFIER, JOB) is None
    assert journal.find(Part.PROVIDER, b"k" * 32) is None
    assert journal.entries() == [(Part.PROVIDER, JOB)]


def test_nobody_else_on_the_machine_reads_what_is_not_revealed_yet(tmp_path: Path) -> None:
    Journal(tmp_path / "work")
    assert (tmp_path / "work").stat().st_mode & 0o777 == 0o700


def test_an_entry_is_forgotten_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.keep(Part.VERIFIER, WORK)
    journal.forget(Part.VERIFIER, JOB)
    journal.forget(Part.VERIFIER, JOB)
    assert journal.entries() == []


@pytest.mark.parametrize("left", [0, 1, 40])
def test_a_damaged_entry_counts_as_absent(tmp_path: Path, left: int) -> None:
    journal = Journal(tmp_path)
    journal.keep(Part.PROVIDER, WORK)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:left])
    assert journal.find(Part.PROVIDER, JOB) is None


def test_what_a_crash_left_half_written_is_no_entry(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.keep(Part.PROVIDER, WORK)
    (tmp_path / f"{JOB.hex()}.provider.work.part").write_bytes(b"half")
    assert journal.entries() == [(Part.PROVIDER, JOB)]
