"""Sealed results, held against RFC 9180 written out anew (K5, K6)."""

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from node.keys.envelopes import OVERHEAD_BYTES, open_result, reply_key, reply_secret, seal_result
from primitives.reasons import Reason, Refused

SEED, CANARY = bytes(range(32)), bytes(range(32, 64))
SECRET = reply_secret(SEED, CANARY)
GENESIS, JOB, SEALER = b"g" * 32, b"j" * 32, b"s" * 20
KEM, SUITE = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x03"


def extract(salt: bytes, suite: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + key, hashlib.sha256)


def expand(secret: bytes, suite: bytes, label: bytes, info: bytes, length: int) -> bytes:
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(secret, labelled + b"\x01", hashlib.sha256)[:length]


def opened_by_the_book(sealed: bytes, secret: bytes, info: bytes) -> bytes:
    """Return what was sealed: RFC 9180, sections 4.1 and 5.1 in base mode, 5.2 for the first message."""
    mine = X25519PrivateKey.from_private_bytes(secret)
    passing, text = sealed[:32], sealed[32:]
    agreed = mine.exchange(X25519PublicKey.from_public_bytes(passing))
    context = passing + mine.public_key().public_bytes_raw()
    shared = expand(extract(b"", KEM, b"eae_prk", agreed), KEM, b"shared_secret", context, 32)
    schedule = b"\x00" + extract(b"", SUITE, b"psk_id_hash", b"") + extract(b"", SUITE, b"info_hash", info)
    secret_ = extract(shared, SUITE, b"secret", b"")
    key, nonce = (expand(secret_, SUITE, name, schedule, size) for name, size in ((b"key", 32), (b"base_nonce", 12)))
    return ChaCha20Poly1305(key).decrypt(nonce, text, b"")


def sealed(text: bytes) -> bytes:
    return seal_result(text, reply_key(SECRET), genesis=GENESIS, job=JOB, sealer=SEALER)


@pytest.mark.parametrize("length", [0, 1, 100_000])
def test_a_result_opens_with_the_clients_key_and_as_the_rfc_says(length: int) -> None:
    text = bytes(length)
    found = sealed(text)
    assert len(found) == length + OVERHEAD_BYTES
    assert open_result(found, SECRET, genesis=GENESIS, job=JOB, sealer=SEALER) == text
    assert opened_by_the_book(found, SECRET, b"assay/delivery" + GENESIS + JOB + SEALER) == text


def test_each_job_has_a_key_of_its_own_that_its_clients_seed_gives() -> None:
    assert reply_secret(SEED, CANARY) == SECRET
    assert len({SECRET, reply_secret(SEED, JOB), reply_secret(JOB, CANARY)}) == 3


def test_what_was_sealed_for_another_is_refused() -> None:
    found = sealed(b"result")
    for text, secret, place in (
        (found, reply_secret(SEED, JOB), (GENESIS, JOB, SEALER)),
        (found, SECRET, (JOB, JOB, SEALER)),
        (found, SECRET, (GENESIS, GENESIS, SEALER)),
        (found, SECRET, (GENESIS, JOB, bytes(20))),
        (found[:-1], SECRET, (GENESIS, JOB, SEALER)),
        (bytes(32) + found[32:], SECRET, (GENESIS, JOB, SEALER)),
        (b"", SECRET, (GENESIS, JOB, SEALER)),
    ):
        with pytest.raises(Refused) as caught:
            open_result(text, secret, genesis=place[0], job=place[1], sealer=place[2])
        assert caught.value.reason is Reason.SEAL_BROKEN
