"""The rule for Einsum: diagonals and sums of one operand, then pairs contracted from left to right."""

import math

from primitives.reasons import Reason, Refused
from vm.program import Op
from vm.sandbox.lower import moves
from vm.sandbox.lower.builder import Builder, Value
from vm.sandbox.lower.graph import Node, Operands
from vm.sandbox.lower.table import lowers

Term = tuple[Value, str]
"""A value and a letter for each of its dimensions, none twice."""
_ELLIPSIS_LETTERS = "01234567"
"""Stand for the dimensions of an ellipsis, counted from the last."""


@lowers("Einsum")
def _einsum(builder: Builder, node: Node, operands: Operands) -> list[Value]:
    values = operands.all()
    lefts, arrow, right = node.text("equation").replace(" ", "").partition("->")
    parts = lefts.split(",")
    if len(parts) != len(values):
        raise _invalid(node, f"{len(parts)} terms for {len(values)} inputs")
    terms = [(value, _letters(node, part, value.rank)) for value, part in zip(values, parts, strict=True)]
    used = "".join(letters for _, letters in terms)
    if arrow:
        spread = max((sum(letter in _ELLIPSIS_LETTERS for letter in letters) for _, letters in terms), default=0)
        result = right.replace("...", _ELLIPSIS_LETTERS[:spread][::-1])
    else:
        once = sorted(letter for letter in set(used) if used.count(letter) == 1 and letter.isalpha())
        result = "".join(sorted((each for each in set(used) if each in _ELLIPSIS_LETTERS), reverse=True)) + "".join(
            once
        )
    if any(result.count(letter) > 1 or letter not in used for letter in result):
        raise _invalid(node, f"output {right}")
    sizes = _sizes(node, terms)
    plain = [_diagonal(builder, value, letters) for value, letters in terms]
    total = _summed(builder, plain[0], result + "".join(letters for _, letters in plain[1:]))
    for at, term in enumerate(plain[1:], start=2):
        later = result + "".join(letters for _, letters in plain[at:])
        total = _contracted(builder, total, term, later, sizes)
    value, letters = _summed(builder, total, result)
    ordered = builder.transpose(value, [letters.index(letter) for letter in result])
    return [builder.broadcast(ordered, [sizes[letter] for letter in result])]


def _invalid(node: Node, why: str) -> Refused:
    return node.refused(why, reason=Reason.GRAPH_INVALID)


def _letters(node: Node, part: str, rank: int) -> str:
    spread = rank - len(part.replace("...", ""))
    if part.count("...") > 1 or spread < 0 or ("..." not in part and spread) or spread > len(_ELLIPSIS_LETTERS):
        raise _invalid(node, f"term {part} of rank {rank}")
    letters = part.replace("...", _ELLIPSIS_LETTERS[:spread][::-1])
    if not part.replace("...", "").isalpha() and part.replace("...", ""):
        raise _invalid(node, f"term {part}")
    return letters


def _sizes(node: Node, terms: list[Term]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for value, letters in terms:
        for letter, size in zip(letters, value.shape, strict=True):
            known = sizes.setdefault(letter, size)
            if known != size and 1 not in (known, size):
                raise _invalid(node, f"sizes {known} and {size} of {letter}")
            sizes[letter] = size if known == 1 else known
    return sizes


def _diagonal(builder: Builder, value: Value, letters: str) -> Term:
    """Return the term with each letter once: what has a letter twice is walked along its diagonal."""
    kept = "".join(letter for at, letter in enumerate(letters) if letter not in letters[:at])
    if kept == letters:
        return value, letters
    shape = tuple(max(size for size, each in zip(value.shape, letters, strict=True) if each == k) for k in kept)
    rows = tuple(
        tuple(int(letter == k and size > 1) for k in kept) for letter, size in zip(letters, value.shape, strict=True)
    )
    return builder.move(value, moves.Map(value.shape, (0,) * value.rank, rows, shape)), kept


def _summed(builder: Builder, term: Term, later: str) -> Term:
    """Return the term without the letters that nothing after it asks for."""
    value, letters = term
    axes = [at for at, letter in enumerate(letters) if letter not in later]
    if not axes:
        return term
    total = builder.cast(builder.reduce(Op.REDUCE_SUM, value, axes), value.dtype)
    return total, "".join(letter for letter in letters if letter in later)


def _contracted(builder: Builder, left: Term, right: Term, later: str, sizes: dict[str, int]) -> Term:
    """Return the product of two terms, summed over the letters that nothing after them asks for."""
    a, b = _summed(builder, left, later + right[1]), _summed(builder, right, later + left[1])
    shared = "".join(letter for letter in a[1] if letter in b[1])
    batch = "".join(letter for letter in shared if letter in later)
    inner = "".join(letter for letter in shared if letter not in later)
    rows = "".join(letter for letter in a[1] if letter not in shared)
    columns = "".join(letter for letter in b[1] if letter not in shared)
    product = builder.contract(
        _laid(builder, a, (batch, rows, inner), sizes), _laid(builder, b, (batch, columns, inner), sizes)
    )
    letters = batch + rows + columns
    return builder.reshape(product, [sizes[letter] for letter in letters]), letters


def _laid(builder: Builder, term: Term, groups: tuple[str, str, str], sizes: dict[str, int]) -> Value:
    """Return a term with its letters in three groups, each as one dimension."""
    value, letters = term
    order = "".join(groups)
    moved = builder.transpose(value, [letters.index(letter) for letter in order])
    whole = builder.broadcast(moved, [sizes[letter] for letter in order])
    return builder.reshape(whole, [math.prod(sizes[letter] for letter in group) for group in groups])
