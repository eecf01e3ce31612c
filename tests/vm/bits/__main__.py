"""Whether every value of every model has the same bits everywhere: `python -m tests.vm.bits`; goes on if stopped.

Each model is lowered once; then every value of its run and of its perturbed run is computed by the definition in numpy
and by compiled kernels, with one thread and with two, here, on emulated x86 processors and on emulated arm64.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

from primitives.reasons import Refused
from tests.vm.bits.machines import ARM64, HERE, Machine, arm64, compile_for, emulated
from tests.vm.bits.runner import Way, hand_over
from tests.vm.code_version import code_version
from tests.vm.models.catalogue import all_models
from vm.canonical.arrays import normal
from vm.sandbox.lower.lowering import lower

STATE = Path(".night") / "bits"
CODE = ("vm", "primitives", "tests/vm/models", "tests/vm/bits")
"""What the digests follow from: when it changes, they are computed anew."""
THERE = (Way.NUMPY, Way.TAPE)
"""Ways on emulated processors, which take ten times as long; the perturbed run of the second is by kernels."""


def main() -> int:
    """Compute what is not computed yet, and compare; return 1 where bits differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.vm.bits", description=__doc__)
    parser.add_argument("--here", action="store_true", help="leave the emulated processors out")
    folder = STATE / code_version(CODE)
    refused = _prepare(folder)
    machines, missing = [HERE], list[str]()
    if not parser.parse_args().here:
        machines += emulated()
        if len(machines) == 1:
            missing.append("no emulated x86: apt-get install qemu-user")
        try:
            machines.append(arm64((STATE / ARM64).resolve()))
        except (OSError, subprocess.SubprocessError) as fault:
            missing.append(f"no arm64: {fault}")
    for machine in machines:
        _run(folder, machine)
    for line in [*refused, *missing]:
        _say(line)
    return _compared(folder, machines)


def _prepare(folder: Path) -> list[str]:
    """Write the programs that are not written yet; return what is said of models that have none."""
    for old in STATE.glob("*"):
        if old.name not in (folder.name, ARM64):
            shutil.rmtree(old)
    (folder / HERE.name).mkdir(parents=True, exist_ok=True)
    refused = []
    for case in all_models():
        if (folder / HERE.name / f"{case.name}.npz").exists():
            continue
        try:
            lowered = lower(case.proto, case.shapes)
        except Refused as fault:
            refused.append(f"{case.name}: {fault!s:.120}")
            continue
        inputs = [normal(np.asarray(case.feeds[0][name])) for name in case.inputs]
        hand_over(folder / HERE.name, case.name, lowered.program, lowered.constants, inputs)
    return refused


def _run(folder: Path, machine: Machine) -> None:
    """Compute the digests on one machine."""
    own = folder / machine.name
    if machine is not HERE:
        own.mkdir(exist_ok=True)
        for file in (folder / HERE.name).iterdir():
            if file.suffix in (".program", ".npz") and not (own / file.name).exists():
                (own / file.name).symlink_to(file.resolve())
        if machine.name != ARM64:
            compile_for(machine)
    for way in Way if machine is HERE else THERE:
        began = perf_counter()
        machine.python("-m", "tests.vm.bits.runner", str(own.resolve()), way.value)
        _say(f"{machine.name} ({machine.about}), {way.value}: {perf_counter() - began:.0f} s")


def _compared(folder: Path, machines: list[Machine]) -> int:
    """Print how many values agree in all ways on all machines; return 1 if not all do."""
    programs = sorted(file.stem for file in (folder / HERE.name).glob("*.program"))
    values = wrong = ways = 0
    for name in programs:
        wanted = (folder / HERE.name / f"{name}.{Way.NUMPY.value}").read_text().split("\n")
        values += len(wanted)
        for machine in machines:
            for way in Way if machine is HERE else THERE:
                seen = (folder / machine.name / f"{name}.{way.value}").read_text().split("\n")
                differing = [at for at, (a, b) in enumerate(zip(wanted, seen, strict=False)) if a != b]
                if differing or len(seen) != len(wanted):
                    _say(f"{name}, {machine.name}, {way.value}: {len(differing)} differ, the first is {differing[:1]}")
                    wrong += max(1, len(differing))
    ways = len(Way) + (len(machines) - 1) * len(THERE)
    _say(f"{len(programs)} models, {values:,} values in {ways} ways on {len(machines)} machines: {wrong} differ")
    return 1 if wrong or not programs else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
