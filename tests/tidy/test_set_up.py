"""Set-up says in one line what a machine lacks, and the lists of requirements agree."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.tidy.sources import ROOT

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def set_up(directory: Path, python: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/setup in a bare copy of the repository."""
    (directory / "scripts").mkdir()
    (directory / "requirements").mkdir()
    shutil.copy(ROOT / "scripts" / "setup", directory / "scripts")
    for file in ("dev.txt", "models.txt"):
        shutil.copy(ROOT / "requirements" / file, directory / "requirements")
    environment = {**os.environ, "PYTHON": python}
    return subprocess.run(
        [directory / "scripts" / "setup"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def fake_python(directory: Path, script: str) -> str:
    """Write a program that behaves like some Python."""
    path = directory / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('case "$*" in --version) echo Python 3.9.2;; *version_info*) exit 1;; esac', "Python 3.9.2 is too old"),
        ('case "$*" in *ensurepip*) exit 1;; esac', "no venv module: apt-get install python3-venv"),
    ],
)
def test_a_python_that_will_not_do_is_told_in_one_line(script: str, said: str, tmp_path: Path) -> None:
    done = set_up(tmp_path, fake_python(tmp_path, script))
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_python_at_all_is_told_in_one_line(tmp_path: Path) -> None:
    done = set_up(tmp_path, "no-such-python")
    assert done.returncode == 1
    assert done.stderr == (
        "setup: no no-such-python here: install Python 3.11 or later (Debian: apt-get install python3 python3-venv)\n"
    )


def names(file: str) -> list[str]:
    """Return the packages that a list asks for by name."""
    lines = (ROOT / "requirements" / file).read_text().splitlines()
    return sorted(line for line in lines if line and not line.startswith(("#", "-")))


def test_what_is_declared_is_what_is_compiled() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert sorted(project["dependencies"]) == names("runtime.in")


@pytest.mark.parametrize(("file", "least"), [("runtime.txt", 80), ("dev.txt", 80), ("models.txt", 2)])
def test_every_pin_is_exact_and_has_hashes(file: str, least: int) -> None:
    text = (ROOT / "requirements" / file).read_text()
    pins = re.split(r"\n(?=[a-z0-9])", re.sub(r"\n +#.*", "", text).replace("\\\n", ""), flags=re.IGNORECASE)
    unfit = [pin.split()[0] for pin in pins if not re.match(r"[\w.-]+==[\w.]+", pin) or not HASH.search(pin)]
    assert unfit == []
    assert len(pins) >= least


def test_what_runs_is_the_same_in_both_lists() -> None:
    runtime, dev = ((ROOT / "requirements" / f"{name}.txt").read_text() for name in ("runtime", "dev"))
    pins = re.findall(r"^[\w.-]+==\S+", runtime, re.MULTILINE)
    assert [pin for pin in pins if f"{pin} " not in dev] == []
