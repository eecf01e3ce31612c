import json

import pytest

from tests.conformance import primitives_vectors

PINNED = json.loads(primitives_vectors.FILE.read_text())
BUILT = primitives_vectors.build()


@pytest.mark.parametrize("area", sorted(PINNED))
def test_the_primitives_compute_what_they_always_did(area: str) -> None:
    assert BUILT[area] == PINNED[area]


def test_each_area_has_vectors() -> None:
    assert sorted(BUILT) == sorted(PINNED)


def test_of_the_signatures_only_the_honest_one_is_valid() -> None:
    assert [vector["case"] for vector in PINNED["signatures"] if vector["valid"]] == ["honest"]
