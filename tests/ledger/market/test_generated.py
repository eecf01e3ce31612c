from tests.ledger.market import generated


def test_the_page_about_the_market_says_what_the_code_does() -> None:
    page = generated.PAGE.read_text()
    assert generated.written(page) == page
