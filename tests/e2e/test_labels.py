"""A label comes from the settled output and from nothing else."""

import struct
from pathlib import Path

import pytest

from cli.bundles import values
from examples.filetype.files import samples
from examples.filetype.jobs import answer
from examples.filetype.labels import load_rules
from primitives import codec
from tests.e2e.market import Market, input_file
from vm.tensor import Bundle, NamedTensor, Tensor, decode_bundle

pytestmark = pytest.mark.e2e


def with_top_two_swapped(output: bytes) -> bytes:
    (scores,) = decode_bundle(output).tensors
    numbers = [float(number) for number in values(scores.tensor)]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    numbers[order[-1]], numbers[order[-2]] = numbers[order[-2]], numbers[order[-1]]
    data = struct.pack(f"<{len(numbers)}f", *numbers)
    tensor = Tensor(dtype=scores.tensor.dtype, shape=scores.tensor.shape, data=data)
    return codec.encode(Bundle(tensors=[NamedTensor(name=scores.name, tensor=tensor)]))


def test_a_settled_output_that_is_flipped_gives_another_label(honest: Market, tmp_path: Path) -> None:
    at = next(at for at, sample in enumerate(samples()) if sample.path.name == "logo.png")
    job = honest.submit(input_file(tmp_path, at), provider="worker0")
    assert honest.ended(job)["state"] == "settled"
    honest.cli("job", "result", job, "--output", str(tmp_path / "output"))
    output = (tmp_path / "output").read_bytes()
    assert answer(output, load_rules()).label == "png"
    assert answer(with_top_two_swapped(output), load_rules()).label != "png"
