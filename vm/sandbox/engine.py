"""The native engine: ONNX Runtime sessions with the cut as extra outputs, and tensors in and out of them."""

import time
from collections import OrderedDict

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as state

from primitives import codec
from primitives.reasons import Reason, Refused
from vm.canonical.arrays import DTYPE_OF, array_of, normal, tensor_of
from vm.canonical.kernels import NUMPY, Kernels
from vm.manifest import FREE, Class, Port, check_inputs, fits, told_shape
from vm.sandbox import operators, policy
from vm.sandbox.checking import check
from vm.sandbox.cut import check_cut
from vm.sandbox.meaning import Derived
from vm.sandbox.prepared import Prepared
from vm.sandbox_protocol import (
    MODELS_KEPT,
    MODELS_KEPT_BYTES,
    Admit,
    Admitted,
    Check,
    Checked,
    Execute,
    Executed,
    Load,
    Loaded,
    Operator,
    Prepare,
    Ran,
    Run,
    Settings,
    Tail,
    TailGiven,
)
from vm.tensor import (
    ITEM_BYTES,
    SMALL_VALUES_BYTES_MAX,
    Bundle,
    DType,
    NamedTensor,
    Tensor,
    TensorType,
    decode_bundle,
    value_bytes,
)

_FAULTS = (
    state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.EPFail, state.NoModel,
    state.NoSuchFile, state.NotImplemented, state.RuntimeException, state.EngineError,
    RuntimeError, ValueError, TypeError,
)  # fmt: skip
"""What ONNX Runtime raises for a model or a run that fails; its bindings add the built-in ones."""
_MEMORY_WORDS = ("bad_alloc", "bad allocation", "Failed to allocate", "Unable to allocate", "out of memory")
_LOG_FATAL_ONLY = 4
_MS_PER_S = 1000


class _Session:
    """One model, loaded: its inputs, its outputs, and the values at the cut (V60)."""

    def __init__(self, model: bytes, cut: list[bytes], settings: Settings) -> None:
        self.file_bytes = len(model)
        proto = policy.parse(model)
        self.inputs, self.outputs = policy.ports(proto.graph)
        self.cut = [name.decode(errors="replace") for name in cut]
        for name in self.cut:
            if name not in _names(self.outputs):
                proto.graph.output.append(onnx.ValueInfoProto(name=name))
        options = ort.SessionOptions()
        options.intra_op_num_threads = settings.threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel(int(settings.optimisation))
        options.log_severity_level = _LOG_FATAL_ONLY
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        raw = proto.SerializeToString()
        del proto
        try:
            self.engine = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        except (MemoryError, *_FAULTS) as fault:
            raise _told(fault, Reason.GRAPH_INVALID) from None

    def run(self, bundle: Bundle) -> tuple[Bundle, Bundle]:
        """Return the values at the cut and the outputs, in normal form (V61)."""
        check_inputs(self.inputs, bundle)
        feeds = {each.name.decode(): array_of(each.tensor) for each in bundle.tensors}
        names = _names(self.outputs)
        try:
            values = self.engine.run([*self.cut, *names], feeds)
        except (MemoryError, *_FAULTS) as fault:
            raise _told(fault, Reason.RUN_ENGINE_ERROR) from None
        split = len(self.cut)
        outputs = _bundle(names, values[split:])
        for port, each in zip(self.outputs, outputs.tensors, strict=True):
            if not fits(each.tensor.shape, port):  # the engine itself only warns
                seen, wanted = told_shape(each.tensor.shape), told_shape(port.shape)
                raise Refused(Reason.GRAPH_INVALID, output=port.name, seen=seen, wanted=wanted)
        return _bundle(self.cut, values[:split]), outputs


