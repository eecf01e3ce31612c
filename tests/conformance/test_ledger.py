import json

import pytest

from ledger.transaction import Payload
from tests.conformance import ledger_vectors

PINNED = json.loads(ledger_vectors.FILE.read_text())
BUILT = ledger_vectors.build()


@pytest.mark.parametrize("area", sorted(PINNED))
def test_the_ledger_computes_what_it_always_did(area: str) -> None:
    assert BUILT[area] == PINNED[area]


def test_each_area_has_vectors() -> None:
    assert sorted(BUILT) == sorted(PINNED)


def test_each_payload_has_a_vector() -> None:
    assert {vector["payload"] for vector in PINNED["transactions"]} == {kind.__name__ for kind in Payload.__args__}
