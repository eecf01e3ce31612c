"""The types that the product decodes from bytes that it did not make, found in its code."""

import ast
import importlib
from collections.abc import Iterator
from functools import cache
from types import ModuleType

from ledger import records
from ledger.market import batch, canary, jackpot
from ledger.market.dispute import records as dispute_records
from ledger.market.withheld import records as withheld_records
from primitives.record import Record
from tests.tidy.sources import Source, python

ROWS = (records, batch, canary, jackpot, dispute_records, withheld_records)
"""Modules with the records that the state's rows consist of."""


@cache
def decoded_kinds() -> dict[str, object]:
    """Return what the product decodes, by module and name.

    That is the first argument of each `decode(..., at_most=...)`, receipts, and the rows of the state, whose kind is a
    parameter there.
    """
    product = [source for source in python() if source.is_product and not source.name.startswith("vm/sandbox/")]
    homes = {(home(name, source), name) for source in product for name in decoded_names(source)}
    homes |= {("ledger.transaction", "Receipt")}
    homes |= {
        (module.__name__, name) for module in ROWS for name, found in vars(module).items() if _is_row(found, module)
    }
    return {f"{module}.{name}": getattr(importlib.import_module(module), name) for module, name in sorted(homes)}


def _is_row(found: object, module: ModuleType) -> bool:
    return isinstance(found, type) and issubclass(found, Record) and found.__module__ == module.__name__


def home(name: str, source: Source) -> str:
    """Return the module that a module's name comes from, wherever in it the import stands."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return node.module
    return source.name.removesuffix(".py").replace("/", ".")


def decoded_names(source: Source) -> Iterator[str]:
    """Yield the names that a module gives to `decode`."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Call(func=ast.Name(id="decode") | ast.Attribute(attr="decode"), args=[ast.Name(id=name), _]):
                if any(word.arg == "at_most" for word in node.keywords) and name[0].isupper():
                    yield name
            case _:
                pass
