from primitives.reasons import Reason, Refused


def test_a_refusal_tells_reason_number_and_facts() -> None:
    refused = Refused(Reason.NONCE_GAP, seen=9, wanted=7)
    assert str(refused) == "nonce gap (202): seen 9, wanted 7"
    assert (refused.reason, dict(refused.facts)) == (202, {"seen": 9, "wanted": 7})


def test_bytes_are_told_in_hexadecimal() -> None:
    assert str(Refused(Reason.BAD_KEY, seen=b"\x01\xff")) == "bad key (103): seen 01ff"


def test_a_refusal_without_facts_tells_its_reason() -> None:
    assert str(Refused(Reason.BUSY)) == "busy (704)"
