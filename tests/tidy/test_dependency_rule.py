"""The dependency rule of pyproject.toml holds, and breaking it is found."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tidy.sources import ROOT, python

# One forbidden import for each contract: where it is put, and what of the contract's name says that it was found.
BROKEN = {
    "ledger/block.py": ("import node.app", "each imports only to its right"),
    "node/home.py": ("import libp2p", "libp2p is imported by node.p2p alone"),
    "node/network.py": ("import node.p2p.host", "the network program is never imported"),
    "node/config.py": ("import plyvel", "plyvel is imported by node.store alone"),
    "vm/compare.py": ("import numpy", "onnx and onnxruntime are imported by vm.sandbox alone"),
    "vm/pool.py": ("import vm.sandbox.engine", "the sandbox program is never imported"),
    "vm/launcher.py": ("import numba", "numba is imported by vm.canonical.fast_* alone"),
    "testnet/manifest.py": ("import typer", "typer and rich are imported by cli alone"),
    "node/identity.py": ("import cryptography", "cryptography is imported by node.keys alone"),
    "consensus/tally.py": ("import os", "pure packages do no I/O"),
}


def checked(directory: Path) -> dict[str, bool]:
    """Return whether each contract is kept by the copy in `directory`, by its name."""
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    wide = {**os.environ, "COLUMNS": "250"}
    done = subprocess.run(command, cwd=directory, env=wide, capture_output=True, text=True, timeout=120, check=False)
    lines = re.findall(r"^(.+) (KEPT|BROKEN)(?: \(.*\))?$", done.stdout, re.MULTILINE)
    return {name: verdict == "KEPT" for name, verdict in lines}


def test_each_contract_can_be_broken(tmp_path: Path) -> None:
    for source in python():
        if source.is_product:
            (tmp_path / source.name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / source.name).write_text(source.text)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for file, (line, _) in BROKEN.items():
        with (tmp_path / file).open("a") as copy:
            copy.write(f"\n{line}\n")
    kept = checked(tmp_path)
    assert len(kept) == len(BROKEN), kept
    for _, name in BROKEN.values():
        assert [found for contract, found in kept.items() if name in contract] == [False], name
