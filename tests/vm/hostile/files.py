"""Files that are no sound model: broken, contradictory, or reaching for other files."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.vm.hostile.make import Hostile, edited, external, floats, harmless, one, port, weight
from tests.vm.models.graph import Graph


def _empty() -> bytes:
    return b""


def _noise() -> bytes:
    return bytes(at * 73 % 251 for at in range(5000))


def _cut_short() -> bytes:
    return harmless()[:-20]


def _ort_format() -> bytes:
    return b"\x18\0\0\0ORTM" + bytes(500)


def _no_graph() -> bytes:
    return edited(lambda model: model.ClearField("graph"))


def _no_nodes() -> bytes:
    return edited(lambda model: model.graph.ClearField("node"))


def _no_outputs() -> bytes:
    return edited(lambda model: model.graph.ClearField("output"))


def _bytes_for(old: bytes) -> Callable[[], bytes]:
    """Return a maker of a file in which a name is not in UTF-8."""
    return lambda: harmless().replace(old, b"\xff\xfe\xfd"[: len(old)])


def _opset(*versions: int) -> Callable[[], bytes]:
    def change(model: onnx.ModelProto) -> None:
        model.ClearField("opset_import")
        model.opset_import.extend(helper.make_opsetid("", version) for version in versions)

    return lambda: edited(change)


def _ir(version: int) -> Callable[[], bytes]:
    def change(model: onnx.ModelProto) -> None:
        model.ir_version = version

    return lambda: edited(change)


def _weights(*tensors: onnx.TensorProto) -> Callable[[], bytes]:
    """Return a maker of a file with these weights instead of the first."""

    def change(model: onnx.ModelProto) -> None:
        for tensor in tensors:
            tensor.name = tensor.name or "w0"
        del model.graph.initializer[0]
        model.graph.initializer.extend(tensors)

    return lambda: edited(change)


def _constant_outside() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        held = helper.make_node("Constant", [], ["c"], value=external(("location", "/etc/passwd")))
        model.graph.node.insert(0, held)

    return edited(change)


def _branch_outside() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        inner = helper.make_graph(
            [helper.make_node("Identity", ["w"], ["b"])],
            "inner",
            [],
            [port("b", 1, [4])],
            [external(("location", "w"))],
        )
        model.graph.initializer.append(weight("yes", np.array(True)))
        model.graph.node.append(helper.make_node("If", ["yes"], ["z"], then_branch=inner, else_branch=inner))

    return edited(change)


def _raw(kind: int, dims: list[int], raw: bytes) -> onnx.TensorProto:
    return TensorProto(name="w0", data_type=kind, dims=dims, raw_data=raw)


def _data_twice() -> bytes:
    tensor = _raw(1, [4], bytes(16))
    tensor.float_data.extend([0.0] * 4)
    return _weights(tensor)()


def _strings() -> bytes:
    return _weights(TensorProto(name="w0", data_type=TensorProto.STRING, dims=[4], string_data=[b"a"] * 4))()


def _sparse() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        indices = weight("i", np.array([0], np.int64))
        held = helper.make_sparse_tensor(weight("s", floats(1)), indices, [2**40])
        model.graph.sparse_initializer.append(held)

    return edited(change)


def _trains() -> bytes:
    return edited(lambda model: model.training_info.add().algorithm.CopyFrom(model.graph))


def _input_of(kind: onnx.TypeProto) -> Callable[[], bytes]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.CopyFrom(kind)

    return lambda: edited(change)


def _without_rank() -> onnx.TypeProto:
    return onnx.TypeProto(tensor_type=onnx.TypeProto.Tensor(elem_type=1))


def _tensor_type(shape: list[int], kind: int = 1) -> onnx.TypeProto:
    return helper.make_tensor_type_proto(kind, shape)


def _unsorted() -> bytes:
    return edited(lambda model: model.graph.node.reverse())


def _cyclic() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node[0].input[1] = "y"

    return edited(change)


def _set_twice() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Neg", ["x"], ["y"]))

    return edited(change)


def _output_of_nothing() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        model.graph.output[0].name = "nowhere"

    return edited(change)


def _many_nodes() -> bytes:
    graph = Graph()
    x = graph.input("x", [4])
    for _ in range(30_000):
        x = graph.node("Neg", x)
    graph.output(graph.node("Neg", x, gives="y"), [4])
    return graph.model()


def _many_weights() -> bytes:
    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.extend(weight(f"more{at}", floats(1)) for at in range(30_000))

    return edited(change)


def _functions(calls: Callable[[int], list[str]]) -> Callable[[], bytes]:
    """Return a maker of a file with 30 functions, of which each calls others."""

    def build() -> bytes:
        model = onnx.ModelProto.FromString(one("f30", domain="own"))
        imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
        for level in range(31):
            ways = ["a", "m", "b"]
            nodes = [
                helper.make_node(name, [ways[at]], [ways[at + 1]], domain="own" if name[0] == "f" else "")
                for at, name in enumerate(calls(level))
            ]
            model.functions.append(helper.make_function("own", f"f{level}", ["a"], ["b"], nodes, imports))
        model.opset_import.append(helper.make_opsetid("own", 1))
        raw: bytes = model.SerializeToString()
        return raw

    return build


def _doubling(level: int) -> list[str]:
    return ["Sin", "Sin"] if level == 0 else [f"f{level - 1}"] * 2


def _circular(level: int) -> list[str]:
    return [f"f{(level + 1) % 31}", f"f{level}"]


FILES = [
    Hostile("empty", _empty),
    Hostile("noise", _noise),
    Hostile("cut-short", _cut_short),
    Hostile("ort-format", _ort_format),
    Hostile("no-graph", _no_graph),
    Hostile("no-nodes", _no_nodes),
    Hostile("no-outputs", _no_outputs),
    Hostile("input-name-not-utf8", _bytes_for(b"x")),
    Hostile("operator-name-not-utf8", _bytes_for(b"Mul")),
    Hostile("weight-name-not-utf8", _bytes_for(b"w0")),
    Hostile("opset-999", _opset(999)),
    Hostile("opset-negative", _opset(-5)),
    Hostile("opset-twice", _opset(17, 13)),
    Hostile("no-opset", _opset()),
    Hostile("ir-version-0", _ir(0)),
    Hostile("ir-version-999", _ir(999)),
    Hostile("unknown-domain", lambda: one("Custom", domain="com.example")),
    Hostile("reads-a-parent-folder", _weights(external(("location", "../../../../etc/passwd"), name="w0"))),
    Hostile("reads-proc", _weights(external(("location", "/proc/self/environ"), name="w0"))),
    Hostile("reads-dev-zero", _weights(external(("location", "/dev/zero"), ("length", str(2**40)), name="w0"))),
    Hostile("reads-memory", _weights(external(("location", "*/_ORT_MEM_ADDR_/*"), ("offset", str(2**20)), name="w0"))),
    Hostile("constant-outside-the-file", _constant_outside),
    Hostile("branch-outside-the-file", _branch_outside),
    Hostile("functions-doubling", _functions(_doubling)),
    Hostile("functions-circular", _functions(_circular)),
    Hostile("weight-too-short", _weights(_raw(1, [4], bytes(15)))),
    Hostile("weight-negative", _weights(_raw(1, [-4, -1], bytes(16)))),
    Hostile("weight-overflowing", _weights(_raw(1, [2**40, 2**40], b""))),
    Hostile("weight-without-data", _weights(_raw(1, [2**31], b""))),
    Hostile("weight-of-rank-1000", _weights(_raw(1, [1] * 1000, bytes(4)))),
    Hostile("weight-of-no-type", _weights(_raw(0, [4], bytes(16)))),
    Hostile("weight-of-type-999", _weights(_raw(999, [4], bytes(16)))),
    Hostile("weight-of-4-bits", _weights(_raw(TensorProto.INT4, [4], bytes(2)))),
    Hostile("weight-with-data-twice", _data_twice),
    Hostile("weight-of-strings", _strings),
    Hostile("sparse-weight", _sparse),
    Hostile("training-information", _trains),
    Hostile("input-of-strings", _input_of(_tensor_type([4], TensorProto.STRING))),
    Hostile("input-a-sequence", _input_of(helper.make_sequence_type_proto(_tensor_type([4])))),
    Hostile("input-optional", _input_of(helper.make_optional_type_proto(_tensor_type([4])))),
    Hostile("input-without-rank", _input_of(_without_rank())),
    Hostile("input-of-rank-200", _input_of(_tensor_type([1] * 200)), shapes=()),
    Hostile("input-of-2-to-the-62", _input_of(_tensor_type([2**62])), shapes=()),
    Hostile("unsorted", _unsorted),
    Hostile("cyclic", _cyclic),
    Hostile("a-name-set-twice", _set_twice),
    Hostile("output-of-nothing", _output_of_nothing),
    Hostile("30000-nodes", _many_nodes),
    Hostile("30000-weights", _many_weights),
]
