"""One node, computed canonically and by ONNX Runtime, side by side."""

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from tests.vm.lower.graphs import Array, lowered, model, results
from vm.sandbox.lower.schemas import MICROSOFT
from vm.wellformed import check_program

ort.set_default_logger_severity(4)
WITHIN = 3e-6
"""Of a tensor's largest element: what float32 sums in another order may differ by on these sizes."""


class Case:
    """A node on its first `free` operands as inputs and the others as weights, named in their order."""

    def __init__(
        self,
        op: str,
        inputs: list[Array | None],
        *,
        opset: int = 22,
        outputs: int = 1,
        domain: str = "",
        free: int = 1,
        **attributes: Any,
    ) -> None:
        names = [f"x{at}" if array is not None else "" for at, array in enumerate(inputs)]
        held = {name: array for name, array in zip(names, inputs, strict=True) if array is not None}
        self.inputs = {name: array for at, (name, array) in enumerate(held.items()) if at < free}
        weights = {name: array for at, (name, array) in enumerate(held.items()) if at >= free}
        self.outputs = [f"y{at}" for at in range(outputs)]
        node = helper.make_node(op, names, self.outputs, domain=domain, **attributes)
        self.proto: onnx.ModelProto = model([node], self.inputs, self.outputs, weights, opset=opset)
        if domain == MICROSOFT:
            self.proto.opset_import.append(helper.make_opsetid(domain, 1))

    def ours(self) -> list[Array]:
        """Return what the canonical interpreter computes."""
        found = lowered(self.proto, self.inputs)
        check_program(found.program)
        return results(found, self.inputs)

    def native(self) -> list[Array]:
        """Return what ONNX Runtime computes."""
        session = ort.InferenceSession(self.proto.SerializeToString(), providers=["CPUExecutionProvider"])
        return [np.asarray(array) for array in session.run(None, self.inputs)]

    def agrees(self, within: float = WITHIN) -> None:
        """Assert that both give the same types, shapes and integers, and floats within a share of the largest."""
        for mine, theirs in zip(self.ours(), self.native(), strict=True):
            assert mine.dtype == theirs.dtype
            assert mine.shape == theirs.shape
            if mine.dtype.kind != "f":
                assert np.array_equal(mine, theirs)
                continue
            finite = np.isfinite(theirs)
            assert np.array_equal(np.isfinite(mine), finite)
            largest = max(float(np.abs(theirs[finite]).max(initial=0)), 0.1)
            assert float(np.abs(mine[finite].astype(float) - theirs[finite]).max(initial=0)) <= within * largest
