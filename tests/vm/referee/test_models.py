"""The referee over whole models: every operation that the lowering makes of them (V85-V87, V90)."""

import random

import pytest

from primitives import codec
from tests.vm.models.catalogue import by_name
from tests.vm.referee.subjects import elements_of, judged, subject_of_model
from vm.tiles import tile

ELEMENTS = 6
"""Of each run of each model; the night has a hundred thousand."""


MODELS = (
    "mlp", "cnn", "encoder", "decoder", "gru", "looped", "qdq", "integers", "jax-attention", "sklearn-forest",
    "sklearn-svc", "torch-residual",
)  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_elements_of_models_are_judged_as_they_were_computed(name: str) -> None:
    found = judged(subject_of_model(by_name(name)), random.Random(name), ELEMENTS)
    assert found.elements == 2 * ELEMENTS
    assert not found.findings


def test_no_accusation_is_longer_than_its_tile_says() -> None:
    for name in ("cnn", "gru", "sklearn-forest"):
        run = subject_of_model(by_name(name)).runs[0]
        for number, element in elements_of(run, random.Random(name), 20):
            assert len(codec.encode(run.accuse(number, element))) <= tile(run.program, number).proof_bytes
