"""The demonstration itself, whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from examples.filetype.lies import CAUGHT, LIES

ROOT = Path(__file__).resolve().parents[2]
DEMO_S = 900
"""It takes about two minutes; a loaded machine may need far longer."""


@pytest.mark.e2e
def test_the_demonstration_holds_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.filetype.demo"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=DEMO_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "0 different" in done.stdout
    assert sum(done.stdout.count(f"outcome {caught}") for caught in CAUGHT) == len(LIES)
    assert list(tmp_path.glob("assay-demo-*")) == []
    assert not [command for command in running_commands() if str(tmp_path) in command]


def running_commands() -> list[str]:
    """Return the command lines of this machine's processes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue  # it ended meanwhile
    return found
