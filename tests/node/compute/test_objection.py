"""What a verifier commits to where a job can't be run as it was ordered."""

import pytest

from ledger.market.commitment import open_bundles
from ledger.market.judging import judge
from ledger.transaction import Decision
from node.compute.objection import objection
from testnet.kit import ledger_builders as kit
from vm.lowering import CutValue
from vm.manifest import Class, Model, Port
from vm.tensor import DType, TensorType

OTHER = (DType.BOOL, DType.INT64, DType.UINT8)


def of_type(dtype: DType) -> tuple[Model, TensorType]:
    type_ = TensorType(dtype=dtype, shape=[1, 16])
    model = kit.a_model()
    outputs = [Port(name=kit.OUTPUT_NAME, dtype=dtype, shape=type_.shape)]
    return Model(**{**{name: getattr(model, name) for name in model.__struct_fields__}, "outputs": outputs}), type_


@pytest.mark.parametrize("class_", list(Class))
@pytest.mark.parametrize("dtype", list(DType))
def test_an_objection_can_be_revealed_and_agrees_with_nobody(dtype: DType, class_: Class) -> None:
    """D15."""
    model, type_ = of_type(dtype)
    cut = kit.ROW if dtype in OTHER else TensorType(dtype=dtype, shape=[1, 16])
    lowering = kit.a_lowering(outputs=[type_], cut=[CutValue(name=kit.CUT_NAME, type=cut)])
    for _ in range(20):
        mine, theirs = (
            open_bundles(model, lowering, class_, cut=shown[0], outputs=shown[1])
            for shown in (objection(model, lowering, class_), objection(model, lowering, class_))
        )
        if cut.dtype in (DType.FLOAT16, DType.FLOAT32, DType.FLOAT64) or class_ is Class.EXACT:
            assert judge(mine, theirs, lowering, class_) is Decision.REJECT
