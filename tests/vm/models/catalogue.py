"""All models for tests of the AI VM: made here, checked in, and from installed packages.

`python -m tests.vm.models.catalogue` lists them; with the name of a folder it writes them there as files.
"""

import importlib.util
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tests.vm.models import quantised, text, vision
from tests.vm.models.case import Array, Case, Feeds, Noise

EXPORTED = Path(__file__).parent / "exported"
VARIANTS = 3
"""Inputs for each model."""
OURS = "of this project"


def _varied(make: Callable[[Noise], Feeds], *, variants: int = VARIANTS) -> list[Feeds]:
    return [make(Noise(100 + at)) for at in range(variants)]


def _built() -> list[Case]:
    def case(name: str, build: Callable[[], bytes], make: Callable[[Noise], Feeds], **other: Any) -> Case:
        return Case(name, build, _varied(make), OURS, "made by onnx.helper", draw=make, **other)

    def words(noise: Noise) -> Feeds:
        seen = (np.arange(text.TOKENS) < noise.integers(1, low=4, high=text.TOKENS)).astype(np.int64)
        return {"ids": noise.integers(1, text.TOKENS, low=0, high=text.WORDS), "mask": seen[None]}

    def step(noise: Noise) -> Feeds:
        cache_shape = (1, text.HEADS, text.PAST, text.WIDTH // text.HEADS)
        return {
            "ids": noise.integers(1, 1, low=0, high=text.WORDS),
            "place": np.array([[text.PAST]]),
            "past_key": noise.normal(*cache_shape),
            "past_value": noise.normal(*cache_shape),
        }

    def series(noise: Noise) -> Feeds:
        return {"series": noise.normal(1, 10, 6)}

    def pixels(*shape: int) -> Callable[[Noise], Feeds]:
        return lambda noise: {"image": noise.normal(*shape)}

    def row(*shape: int) -> Callable[[Noise], Feeds]:
        return lambda noise: {"x": noise.normal(*shape)}

    return [
        case("regression", vision.regression, row(4, 8)),
        case("mlp", vision.mlp, row(2, 32), smaller=partial(vision.mlp, 24, 33)),
        case("cnn", vision.cnn, pixels(1, 3, 32, 32), smaller=partial(vision.cnn, 8, 31)),
        case("segmenter", vision.segmenter, pixels(1, 1, 16, 16), smaller=partial(vision.segmenter, 4, 32)),
        case("encoder", text.encoder, words, smaller=partial(text.encoder, 1, 32, 35)),
        case("encoder-infinite-mask", partial(text.encoder, 1, far=-np.inf), words),
        case("decoder", text.decoder, step),
        case(
            "lstm", partial(text.recurrent, "LSTM", 12), series, smaller=partial(text.recurrent, "LSTM", 36, hidden=8)
        ),
        case("lstm-both-ways", partial(text.recurrent, "LSTM", 13, both=True), series),
        case("gru", partial(text.recurrent, "GRU", 14, linear_before_reset=1), series),
        case("gru-reset-first", partial(text.recurrent, "GRU", 16, both=True), series),
        case("recurrence", partial(text.recurrent, "RNN", 17), series),
        case("looped", text.looped, row(1, 8)),
        case("qdq", quantised.qdq, pixels(1, 1, 8, 8), kind="quantised"),
        case("dynamically-quantised", quantised.dynamic, row(2, 16), kind="quantised"),
        case(
            "integers",
            quantised.integers,
            lambda noise: {"image": noise.integers(1, 2, 8, 8, low=0, high=256, dtype=np.uint8)},
            kind="integer",
        ),
    ]


_TREES = ("tree", "forest", "boosting")


def _exported() -> list[Case]:
    cases: list[Case] = []
    sources = {"sklearn": "scikit-learn by skl2onnx", "torch": "PyTorch", "jax": "JAX by jax2onnx"}
    for path in sorted(EXPORTED.glob("*.onnx")):
        trees = any(word in path.stem for word in _TREES)
        source = f"exported from {sources[path.stem.partition('-')[0]]}: exported/"
        draw = partial(_feeds_like, path.read_bytes())
        kind = "trees" if trees else "float"
        cases.append(Case(path.stem, path.read_bytes, _varied(draw), OURS, source, kind=kind, draw=draw))
    return cases


def _feeds_like(model: bytes, noise: Noise) -> Feeds:
    """Return numbers for the inputs that a file declares, each free dimension 3."""
    feeds: Feeds = {}
    for value in onnx.ModelProto.FromString(model).graph.input:
        shape = [dim.dim_value or 3 for dim in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.INT64:
            feeds[value.name] = noise.integers(*shape, low=0, high=50 if value.name == "ids" else 5)
        else:
            feeds[value.name] = noise.normal(*shape)
    return feeds


def package_folder(package: str) -> Path:
    """Return the folder of an installed package, which is not imported."""
    found = importlib.util.find_spec(package)
    assert found is not None, f"{package} is not installed: make setup"
    assert found.origin is not None
    return Path(found.origin).parent


def _installed() -> list[Case]:
    speech = package_folder("silero_vad") / "data"
    reading = package_folder("rapidocr_onnxruntime") / "models"

    def case(path: Path, name: str, make: Callable[[Noise], Feeds], **other: Any) -> Case:
        source = f"the wheel of {path.parents[1].name.replace('_', '-')}"
        licence = "MIT" if "silero" in source else "Apache-2.0"
        return Case(name, path.read_bytes, _varied(make), licence, source, draw=make, **other)

    def content(noise: Noise) -> Feeds:
        return {"bytes": noise.integers(1, 2048, low=0, high=257, dtype=np.int32)}

    def sound(samples: int, rate: int | None) -> Callable[[Noise], Feeds]:
        def make(noise: Noise) -> Feeds:
            feeds = {"input": noise.normal(1, samples, scale=0.1), "state": noise.normal(2, 1, 128, scale=0.1)}
            return feeds if rate is None else {**feeds, "sr": np.array(rate)}

        return make

    def sounds(noise: Noise) -> Feeds:
        state = {name: noise.normal(1, 1, 128, scale=0.1) for name in ("h", "c")}
        return {"input": noise.normal(4, 576, scale=0.1), **state}

    def picture(height: int, width: int) -> Callable[[Noise], Feeds]:
        return lambda noise: {"x": _page(noise, height, width)}

    magika = package_folder("magika") / "models" / "standard_v3_3" / "model.onnx"
    return [
        Case("magika", magika.read_bytes, _varied(content), "Apache-2.0", "the wheel of magika", draw=content),
        case(speech / "silero_vad.onnx", "silero-16k", sound(576, 16_000)),
        case(speech / "silero_vad.onnx", "silero-8k", sound(288, 8_000)),
        case(speech / "silero_vad_16k_op15.onnx", "silero-op15", sound(576, 16_000)),
        case(speech / "silero_vad_half.onnx", "silero-half", sound(576, None)),
        case(speech / "silero_vad_op18_ifless.onnx", "silero-op18", sound(576, 16_000)),
        case(speech / "silero_vad_openvino_16k.onnx", "silero-openvino", sound(576, None)),
        case(speech / "silero_vad_16k_sequence.onnx", "silero-sequence", sounds),
        case(reading / "ch_ppocr_mobile_v2.0_cls_infer.onnx", "ocr-class", picture(48, 192)),
        case(reading / "ch_PP-OCRv4_det_infer.onnx", "ocr-detect", picture(64, 96)),
        case(reading / "ch_PP-OCRv4_rec_infer.onnx", "ocr-read", picture(48, 80)),
    ]


def _page(noise: Noise, height: int, width: int) -> Array:
    """Return a picture of something like a line of text: dark strokes on light ground, a little noise."""
    picture = np.full((1, 3, height, width), 0.9, np.float32)
    top, bottom = height // 5, height - height // 5
    for at, long in zip(
        noise.integers(8, low=0, high=width - 3), noise.integers(8, low=3, high=width // 8), strict=True
    ):
        middle = int(noise.integers(1, low=top, high=bottom - 3)[0])
        picture[..., top:bottom, at : at + 3] = -0.8
        picture[..., middle : middle + 3, at : at + 3 + long] = -0.8
    return picture + noise.normal(1, 3, height, width, scale=0.02)


@cache
def small_models() -> list[Case]:
    """Return the models that are made here or checked in: each runs in milliseconds."""
    return [*_built(), *_exported()]


@cache
def all_models() -> list[Case]:
    """Return the small models and those of the installed packages."""
    return [*small_models(), *_installed()]


def by_name(name: str) -> Case:
    """Return the one model of that name."""
    (found,) = [case for case in all_models() if case.name == name]
    return found


if __name__ == "__main__":
    for each in all_models():
        print(f"{each.name:<28} {len(each.model):>10,} bytes  {each.kind:<10} {each.licence:<16} {each.source}")
        for name in sys.argv[1:]:
            (Path(name) / f"{each.name}.onnx").write_bytes(each.model)
