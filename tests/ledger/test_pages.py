"""What pages of the specification show of the code is what the code does."""

from types import ModuleType

import pytest

from tests.ledger import fee_page
from tests.ledger.market import generated as market
from tests.ledger.market.dispute import generated as dispute
from tests.ledger.market.withheld import generated as withheld
from tests.ledger.stake import generated as staking


@pytest.mark.parametrize("page", [fee_page, market, dispute, withheld, staking], ids=lambda page: page.__name__)
def test_a_page_says_what_the_code_does(page: ModuleType) -> None:
    text = page.PAGE.read_text()
    assert page.written(text) == text, f"run python -m {page.__name__}"
