"""Native runs on other processors, emulated by qemu-user; this module is also the program that runs there.

A folder holds for each model NAME.onnx, NAME.json with the cut, and NAME.npz with the inputs; NAME.out.npz is added.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx

from tests.vm.deviation.subject import Runs, Subject, run_natively, settings
from vm.sandbox_protocol import Optimisation
from vm.tensor import DType, TensorType

EMULATOR = "qemu-x86_64"
PROCESSORS = {
    "Nehalem": "SSE 4.2, no AVX",
    "SandyBridge": "AVX, no FMA",
    "Haswell": "AVX2 and FMA",
    "max": "all that the emulator knows: AVX2 and FMA",
}
"""What qemu calls them, and what of it matters to ONNX Runtime."""
LIMIT_S = 3600
"""For all models on one processor, with the machine busy; they take some minutes."""


def hand_over(folder: Path, subjects: Iterable[Subject]) -> None:
    """Write what the child needs."""
    for subject in subjects:
        name = subject.case.name
        (folder / f"{name}.onnx").write_bytes(subject.case.model)
        types = [[type_.dtype, type_.shape] for type_ in subject.types]
        (folder / f"{name}.json").write_text(json.dumps({"cut": subject.derived.cut, "types": types}))
        named = {f"{at}/{key}": array for at, feeds in enumerate(subject.feeds) for key, array in feeds.items()}
        np.savez(folder / f"{name}.npz", **named)  # type: ignore[arg-type]  # names are anything


def run_emulated(folder: Path, processor: str, optimisation: Optimisation, threads: int) -> None:
    """Run all models of a folder that have no result yet. Raises CalledProcessError, TimeoutExpired."""
    if shutil.which(EMULATOR) is None:
        raise FileNotFoundError(f"no {EMULATOR} here: apt-get install qemu-user")
    command = [EMULATOR, "-cpu", processor, sys.executable, "-W", "ignore", "-m", __spec__.name]
    # Without it numpy asks the real processor, and ends by an instruction that the emulated one lacks.
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_NUM_THREADS": "1"}
    words = [str(folder), str(int(optimisation)), str(threads)]
    subprocess.run([*command, *words], check=True, env=environment, timeout=LIMIT_S)


def result(folder: Path, subject: Subject) -> Runs:
    """Return what the child computed."""
    with np.load(folder / f"{subject.case.name}.out.npz") as held:
        return [[held[f"{at}/{each}"] for each in range(len(subject.types))] for at in range(len(subject.feeds))]


def _child(folder: Path, optimisation: Optimisation, threads: int) -> None:
    for path in sorted(folder.glob("*.onnx")):
        out = path.with_suffix(".out.npz")
        if out.exists():
            continue
        told = json.loads(path.with_suffix(".json").read_text())
        types = [TensorType(dtype=DType(dtype), shape=shape) for dtype, shape in told["types"]]
        with np.load(path.with_suffix(".npz")) as held:
            count = 1 + max(int(name.partition("/")[0]) for name in held)
            feeds = [{n.partition("/")[2]: held[n] for n in held if n.startswith(f"{at}/")} for at in range(count)]
        runs = run_natively(onnx.load(path), told["cut"], types, feeds, settings(threads, optimisation))
        values = {f"{at}/{each}": array for at, arrays in enumerate(runs) for each, array in enumerate(arrays)}
        np.savez(out, **values)  # type: ignore[arg-type]  # names are anything


if __name__ == "__main__":
    _child(Path(sys.argv[1]), Optimisation(int(sys.argv[2])), int(sys.argv[3]))
