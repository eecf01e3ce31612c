"""A native job in the sandbox, tail included, against the bare `session.run` of ONNX Runtime, in turns."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import trio

from benches.figures import Figure
from primitives import codec
from primitives.hashing import sha256
from primitives.reasons import Reason, Refused
from tests.vm.models import text, vision
from tests.vm.models.case import Case
from tests.vm.models.catalogue import OURS, all_models, by_name
from vm import compiled
from vm.canonical.arrays import normal, tensor_of
from vm.manifest import Class
from vm.pool import Pool, PoolConfig, Subject, open_pool
from vm.tensor import Bundle, NamedTensor

TURNS, ROUNDS = 5, 15
"""The fastest call counts: what else the machine does makes others up to three times as long."""
LONG_MS = 20.0
"""From here on a ratio is what counts; below it, what comes on top."""


class Timed(NamedTuple):
    """One model: what a job takes and what the engine alone takes, in milliseconds."""

    name: str
    job: float
    bare: float


def run() -> Iterator[Figure]:
    """Yield for each model that is served natively what a job takes beyond the bare run."""
    compiled.make()
    found = list(trio.run(_all))
    short = [each.job - each.bare for each in found if each.bare < LONG_MS]
    long = [each.job / each.bare for each in found if each.bare >= LONG_MS]
    method = f"fastest of {TURNS} × {ROUNDS} calls each, one thread, as the pool's caller sees it"
    for each in found:
        told = f"bare {each.bare:.2f} ms: {each.job - each.bare:+.2f} ms, {each.job / each.bare:.2f} ×; {method}"
        yield Figure(what=each.name, value=each.job, unit="ms", method=told)
    yield Figure(what="extra for short models, median", value=median(short), unit="ms", method=f"of {len(short)}")
    yield Figure(what="extra for short models, worst", value=max(short), unit="ms", method="below 20 ms")
    if long:
        yield Figure(what="ratio for long models, worst", value=max(long), unit="×", method=f"of {len(long)}")


def _long() -> list[Case]:
    """Return models of a size that people use, on several inputs at once: those of the catalogue are small."""
    images, texts = by_name("cnn").feeds[0], by_name("encoder").feeds[0]
    sizes = [
        (f"cnn, {width} wide, {count} images", partial(vision.cnn, width), images, count)
        for width, count in ((256, 16), (512, 8))
    ] + [
        (f"encoder, {layers} × {width}, {count} texts", partial(text.encoder, layers, width), texts, count)
        for layers, width, count in ((6, 256, 32), (12, 384, 8))
    ]
    return [
        Case(name, build, [{port: np.repeat(array, count, 0) for port, array in feeds.items()}], OURS, "made here")
        for name, build, feeds, count in sizes
    ]


async def _all() -> list[Timed]:
    found: list[Timed] = []
    async with open_pool(PoolConfig()) as pool:
        for case in [*_long(), *all_models()]:
            try:
                found.append(await _timed(pool, case))
            except Refused:
                continue  # not in class native, or too large to go on chain
    return found


async def _timed(pool: Pool, case: Case) -> Timed:
    arrays = {name: normal(np.asarray(case.feeds[0][name])) for name in case.inputs}
    tensors = [NamedTensor(name=name.encode(), tensor=tensor_of(array)) for name, array in arrays.items()]
    bundle = codec.encode(Bundle(tensors=tensors))

    async def load() -> bytes:
        return case.model

    subject = Subject(model=sha256(case.model), shapes=case.shapes, class_=Class.NATIVE, load=load)
    if not (await pool.execute(subject, bundle)).cut or case.kind != "float":
        raise Refused(Reason.CLASS_NOT_OFFERED, model=case.name)
    jobs: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        model, feeds = Path(folder) / "model.onnx", Path(folder) / "feeds.npz"
        model.write_bytes(case.model)
        np.savez(feeds, allow_pickle=False, **arrays)
        for _ in range(TURNS):
            bare += await trio.to_thread.run_sync(_bare, model, feeds)
            for _ in range(ROUNDS):
                began = perf_counter()
                await pool.execute(subject, bundle)
                jobs.append((perf_counter() - began) * 1e3)
    return Timed(case.name, min(jobs), min(bare))


def _bare(model: Path, feeds: Path) -> list[float]:
    command = [sys.executable, "-m", "benches.bare", str(model), str(feeds), str(ROUNDS)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in told.stdout.split()]
