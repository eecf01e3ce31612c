"""The example's own rules: what the model sees of a file, and what its scores mean."""

import struct
from pathlib import Path

import pytest

from cli.bundles import bundle_of_one, values
from examples.filetype.features import EDGE_BYTES, PADDING, Ends, answer_without_model, features, read_ends
from examples.filetype.files import samples
from examples.filetype.jobs import answer, input_of
from examples.filetype.labels import INPUT, MODEL_FILE, OUTPUT, label_of, load_rules, package_file
from primitives import codec
from vm.manifest import Class
from vm.pool import PoolConfig, Subject, run_once
from vm.tensor import Bundle, DType, NamedTensor, Tensor, decode_bundle


def ends_of(content: bytes, tmp_path: Path) -> Ends:
    path = tmp_path / "file"
    path.write_bytes(content)
    return read_ends(path)


def test_features_are_both_ends_stripped_at_their_outer_edges(tmp_path: Path) -> None:
    content = b"  \n" + b"a" * 5000 + b"z" * 5000 + b"\t "
    seen = features(ends_of(content, tmp_path))
    assert seen == [ord("a")] * EDGE_BYTES + [ord("z")] * EDGE_BYTES


def test_a_short_file_is_padded_inwards(tmp_path: Path) -> None:
    seen = features(ends_of(b" 12345678 ", tmp_path))
    text, padding = list(b"12345678"), [PADDING] * (EDGE_BYTES - 8)
    # Only one edge of each end is stripped, as the library does it.
    assert seen == [*text, ord(" "), *padding[1:], *padding[1:], ord(" "), *text]


@pytest.mark.parametrize(
    ("content", "label"),
    [
        (b"", "empty"),
        (b"zipp\n", "txt"),
        (b"\xff\xfe", "unknown"),
        (b" " * 5000 + b"hello", "txt"),
        (b"        hello", "txt"),
        (b"12345678", None),
    ],
)
def test_files_with_too_little_in_them_are_answered_without_the_model(
    content: bytes, label: str | None, tmp_path: Path
) -> None:
    assert answer_without_model(ends_of(content, tmp_path)) == label


def test_an_unsure_score_gives_a_general_label() -> None:
    rules = load_rules()

    def scored(label: str, score: float) -> str:
        return label_of([score if each == label else 0.0 for each in rules.labels], rules).label

    assert scored("png", 0.5) == "png"
    assert scored("png", 0.49) == "unknown"
    assert scored("python", 0.49) == "txt"
    assert scored("markdown", 0.74) == "txt"
    assert scored("markdown", 0.75) == "markdown"
    assert scored("randomtxt", 0.99) == "txt"


def test_the_files_are_many_and_two_need_no_job() -> None:
    found = samples()
    jobless = [sample.path.stat().st_size for sample in found if input_of(sample) is None]
    assert len(found) >= 20
    assert sorted(jobless) == [0, 5]


def subject() -> Subject:
    async def load() -> bytes:
        return package_file(MODEL_FILE).read_bytes()

    return Subject(model=bytes(32), shapes=[[1, 2048]], class_=Class.NATIVE, load=load)


def test_a_flipped_output_gives_another_label() -> None:
    sample = next(each for each in samples() if each.path.name == "logo.png")
    bundle = input_of(sample)
    assert bundle is not None
    ran = run_once(PoolConfig(), subject(), bundle)
    rules = load_rules()
    assert answer(ran.outputs, rules).label == "png"
    (scores,) = decode_bundle(ran.outputs).tensors
    flipped = [float(value) for value in values(scores.tensor)]
    order = sorted(range(len(flipped)), key=flipped.__getitem__)
    flipped[order[-1]], flipped[order[-2]] = flipped[order[-2]], flipped[order[-1]]
    tensor = Tensor(dtype=DType.FLOAT32, shape=[1, len(flipped)], data=struct.pack(f"<{len(flipped)}f", *flipped))
    changed = codec.encode(Bundle(tensors=[NamedTensor(name=OUTPUT.encode(), tensor=tensor)]))
    assert changed != ran.outputs
    assert answer(changed, rules).label != "png"


def test_the_input_is_what_the_model_declares() -> None:
    sample = samples()[0]
    expected = bundle_of_one(INPUT, DType.INT32, [1, 2048], features(read_ends(sample.path)))
    assert input_of(sample) == expected
