"""Real files through a real sandbox: the labels are those of the reference library."""

import json
import struct
import zlib
from pathlib import Path

import magika
import pytest

from tests.vm.build import bundle, magika_model, tensor, values
from vm.manifest import Class
from vm.pool import PoolConfig, Subject, open_pool
from vm.tensor import DType, decode_small_bundle

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PADDING = 256
BLOCK, SIDE = 4096, 1024


def features(content: bytes) -> list[int]:
    """Magika's input: 1024 bytes of either end, without white space around them, padded with 256."""
    head = list(content[:BLOCK].lstrip()[:SIDE])
    tail = list(content[-BLOCK:].rstrip()[-SIDE:])
    return head + [PADDING] * (SIDE - len(head)) + [PADDING] * (SIDE - len(tail)) + tail


def a_picture() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    pixels = zlib.compress(b"".join(b"\x00" + bytes(range(64)) * 3 for _ in range(64)))
    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


FILES = {
    "python": (ROOT / "vm" / "pool.py").read_bytes(),
    "toml": (ROOT / "pyproject.toml").read_bytes(),
    "json": json.dumps([{"job": at, "state": "settled", "paid": at * 7} for at in range(40)], indent=1).encode(),
    "png": a_picture(),
    "onnx": magika_model(),
    "html": b"<!doctype html><html><head><title>Jobs</title></head><body><h1>Jobs</h1><p>None.</p></body></html>" * 9,
}


async def test_every_label_is_that_of_the_reference_library() -> None:
    package = Path(magika.__file__).parent
    labels = json.loads((package / "models" / "standard_v3_3" / "config.min.json").read_text())["target_labels_space"]
    reference = magika.Magika()

    async def load() -> bytes:
        return magika_model()

    subject = Subject(model=bytes(32), shapes=[[1, 2048]], class_=Class.NATIVE, load=load)
    async with open_pool(PoolConfig()) as pool:
        for name, content in FILES.items():
            job = bundle(bytes=tensor(features(content), [1, 2048], DType.INT32))
            result = await pool.execute(subject, job)
            scores = values(decode_small_bundle(result.outputs).tensors[0].tensor)
            logits = values(decode_small_bundle(result.cut).tensors[0].tensor)
            assert len(logits) == len(scores)
            assert labels[scores.index(max(scores))] == reference.identify_bytes(content).dl.label == name
