"""Whatever is changed in a model, it is lowered to a well-formed program or refused with a reason of its own."""

import random

import onnx
import pytest

from primitives.reasons import Reason, Refused
from tests.vm.models.case import Case
from tests.vm.models.catalogue import small_models
from vm.sandbox.lower.lowering import lower
from vm.wellformed import check_program

INTEGERS = (0, 1, -1, 2, 3, 7, 100, 2**31, -(2**31), 2**62, -(2**63))
NUMBERS = (0.0, -1.0, 1e30, float("nan"), float("inf"))
WORDS = (b"", b"linear", b"SAME_UPPER", b"\xff")
CHANGES = 8


def change(model: onnx.ModelProto, shapes: list[list[int]], rng: random.Random) -> None:
    """Change an attribute, a dimension of an input, or where a node reads from."""
    nodes = [node for node in model.graph.node if node.attribute]
    kind = rng.randrange(4)
    if kind == 0 and any(shapes):
        shape = rng.choice([shape for shape in shapes if shape])
        shape[rng.randrange(len(shape))] = rng.choice([0, 1, 2, 5, 100])
    elif kind == 1:
        node = rng.choice(model.graph.node)
        if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice(["", *node.input])
    elif nodes:
        attribute = rng.choice(rng.choice(nodes).attribute)
        attribute.i, attribute.f, attribute.s = rng.choice(INTEGERS), rng.choice(NUMBERS), rng.choice(WORDS)
        if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(INTEGERS)


@pytest.mark.parametrize("case", small_models(), ids=lambda case: case.name)
def test_a_changed_model_is_refused_or_well_formed(case: Case) -> None:
    rng = random.Random(case.name)
    for _ in range(CHANGES):
        model, shapes = onnx.ModelProto.FromString(case.model), [list(a.shape) for a in case.feeds[0].values()]
        for port in model.graph.input:
            port.type.tensor_type.ClearField("shape")
        change(model, shapes, rng)
        reason = None
        try:
            check_program(lower(model, shapes).program)
        except Refused as refused:
            reason = refused.reason
        assert reason is not Reason.PROGRAM_INVALID
