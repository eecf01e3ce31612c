"""Digests of every value of programs, computed in one way: `python -m tests.vm.bits.runner FOLDER WAY`.

A folder holds for each model NAME.program, the encoded program, and NAME.npz with its constants and inputs; NAME.WAY is
added: a digest per line, first those of the run, then those of the perturbed run. This is the program that runs on
other processors too, so it needs little: numpy, msgspec, and for compiled kernels llvmlite.
"""

import hashlib
import sys
from enum import Enum
from pathlib import Path

import numpy as np

from primitives import codec
from vm import compiled
from vm.canonical import fast, interpreter
from vm.canonical.arrays import Array
from vm.canonical.interpreter import Trapped
from vm.canonical.kernels import NUMPY, Kernels
from vm.program import Program

PROGRAM_BYTES_MAX = 1 << 28
"""Of our own making: no limit that anything could reach."""


class Way(Enum):
    """How values are computed."""

    NUMPY = "numpy"
    """By the definition."""
    KERNELS = "kernels"
    """By compiled contractions, one operation after the other."""
    TAPE = "tape"
    """All compiled."""
    TAPE_2 = "tape-2-threads"


def hand_over(folder: Path, name: str, program: Program, constants: list[Array], inputs: list[Array]) -> None:
    """Write what a runner needs."""
    (folder / f"{name}.program").write_bytes(codec.encode(program))
    arrays = {f"c{at}": array for at, array in enumerate(constants)} | {f"i{at}": a for at, a in enumerate(inputs)}
    np.savez(folder / f"{name}.npz", **arrays)  # type: ignore[arg-type]  # names are anything


def digests(program: Program, constants: list[Array], inputs: list[Array], way: Way) -> list[str]:
    """Return the digest of each operation's result, of the run and of the perturbed run; a trap ends a run."""
    found: list[str] = []

    def watch(_: int, value: Array) -> None:
        found.append(
            hashlib.sha256(str(value.dtype).encode() + str(value.shape).encode() + value.tobytes()).hexdigest()
        )

    first = program.first_result
    every = range(first, first + len(program.operations))
    kernels = _kernels(program, way)
    for perturbed in (False, True):
        try:
            if way in (Way.TAPE, Way.TAPE_2) and not perturbed:
                values = interpreter.run(program, constants, inputs, kernels=kernels, keep=every)
                for number in every:
                    watch(number, values[number])
            else:
                interpreter.run(program, constants, inputs, kernels=kernels, perturbed=perturbed, watch=watch)
        except Trapped as trap:
            found.append(f"trap {trap.code} {trap.operation}")
    return found


def _kernels(program: Program, way: Way) -> Kernels:
    if way is Way.NUMPY:
        return NUMPY
    return fast.kernels(compiled.make(), program=program, threads=2 if way is Way.TAPE_2 else 1)


def run(folder: Path, way: Way) -> None:
    """Add the digests of all models that have none yet."""
    for path in sorted(folder.glob("*.program"), key=lambda path: path.stat().st_size):
        out = path.with_suffix(f".{way.value}")
        if out.exists():
            continue
        program = codec.decode(Program, path.read_bytes(), at_most=PROGRAM_BYTES_MAX)
        with np.load(path.with_suffix(".npz")) as held:
            constants = [held[f"c{at}"] for at in range(len(program.constants))]
            inputs = [held[f"i{at}"] for at in range(len(program.inputs))]
        written = out.with_suffix(".part")
        written.write_text("\n".join(digests(program, constants, inputs, way)))
        written.rename(out)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Way(sys.argv[2]))
