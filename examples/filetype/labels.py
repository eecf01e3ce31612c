"""From the model's scores to the label that people see, by the rules of the magika library.

The rules' tables (labels, thresholds, replacements, which types are text) are data files beside the model.
"""

import json
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

MODEL = "standard_v3_3"
MODEL_FILE = f"models/{MODEL}/model.onnx"
CUT = "jax2tf_get_logits_/pjit_get_logits_/MagikaV2/Dense_1/AddV2:0"
"""The input of the last softmax, which this file spells out as max, subtract, exp, sum, divide."""
INPUT = "bytes"
OUTPUT = "target_label"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How scores become a label."""

    labels: tuple[str, ...]
    thresholds: dict[str, float]
    threshold_otherwise: float
    replaced: dict[str, str]
    text: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a file is, and how sure the model is of it."""

    label: str
    score: float


def package_file(name: str) -> Path:
    """Return a data file of the installed magika package, without importing the package."""
    return Path(str(distribution("magika").locate_file(f"magika/{name}")))


def load_rules() -> Rules:
    """Read the tables that ship with the model."""
    config = json.loads(package_file(f"models/{MODEL}/config.min.json").read_text())
    kinds = json.loads(package_file("config/content_types_kb.min.json").read_text())
    return Rules(
        labels=tuple(config["target_labels_space"]),
        thresholds=config["thresholds"],
        threshold_otherwise=config["medium_confidence_threshold"],
        replaced=config["overwrite_map"],
        text=frozenset(name for name, kind in kinds.items() if kind["is_text"]),
    )


def label_of(scores: list[float], rules: Rules) -> Label:
    """Return the label for one file's scores: the best one, or a general one if the model is not sure enough."""
    best = max(range(len(scores)), key=scores.__getitem__)
    found = rules.labels[best]
    score = scores[best]
    label = rules.replaced.get(found, found)
    if score < rules.thresholds.get(found, rules.threshold_otherwise):
        label = "txt" if label in rules.text else "unknown"
    return Label(label=label, score=score)
