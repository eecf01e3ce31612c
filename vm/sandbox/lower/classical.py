"""Classical models of ai.onnx.ml: linear ones, support vectors, and what prepares their features."""

import math
from dataclasses import dataclass

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import NUMPY_OF, Array
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.normalisation import or_one
from vm.sandbox.lower.scores import integer_labels, largest_at, rows, transformed
from vm.sandbox.lower.table import ML, lowers
from vm.tensor import FLOATS, DType

FLOAT = DType.FLOAT32
COUPLED_MAX = 8
"""Classes of support vectors with probabilities: 12,000 operations, as the search for them is unrolled."""
_ROUNDS = 100
_CLOSE = 0.005
_UNSURE = 1e-7
"""Of libsvm: how often and how closely probabilities are fitted, and how far they stay from 0 and 1."""


def _floats(node: Node, name: str) -> Array:
    return np.array(node.numbers(name) or [], np.float32)


# --- linear ---------------------------------------------------------------------------------------------------------


def _linear(b: Builder, node: Node, x: Value, targets: int) -> Value:
    """Return x · coefficientsᵀ + intercepts, [N, targets]. Raises Refused GRAPH_INVALID."""
    samples, coefficients, intercepts = (
        rows(node, x, b, FLOAT),
        _floats(node, "coefficients"),
        _floats(node, "intercepts"),
    )
    if coefficients.size != targets * samples.shape[1]:
        raise node.refused(f"{coefficients.size} coefficients", reason=Reason.GRAPH_INVALID)
    scores = b.contract(samples, b.constant(coefficients.reshape(targets, samples.shape[1])))
    return b.add(scores, b.constant(intercepts)) if intercepts.size else scores


@lowers("LinearRegressor", domain=ML)
def _linear_regressor(b: Builder, node: Node, operands: Operands) -> list[Value]:
    targets = node.integer("targets")
    if targets == 1 and node.text("post_transform") not in ("NONE", "PROBIT"):
        # ONNX Runtime leaves a single score as it is
        raise node.declined("post_transform", wanted="NONE, and the function as a node of its own")
    return [transformed(b, node, _linear(b, node, operands[0], targets))]


@lowers("LinearClassifier", domain=ML)
def _linear_classifier(b: Builder, node: Node, operands: Operands) -> list[Value]:
    labels = integer_labels(node, "classlabels_ints")
    node.ignore("multi_class")
    intercepts = _floats(node, "intercepts")
    targets = intercepts.size or len(labels)
    scores = _linear(b, node, operands[0], targets)
    if targets == 1 and len(labels) == 2:
        return _of_two(b, node, scores, labels)
    if targets != len(labels):
        raise node.refused(f"{targets} intercepts for {len(labels)} labels", reason=Reason.GRAPH_INVALID)
    return [b.take(b.constant(labels), largest_at(b, scores), 0), transformed(b, node, scores)]


def _of_two(b: Builder, node: Node, scores: Value, labels: Array) -> list[Value]:
    """Return label and scores of two classes of which the model scores the second alone."""
    transform = node.text("post_transform")
    if transform not in ("NONE", "LOGISTIC"):
        raise node.declined("post_transform", wanted="NONE or LOGISTIC, as one class alone is scored")
    score = b.unary(Op.SIGMOID, scores) if transform == "LOGISTIC" else scores
    over = b.binary(Op.LESS, b.scalar(0, scores.dtype), b.reshape(scores, [scores.shape[0]]))
    label = b.select(over, b.scalar(int(labels[1]), DType.INT64), b.scalar(int(labels[0]), DType.INT64))
    return [label, b.concat([b.sub(b.scalar(1, score.dtype), score), score], 1)]


# --- support vectors ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Kernel:
    kind: str
    gamma: float
    coef: float
    degree: float


def _kernel(node: Node) -> _Kernel:
    given = [*(node.numbers("kernel_params") or []), 0.0, 0.0, 0.0]
    return _Kernel(node.text("kernel_type"), *given[:3])


def _kernelled(b: Builder, node: Node, x: Value, vectors: Value, kernel: _Kernel) -> Value:
    """Return the kernel of each sample [N, F] with each vector [V, F]: [N, V]. Raises Refused."""
    match kernel.kind:
        case "LINEAR":
            return b.contract(x, vectors)
        case "POLY":
            inner = b.add(b.mul(b.contract(x, vectors), kernel.gamma), kernel.coef)
            return b.binary(Op.POW, inner, kernel.degree)
        case "SIGMOID":
            return b.unary(Op.TANH, b.add(b.mul(b.contract(x, vectors), kernel.gamma), kernel.coef))
        case "RBF":
            apart = b.sub(b.reshape(x, [x.shape[0], 1, x.shape[1]]), vectors)
            squares = b.fold(Op.REDUCE_SUM, b.mul(apart, apart))
            return b.unary(Op.EXP, b.cast(b.mul(squares, -kernel.gamma), x.dtype))
        case _:
            raise node.declined("kernel_type", wanted="LINEAR, POLY, RBF or SIGMOID")


