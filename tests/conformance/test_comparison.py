import json
from typing import Any

import pytest

from tests.conformance import comparison_vectors
from vm.manifest import Ratio
from vm.sandbox.comparing import fast_compare
from vm.tensor import DType, Tensor

PINNED = json.loads(comparison_vectors.FILE.read_text())
BUILT = comparison_vectors.build()


@pytest.mark.parametrize("area", sorted(PINNED))
def test_judges_say_what_they_always_did(area: str) -> None:
    assert BUILT[area] == PINNED[area]


def test_each_area_has_vectors() -> None:
    assert sorted(BUILT) == sorted(PINNED)


@pytest.mark.parametrize("vector", PINNED["comparisons"], ids=lambda vector: vector["case"])
def test_the_fast_form_says_the_same(vector: dict[str, Any]) -> None:
    def tensor(field: str) -> Tensor:
        data = bytes.fromhex(vector[field])
        return Tensor(dtype=DType(vector["dtype"]), shape=vector["shape"], data=data)

    numerator, denominator = vector["tolerance"]
    tolerance = Ratio(numerator=numerator, denominator=denominator)
    verdict = fast_compare(tensor("reference"), tensor("other"), tolerance)
    told = (verdict.within, str(verdict.deviation), verdict.element)
    assert told == (vector["within"], vector["deviation"], vector["element"])
