"""Classical models of ai.onnx.ml agree with ONNX Runtime: trees exactly down to the leaf, the rest closely."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from primitives.reasons import Refused
from tests.vm.lower.agreement import Case
from tests.vm.lower.graphs import Array, floats
from vm.canonical.interpreter import Trapped

ML = "ai.onnx.ml"
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


@dataclass
class Forest:
    """Random trees as the parallel lists that ONNX wants."""

    rng: np.random.Generator
    modes: list[str]
    targets: list[int]
    nodes: dict[str, list[Any]] = field(default_factory=dict)
    leaves: dict[str, list[Any]] = field(default_factory=dict)

    def grow(self, tree: int, depth: int, features: int) -> int:
        """Add a node and what hangs on it; return its number within the tree."""
        own = self.nodes.setdefault("treeids", []).count(tree)
        row: dict[str, Any] = {
            "treeids": tree,
            "nodeids": own,
            "featureids": 0,
            "truenodeids": 0,
            "falsenodeids": 0,
            "modes": "LEAF",
        }
        row |= {"values": 0.0, "missing_value_tracks_true": int(self.rng.integers(2))}
        at = len(self.nodes["treeids"])
        for name, value in row.items():
            self.nodes.setdefault(name, []).append(value)
        if depth == 0:
            for target in self.targets:
                leaf: dict[str, Any] = {
                    "treeids": tree,
                    "nodeids": own,
                    "ids": target,
                    "weights": float(self.rng.standard_normal()),
                }
                for name, value in leaf.items():
                    self.leaves.setdefault(name, []).append(value)
            return own
        self.nodes["featureids"][at] = int(self.rng.integers(features))
        self.nodes["modes"][at] = str(self.rng.choice(self.modes))
        self.nodes["values"][at] = float(np.float32(np.round(self.rng.standard_normal(), 1)))
        self.nodes["truenodeids"][at] = self.grow(tree, depth - 1, features)
        self.nodes["falsenodeids"][at] = self.grow(tree, int(self.rng.integers(depth)), features)
        return own

    def attributes(self, prefix: str) -> dict[str, Any]:
        """Return the lists by the names of the attributes."""
        return {f"nodes_{name}": value for name, value in self.nodes.items()} | {
            f"{prefix}_{name}": value for name, value in self.leaves.items()
        }


def forest(seed: int, targets: list[int]) -> Forest:
    rng = np.random.default_rng(seed)
    made = Forest(rng, MODES if seed % 2 else MODES[:1], targets)
    for tree in range(3):
        made.grow(tree, tree + 1, 3)
    return made


def samples(seed: int) -> Array:
    x = np.round(np.random.default_rng(seed).standard_normal((6, 3)), 1).astype(np.float32)
    x[0, 1] = np.nan
    return x


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("seed", range(3))
def test_a_forest_for_regression_agrees(aggregate: str, seed: int) -> None:
    made = forest(seed, list(range(1 + seed)))
    lists = made.attributes("target")
    base = [0.5] * (1 + seed)
    Case(
        "TreeEnsembleRegressor", [samples(seed)], domain=ML, n_targets=1 + seed, aggregate_function=aggregate,
        base_values=base, **lists,
    ).agrees()  # fmt: skip


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("targets", [[0], [1], [0, 1], [0, 1, 2]])
def test_a_forest_for_classes_agrees(transform: str, targets: list[int]) -> None:
    lists = forest(len(targets), targets).attributes("class")
    labels = [0, 1] if len(targets) < 3 else [7, 3, 5]
    Case(
        "TreeEnsembleClassifier", [samples(1)], outputs=2, domain=ML, classlabels_int64s=labels,
        post_transform=transform, **lists,
    ).agrees()  # fmt: skip


def test_trees_compare_in_float32_to_the_last_bit() -> None:
    threshold = np.float32(0.1)
    x = np.array([[np.nextafter(threshold, np.float32(0))], [threshold], [np.nextafter(threshold, np.float32(1))]])
    lists: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_values": [float(threshold), 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "target_treeids": [0, 0],
        "target_nodeids": [1, 2], "target_ids": [0, 0], "target_weights": [1.0, 2.0],
    }  # fmt: skip
    (mine,) = Case("TreeEnsembleRegressor", [x], domain=ML, n_targets=1, **lists).ours()
    assert mine.ravel().tolist() == [1, 1, 2]


def test_trees_with_a_cycle_are_refused() -> None:
    lists = forest(0, [0]).attributes("target")
    lists["nodes_truenodeids"] = [0] * len(lists["nodes_truenodeids"])
    with pytest.raises(Refused, match="cycle"):
        Case("TreeEnsembleRegressor", [samples(0)], domain=ML, n_targets=1, **lists).ours()


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
def test_linear_classifiers_agree(transform: str) -> None:
    weights = floats(3, 4).ravel().tolist()
    Case(
        "LinearClassifier", [floats(5, 4, seed=2)], outputs=2, domain=ML, coefficients=weights,
        intercepts=[0.1, -0.2, 0.3], classlabels_ints=[4, 9, 2], post_transform=transform,
    ).agrees()  # fmt: skip


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_a_linear_classifier_of_two_classes_agrees(transform: str) -> None:
    Case(
        "LinearClassifier", [floats(5, 4)], outputs=2, domain=ML, coefficients=[1.0, -1.0, 0.5, 2.0],
        intercepts=[0.1], classlabels_ints=[0, 1], post_transform=transform,
    ).agrees()  # fmt: skip


@pytest.mark.parametrize("kernel", ["LINEAR", "POLY", "RBF", "SIGMOID"])
def test_support_vectors_agree(kernel: str) -> None:
    common: dict[str, Any] = {"kernel_type": kernel, "kernel_params": [0.5, 0.1, 2.0], "domain": ML}
    vectors = floats(6, 4, seed=2).ravel().tolist()
    Case(
        "SVMRegressor", [floats(5, 4)], n_supports=6, support_vectors=vectors, coefficients=floats(6).tolist(),
        rho=[0.2], **common,
    ).agrees()  # fmt: skip
    Case(
        "SVMClassifier", [floats(5, 4)], outputs=2, vectors_per_class=[2, 1, 3], support_vectors=vectors,
        coefficients=floats(12, seed=3).tolist(), rho=[0.1, -0.2, 0.3], classlabels_ints=[5, 6, 7], **common,
    ).agrees()  # fmt: skip


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_of_support_vectors_agree(classes: int) -> None:
    pairs = classes * (classes - 1) // 2
    Case(
        "SVMClassifier", [floats(5, 4)], outputs=2, domain=ML, vectors_per_class=[2] * classes,
        support_vectors=floats(2 * classes, 4, seed=2).ravel().tolist(), rho=[0.1, -0.2, 0.3][:pairs],
        coefficients=floats((classes - 1) * 2 * classes, seed=3).tolist(), kernel_type="RBF",
        kernel_params=[0.5, 0.0, 3.0], prob_a=[-1.5, -0.7, -2.0][:pairs], prob_b=[0.1, 0.0, -0.3][:pairs],
        classlabels_ints=list(range(classes)),
    ).agrees(1e-4)  # fmt: skip


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_preparing_features_agrees(norm: str) -> None:
    x = floats(5, 4)
    Case("Normalizer", [x], domain=ML, norm=norm).agrees()
    Case("Scaler", [x], domain=ML, offset=[1.0, 2.0, 3.0, 4.0], scale=[0.5, 1.0, 2.0, 3.0]).agrees()
    Case("Binarizer", [x], domain=ML, threshold=0.25).agrees()
    Case("ArrayFeatureExtractor", [x, np.array([3, 0, 0])], domain=ML).agrees()
    x[x > 0.5] = np.nan
    Case("Imputer", [x], domain=ML, replaced_value_float=float("nan"), imputed_value_floats=[7.0]).agrees()


def test_labels_are_encoded_and_what_is_unknown_becomes_the_default() -> None:
    x = np.array([[0, 3, 4], [9, 1, 2]])
    Case(
        "LabelEncoder", [x], domain=ML, keys_int64s=[0, 1, 4], values_floats=[0.5, 1.5, 4.5], default_float=-1.0
    ).agrees()


def test_a_category_is_a_row_of_zeros_with_a_one() -> None:
    x = np.array([[2, 5], [7, 7]])
    Case("OneHotEncoder", [x], domain=ML, cats_int64s=[5, 7, 2], zeros=1).agrees()


def test_a_category_that_is_unknown_traps_if_the_model_knows_no_answer() -> None:
    case = Case("OneHotEncoder", [np.array([[2, 6]])], domain=ML, cats_int64s=[5, 7, 2], zeros=0)
    with pytest.raises(Trapped):
        case.ours()


def test_labels_that_are_strings_are_refused_with_advice() -> None:
    case = Case(
        "LinearClassifier", [floats(5, 4)], outputs=2, domain=ML, coefficients=[1.0] * 8, intercepts=[0.1, 0.2],
        classlabels_strings=["cat", "dog"],
    )  # fmt: skip
    with pytest.raises(Refused, match="integer labels"):
        case.ours()
