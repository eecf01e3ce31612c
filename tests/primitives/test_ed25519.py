import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from primitives import ed25519
from primitives.ed25519 import SigningKey, check_public_key, public_key_of, sign, verify
from primitives.reasons import Reason, Refused
from tests.primitives import curve

SEED = bytes(range(32))
seeds = st.binary(min_size=32, max_size=32)

# RFC 8032 section 7.1: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
            "d25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
            "387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
            "4a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").hexdigest(),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e030"
            "3dca179c138ac17ad9bef1177331a704"
        ),
    ),
]


def openssl_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def other_encodings(point: curve.Point) -> list[bytes]:
    """All encodings of a point that a lenient decoder takes: y + p where it fits, and the sign of x = 0."""
    x, y = point
    signs = (0, 1) if x == 0 else (x & 1,)
    ys = [y] + [y + curve.P] * (y + curve.P < 2**255)
    return [(value | sign << 255).to_bytes(32, "little") for value in ys for sign in signs]


SMALL_ORDER = [raw for point in curve.torsion_points() for raw in other_encodings(point)]


@pytest.mark.parametrize(("seed", "public_key", "message", "signature"), RFC_8032)
def test_keys_and_signatures_are_those_of_rfc_8032(seed: str, public_key: str, message: str, signature: str) -> None:
    raw = bytes.fromhex(seed)
    assert public_key_of(raw).hex() == public_key
    assert sign(raw, bytes.fromhex(message)).hex() == signature
    assert verify(bytes.fromhex(public_key), bytes.fromhex(message), bytes.fromhex(signature))


@given(seeds, st.binary(max_size=100))
def test_a_signature_verifies_and_openssl_agrees(seed: bytes, message: bytes) -> None:
    key = SigningKey(seed)
    signature = key.sign(message)
    assert signature == sign(seed, message)
    assert verify(key.public_key, message, signature)
    assert openssl_verifies(key.public_key, message, signature)


@given(seeds, st.binary(max_size=20), st.integers(0, 96 * 8 - 1))
def test_a_flipped_bit_of_key_or_signature_fails_and_openssl_agrees(seed: bytes, message: bytes, bit: int) -> None:
    both = bytearray(public_key_of(seed) + sign(seed, message))
    both[bit // 8] ^= 1 << bit % 8
    public_key, signature = bytes(both[:32]), bytes(both[32:])
    assert not verify(public_key, message, signature)
    assert not openssl_verifies(public_key, message, signature)


@given(st.binary(max_size=100), st.binary(max_size=100), st.binary(max_size=20))
def test_rubbish_is_not_a_signature(public_key: bytes, signature: bytes, message: bytes) -> None:
    assert not verify(public_key, message, signature)


def test_another_message_fails() -> None:
    assert not verify(public_key_of(SEED), b"one", sign(SEED, b"two"))


def test_the_refused_ys_are_those_of_the_points_of_small_order() -> None:
    assert {y for _, y in curve.torsion_points()} == ed25519.TORSION_YS


def test_points_of_small_order_have_fourteen_encodings() -> None:
    assert len(set(SMALL_ORDER)) == 14


@pytest.mark.parametrize("raw", SMALL_ORDER, ids=bytes.hex)
def test_a_key_of_small_order_is_refused_and_signs_nothing(raw: bytes) -> None:
    with pytest.raises(Refused) as refused:
        check_public_key(raw)
    assert refused.value.reason is Reason.BAD_KEY
    # R = the key, S = 0 verifies in OpenSSL for every message if the key is the identity.
    for r in (raw, curve.encode_point(curve.IDENTITY)):
        assert not any(verify(raw, bytes([at]), r + bytes(32)) for at in range(16))


def test_openssl_takes_a_key_of_small_order_so_the_rule_is_needed() -> None:
    identity = curve.encode_point(curve.IDENTITY)
    assert openssl_verifies(identity, b"anything", identity + bytes(32))


@pytest.mark.parametrize("raw", SMALL_ORDER, ids=bytes.hex)
def test_an_r_of_small_order_is_refused(raw: bytes) -> None:
    # With R a torsion point T and S = h·a, [S]B - [h]A is the identity: right for T = identity, were it allowed.
    public_key = public_key_of(SEED)
    s = curve.challenge(raw, public_key, b"m") * curve.secret_scalar(SEED) % curve.L
    signature = raw + s.to_bytes(32, "little")
    assert not verify(public_key, b"m", signature)
    if raw == curve.encode_point(curve.IDENTITY):
        assert curve.holds_without_cofactor(public_key, b"m", signature)
        assert openssl_verifies(public_key, b"m", signature)


def test_encodings_of_y_from_p_on_are_refused() -> None:
    for y in range(curve.P, 2**255):
        for sign_bit in (0, 1 << 255):
            raw = (y | sign_bit).to_bytes(32, "little")
            with pytest.raises(Refused):
                check_public_key(raw)
            assert not verify(raw, b"m", sign(SEED, b"m"))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Refused):
        check_public_key(bytes(length))


def test_an_honest_key_is_taken() -> None:
    check_public_key(public_key_of(SEED))


@pytest.mark.parametrize("times", range(1, 16))
def test_s_from_the_order_of_the_group_on_is_refused(times: int) -> None:
    signature = sign(SEED, b"m")
    s = int.from_bytes(signature[32:], "little") + times * curve.L
    malleable = signature[:32] + s.to_bytes(32, "little")
    assert not verify(public_key_of(SEED), b"m", malleable)
    assert not openssl_verifies(public_key_of(SEED), b"m", malleable)


def mixed_order_signature(seed: bytes, message: bytes, *, torsion_in: str) -> tuple[bytes, bytes]:
    """Sign as the owner of A + T, or with R + T, T of order 8: right only for verifiers with a cofactor."""
    torsion = curve.torsion_points()[1]
    scalar, nonce = (
        curve.secret_scalar(seed),
        int.from_bytes(hashlib.sha512(seed + message).digest(), "little") % curve.L,
    )
    a, r = curve.multiply(scalar, curve.BASE), curve.multiply(nonce, curve.BASE)
    if torsion_in == "A":
        a = curve.add(a, torsion)
    else:
        r = curve.add(r, torsion)
    public_key, encoded_r = curve.encode_point(a), curve.encode_point(r)
    s = (nonce + curve.challenge(encoded_r, public_key, message) * scalar) % curve.L
    return public_key, encoded_r + s.to_bytes(32, "little")


@pytest.mark.parametrize("torsion_in", ["A", "R"])
def test_points_of_mixed_order_are_judged_without_a_cofactor_by_all(torsion_in: str) -> None:
    accepted = 0
    for at in range(24):
        message = b"mixed %d" % at
        public_key, signature = mixed_order_signature(SEED, message, torsion_in=torsion_in)
        verdict = verify(public_key, message, signature)
        assert verdict == openssl_verifies(public_key, message, signature)
        assert verdict == curve.holds_without_cofactor(public_key, message, signature)
        accepted += verdict
    # [h]T vanishes for one h in eight; a T in R never does. A verifier with a cofactor would accept all 24.
    assert 0 < accepted < 12 if torsion_in == "A" else accepted == 0