class Engine:
    """Loaded models, the ones used last, and what a sandbox is asked to do with them."""

    def __init__(self, settings: Settings, *, kept_bytes: int = MODELS_KEPT_BYTES) -> None:
        self._settings, self._kept_bytes = settings, kept_bytes
        self._sessions: OrderedDict[bytes, _Session | Prepared] = OrderedDict()

    def load(self, request: Load) -> Loaded:
        """Keep a model ready; the ones used longest ago make room first. Raises Refused."""
        self._make_room(len(request.model))
        self._sessions[request.key] = _Session(request.model, request.cut, self._settings)
        return Loaded(keys=list(self._sessions))

    def _make_room(self, file_bytes: int) -> None:
        """Forget the models used longest ago until one of `file_bytes` fits (V63)."""
        while self._sessions and (
            len(self._sessions) >= MODELS_KEPT
            or sum(session.file_bytes for session in self._sessions.values()) + file_bytes > self._kept_bytes
        ):
            self._sessions.popitem(last=False)

    def run(self, request: Run) -> Ran:
        """Run a loaded model. Raises Refused: RUN_REFUSED if it is not loaded, else 5xx, 6xx or OUTPUT_TOO_LARGE."""
        session = self._sessions.get(request.key)
        if not isinstance(session, _Session):
            raise Refused(Reason.RUN_REFUSED, seen="a model that is not loaded")
        self._sessions.move_to_end(request.key)
        bundle = _input(request.bundle)
        started = time.perf_counter()
        cut, outputs = session.run(bundle)
        wall_ms = round((time.perf_counter() - started) * _MS_PER_S)
        _check_small(cut, Reason.CUT_REFUSED)
        _check_small(outputs, Reason.OUTPUT_TOO_LARGE)
        return Ran(cut=codec.encode(cut), outputs=codec.encode(outputs), wall_ms=wall_ms)

    def check(self, request: Check) -> Checked:
        """Judge a model for inputs of certain shapes. Raises Refused for a file or sample that can't be read."""
        self._make_room(len(request.model))
        return check(request, self._settings, self._kernels)

    def prepare(self, request: Prepare) -> Loaded:
        """Keep a model ready; the ones used longest ago make room first. Raises Refused."""
        self._make_room(len(request.model))
        held = Prepared(request.model, request.shapes, request.class_, self._settings, self._kernels)
        self._sessions[request.key] = held
        return Loaded(keys=list(self._sessions))

    def execute(self, request: Execute) -> Executed:
        """Run a prepared model. Raises Refused: RUN_REFUSED if there is none, else 5xx, 6xx or OUTPUT_TOO_LARGE."""
        prepared = self._prepared(request.key)
        started = time.perf_counter()
        cut, outputs = prepared.execute(request.bundle, prove=request.prove)
        wall_ms = round((time.perf_counter() - started) * _MS_PER_S)
        return Executed(cut=codec.encode(cut), outputs=codec.encode(outputs), wall_ms=wall_ms)

    def tail(self, request: Tail) -> TailGiven:
        """Compute outputs from somebody's values at the cut. Raises Refused as `execute` does."""
        return TailGiven(outputs=codec.encode(self._prepared(request.key).tail(request.bundle, request.cut)))

    def _prepared(self, key: bytes) -> Prepared:
        held = self._sessions.get(key)
        if not isinstance(held, Prepared):
            raise Refused(Reason.RUN_REFUSED, seen="a model that is not loaded")
        self._sessions.move_to_end(key)
        return held

    def _kernels(self, derived: Derived) -> Kernels:
        """Return what stands in for the definitions, for one program."""
        del derived
        return NUMPY

    def admit(self, request: Admit) -> Admitted:
        """Judge a model by the rules, then run it once on the sample. Raises Refused."""
        if request.class_ is not Class.NATIVE:
            raise Refused(Reason.CLASS_NOT_YET, seen=request.class_.name.lower(), wanted="native")
        model = policy.parse(request.model)
        inputs, outputs = policy.check_model(model)
        for node in model.graph.node:
            if node.op_type in operators.CONTROL_FLOW:
                raise Refused(Reason.OPERATOR_REFUSED, node=node.name, why="control flow needs a lowering")
        check_cut(model.graph, [name.decode(errors="replace") for name in request.cut])
        counts: dict[bytes, int] = {}
        for node in model.graph.node:
            counts[node.op_type.encode()] = counts.get(node.op_type.encode(), 0) + 1
        nodes = len(model.graph.node)
        del model
        self._make_room(len(request.model))
        session = _Session(request.model, request.cut, self._settings)
        cut, results = session.run(_input(request.sample) if request.sample else _zeros(inputs))
        for each in cut.tensors:
            if each.tensor.dtype not in (DType.FLOAT32, DType.FLOAT64):
                seen = f"{each.name.decode()} of {each.tensor.dtype.name.lower()}"
                raise Refused(Reason.CUT_REFUSED, seen=seen, wanted="float32 or float64")
        _check_small(cut, Reason.CUT_REFUSED)
        _check_small(results, Reason.OUTPUT_TOO_LARGE)
        return Admitted(
            inputs=inputs,
            outputs=outputs,
            cut=[TensorType(dtype=each.tensor.dtype, shape=each.tensor.shape) for each in cut.tensors],
            cut_bytes=value_bytes(cut),
            output_bytes=value_bytes(results),
            nodes=nodes,
            operators=[Operator(name=name, count=count) for name, count in sorted(counts.items())],
        )


