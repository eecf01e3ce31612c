"""A verifier's verdict on a large cut, which the chain has not looked into (D10)."""

import pytest

from ledger.transaction import Decision
from node.compute.verdict import Case, weigh
from primitives.content import ContentId, content_id
from testnet.kit.ledger_builders import CUT_NAME, a_bundle, a_lowering, a_model
from vm.lowering import CutValue
from vm.manifest import Class
from vm.tensor import DType, TensorType

WIDE = 2_000
LOWERING = a_lowering(cut=[CutValue(name=CUT_NAME, type=TensorType(dtype=DType.FLOAT32, shape=[1, WIDE]))])
OUTPUTS = b"what follows from either"


@pytest.mark.parametrize(
    ("first", "name", "verdict"),
    [(-0.0, CUT_NAME, Decision.ACCEPT), (0.1, CUT_NAME, Decision.REJECT), (0.0, b"x" * 3, Decision.REJECT)],
)
async def test_a_cut_is_weighed_by_what_it_says_d10(first: float, name: bytes, verdict: Decision) -> None:
    """V133: a negative zero is no reason to reject, for nobody could prove one before a referee."""
    own = a_bundle(CUT_NAME, [0.0] + [1.0] * (WIDE - 1))
    theirs = a_bundle(name, [first] + [1.0] * (WIDE - 1))
    shown, outputs = content_id(theirs), content_id(OUTPUTS)
    case = Case(model=a_model(), lowering=LOWERING, class_=Class.NATIVE, cut=shown, outputs=outputs)

    async def fetch(wanted: ContentId) -> bytes:
        assert wanted == shown
        return theirs

    async def follow(cut: bytes) -> bytes:
        assert cut == theirs
        return OUTPUTS

    assert (await weigh(case, own, OUTPUTS, fetch=fetch, follow=follow)).verdict is verdict
