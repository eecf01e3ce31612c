import pytest

from primitives import codec
from primitives.reasons import Reason, Refused
from vm.sandbox_protocol import FACT_CHARS_MAX, FACTS_MAX, Failed, ToldFact, body_length, failed, frame, refused


def test_a_refusal_crosses_the_pipe() -> None:
    told = Refused(Reason.CUT_REFUSED, seen="a", wanted=4096, raw=b"x\xff", absent=None)
    back = refused(failed(told))
    assert back.reason is Reason.CUT_REFUSED
    assert dict(back.facts) == {"seen": "a", "wanted": 4096, "raw": "x\ufffd", "absent": "None"}


def test_long_words_and_many_facts_are_cut_to_length() -> None:
    told = failed(Refused(Reason.GRAPH_INVALID, **{f"f{at}": "é" * 1000 for at in range(20)}))
    assert len(told.facts) == FACTS_MAX
    assert all(each.value == ("é" * FACT_CHARS_MAX).encode() for each in told.facts)
    codec.decode(Failed, codec.encode(told), at_most=100_000)


def test_a_number_too_long_for_the_pipe_is_told_as_text() -> None:
    huge = (2**31 - 1) ** 8
    raw = codec.encode(failed(Refused(Reason.GRAPH_INVALID, wanted=huge, seen=-1)))
    assert dict(refused(codec.decode(Failed, raw, at_most=1000)).facts) == {"wanted": str(huge), "seen": -1}


def test_facts_that_a_sandbox_names_after_arguments_are_dropped() -> None:
    facts = [ToldFact(name=b"reason", value=1), ToldFact(name=b"self", value=2), ToldFact(name=b"seen", value=3)]
    assert dict(refused(Failed(reason=Reason.RUN_CRASHED, facts=facts)).facts) == {"seen": 3}


def test_a_frame_longer_than_its_limit_is_refused() -> None:
    head = frame(Failed(reason=Reason.RUN_CRASHED, facts=[]))[:4]
    assert body_length(head, at_most=100) < 100
    with pytest.raises(Refused) as caught:
        body_length(b"\xff" * 4, at_most=100)
    assert caught.value.reason is Reason.TOO_LARGE
