from tests.ledger.market.dispute.generated import PAGE, written


def test_the_page_about_disputes_says_what_the_code_does() -> None:
    assert written(PAGE.read_text()) == PAGE.read_text(), "run python -m tests.ledger.market.dispute.generated"
