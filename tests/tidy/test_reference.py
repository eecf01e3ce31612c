"""What is generated is current, and every reason has a meaning and a use."""

import re

import pytest

from primitives.reasons import Reason
from scripts.reference import PAGES, meanings
from tests.tidy.sources import ROOT, python


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_what_make_reference_writes(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name](), "run make reference"


def test_every_reason_says_what_it_means() -> None:
    told = meanings()
    assert [reason.name for reason in Reason if not told.get(reason.name)] == []


def test_every_reason_is_given_somewhere() -> None:
    product = [source for source in python() if source.is_product and source.name != "primitives/reasons.py"]
    given = {name for source in product for name in re.findall(r"\bReason\.([A-Z_]+)", source.text)}
    assert [reason.name for reason in Reason if reason.name not in given] == []
