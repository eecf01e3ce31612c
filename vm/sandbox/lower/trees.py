"""Ensembles of decision trees: all trees go down one level with each step, and their leaves are summed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from primitives.reasons import Reason
from vm.canonical.arrays import NUMPY_OF, Array
from vm.program import Op
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.scores import integer_labels, largest_at, rows, transformed
from vm.sandbox.lower.table import ML, lowers
from vm.tensor import DType

DEPTH_MAX = 512
"""Levels of a tree; each is eight operations. Trees that are grown without a limit reach about 60."""
TABLE_ELEMENTS_MAX = 1 << 24
"""Leaves times targets: a dense table of float32 of 64 MiB."""

_LEAF = "LEAF"
_MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ")
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


@dataclass(frozen=True)
class _Forest:
    """Every node of every tree, leaves first, numbered through. The children of a leaf are itself."""

    features: Array
    thresholds: Array
    modes: Array
    """Numbers in `_MODES`; of leaves 0."""
    true: Array
    false: Array
    missing: Array
    """Bool: whether NaN goes to `true`."""
    roots: Array
    depth: int
    leaves: int


def _forest(node: Node, raw: dict[str, Array], leaf: Array, roots: Sequence[int]) -> tuple[_Forest, Array]:
    """Return the forest with its leaves first, and each old node's new number. Raises Refused GRAPH_INVALID."""
    count = len(leaf)
    order = np.concatenate([np.flatnonzero(leaf), np.flatnonzero(~leaf)])
    new = np.empty(count, np.int64)
    new[order] = np.arange(count)
    own = np.arange(count)
    true = np.where(leaf, own, raw["true"])
    false = np.where(leaf, own, raw["false"])
    if count == 0 or min(true.min(), false.min()) < 0 or max(true.max(), false.max()) >= count:
        raise node.refused("a child that is no node", reason=Reason.GRAPH_INVALID)
    depth = _depth(node, true, false, leaf, np.array(roots, np.int64))
    forest = _Forest(
        features=np.where(leaf, 0, raw["feature"])[order],
        thresholds=raw["threshold"][order],
        modes=np.where(leaf, 0, raw["mode"])[order],
        true=new[true[order]],
        false=new[false[order]],
        missing=raw["missing"][order].astype(bool),
        roots=new[np.array(roots, np.int64)],
        depth=depth,
        leaves=int(leaf.sum()),
    )
    return forest, new


def _depth(node: Node, true: Array, false: Array, leaf: Array, roots: Array) -> int:
    """Return how many steps reach the lowest leaf. Raises Refused for trees that are too deep, or no trees."""
    level, visited = roots, 0
    for depth in range(DEPTH_MAX + 1):
        branches = level[~leaf[level]]
        if not len(branches):
            return depth
        visited += len(branches)
        if visited > len(leaf):
            break  # a node was met twice
        level = np.concatenate([true[branches], false[branches]])
    raise node.refused("a tree that has a cycle, or shares nodes, or is too deep", wanted=f"{DEPTH_MAX} levels")


def _descended(b: Builder, x: Value, forest: _Forest) -> Value:
    """Return the leaf [N, T] at which each sample arrives in each tree."""
    samples, features = x.shape
    flat = b.reshape(x, [x.size])
    starts = b.constant(np.arange(samples, dtype=np.int64).reshape(-1, 1) * features)
    tables = [b.constant(table) for table in (forest.features, forest.thresholds, forest.true, forest.false)]
    at = b.constant(forest.roots.reshape(1, -1))
    for _ in range(forest.depth):
        feature, threshold, true, false = (b.take(table, at, 0) for table in tables)
        value = b.take(flat, b.add(feature, starts), 0)
        at = b.select(_goes(b, value, threshold, at, forest), true, false)
    return b.broadcast(at, [samples, len(forest.roots)])


def _goes(b: Builder, value: Value, threshold: Value, at: Value, forest: _Forest) -> Value:
    """Return whether each sample goes to the true child of each node, by the node's mode."""
    branching = forest.modes[forest.leaves :]
    goes: Value | None = None
    for mode in sorted(set(branching.tolist())):
        answer = _compared(b, _MODES[mode], value, threshold)
        own = b.take(b.constant(forest.modes == mode), at, 0) if goes is not None else None
        goes = answer if goes is None or own is None else b.select(own, answer, goes)
    assert goes is not None, "a forest that is deeper than its leaves has branches"
    if forest.missing[forest.leaves :].any():
        tracked = b.take(b.constant(forest.missing), at, 0)
        goes = b.binary(Op.OR, goes, b.binary(Op.AND, tracked, b.unary(Op.IS_NAN, value)))
    return goes


