"""The rules of docs/style.md that no linter has, each a function from a file to what it finds there."""

import ast
import re
from collections.abc import Iterator
from typing import TypeGuard

from tests.tidy.sources import Source

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500

_FORBIDDEN_CALLS = frozenset({"hash", "id", "print", "float", "open", "input", "eval", "exec", "globals", "vars"})
# What gives the same whatever the order of what it is given.
_ORDER_FREE = frozenset({"sorted", "len", "sum", "any", "all", "min", "max", "set", "frozenset"})
_ORDERED_COPIES = frozenset({"list", "tuple", "enumerate", "zip", "map", "filter", "iter", "next", "dict", "reversed"})
_VAGUE_STEMS = ("util", "helper", "manager", "handler", "common", "misc")
_VAGUE = frozenset(_VAGUE_STEMS) | {stem + "s" for stem in _VAGUE_STEMS}


def long_functions(source: Source) -> list[str]:
    """Find functions of more lines than one can take in."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                found.append(source.at(node.lineno, f"{node.name} has {lines} lines"))
    return found


def long_module(source: Source) -> list[str]:
    """Find a module that holds more than one idea."""
    lines = source.text.count("\n")
    return [source.at(lines, f"{lines} lines")] if lines > MODULE_LINES_MAX else []


def full_package_module(source: Source) -> list[str]:
    """Find an __init__.py that is more than a docstring."""
    if not source.name.endswith("__init__.py"):
        return []
    rest = [node for node in source.tree.body if not _is_text(node)]
    return [source.at(node.lineno, "more than a docstring") for node in rest]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def vague_names(source: Source) -> list[str]:
    """Find modules and classes that are named for having no subject."""
    words = set(re.split(r"[/_.]", source.name))
    found = [source.at(1, f"named {word}") for word in sorted(words & _VAGUE)]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            last = re.findall(r"[A-Z][a-z0-9]*", node.name)[-1:]
            found += [source.at(node.lineno, f"class {node.name}") for word in last if word.lower() in _VAGUE]
    return found


def inexact_or_impure(source: Source) -> list[str]:
    """Find floats, true division, async code, and calls whose answer depends on the process."""
    found = []
    for node in ast.walk(source.tree):
        match node:
            case ast.Constant(value=float()) | ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()) if (
                source.has_floats
            ):
                pass
            case ast.Call(func=ast.Name(id="float")) if source.has_floats:
                pass
            case ast.Constant(value=float()) | ast.Constant(value=complex()):
                found.append(source.at(node.lineno, f"the float {node.value!r}"))
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                found.append(source.at(node.lineno, "true division"))
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                found.append(source.at(node.lineno, "async"))
            case ast.Call(func=ast.Name(id=name)) if name in _FORBIDDEN_CALLS:
                found.append(source.at(node.lineno, f"a call of {name}()"))
            case _:
                pass
    return found


def iterated_sets(source: Source) -> list[str]:
    """Find loops over sets, whose order differs from process to process."""
    sets = _names_of_sets(source.tree)
    free = {
        id(argument)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ORDER_FREE
        for argument in node.args
    }
    found = []
    for node in ast.walk(source.tree):
        if id(node) not in free:
            looped = [over for over in _looped_over(node) if _is_set(over, sets)]
            found += [source.at(over.lineno, f"loops over the set {ast.unparse(over)}") for over in looped]
    return found


def _looped_over(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.For(iter=looped) | ast.Starred(value=looped) | ast.YieldFrom(value=looped):
            yield looped
        case ast.ListComp() | ast.DictComp() | ast.GeneratorExp():
            yield from (generator.iter for generator in node.generators)
        case ast.Call(func=ast.Name(id=name)) if name in _ORDERED_COPIES:
            yield from node.args
        case ast.Call(func=ast.Attribute(attr="join" | "extend" | "pop")):
            yield from node.args
        case _:
            pass


def _is_set(node: ast.expr, sets: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in sets
        case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
            return _is_set(left, sets) or _is_set(right, sets)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_set(body, sets) or _is_set(orelse, sets)
        case _:
            return False


def _names_of_sets(tree: ast.Module) -> set[str]:
    """Return the names that the module itself says are sets."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name) | ast.Attribute(attr=name), annotation=annotation):
                found |= {name} if _is_set_type(annotation) else set()
            case ast.arg(arg=name, annotation=ast.expr() as annotation):
                found |= {name} if _is_set_type(annotation) else set()
            case ast.Assign(targets=[ast.Name(id=name) | ast.Attribute(attr=name)], value=value):
                found |= {name} if _is_set(value, set()) else set()
            case _:
                pass
    return found


def _is_set_type(annotation: ast.expr) -> bool:
    base = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return isinstance(base, ast.Name) and base.id in {"set", "frozenset", "Set", "AbstractSet"}


def broad_excepts(source: Source) -> list[str]:
    """Find handlers that would take a bug for bad luck; a supervisor says so in its line, and why."""
    lines = source.text.splitlines()
    at = [node.lineno for node in ast.walk(source.tree) if _catches_broadly(node)]
    return [source.at(line, lines[line - 1].strip()) for line in at if not _names_a_supervisor(lines[line - 1])]


def _catches_broadly(node: ast.AST) -> TypeGuard[ast.ExceptHandler | ast.Call]:
    match node:
        case ast.ExceptHandler(body=[*_, ast.Raise(exc=None)]):
            return False  # it cleans up, and lets the fault go on
        case ast.ExceptHandler(type=ast.Tuple(elts=kinds)):
            return any(map(_is_broad, kinds))
        case ast.ExceptHandler(type=kind):
            return _is_broad(kind)
        case ast.Call(func=called, args=kinds):
            return ast.unparse(called).endswith("suppress") and any(map(_is_broad, kinds))
        case _:
            return False


def _is_broad(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})


def _names_a_supervisor(line: str) -> bool:
    return re.search(r"#.*supervisor: \w+", line) is not None


def unfinished(source: Source) -> list[str]:
    """Find what says of itself that it is not done, or not tested."""
    # In two parts each, so that this file is not found itself.
    marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error", "no cov" + "er", "mark.sk" + "ip"]
    wanted = re.compile(r"(?<!\w)(" + "|".join(map(re.escape, marks)) + r")(?!\w)")
    lines = enumerate(source.text.splitlines(), 1)
    return [source.at(number, line.strip()) for number, line in lines if wanted.search(line)]


def unexplained_ignores(source: Source) -> list[str]:
    """Find places where the type checker is silenced without a code and a reason."""
    silenced, explained = "# type: " + "ignore", re.compile("# type: " + r"ignore\[[a-z, -]+\]  # \w")
    return [
        source.at(number, line.strip())
        for number, line in enumerate(source.text.splitlines(), 1)
        if silenced in line and not explained.search(line)
    ]
