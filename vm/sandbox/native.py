"""ONNX Runtime as the engine of native runs: a session that computes a file's values at the cut, and no more."""

from collections.abc import Sequence

import msgspec
import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as state

from primitives.reasons import Reason, Refused
from vm.canonical.arrays import DTYPE_OF, Array, normal
from vm.sandbox_protocol import Optimisation, Settings
from vm.tensor import TensorType

FAULTS = (
    state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.EPFail, state.NoModel,
    state.NoSuchFile, state.NotImplemented, state.RuntimeException, state.EngineError,
    RuntimeError, ValueError, TypeError,
)  # fmt: skip
"""What ONNX Runtime raises for a model or a run that fails; its bindings add the built-in ones."""
_MEMORY_WORDS = ("bad_alloc", "bad allocation", "Failed to allocate", "Unable to allocate", "out of memory")
_LOG_FATAL_ONLY = 4


def quiet() -> None:
    """Keep the engine from writing about what it refuses."""
    ort.set_default_logger_severity(_LOG_FATAL_ONLY)


def session_options(settings: Settings) -> ort.SessionOptions:
    """Return how every session of the engine is set up (V60)."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = ort.GraphOptimizationLevel(int(settings.optimisation))
    options.log_severity_level = _LOG_FATAL_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without it products of unsigned and signed bytes saturate on processors without VNNI: another result.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def open_session(model: bytes, settings: Settings) -> ort.InferenceSession:
    """Return a session of the engine, which optimises less where its optimiser fails (V60). Raises one of FAULTS."""
    try:
        return ort.InferenceSession(model, session_options(settings), providers=["CPUExecutionProvider"])
    except state.Fail:
        if settings.optimisation <= Optimisation.BASIC:
            raise
        # ONNX Runtime 1.31.1 can't rewrite a signed weight twice, for two nodes; only its further levels do.
        options = session_options(msgspec.structs.replace(settings, optimisation=Optimisation.BASIC))
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Native:
    """A model, loaded up to the cut (V60)."""

    def __init__(self, model: onnx.ModelProto, cut: Sequence[str], types: list[TensorType], settings: Settings) -> None:
        """Load a model, of which the caller has no more use: what only the tail needs is taken out of it.

        Raises Refused GRAPH_INVALID, MODEL_UNREADABLE or RUN_MEMORY_LIMIT.
        """
        self._cut, self._types = list(cut), types
        _end_at(model.graph, self._cut)
        self._inputs = [value.name for value in model.graph.input]
        raw = model.SerializeToString()
        model.Clear()
        try:
            self._engine = open_session(raw, settings)
        except (MemoryError, *FAULTS) as fault:
            raise told(fault, Reason.GRAPH_INVALID) from None

    def run(self, feeds: dict[str, Array]) -> list[Array]:
        """Return the values at the cut, in normal form (V61).

        Raises Refused RUN_ENGINE_ERROR, RUN_MEMORY_LIMIT, or NATIVE_DEVIATES for another type or shape than meant.
        """
        try:
            values = self._engine.run(self._cut, {name: feeds[name] for name in self._inputs if name in feeds})
        except (MemoryError, *FAULTS) as fault:
            raise told(fault, Reason.RUN_ENGINE_ERROR) from None
        return [_checked(name, value, type_) for name, value, type_ in zip(self._cut, values, self._types, strict=True)]


def _checked(name: str, value: object, type_: TensorType) -> Array:
    wanted = f"{type_.dtype.name.lower()} {type_.shape}"
    if not isinstance(value, np.ndarray) or value.dtype.newbyteorder("<") not in DTYPE_OF:
        raise Refused(Reason.NATIVE_DEVIATES, what=name, seen=type(value).__name__, wanted=wanted)
    array = normal(value)
    if DTYPE_OF[array.dtype] is not type_.dtype or list(array.shape) != type_.shape:
        seen = f"{DTYPE_OF[array.dtype].name.lower()} {list(array.shape)}"
        raise Refused(Reason.NATIVE_DEVIATES, what=name, seen=seen, wanted=wanted)
    return array


def _end_at(graph: onnx.GraphProto, cut: list[str]) -> None:
    """Make the values at the cut the graph's outputs, and take out the nodes and weights that none of them needs."""
    needed = set(cut)
    for at in range(len(graph.node) - 1, -1, -1):
        if any(name in needed for name in graph.node[at].output):
            needed.update(names_read(graph.node[at]))
        else:
            del graph.node[at]
    for held in (graph.initializer, graph.input):
        for at in range(len(held) - 1, -1, -1):
            if held[at].name not in needed:
                del held[at]
    del graph.output[:]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in cut)


def names_read(node: onnx.NodeProto) -> list[str]:
    """Return the names that a node reads, those in the graphs that it holds too."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names += names_read(inner)
        names += [value.name for value in attribute.g.output]
    return names


def told(fault: Exception, reason: Reason) -> Refused:
    """Return the refusal for what the engine raised (V64)."""
    words = str(fault)
    if isinstance(fault, MemoryError) or any(sign in words for sign in _MEMORY_WORDS):
        return Refused(Reason.RUN_MEMORY_LIMIT, why=words)
    if isinstance(fault, state.InvalidProtobuf):
        return Refused(Reason.MODEL_UNREADABLE, why=words)
    return Refused(reason, why=words)