def _compared(b: Builder, mode: str, value: Value, threshold: Value) -> Value:
    match mode:
        case "BRANCH_LEQ":
            return b.binary(Op.LESS_EQUAL, value, threshold)
        case "BRANCH_LT":
            return b.binary(Op.LESS, value, threshold)
        case "BRANCH_GTE":
            return b.binary(Op.LESS_EQUAL, threshold, value)
        case "BRANCH_GT":
            return b.binary(Op.LESS, threshold, value)
        case "BRANCH_EQ":
            return b.binary(Op.EQUAL, value, threshold)
        case _:
            return b.unary(Op.NOT, b.binary(Op.EQUAL, value, threshold))


@dataclass(frozen=True)
class _Leaves:
    """What leaves give to targets."""

    table: Array
    """[leaves, targets]"""
    given: Array
    """Bool, of the same shape: whether a leaf says anything of a target."""


def _leaves(node: Node, forest: _Forest, targets: int, places: Array, ids: Array, weights: Array) -> _Leaves:
    """Return the table of leaves. `places` are nodes by their new numbers. Raises Refused."""
    if targets < 1 or forest.leaves * targets > TABLE_ELEMENTS_MAX:
        raise node.refused(
            f"{forest.leaves} leaves of {targets} targets", wanted=f"at most {TABLE_ELEMENTS_MAX} in all"
        )
    if len(ids) and (ids.min() < 0 or ids.max() >= targets):
        raise node.refused(f"targets beyond {targets}", reason=Reason.GRAPH_INVALID)
    table = np.zeros((forest.leaves, targets), weights.dtype)
    given = np.zeros(table.shape, bool)
    inside = places < forest.leaves  # what is said of branches is never asked for
    np.add.at(table, (places[inside], ids[inside]), weights[inside])
    given[places[inside], ids[inside]] = True
    return _Leaves(table, given)


def _aggregated(b: Builder, at: Value, leaves: _Leaves, trees: int, aggregate: str, dtype: DType) -> Value:
    """Return the leaves [N, T] folded over the trees: [N, K]."""
    whole = bool(leaves.given.all())
    if aggregate in ("MIN", "MAX"):
        fill = np.inf if aggregate == "MIN" else -np.inf
        table = b.constant(np.where(leaves.given, leaves.table, fill).astype(leaves.table.dtype))
        op = Op.REDUCE_MIN if aggregate == "MIN" else Op.REDUCE_MAX
        folded = b.reduce(op, b.take(table, at, 0), [1])
        if not whole:  # no leaf spoke of this target
            silent = b.unary(Op.IS_INFINITE, folded, [1, 1])
            folded = b.select(silent, b.scalar(0, folded.dtype), folded)
        return b.cast(folded, dtype)
    total = b.reduce(Op.REDUCE_SUM, b.take(b.constant(leaves.table), at, 0), [1])
    if aggregate == "AVERAGE":
        total = b.div(total, trees)
    return b.cast(total, dtype)


# --- ai.onnx.ml 1 to 4: nodes, leaves and targets in parallel lists --------------------------------------------------


def _either(node: Node, name: str, dtype: DType) -> Array | None:
    """Return an attribute that is a list of float32, or from version 3 on a tensor."""
    tensor = node.tensor(f"{name}_as_tensor")
    if tensor is not None:
        return tensor.reshape(-1).astype(NUMPY_OF[dtype])
    numbers = node.numbers(name)
    return None if numbers is None else np.array(numbers, np.float32).astype(NUMPY_OF[dtype])


def _listed(node: Node, dtype: DType, prefix: str, targets: int) -> tuple[_Forest, _Leaves]:
    """Return the forest and leaves of an ensemble of before ai.onnx.ml 5. Raises Refused."""
    node.ignore("nodes_hitrates", "nodes_hitrates_as_tensor")
    lists = [
        _integers(node, f"nodes_{name}") for name in ("treeids", "nodeids", "featureids", "truenodeids", "falsenodeids")
    ]
    trees, own, feature, true, false = lists
    thresholds, modes = _either(node, "nodes_values", dtype), node.texts("nodes_modes") or []
    missing = node.integers("nodes_missing_value_tracks_true") or [0] * len(own)
    if thresholds is None or len({len(own), len(modes), len(thresholds), len(missing), *map(len, lists)}) != 1:
        raise node.refused("lists of nodes of unlike lengths", reason=Reason.GRAPH_INVALID)
    for mode in modes:
        if mode not in _MODES and mode != _LEAF:
            raise node.declined("nodes_modes", wanted=", ".join(_MODES))
    number = {key: at for at, key in enumerate(zip(trees.tolist(), own.tolist(), strict=True))}
    leaf = np.array([mode == _LEAF for mode in modes])
    raw = {
        "feature": feature,
        "threshold": thresholds,
        "mode": np.array([_MODES.index(mode) if mode in _MODES else 0 for mode in modes]),
        "true": np.array([number.get(key, -1) for key in zip(trees.tolist(), true.tolist(), strict=True)]),
        "false": np.array([number.get(key, -1) for key in zip(trees.tolist(), false.tolist(), strict=True)]),
        "missing": np.array(missing),
    }
    first: dict[int, int] = {}
    for at, tree in enumerate(trees.tolist()):
        first.setdefault(tree, at)
    forest, new = _forest(node, raw, leaf, list(first.values()))
    at_trees, at_nodes, ids = (_integers(node, f"{prefix}_{name}") for name in ("treeids", "nodeids", "ids"))
    weights = _either(node, f"{prefix}_weights", dtype)
    if weights is None or len({len(at_trees), len(at_nodes), len(ids), len(weights)}) != 1:
        raise node.refused("lists of leaves of unlike lengths", reason=Reason.GRAPH_INVALID)
    places = new[np.array([number[key] for key in zip(at_trees.tolist(), at_nodes.tolist(), strict=True)], np.int64)]
    return forest, _leaves(node, forest, targets, places, ids, weights)


