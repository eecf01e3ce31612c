"""The code keeps the rules of docs/style.md; and each check here can fail."""

from collections.abc import Callable

import pytest

from tests.tidy import code_rules
from tests.tidy.sources import Source, python

Check = Callable[[Source], list[str]]

PRODUCT_CHECKS: list[Check] = [
    code_rules.long_functions,
    code_rules.long_module,
    code_rules.full_package_module,
    code_rules.vague_names,
    code_rules.broad_excepts,
]
PURE_CHECKS: list[Check] = [code_rules.inexact_or_impure, code_rules.iterated_sets]
CHECKS: list[Check] = [code_rules.unfinished, code_rules.unexplained_ignores]


def findings(check: Check, sources: list[Source]) -> list[str]:
    return [finding for source in sources for finding in check(source)]


@pytest.mark.parametrize("check", PRODUCT_CHECKS, ids=lambda check: check.__name__)
def test_product_code_has_no(check: Check) -> None:
    found = findings(check, [source for source in python() if source.is_product])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("check", PURE_CHECKS, ids=lambda check: check.__name__)
def test_pure_code_has_no(check: Check) -> None:
    found = findings(check, [source for source in python() if source.is_pure])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_no_code_has(check: Check) -> None:
    found = findings(check, python())
    assert not found, "\n".join(found)


def test_every_part_is_looked_at() -> None:
    pure = {source.name.split("/")[0] for source in python() if source.is_pure}
    product = {source.name.split("/")[0] for source in python() if source.is_product}
    assert pure == {"primitives", "consensus", "ledger", "vm"}
    assert {"node", "cli", "testnet", *pure} <= product


BAD: list[tuple[Check, str]] = [
    (code_rules.long_functions, "def f():\n" + "    x()\n" * 60),
    (code_rules.long_functions, "async def f():\n" + "    x()\n" * 60),
    (code_rules.long_module, "x = 1\n" * 501),
    (code_rules.vague_names, "class JobManager: ..."),
    (code_rules.inexact_or_impure, "x = 0.5"),
    (code_rules.inexact_or_impure, "x = 1 / 2"),
    (code_rules.inexact_or_impure, "x /= 2"),
    (code_rules.inexact_or_impure, "async def f(): ..."),
    (code_rules.inexact_or_impure, "x = hash(b'')"),
    (code_rules.inexact_or_impure, "x = id(b'')"),
    (code_rules.inexact_or_impure, "print()"),
    (code_rules.iterated_sets, "for x in {1, 2}: ..."),
    (code_rules.iterated_sets, "for x in set(y): ..."),
    (code_rules.iterated_sets, "seen = set()\nfor x in seen: ..."),
    (code_rules.iterated_sets, "self.seen = frozenset(y)\nz = [x for x in self.seen]"),
    (code_rules.iterated_sets, "def f(voters: set[bytes]): return list(voters)"),
    (code_rules.iterated_sets, "def f(voters: set[bytes]): return b''.join(voters)"),
    (code_rules.iterated_sets, "def f(a: set[int], b: object): return [x for x in a - b]"),
    (code_rules.iterated_sets, "def f(a: set[int]): return [*a]"),
    (code_rules.broad_excepts, "try: f()\nexcept Exception: g()"),
    (code_rules.broad_excepts, "try: f()\nexcept (OSError, BaseException): g()"),
    (code_rules.broad_excepts, "try: f()\nexcept: g()"),
    (code_rules.broad_excepts, "try: f()\nexcept Exception:  # supervisor:\n    g()"),
    (code_rules.broad_excepts, "with contextlib.suppress(Exception): g()"),
    (code_rules.unfinished, "# TO" + "DO later"),
    (code_rules.unfinished, "raise NotImplemented" + "Error"),
    (code_rules.unfinished, "@pytest.mark.sk" + "ip"),
    (code_rules.unexplained_ignores, "x = y  # type: " + "ignore"),
    (code_rules.unexplained_ignores, "x = y  # type: " + "ignore[misc]"),
]
GOOD: list[tuple[Check, str]] = [
    (code_rules.long_functions, "def f():\n" + "    x()\n" * 59),
    (code_rules.long_module, "x = 1\n" * 500),
    (code_rules.vague_names, "class Escrow: ..."),
    (code_rules.inexact_or_impure, "x = 1 // 2 + sha256.hash(b'')"),
    (code_rules.iterated_sets, "for x in sorted({1, 2}): ..."),
    (code_rules.iterated_sets, "def f(a: set[int]): return sum(x for x in a) + len(a)"),
    (code_rules.iterated_sets, "def f(a: list[int]): return [x for x in a]"),
    (code_rules.iterated_sets, "def f(a: set[int]): return {x for x in a}"),
    (code_rules.broad_excepts, "try: f()\nexcept OSError: g()"),
    (
        code_rules.broad_excepts,
        "try: f()\nexcept Exception:  # supervisor: one bad peer must not end the rest\n    g()",
    ),
    (code_rules.broad_excepts, "try: f()\nexcept BaseException:\n    g()\n    raise"),
    (code_rules.unexplained_ignores, "x = y  # type: " + "ignore[misc]  # the library has no types"),
]


@pytest.mark.parametrize(("check", "text"), BAD)
def test_a_bad_sample_is_found(check: Check, text: str) -> None:
    assert check(Source(name="ledger/sample.py", text=text))


@pytest.mark.parametrize(("check", "text"), GOOD)
def test_a_good_sample_is_not(check: Check, text: str) -> None:
    assert check(Source(name="ledger/sample.py", text=text)) == []


def test_a_package_module_with_code_and_a_vague_file_are_found() -> None:
    assert code_rules.full_package_module(Source(name="ledger/__init__.py", text='"""Words."""\nimport x'))
    assert not code_rules.full_package_module(Source(name="ledger/__init__.py", text='"""Words."""\n'))
    assert code_rules.vague_names(Source(name="ledger/utils.py", text=""))
