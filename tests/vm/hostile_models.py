"""Models made to harm whoever runs them. As a program: `python -m tests.vm.hostile_models FOLDER` writes them as files.

Each takes a float32 `x` of one element and names its output `y`, which is also its cut.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import onnx
from onnx import TensorProto, helper

CUT = b"y"
_OPSET = 17
_IR_VERSION = 8


def _model(nodes: list[onnx.NodeProto], *, initializers: list[onnx.TensorProto] | None = None) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph(nodes, "g", [x], [y], initializers or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _encoded(model: onnx.ModelProto) -> bytes:
    raw: bytes = model.SerializeToString()
    return raw


def _constant(name: str, kind: int, dims: list[int], values: list[float]) -> onnx.TensorProto:
    return helper.make_tensor(name, kind, dims, values)


def loops_for_ever() -> bytes:
    carried = [helper.make_tensor_value_info("seen", TensorProto.FLOAT, [1])]
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes_on"]), helper.make_node("Sin", ["seen"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("at", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            *carried,
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1]),
        ],
    )
    loop = helper.make_node("Loop", ["", "yes", "x"], ["y"], body=body)
    return _encoded(_model([loop], initializers=[_constant("yes", TensorProto.BOOL, [], [1])]))


def allocates_8_gb() -> bytes:
    nodes = [helper.make_node("Expand", ["x", "shape"], ["wide"]), helper.make_node("ReduceMax", ["wide"], ["top"])]
    nodes.append(helper.make_node("Reshape", ["top", "one"], ["y"]))
    shape = [
        _constant("shape", TensorProto.INT64, [2], [2**10, 2**21]),
        _constant("one", TensorProto.INT64, [1], [1]),
    ]
    return _encoded(_model(nodes, initializers=shape))


def nests_2_to_the_30_functions() -> bytes:
    model = _model([helper.make_node("f30", ["x"], ["y"], domain="own")])
    imports = [helper.make_opsetid("", _OPSET), helper.make_opsetid("own", 1)]
    leaf = helper.make_function("own", "f0", ["a"], ["b"], [helper.make_node("Sin", ["a"], ["b"])], imports)
    model.functions.append(leaf)
    for level in range(1, 31):
        inner = f"f{level - 1}"
        calls = [
            helper.make_node(inner, ["a"], ["m"], domain="own"),
            helper.make_node(inner, ["m"], ["b"], domain="own"),
        ]
        model.functions.append(helper.make_function("own", f"f{level}", ["a"], ["b"], calls, imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return _encoded(model)


def cut_short() -> bytes:
    weights = _constant("w", TensorProto.FLOAT, [1], [2.0])
    whole = _encoded(_model([helper.make_node("Mul", ["x", "w"], ["y"])], initializers=[weights]))
    return whole[: len(whole) // 2]


def reads_another_file() -> bytes:
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    weights.external_data.append(onnx.StringStringEntryProto(key="location", value="../../../../etc/passwd"))
    return _encoded(_model([helper.make_node("Mul", ["x", "w"], ["y"])], initializers=[weights]))


def multiplies_for_hours() -> bytes:
    nodes = [helper.make_node("Expand", ["x", "shape"], ["m0"])]
    nodes += [helper.make_node("MatMul", [f"m{at}", f"m{at}"], [f"m{at + 1}"]) for at in range(1000)]
    nodes += [helper.make_node("ReduceMax", ["m1000"], ["top"]), helper.make_node("Reshape", ["top", "one"], ["y"])]
    shape = [
        _constant("shape", TensorProto.INT64, [2], [2048, 2048]),
        _constant("one", TensorProto.INT64, [1], [1]),
    ]
    return _encoded(_model(nodes, initializers=shape))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "loops-for-ever": loops_for_ever,
    "allocates-8-gb": allocates_8_gb,
    "nests-2-to-the-30-functions": nests_2_to_the_30_functions,
    "cut-short": cut_short,
    "reads-another-file": reads_another_file,
    "multiplies-for-hours": multiplies_for_hours,
}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, build in HOSTILE.items():
        (folder / f"{name}.onnx").write_bytes(build())
