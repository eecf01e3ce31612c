import json

from primitives.units import KARAT
from testnet.trials.report import Outcome, lines, record, table


def an_outcome(**changed: object) -> Outcome:
    told: dict[str, object] = {
        "case": "a-case",
        "words": "somebody lies",
        "job": "ab" * 32,
        "ended": "job void, convicted",
        "before": {"dev1": 3 * KARAT, "worker0": KARAT, "worker1": 5 * KARAT},
        "after": {"dev1": 3 * KARAT, "worker0": KARAT + 250_000_000, "worker1": 4 * KARAT},
        "verdicts": ["whole: upheld"],
        "validators": {"validator0": "01", "validator1": "01"},
    }
    return Outcome(**(told | changed))  # type: ignore[arg-type]  # of the kinds above


def test_a_case_is_told_with_who_moved_and_nobody_else() -> None:
    assert lines(an_outcome()) == [
        "== a-case: somebody lies",
        "   as it should be, 0 s; job void, convicted",
        "   verdict: whole: upheld",
        "   2 validators asked, one answer: validator0, validator1",
        "   worker0           1.000000 ->      1.250000  +0.250000",
        "   worker1           5.000000 ->      4.000000  -1.000000",
    ]


def test_what_is_wrong_stands_out() -> None:
    wrong = an_outcome(validators={"validator0": "01", "validator1": "02"}, wrong=["the validators' verdicts differ"])
    assert not wrong.is_good
    told = lines(wrong)
    assert "   NOT AS IT SHOULD BE, 0 s; job void, convicted" in told
    assert "   2 validators asked, DIFFERENT answer: validator0, validator1" in told
    assert told[-1] == "   WRONG: the validators' verdicts differ"
    assert table([an_outcome(), wrong]) == ["ok   a-case job void, convicted", "FAIL a-case job void, convicted"]


def test_programs_read_amounts_as_text() -> None:
    [told] = json.loads(record([an_outcome(seconds=1.26)]))
    assert (told["good"], told["seconds"], told["after"]["worker0"]) == (True, 1.3, "1250000000")
