"""Operators that ONNX Runtime adds to ONNX agree with it; what rounds by its own range does so closely."""

from typing import Any

import numpy as np
import pytest

from primitives.reasons import Reason, Refused
from tests.vm.lower.agreement import Case
from tests.vm.lower.graphs import Array, floats
from vm.sandbox.operators import kind_of
from vm.sandbox_protocol import Kind

MICROSOFT = "com.microsoft"


def whole(*shape: int, dtype: type = np.int8, seed: int = 1) -> Array:
    """Return integers of a type."""
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max, shape).astype(dtype)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
@pytest.mark.parametrize("rows", [False, True])
def test_a_quantised_lstm_agrees(direction: str, dtype: type, rows: bool) -> None:
    directions, hidden, features = (2 if direction == "bidirectional" else 1), 4, 3
    of = (directions, 4 * hidden) if rows else (directions,)
    scale = np.full(of, 0.006, np.float32)
    zero: Array = np.full(of, 0 if dtype is np.int8 else 3, dtype)
    weights = [whole(directions, size, 4 * hidden, dtype=dtype, seed=size) for size in (features, hidden)]
    operands = [floats(3, 1, features), *weights, floats(directions, 8 * hidden), *[None] * 4, scale, zero, scale, zero]
    Case("DynamicQuantizeLSTM", operands, domain=MICROSOFT, outputs=3, direction=direction, hidden_size=hidden).agrees(
        1e-2
    )


def test_products_of_quantised_matrices_agree() -> None:
    scale, zero = np.array(0.1, np.float32), np.array(7, np.uint8)
    columns = np.abs(floats(4)) / np.float32(10)
    Case(
        "MatMulIntegerToFloat", [whole(3, 5, dtype=np.uint8), whole(5, 4), scale, columns, zero], domain=MICROSOFT
    ).agrees()
    operands: list[Array | None] = [floats(3, 5), whole(5, 4), columns, np.zeros(4, np.int8), floats(4)]
    Case("DynamicQuantizeMatMul", operands, domain=MICROSOFT).agrees()


@pytest.mark.parametrize(
    ("op", "shapes", "attributes"),
    [
        ("FusedMatMul", [(2, 4, 3), (2, 5, 4)], {"transA": 1, "transB": 1, "alpha": 0.5}),
        ("Gelu", [(3, 7)], {}),
        ("BiasGelu", [(3, 7), (7,)], {}),
        ("FastGelu", [(3, 7), (7,)], {}),
        ("QuickGelu", [(3, 7)], {"alpha": 1.5}),
        ("SkipLayerNormalization", [(2, 3, 7), (2, 3, 7), (7,), (7,), (7,)], {"epsilon": 1e-5}),
    ],
)
def test_what_the_optimiser_joins_agrees(op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any]) -> None:
    operands: list[Array | None] = [floats(*shape, seed=at) for at, shape in enumerate(shapes)]
    Case(op, operands, domain=MICROSOFT, **attributes).agrees()


def test_what_quantises_by_its_own_range_is_known_to_jump() -> None:
    case = Case("DynamicQuantizeMatMul", [floats(3, 5), whole(5, 4), np.ones(4, np.float32)], domain=MICROSOFT)
    assert kind_of(case.proto.graph.node[0]) is Kind.DISCONTINUOUS


def test_other_operators_of_that_domain_are_refused_with_advice() -> None:
    case = Case("QAttention", [floats(3, 5)], domain=MICROSOFT)
    with pytest.raises(Refused) as caught:
        case.ours()
    assert caught.value.reason is Reason.OPERATOR_REFUSED
    assert "QDQ" in str(caught.value.facts["wanted"])
