"""The numbered rules of docs/spec: where they are defined, and where they are cited."""

import io
import re
import tokenize
from collections.abc import Iterable

from tests.tidy.sources import Source

Places = dict[str, str]
"""Rule ids, each with the place where it was found first."""

_DEFINED = re.compile(r"^(?:[-*] )?\*\*([A-Z]\d{1,3})\.?\*\*", re.MULTILINE)
_CITED = re.compile(r"(?<![\w-])([A-Z]\d{1,3})(?![\w-]|\.\d)")
_CITED_BY_NAME = re.compile(r"(?<=[a-z_])_([a-z]\d{1,3})(?=_)")


def defined(pages: Iterable[Source]) -> Places:
    """Return the ids that pages of the specification define."""
    return {rule: page.name for page in pages for rule in _DEFINED.findall(page.text)}


def defined_twice(pages: Iterable[Source]) -> list[str]:
    """Find ids that two paragraphs define."""
    seen: Places = {}
    found = []
    for page in pages:
        for rule in _DEFINED.findall(page.text):
            if rule in seen:
                found.append(f"{rule} in {page.name} and {seen[rule]}")
            seen[rule] = page.name
    return found


def cited(sources: Iterable[Source]) -> Places:
    """Return the ids that comments, docstrings and names of tests cite."""
    found: Places = {}
    for source in sources:
        for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
            for rule in _cited_in(token):
                found.setdefault(rule, f"{source.name}:{token.start[0]}")
    return found


def _cited_in(token: tokenize.TokenInfo) -> list[str]:
    if token.type == tokenize.COMMENT or (token.type == tokenize.STRING and token.string.startswith('"""')):
        return _CITED.findall(token.string)
    if token.type == tokenize.NAME and token.string.startswith("test_"):
        return [rule.upper() for rule in _CITED_BY_NAME.findall(token.string)]
    return []


def never_cited(rules: Places, citations: Places) -> list[str]:
    """Find rules that nothing carries out."""
    return [f"{rule}, defined in {rules[rule]}, is cited nowhere" for rule in sorted(rules.keys() - citations.keys())]


def never_defined(rules: Places, citations: Places) -> list[str]:
    """Find citations of rules that do not exist, of the letters that have a page."""
    letters = {rule[0] for rule in rules}
    missing = sorted(rule for rule in citations if rule not in rules and rule[0] in letters)
    return [f"{rule}, cited in {citations[rule]}, is not defined" for rule in missing]
