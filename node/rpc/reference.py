"""The reference page of the API, from the table of methods: `make reference` writes it."""

import re
from typing import Any

from node.rpc.method import Shape
from node.rpc.table import METHODS, discovery

_HEAD = """# The methods of a node

For programs that talk to a node: every method, its parameters and its result.
The rules that hold for all of them are in [the specification](../spec/rpc.md).
Written by `make reference` from `node/rpc/table.py`; a running node tells the same as OpenRPC (`rpc.discover`).

Ids are hexadecimal, amounts are grains in decimal text, addresses are bech32m.
"""
_TYPES = {"string": "text", "integer": "number", "boolean": "true or false", "null": "null", "object": "object"}


def reference_page() -> str:
    """Return docs/reference/rpc.md."""
    schemas: dict[str, Any] = discovery().components["schemas"]
    parts = [_HEAD]
    for method in METHODS:
        parts.append(f"\n## {method.name}\n\n{method.description}\n\n")
        if method.is_admin:
            parts.append("Only over the socket in the node's home.\n\n")
        parts.append(_fields(schemas, method.params, "parameter"))
        parts.append(f"\nReturns [{method.result.__name__}](#{method.result.__name__.lower()}).\n")
    parts.append("\n## Objects\n")
    params = {method.params.__name__ for method in METHODS}
    for name in sorted(schemas):
        if name not in params or name in _referenced(schemas):
            summary = str(schemas[name].get("description", "")).splitlines()[0]
            parts.append(f"\n### {name}\n\n{summary}\n\n{_rows(schemas[name], 'member')}")
    return "".join(parts)


def _referenced(schemas: dict[str, Any]) -> set[str]:
    """Return the names of objects that stand in others."""
    return set(re.findall(r"#/components/schemas/(\w+)", str(schemas)))


def _fields(schemas: dict[str, Any], kind: type[Shape], what: str) -> str:
    return _rows(schemas[kind.__name__], what)


def _rows(schema: dict[str, Any], what: str) -> str:
    properties: dict[str, Any] = schema.get("properties", {})
    if not properties:
        return f"No {what}s.\n"
    required = schema.get("required", [])
    rows = [f"| {what} | type |\n| --- | --- |\n"]
    for name, found in properties.items():
        optional = "" if name in required else f"; {_told(found.get('default'))} if absent"
        rows.append(f"| `{name}` | {_type(found)}{optional} |\n")
    return "".join(rows)


def _told(default: object) -> str:
    return "null" if default is None else str(default)


def _type(found: dict[str, Any]) -> str:
    if "$ref" in found:
        name = found["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in found:
        return " or ".join(_type(each) for each in found["anyOf"])
    if found.get("type") == "array":
        return f"list of {_type(found.get('items', {}))}"
    kind = _TYPES.get(found.get("type", ""), "any")
    said = str(found.get("description", "")).rstrip(".")
    return f"{kind} ({said[0].lower()}{said[1:]})" if said else kind
