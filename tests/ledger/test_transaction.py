from collections.abc import Callable
from functools import partial
from typing import get_args

import pytest

from ledger.limits import HEAVY_TX_BYTES_MAX, TX_BYTES_MAX
from ledger.transaction import (
    Body,
    Payload,
    ProviderReveal,
    SignedTransaction,
    Transfer,
    WorkerExit,
    bytes_max,
    open_transaction,
    sign_transaction,
    transaction_id,
)
from primitives import codec, ed25519
from primitives.reasons import Reason, Refused
from testnet.kit import ledger_builders as kit

GENESIS = bytes(range(32))
OTHER = bytes(32)
BODY = kit.a_body("client", Transfer(to=kit.address("stranger"), amount=5), nonce=3)
RAW = sign_transaction(kit.seed_of("client"), GENESIS, BODY)


def refusal(act: Callable[[], object]) -> Reason:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.reason


def test_a_signed_transaction_opens_to_what_was_signed() -> None:
    opened = open_transaction(RAW, GENESIS)
    assert (opened.body, opened.sender, opened.raw) == (BODY, kit.address("client"), RAW)
    assert opened.id == transaction_id(codec.encode(BODY))


def test_a_transaction_of_another_network_is_refused() -> None:
    assert refusal(lambda: open_transaction(RAW, OTHER)) is Reason.BAD_SIGNATURE


def test_anothers_signature_is_refused() -> None:
    forged = sign_transaction(kit.seed_of("stranger"), GENESIS, BODY)
    assert refusal(lambda: open_transaction(forged, GENESIS)) is Reason.BAD_SIGNATURE


def test_a_signature_that_was_verified_before_is_not_looked_at_again() -> None:
    envelope = SignedTransaction(body=codec.encode(BODY), signature=bytes(64))
    raw = codec.encode(envelope)
    assert refusal(lambda: open_transaction(raw, GENESIS)) is Reason.BAD_SIGNATURE
    assert open_transaction(raw, GENESIS, verified=lambda seen: seen == raw).body == BODY


def test_the_id_covers_the_body_and_not_the_signature() -> None:
    again = codec.encode(SignedTransaction(body=codec.encode(BODY), signature=bytes(64)))
    assert open_transaction(again, GENESIS, verified=lambda _: True).id == open_transaction(RAW, GENESIS).id


def test_a_key_of_small_order_is_refused() -> None:
    weak = Body(sender=bytes(32), nonce=0, fee_cap=1, tip=0, valid_until=1, payload=BODY.payload)
    raw = sign_transaction(kit.seed_of("client"), GENESIS, weak)
    assert refusal(lambda: open_transaction(raw, GENESIS)) is Reason.BAD_KEY


@pytest.mark.parametrize("raw", [b"", b"\xc0", RAW[:-1], RAW + b"\x00", bytes([0x92, 0xC4, 0x00]) + RAW[-66:]])
def test_what_is_no_transaction_is_refused(raw: bytes) -> None:
    assert refusal(lambda: open_transaction(raw, GENESIS)) is Reason.MALFORMED


def test_a_transaction_over_the_limit_is_refused_before_it_is_decoded() -> None:
    assert refusal(lambda: open_transaction(bytes(HEAVY_TX_BYTES_MAX + 1), GENESIS)) is Reason.TOO_LARGE


def test_kinds_that_carry_proofs_and_content_alone_may_be_heavy() -> None:
    kinds = sorted((kind for kind in get_args(Payload)), key=lambda kind: kind.__struct_config__.tag)
    heavy = [kind for kind in kinds if bytes_max(kind) == HEAVY_TX_BYTES_MAX]
    assert all(21 <= kind.__struct_config__.tag <= 26 or 30 <= kind.__struct_config__.tag <= 32 for kind in heavy)
    assert all(bytes_max(kind) == TX_BYTES_MAX for kind in kinds if kind not in heavy)


def test_a_field_beyond_its_bound_is_refused() -> None:
    def signed(payload: Payload) -> bytes:
        body = codec.encode(kit.a_body("client", payload, nonce=0))
        signature = ed25519.sign(kit.seed_of("client"), b"assay/tx" + GENESIS + body)
        return codec.encode(SignedTransaction(body=body, signature=signature))

    negative = signed(Transfer(to=kit.address("stranger"), amount=-1))
    long = signed(ProviderReveal(job=bytes(32), salt=bytes(32), cut=bytes(20_000), outputs=b""))
    short = signed(Transfer(to=b"short", amount=1))
    for raw in (negative, long, short):
        assert refusal(partial(open_transaction, raw, GENESIS)) is Reason.MALFORMED


def test_an_exit_tells_all_from_an_amount() -> None:
    for amount in (None, 0, 7):
        body = kit.a_body("client", WorkerExit(amount=amount), nonce=0)
        assert codec.decode(Body, codec.encode(body), at_most=1_000) == body
