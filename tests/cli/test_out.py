"""The one printer."""

import json

import pytest

from cli.exit import Exit, exit_of
from cli.out import Out, error_lines, facts, table
from primitives.reasons import Reason, Refused

REFUSAL = Refused(Reason.BOND_TOO_SMALL, seen=5, wanted=7, account=b"\x01\x02")


def test_the_first_line_of_an_error_says_all_that_matters() -> None:
    assert error_lines(REFUSAL) == ["error[AS-403]: bond too small: seen 5, wanted 7", "  account  0102"]


def test_help_follows_where_there_is_some() -> None:
    assert error_lines(Refused(Reason.MODEL_UNKNOWN))[-1] == "help: see `assay model list`"


def test_a_fact_with_several_lines_is_told_on_one() -> None:
    lines = error_lines(Refused(Reason.NODE_DID_NOT_START, log="first\nsecond"))
    assert lines == ["error[AS-1011]: node did not start", "  log  first second"]


def test_what_a_stranger_named_does_nothing_to_the_terminal() -> None:
    lines = error_lines(Refused(Reason.MODEL_UNKNOWN, licence="MIT\x1b[2J\u202e"))
    assert lines[1] == "  licence  MIT\\x1b[2J\\x202e"
    assert facts([("input", "x\x1b[31m")]) == ["input  x\\x1b[31m"]


def test_stdout_is_the_result_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    out = Out(json_wanted=False)
    out.note("working")
    out.warn("slowly")
    out.result({"answer": 42}, "42")
    told = capsys.readouterr()
    assert told.out == "42\n"
    assert told.err == "working\nwarning: slowly\n"


def test_json_is_one_envelope(capsys: pytest.CaptureFixture[str]) -> None:
    out = Out(json_wanted=True)
    out.warn("slowly")
    out.result({"answer": 42}, "42")
    told = json.loads(capsys.readouterr().out)
    assert told == {"schema": 1, "ok": True, "data": {"answer": 42}, "warnings": ["slowly"], "errors": []}


def test_an_error_in_json_has_code_facts_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    Out(json_wanted=True).refused(REFUSAL)
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    assert told["errors"][0]["code"] == "AS-403"
    assert told["errors"][0]["facts"] == {"seen": 5, "wanted": 7, "account": "0102"}


def test_columns_are_aligned_and_numbers_stand_to_the_right() -> None:
    assert table(("NAME", "N"), [("a", 1), ("long one", 20)]) == ["NAME       N", "a          1", "long one  20"]
    assert facts([("a", 1), ("bcd", None)]) == ["a    1", "bcd  None"]


def test_every_refusal_has_an_exit_status_that_is_not_success() -> None:
    assert all(exit_of(reason) is not Exit.DONE for reason in Reason)
    assert exit_of(Reason.MODEL_UNKNOWN) is Exit.NOT_FOUND
    assert exit_of(Reason.INSUFFICIENT_BALANCE) is Exit.REJECTED
    assert exit_of(Reason.NODE_UNREACHABLE) is Exit.UNREACHABLE