@lowers("SVMRegressor", domain=ML)
def _svm_regressor(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Σ coefficient · kernel(x, vector) + rho; of one class: whether that is positive, as 1 or −1."""
    x, count = rows(node, operands[0], b, FLOAT), node.integer("n_supports")
    if node.text("post_transform") != "NONE":
        raise node.declined("post_transform", wanted="NONE, and the function as a node of its own")
    coefficients, rho, kernel = _floats(node, "coefficients"), _floats(node, "rho"), _kernel(node)
    if count > 0:
        vectors = b.constant(_floats(node, "support_vectors").reshape(count, x.shape[1]))
        kernels = _kernelled(b, node, x, vectors, kernel)
    else:  # a linear one comes as a single vector of weights
        node.ignore("support_vectors")
        if kernel.kind != "LINEAR":
            raise node.declined("n_supports", wanted=f"support vectors for the kernel {kernel.kind}")
        kernels = x
    total = b.add(b.contract(kernels, b.constant(coefficients.reshape(1, kernels.shape[1]))), float(rho[0]))
    if node.flag("one_class"):
        positive = b.binary(Op.LESS, b.scalar(0, FLOAT), total)
        total = b.select(positive, b.scalar(1, FLOAT), b.scalar(-1, FLOAT))
    return [total]


@lowers("SVMClassifier", domain=ML)
def _svm_classifier(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Vote between each pair of classes; the scores are the decisions of the pairs."""
    x, labels = rows(node, operands[0], b, FLOAT), integer_labels(node, "classlabels_ints")
    slopes, shifts = _floats(node, "prob_a"), _floats(node, "prob_b")
    counts = node.integers("vectors_per_class")
    if not counts or node.text("post_transform") != "NONE":
        raise node.declined("post_transform", wanted="NONE, and vectors_per_class")
    if len(counts) != len(labels):
        raise node.refused(f"{len(counts)} counts of vectors", reason=Reason.GRAPH_INVALID)
    total = sum(counts)
    vectors = b.constant(_floats(node, "support_vectors").reshape(total, x.shape[1]))
    coefficients = _floats(node, "coefficients").reshape(len(labels) - 1, total)
    kernels = _kernelled(b, node, x, vectors, _kernel(node))
    rho, starts = _floats(node, "rho"), np.cumsum([0, *counts])
    pairs = [(i, j) for i in range(len(labels)) for j in range(i + 1, len(labels))]
    if len(rho) != len(pairs):
        raise node.refused(f"{len(rho)} thresholds rho", reason=Reason.GRAPH_INVALID)
    weights = np.zeros((len(pairs), total), np.float32)
    for at, (i, j) in enumerate(pairs):
        weights[at, starts[i] : starts[i + 1]] = coefficients[j - 1, starts[i] : starts[i + 1]]
        weights[at, starts[j] : starts[j + 1]] = coefficients[i, starts[j] : starts[j + 1]]
    decisions = b.add(b.contract(kernels, b.constant(weights)), b.constant(rho))
    label = _voted(b, decisions, pairs, labels)
    if not slopes.size:
        return [label, _shown(b, decisions, labels)]
    if len(labels) > COUPLED_MAX:
        raise node.declined("classlabels_ints", wanted=f"at most {COUPLED_MAX} classes, or no probabilities")
    if slopes.size != len(pairs) or shifts.size != len(pairs):
        raise node.refused(f"{slopes.size} slopes of probabilities", reason=Reason.GRAPH_INVALID)
    against = b.unary(Op.NEG, b.add(b.mul(decisions, b.constant(slopes)), b.constant(shifts)))
    return [label, _coupled(b, b.unary(Op.SIGMOID, against), pairs, len(labels))]


def _coupled(b: Builder, wins: Value, pairs: list[tuple[int, int]], classes: int) -> Value:
    """Return probabilities [N, K] that fit those of each pair [N, P] (Wu, Lin and Weng 2004, as libsvm has it)."""
    sure = b.binary(Op.MIN, b.binary(Op.MAX, wins, _UNSURE), 1 - _UNSURE)
    table = b.concat([sure, b.sub(b.scalar(1, FLOAT), sure), b.full(0, FLOAT, [wins.shape[0], 1])], 1)
    places = np.full((classes, classes), 2 * len(pairs), np.int64)
    for at, (i, j) in enumerate(pairs):
        places[i, j], places[j, i] = at, len(pairs) + at
    against = b.take(table, b.constant(places), 1)  # [N, K, K]: of one over another
    beaten = b.take(table, b.constant(np.ascontiguousarray(places.T)), 1)
    eye = np.eye(classes, dtype=np.float32)
    squares = b.cast(b.fold(Op.REDUCE_SUM, b.mul(beaten, beaten)), FLOAT)
    spread = b.mul(b.reshape(squares, [*squares.shape, 1]), b.constant(eye))
    q = b.sub(spread, b.mul(against, beaten))
    p = b.full(1 / classes, FLOAT, squares.shape)
    done = b.full(0, DType.BOOL, [wins.shape[0], 1])
    for _ in range(_ROUNDS):
        slope = b.cast(b.fold(Op.REDUCE_SUM, b.mul(q, b.reshape(p, [p.shape[0], 1, classes]))), FLOAT)
        value = _column(b, b.cast(b.fold(Op.REDUCE_SUM, b.mul(p, slope)), FLOAT))
        error = _column(b, b.fold(Op.REDUCE_MAX, b.unary(Op.ABS, b.sub(slope, value))))
        done = b.binary(Op.OR, done, b.binary(Op.LESS, error, _CLOSE / classes))
        moved = p
        for at in range(classes):
            row = b.reshape(b.narrow(q, 1, at, 1), p.shape)
            own, steep = b.narrow(row, 1, at, 1), b.narrow(slope, 1, at, 1)
            step = b.div(b.sub(value, steep), own)
            grown = b.add(step, 1)
            rise = b.mul(step, b.add(b.mul(step, own), b.mul(steep, 2)))
            value = b.div(b.div(b.add(value, rise), grown), grown)
            slope = b.div(b.add(slope, b.mul(step, row)), grown)
            moved = b.div(b.add(moved, b.mul(step, b.constant(eye[at]))), grown)
        p = b.select(done, p, moved)
    return p


def _column(b: Builder, x: Value) -> Value:
    return b.reshape(x, [x.size, 1])


def _voted(b: Builder, decisions: Value, pairs: list[tuple[int, int]], labels: Array) -> Value:
    """Return the label that wins most pairs, the first of equals."""
    wins = b.cast(b.binary(Op.LESS, b.scalar(0, FLOAT), decisions), DType.INT64)
    own, other = np.zeros((len(labels), len(pairs)), np.int64), np.zeros((len(labels), len(pairs)), np.int64)
    for at, (i, j) in enumerate(pairs):
        own[i, at], other[j, at] = 1, 1
    lost = b.sub(b.scalar(1, DType.INT64), wins)
    votes = b.add(b.contract(wins, b.constant(own)), b.contract(lost, b.constant(other)))
    return b.take(b.constant(labels), largest_at(b, votes), 0)


def _shown(b: Builder, decisions: Value, labels: Array) -> Value:
    """Return the scores: of two classes the decision against and for."""
    return b.concat([b.unary(Op.NEG, decisions), decisions], 1) if len(labels) == 2 else decisions


# --- features -------------------------------------------------------------------------------------------------------


@lowers("Scaler", domain=ML)
def _scaler(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """(x − offset) · scale."""
    x = b.cast(operands[0], FLOAT)
    for name, op in (("offset", Op.SUB), ("scale", Op.MUL)):
        given = _floats(node, name)
        if given.size not in (0, 1, x.shape[-1]):
            raise node.declined(name, wanted=f"1 or {x.shape[-1]} of them")
        if given.size:
            x = b.binary(op, x, b.constant(given))
    return [x]


@lowers("Normalizer", domain=ML)
def _normalizer(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Divide each row by its norm; a row of norm 0 stays."""
    x = b.cast(operands[0], FLOAT)
    axis = [x.rank - 1]
    match node.text("norm"):
        case "MAX":
            norm = b.reduce(Op.REDUCE_MAX, x, axis, keep=True)
        case "L1":
            norm = b.cast(b.reduce(Op.REDUCE_SUM, b.unary(Op.ABS, x), axis, keep=True), FLOAT)
        case "L2":
            norm = b.cast(b.unary(Op.SQRT, b.reduce(Op.REDUCE_SUM, b.mul(x, x), axis, keep=True)), FLOAT)
        case _:
            raise node.declined("norm", wanted="MAX, L1 or L2")
    return [b.div(x, or_one(b, norm))]


@lowers("Imputer", domain=ML)
def _imputer(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Put other values in the place of one that stands for nothing."""
    x = operands[0]
    if x.dtype in FLOATS:
        node.ignore("imputed_value_int64s", "replaced_value_int64")
        given, old = (
            np.array(node.numbers("imputed_value_floats") or [], NUMPY_OF[x.dtype]),
            node.number("replaced_value_float"),
        )
        missing = b.unary(Op.IS_NAN, x) if math.isnan(old) else b.binary(Op.EQUAL, x, old)
    else:
        node.ignore("imputed_value_floats", "replaced_value_float")
        given = np.array(node.integers("imputed_value_int64s") or [], NUMPY_OF[x.dtype])
        missing = b.binary(Op.EQUAL, x, node.integer("replaced_value_int64"))
    if given.size not in (1, x.shape[-1]):
        raise node.refused(f"{given.size} values to impute", reason=Reason.GRAPH_INVALID)
    return [b.select(missing, b.constant(given.reshape(-1) if given.size > 1 else given.reshape(())), x)]


@lowers("Binarizer", domain=ML)
def _binarizer(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x = operands[0]
    return [b.cast(b.binary(Op.LESS, b.scalar(node.number("threshold"), x.dtype), x), x.dtype)]


@lowers("ArrayFeatureExtractor", domain=ML)
def _array_feature_extractor(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Take elements of the last dimension."""
    x, places = operands[0], operands[1]
    taken = b.take(x, b.reshape(places, [places.size]), x.rank - 1)
    return [b.reshape(taken, [1, places.size]) if x.rank == 1 else taken]


@lowers("FeatureVectorizer", domain=ML)
def _feature_vectorizer(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Join features of each row."""
    wanted = node.integers("inputdimensions") or []
    parts = [rows(node, x, b, FLOAT) for x in operands.all()]
    if wanted and wanted != [part.shape[1] for part in parts]:
        raise node.declined("inputdimensions", wanted=str([part.shape[1] for part in parts]))
    return [b.concat(parts, 1)]


@lowers("OneHotEncoder", domain=ML)
def _one_hot_encoder(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Show a category as a row of zeros with a one; an unknown one is all zeros, or a trap."""
    if node.texts("cats_strings"):
        raise node.declined("cats_strings", wanted="cats_int64s: categories that are integers")
    categories = _unique(node, np.array(node.integers("cats_int64s") or [], np.int64))
    table = np.eye(len(categories), dtype=np.float32)
    if node.flag("zeros"):
        table = np.concatenate([table, np.zeros((1, len(categories)), np.float32)])
    found = _place(b, b.cast(operands[0], DType.INT64), b.constant(categories))
    return [b.take(b.constant(table), found, 0)]


def _unique(node: Node, keys: Array) -> Array:
    if not keys.size:
        raise node.refused("no categories that are numbers", wanted="integers or floats")
    return keys


def _place(b: Builder, x: Value, keys: Value) -> Value:
    """Return for each element the place of the first key that equals it, or how many keys there are; NaN is NaN."""
    apart = b.reshape(x, [*x.shape, 1])
    same = b.binary(Op.EQUAL, apart, keys)
    if x.dtype in FLOATS:
        both = b.binary(Op.AND, b.unary(Op.IS_NAN, apart), b.unary(Op.IS_NAN, keys))
        same = b.binary(Op.OR, same, both)
    places = b.counting(keys.size)
    return b.fold(Op.REDUCE_MIN, b.select(same, places, b.scalar(keys.size, DType.INT64)))


@lowers("LabelEncoder", domain=ML)
def _label_encoder(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Put the value in the place of each key; what is no key becomes the default."""
    for name in ("keys_strings", "values_strings", "classes_strings"):
        if node.texts(name):
            raise node.declined(name, wanted="keys and values that are numbers")
    node.ignore("default_string", "default_int64", "default_float")
    keys, values = _numbers(node, "keys"), _numbers(node, "values")
    if keys is None or values is None or keys.size != values.size:
        raise node.refused("keys and values that do not fit", reason=Reason.GRAPH_INVALID)
    default = node.tensor("default_tensor")
    if default is None:
        number = node.integer("default_int64", -1) if values.dtype.kind == "i" else node.number("default_float", 0)
        default = np.array(number)
    table = np.concatenate([values, default.reshape(-1)[:1].astype(values.dtype)])
    x = operands[0]
    held = b.constant(_unique(node, keys))
    if held.dtype is not x.dtype:
        raise node.refused(f"keys of {held.dtype.name.lower()} for {x.dtype.name.lower()}", reason=Reason.GRAPH_INVALID)
    return [b.take(b.constant(table), _place(b, x, held), 0)]


def _numbers(node: Node, name: str) -> Array | None:
    """Return keys or values: a list of floats or integers, or a tensor."""
    tensor = node.tensor(f"{name}_tensor")
    if tensor is not None:
        return tensor.reshape(-1)
    floats, integers = node.numbers(f"{name}_floats"), node.integers(f"{name}_int64s")
    if floats is not None:
        return np.array(floats, np.float32)
    return None if integers is None else np.array(integers, np.int64)