def warm_up(settings: Settings) -> None:
    """Load, run and refuse a small model once, so that nothing is left to import when the files are gone."""
    ort.set_default_logger_severity(_LOG_FATAL_ONLY)
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n"])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n"])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Exp", ["x"], ["y"])], "g", [value], [result])
    opset = [onnx.helper.make_opsetid("", policy.OPSETS[0])]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=policy.IR_VERSIONS[0]).SerializeToString()
    engine = Engine(settings)
    engine.admit(Admit(model=model, cut=[b"y"], class_=Class.NATIVE, sample=b""))
    engine.check(Check(model=model, shapes=[], samples=[], calibrate=True))
    for broken in (model[:-1], model.replace(b"Exp", b"Ex_")):
        try:
            engine.load(Load(key=bytes(32), model=broken, cut=[]))
        except Refused:
            continue
        raise AssertionError("a broken model was loaded")


def _names(ports: list[Port]) -> list[str]:
    return [port.name.decode() for port in ports]


def _input(raw: bytes) -> Bundle:
    try:
        return decode_bundle(raw)
    except Refused as fault:
        raise Refused(Reason.INPUT_UNREADABLE, why=str(fault)) from None


def _bundle(names: list[str], values: list[object]) -> Bundle:
    tensors: list[NamedTensor] = []
    for name, value in zip(names, values, strict=True):
        if not isinstance(value, np.ndarray) or value.dtype.newbyteorder("<") not in DTYPE_OF:
            raise Refused(Reason.TYPE_REFUSED, what=name, seen=str(getattr(value, "dtype", type(value).__name__)))
        tensors.append(NamedTensor(name=name.encode(), tensor=tensor_of(normal(value))))
    return Bundle(tensors=tensors)


def _check_small(bundle: Bundle, reason: Reason) -> None:
    """Refuse more than goes on chain whole (V62)."""
    if value_bytes(bundle) > SMALL_VALUES_BYTES_MAX:
        raise Refused(reason, seen=value_bytes(bundle), wanted=f"at most {SMALL_VALUES_BYTES_MAX} bytes of values")


def _zeros(inputs: list[Port]) -> Bundle:
    tensors: list[NamedTensor] = []
    for port in inputs:
        shape = [1 if dimension == FREE else dimension for dimension in port.shape]
        data = bytes(int(np.prod(shape, dtype=object)) * ITEM_BYTES[port.dtype])
        tensors.append(NamedTensor(name=port.name, tensor=Tensor(dtype=port.dtype, shape=shape, data=data)))
    return Bundle(tensors=tensors)


def _told(fault: Exception, reason: Reason) -> Refused:
    """Return the refusal for what the engine raised (V64)."""
    words = str(fault)
    if isinstance(fault, MemoryError) or any(sign in words for sign in _MEMORY_WORDS):
        return Refused(Reason.RUN_MEMORY_LIMIT, why=words)
    if isinstance(fault, state.InvalidProtobuf):
        return Refused(Reason.MODEL_UNREADABLE, why=words)
    return Refused(reason, why=words)
