"""A job in the sandbox against the bare `session.run` of ONNX Runtime, in turns, in the same run."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import trio

from benches.figures import Figure, percentile
from examples.filetype.features import FEATURES
from examples.filetype.labels import CUT, INPUT, MODEL_FILE, package_file
from primitives import codec
from primitives.hashing import sha256
from vm.pool import PoolConfig, open_pool
from vm.tensor import Bundle, DType, NamedTensor, Tensor

TURNS, ROUNDS = 5, 60
METHOD = f"magika's model, one thread; {TURNS} × {ROUNDS} calls"


def run() -> Iterator[Figure]:
    """Yield the time of one run of magika's model, in the pool's sandbox and bare."""
    data = b"".join((at * 37 % 256).to_bytes(4, "little") for at in range(FEATURES))
    tensor = Tensor(dtype=DType.INT32, shape=[1, FEATURES], data=data)
    bundle = codec.encode(Bundle(tensors=[NamedTensor(name=INPUT.encode(), tensor=tensor)]))
    with tempfile.NamedTemporaryFile(suffix=".int32") as file:
        file.write(data)
        file.flush()
        pooled, bare = trio.run(_in_turns, bundle, file.name)
    pool_ms, bare_ms = percentile(pooled, 50), percentile(bare, 50)
    yield Figure(what="bare session.run, p50", value=bare_ms, unit="ms", method=METHOD)
    yield Figure(
        what="job in the sandbox, p50", value=pool_ms, unit="ms", method="the same, as the pool's caller sees it"
    )
    yield Figure(what="extra per job", value=pool_ms - bare_ms, unit="ms", method="pipes, decoding, cut, normal form")
    yield Figure(what="ratio", value=pool_ms / bare_ms, unit="×", method="of the two")


async def _in_turns(bundle: bytes, input_file: str) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each call, in the pool and bare."""
    model = package_file(MODEL_FILE)
    raw = model.read_bytes()
    key = sha256(raw)

    async def load() -> bytes:
        return raw

    pooled: list[float] = []
    bare: list[float] = []
    async with open_pool(PoolConfig()) as pool:
        await pool.run(key, [CUT.encode()], load, bundle)
        for _ in range(TURNS):
            bare += await trio.to_thread.run_sync(_bare, model, input_file)
            for _ in range(ROUNDS):
                began = perf_counter()
                await pool.run(key, [CUT.encode()], load, bundle)
                pooled.append((perf_counter() - began) * 1e3)
    return pooled, bare


def _bare(model: Path, input_file: str) -> list[float]:
    command = [sys.executable, "-m", "benches.bare", str(model), input_file, INPUT, str(ROUNDS)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in told.stdout.split()]
