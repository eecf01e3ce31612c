"""The documentation points at what is there, and no file names a machine."""

from collections.abc import Iterable

import pytest

from tests.tidy import page_rules
from tests.tidy.sources import ROOT, Source, names, pages, texts

MAKEFILE = (ROOT / "Makefile").read_text()
INDEXES = ["docs/adr/README.md", "docs/spec/README.md"]
AT_THE_TOP = {
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Makefile",
    "README.md",
    "benches",
    "cli",
    "consensus",
    "docs",
    "examples",
    "ledger",
    "node",
    "primitives",
    "pyproject.toml",
    "requirements",
    "scripts",
    "testnet",
    "tests",
    "vm",
}


def assert_none(found: Iterable[str]) -> None:
    listed = list(found)
    assert not listed, "\n".join(listed)


def test_every_link_resolves() -> None:
    assert_none(finding for page in pages() for finding in page_rules.broken_links(page))


def test_every_path_in_the_pages_is_there() -> None:
    assert_none(finding for page in pages() for finding in page_rules.missing_paths(page))


def test_every_make_target_in_the_pages_is_there() -> None:
    assert_none(finding for page in pages() for finding in page_rules.missing_targets(page, MAKEFILE))


@pytest.mark.parametrize("index", INDEXES)
def test_every_page_is_in_its_index(index: str) -> None:
    page = next(page for page in pages() if page.name == index)
    assert_none(page_rules.not_in_index(page, pages()))


def test_no_file_names_a_machine_or_an_index() -> None:
    assert_none(finding for source in texts() for finding in page_rules.machine_names(source))


def test_nothing_lies_at_the_top_that_does_not_belong_there() -> None:
    assert {name.split("/")[0] for name in names()} == AT_THE_TOP


def page(text: str, name: str = "docs/sample.md") -> Source:
    return Source(name=name, text=text)


@pytest.mark.parametrize("link", ["[x](nowhere.md)", "[x](style.md#nothing-like-it)", "[x](#nothing)"])
def test_a_broken_link_is_found(link: str) -> None:
    assert list(page_rules.broken_links(page(link, "docs/testing.md")))


@pytest.mark.parametrize("link", ["[x](style.md)", "[x](style.md#commits)", "[x](https://a.org)", "[x](adr/README.md)"])
def test_a_sound_link_is_not(link: str) -> None:
    assert not list(page_rules.broken_links(page(link, "docs/testing.md")))


def test_a_missing_path_is_found() -> None:
    assert list(page_rules.missing_paths(page("see `primitives/nothing.py`")))
    assert not list(page_rules.missing_paths(page("see `primitives/codec.py` and `primitives/`")))


def test_a_missing_target_is_found() -> None:
    assert list(page_rules.missing_targets(page("run `make coffee`"), MAKEFILE))
    assert not list(page_rules.missing_targets(page("run `make test`; they make coffee"), MAKEFILE))


def test_a_page_that_its_index_forgot_is_found() -> None:
    index, forgotten = page("[a](a.md)", "docs/adr/README.md"), page("", "docs/adr/b.md")
    assert list(page_rules.not_in_index(index, [index, forgotten]))
    assert not list(page_rules.not_in_index(index, [index, page("", "docs/adr/a.md")]))


@pytest.mark.parametrize("line", ["/ro" + "ot/x", "open('/wo" + "rk/y')", "https://py" + "pi.org/z"])
def test_a_machine_or_an_index_is_found(line: str) -> None:
    assert list(page_rules.machine_names(page(line)))


@pytest.mark.parametrize("line", ["testnet/ro" + "ot/x", "/usr/bin/env", "the ro" + "ot of a tree"])
def test_other_paths_are_not(line: str) -> None:
    assert not list(page_rules.machine_names(page(line)))
