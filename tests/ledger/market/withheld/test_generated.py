from tests.ledger.market.withheld import generated


def test_the_page_about_withheld_content_says_what_the_code_does() -> None:
    page = generated.PAGE.read_text()
    assert generated.written(page) == page
