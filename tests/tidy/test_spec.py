"""Every rule of the specification is carried out somewhere, and every rule that is cited exists."""

from tests.tidy import spec_rules
from tests.tidy.sources import Source, pages, python

SPEC = [page for page in pages() if page.name.startswith("docs/spec/")]
CODE = [source for source in python() if not source.name.startswith("tests/tidy/")]


def test_every_rule_is_cited_in_code_or_test() -> None:
    found = spec_rules.never_cited(spec_rules.defined(SPEC), spec_rules.cited(CODE))
    assert not found, "\n".join(found)


def test_every_cited_rule_is_defined() -> None:
    found = spec_rules.never_defined(spec_rules.defined(SPEC), spec_rules.cited(CODE))
    assert not found, "\n".join(found)


def test_no_rule_is_defined_twice() -> None:
    assert spec_rules.defined_twice(SPEC) == []


def test_every_page_of_rules_has_some() -> None:
    for page in SPEC:
        assert page.name.endswith("README.md") or spec_rules.defined([page]), page.name


PAGE = Source(name="docs/spec/sample.md", text="**P1.** One.\n\n**P2.** Two.\n\nAs P3 says.\n")


def test_rules_are_found_where_a_paragraph_begins_with_them() -> None:
    assert list(spec_rules.defined([PAGE])) == ["P1", "P2"]


def test_citations_are_found_in_comments_docstrings_and_names_of_tests() -> None:
    text = '"""Do it (P1)."""\nx = 1  # P2, then P3–P4\ny = "P9"\ndef test_p7_holds_always(): ...\n'
    assert sorted(spec_rules.cited([Source(name="sample.py", text=text)])) == ["P1", "P2", "P3", "P4", "P7"]


def test_what_only_looks_like_a_rule_is_none() -> None:
    text = "# SHA-256 P-256 X25519 v1.P2 U64x\n"
    assert sorted(spec_rules.cited([Source(name="sample.py", text=text)])) == ["P2"]


def test_a_rule_without_a_citation_and_a_citation_without_a_rule_are_found() -> None:
    rules = spec_rules.defined([PAGE])
    citations = spec_rules.cited([Source(name="sample.py", text="# P1 and P5, E9\n")])
    assert spec_rules.never_cited(rules, citations) == ["P2, defined in docs/spec/sample.md, is cited nowhere"]
    assert spec_rules.never_defined(rules, citations) == ["P5, cited in sample.py:1, is not defined"]


def test_a_rule_that_two_paragraphs_define_is_found() -> None:
    assert spec_rules.defined_twice([PAGE, PAGE])
