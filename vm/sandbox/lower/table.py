"""The table of operators that are served: for each, by domain and name, the rule that lowers it."""

from collections.abc import Callable
from functools import cache

from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.expansion import EXPANDED
from vm.sandbox.lower.graph import Node, Operands

Rule = Callable[[Builder, Node, Operands], list[Value]]
"""Emits what a node means, and returns the values of its outputs; of those that the graph does not name, any."""

ML = "ai.onnx.ml"
_TABLE: dict[tuple[str, str], Rule] = {}


def lowers(*names: str, domain: str = "") -> Callable[[Rule], Rule]:
    """Register a rule for operators of a domain; "" is ai.onnx."""

    def register(rule: Rule) -> Rule:
        for name in names:
            assert (domain, name) not in _TABLE, name
            _TABLE[domain, name] = rule
        return rule

    return register


def rule_for(op: str, domain: str) -> Rule | None:
    """Return the rule of an operator, or None if it has none of its own."""
    return _TABLE.get((domain, op))


@cache
def served() -> list[tuple[str, str]]:
    """Return domain and name of every operator that has a rule or a body, sorted."""
    return sorted({*_TABLE, *(("", name) for name in EXPANDED)})
