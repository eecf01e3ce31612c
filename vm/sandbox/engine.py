"""What a sandbox does: models kept ready, the ones used last, and the requests that it answers."""

import gc
import time
from collections import OrderedDict

import onnx

from primitives import codec
from primitives.reasons import Reason, Refused
from vm.canonical.fast import kernels
from vm.canonical.fast_library import Library
from vm.canonical.kernels import NUMPY, Kernels
from vm.dispute_protocol import Answer
from vm.lowering import TOLERANCE_LEAST
from vm.manifest import Class
from vm.program import VM_VERSION
from vm.referee.tracing import traced
from vm.sandbox import policy
from vm.sandbox.checking import check
from vm.sandbox.disputing import Disputes
from vm.sandbox.meaning import Derived
from vm.sandbox.native import quiet
from vm.sandbox.prepared import Prepared
from vm.sandbox_protocol import (
    MODELS_KEPT,
    MODELS_KEPT_BYTES,
    Ask,
    Check,
    Checked,
    Execute,
    Executed,
    Loaded,
    Prepare,
    Settings,
    Tail,
    TailGiven,
    Trace,
    Traced,
)
from vm.tensor import Bundle, DType, NamedTensor, Tensor

_MS_PER_S = 1000
_ONE = codec.encode(
    Bundle(tensors=[NamedTensor(name=b"x", tensor=Tensor(dtype=DType.FLOAT32, shape=[1, 1], data=bytes(4)))])
)


class Engine:
    """Loaded models, the ones used last, and what a sandbox is asked to do with them."""

    def __init__(
        self, settings: Settings, library: Library | None = None, *, kept_bytes: int = MODELS_KEPT_BYTES
    ) -> None:
        """Begin with nothing loaded; without a library of compiled kernels canonical runs take longer."""
        self._settings, self._library, self._kept_bytes = settings, library, kept_bytes
        self._sessions: OrderedDict[bytes, Prepared] = OrderedDict()
        self._disputes = Disputes()

    def _make_room(self, file_bytes: int) -> None:
        """Forget the models used longest ago until one of `file_bytes` fits (V63)."""
        while self._sessions and (
            len(self._sessions) >= MODELS_KEPT
            or sum(session.file_bytes for session in self._sessions.values()) + file_bytes > self._kept_bytes
        ):
            key, _ = self._sessions.popitem(last=False)
            self._disputes.forget(key)
            gc.collect()  # a session's parts refer to each other, and weigh hundreds of megabytes

    def check(self, request: Check) -> Checked:
        """Judge a model for inputs of certain shapes. Raises Refused for a file or sample that can't be read."""
        self._make_room(len(request.model))
        return check(request, self._settings, self._kernels)

    def prepare(self, request: Prepare) -> Loaded:
        """Keep a model ready; the ones used longest ago make room first. Raises Refused."""
        self._make_room(len(request.model))
        held = Prepared(request.model, request.shapes, request.class_, self._settings, self._kernels)
        self._disputes.forget(request.key)
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

    def trace(self, request: Trace) -> Traced:
        """Run a prepared model canonically, and tell its trace. Raises Refused as `execute` does."""
        prepared = self._prepared(request.key)
        derived = prepared.derived
        found = traced(
            derived.program,
            derived.constants,
            prepared.input(request.bundle),
            vm_version=VM_VERSION,
            native=prepared.class_ is Class.NATIVE,
            kernels=prepared.kernels,
        )
        digests = found.first.digests[request.first : request.first + request.count]
        return Traced(trace=found.trace, digests=digests)

    def ask(self, request: Ask) -> Answer:
        """Answer a question of a dispute (V137). Raises Refused as `execute` does, MALFORMED for what is not there."""
        return self._disputes.answer(self._prepared(request.key), request)

    def _prepared(self, key: bytes) -> Prepared:
        held = self._sessions.get(key)
        if held is None:
            raise Refused(Reason.RUN_REFUSED, seen="a model that is not loaded")
        self._sessions.move_to_end(key)
        return held

    def _kernels(self, derived: Derived) -> Kernels:
        """Return what stands in for the definitions, for one program."""
        if self._library is None:
            return NUMPY
        return kernels(self._library, program=derived.program, threads=self._settings.threads)


def warm_up(settings: Settings, library: Library | None = None) -> None:
    """Load, run and refuse a small model once, so that nothing is left to import when the files are gone."""
    quiet()
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", "n"])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", "n"])
    nodes = [onnx.helper.make_node("MatMul", ["x", "x"], ["m"]), onnx.helper.make_node("Exp", ["m"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "g", [value], [result])
    opset = [onnx.helper.make_opsetid("", policy.OPSETS[0])]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=policy.IR_VERSIONS[0]).SerializeToString()
    engine = Engine(settings, library)
    found = engine.check(Check(model=model, shapes=[], samples=[], calibrate=True))
    assert found.lowering is not None, found.faults
    for class_ in Class:
        engine.prepare(Prepare(key=bytes(32), model=model, shapes=[[1, 1]], class_=class_))
        engine.execute(Execute(key=bytes(32), bundle=_ONE, prove=TOLERANCE_LEAST))
    for broken in (model[:-1], model.replace(b"Exp", b"Ex_")):
        try:
            engine.prepare(Prepare(key=bytes(32), model=broken, shapes=[[1, 1]], class_=Class.NATIVE))
        except Refused:
            continue
        raise AssertionError("a broken model was loaded")