def _integers(node: Node, name: str) -> Array:
    return np.array(node.integers(name) or [], np.int64)


def _samples(b: Builder, node: Node, x: Value, forest: _Forest, dtype: DType) -> Value:
    """Return the samples in the type in which thresholds are compared. Raises Refused GRAPH_INVALID."""
    samples = rows(node, x, b, dtype)
    if forest.features.min() < 0 or forest.features.max() >= samples.shape[1]:
        raise node.refused(f"a feature beyond the {samples.shape[1]} there are", reason=Reason.GRAPH_INVALID)
    return samples


def _threshold_type(x: Value) -> DType:
    return DType.FLOAT64 if x.dtype is DType.FLOAT64 else DType.FLOAT32


@lowers("TreeEnsembleRegressor", domain=ML)
def _regressor(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x, targets, aggregate = operands[0], node.integer("n_targets"), node.text("aggregate_function")
    if aggregate not in _AGGREGATES:
        raise node.declined("aggregate_function", wanted=", ".join(_AGGREGATES))
    dtype = _threshold_type(x)
    forest, leaves = _listed(node, dtype, "target", targets)
    at = _descended(b, _samples(b, node, x, forest, dtype), forest)
    scores = _aggregated(b, at, leaves, len(forest.roots), aggregate, dtype)
    base = _either(node, "base_values", dtype)
    if base is not None and len(base):
        if len(base) != targets:
            raise node.declined("base_values", wanted=f"{targets} of them")
        if targets > 1 and not leaves.given.all():  # ONNX Runtime leaves them out where no leaf spoke of the target
            raise node.declined("base_values", wanted="none, or a weight for each target in each leaf, be it 0")
        scores = b.add(scores, b.constant(base))
    return [_finished(b, node, b.cast(scores, DType.FLOAT32), targets)]


def _finished(b: Builder, node: Node, scores: Value, targets: int) -> Value:
    if targets == 1 and node.text("post_transform") not in ("NONE", "PROBIT"):
        # ONNX Runtime leaves a single score as it is
        raise node.declined("post_transform", wanted="NONE, and the function as a node of its own")
    return transformed(b, node, scores)


@lowers("TreeEnsembleClassifier", domain=ML)
def _classifier(b: Builder, node: Node, operands: Operands) -> list[Value]:
    """Return the label and the scores; of two classes in the way of ONNX Runtime, as ONNX does not say (G107)."""
    x, labels = operands[0], integer_labels(node, "classlabels_int64s")
    classes, dtype = len(labels), _threshold_type(x)
    forest, leaves = _listed(node, dtype, "class", classes)
    at = _descended(b, _samples(b, node, x, forest, dtype), forest)
    scores = _aggregated(b, at, leaves, len(forest.roots), "SUM", dtype)
    base = _either(node, "base_values", dtype)
    if classes == 2:
        return _of_two(b, node, scores, leaves, base, labels)
    if base is not None and len(base):
        if len(base) != classes:
            raise node.declined("base_values", wanted=f"{classes} of them")
        scores = b.add(scores, b.constant(base))
    rivals = scores
    if not leaves.given.all() and (base is None or not len(base)):  # a class of which no leaf spoke is not chosen
        spoken = b.cast(b.constant(leaves.given), DType.UINT8)
        heard = b.reduce(Op.REDUCE_MAX, b.take(spoken, at, 0), [1])
        rivals = b.select(b.cast(heard, DType.BOOL), scores, b.scalar(-np.inf, dtype))
    label = b.take(b.constant(labels), largest_at(b, rivals), 0)
    return [label, transformed(b, node, b.cast(scores, DType.FLOAT32))]


def _of_two(b: Builder, node: Node, scores: Value, leaves: _Leaves, base: Array | None, labels: Array) -> list[Value]:
    """Return label and scores of two classes, of both or one of which leaves speak. Raises Refused."""
    spoken = np.flatnonzero(leaves.given.any(axis=0)).tolist()
    if not leaves.given[:, spoken].all():
        raise node.refused("leaves that leave out a class", wanted="a weight for each class in each leaf, be it 0")
    if base is not None and len(base) and (spoken != [0] or len(base) != 1):
        raise node.declined("base_values", wanted="none, or one where leaves speak of class 0 alone")
    if len(spoken) == 2 and labels.tolist() != [0, 1]:
        raise node.declined("classlabels_int64s", wanted="[0, 1]")
    positive = bool((leaves.table >= 0).all()) and len(spoken) == 1
    score = b.narrow(scores, 1, 0 if spoken == [0] else 1, 1)
    if base is not None and len(base):
        score = b.add(score, float(base[0]))
    over = b.binary(Op.LESS, b.scalar(0.5 if positive else 0, score.dtype), score)
    label = b.select(over, b.scalar(int(labels[1]), DType.INT64), b.scalar(int(labels[0]), DType.INT64))
    label = b.reshape(label, [label.shape[0]])
    if spoken != [0]:
        return [label, transformed(b, node, b.cast(scores, DType.FLOAT32))]
    score = b.cast(score, DType.FLOAT32)
    transform = node.text("post_transform")
    if transform == "PROBIT":
        raise node.declined("post_transform", wanted="NONE or LOGISTIC, as leaves speak of one class alone")
    opposite = b.unary(Op.NEG, score)
    if transform == "LOGISTIC":
        both = [b.unary(Op.SIGMOID, opposite), b.unary(Op.SIGMOID, score)]
    else:
        both = [b.sub(b.scalar(1, score.dtype), score) if positive else opposite, score]
    return [label, b.concat(both, 1)]


# --- ai.onnx.ml 5: branches and leaves apart ------------------------------------------------------------------------


@lowers("TreeEnsemble", domain=ML)
def _ensemble(b: Builder, node: Node, operands: Operands) -> list[Value]:
    x, targets = operands[0], node.integer("n_targets")
    node.ignore("nodes_hitrates")
    aggregate, splits = node.integer("aggregate_function"), node.tensor("nodes_splits")
    weights, ids = node.tensor("leaf_weights"), _integers(node, "leaf_targetids")
    modes = node.tensor("nodes_modes")
    if splits is None or weights is None or modes is None or not 0 <= aggregate < len(_AGGREGATES):
        raise node.refused("splits, modes, leaves or aggregate_function missing", reason=Reason.GRAPH_INVALID)
    if node.tensor("membership_values") is not None or (modes > len(_MODES) - 1).any():
        raise node.declined("membership_values", wanted="no BRANCH_MEMBER: one branch for each member")
    if node.integer("post_transform") != 0:
        raise node.declined("post_transform", wanted="0 (NONE), and the function as a node of its own")
    branches = len(splits)
    lists = [
        _integers(node, f"nodes_{name}")
        for name in ("featureids", "truenodeids", "falsenodeids", "trueleafs", "falseleafs")
    ]
    if len({branches, len(modes), *map(len, lists)}) != 1 or len(ids) != len(weights):
        raise node.refused("lists of nodes or leaves of unlike lengths", reason=Reason.GRAPH_INVALID)
    feature, true, false, true_leaf, false_leaf = lists
    nothing = np.zeros(len(weights), np.int64)
    raw = {
        "feature": np.concatenate([feature, nothing]),
        "threshold": np.concatenate([splits.reshape(-1), np.zeros(len(weights), splits.dtype)]),
        "mode": np.concatenate([modes.reshape(-1).astype(np.int64), nothing]),
        "true": np.concatenate([np.where(true_leaf != 0, true + branches, true), nothing]),
        "false": np.concatenate([np.where(false_leaf != 0, false + branches, false), nothing]),
        "missing": np.concatenate([node.integers("nodes_missing_value_tracks_true") or [0] * branches, nothing]),
    }
    leaf = np.arange(branches + len(weights)) >= branches
    forest, new = _forest(node, raw, leaf, _integers(node, "tree_roots").tolist())
    leaves = _leaves(node, forest, targets, new[branches:], ids, weights.reshape(-1))
    at = _descended(b, _samples(b, node, x, forest, x.dtype), forest)
    return [_aggregated(b, at, leaves, len(forest.roots), _AGGREGATES[aggregate], x.dtype)]
