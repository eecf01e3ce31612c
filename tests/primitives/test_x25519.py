import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from primitives.reasons import Reason, Refused
from primitives.x25519 import check_exchange_key

P = 2**255 - 19
ORDER_8 = bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
SMALL = [each.to_bytes(32, "little") for each in (0, 1, P - 1, P, P + 1)] + [ORDER_8]
SECRET = X25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.mark.parametrize("key", [*SMALL, *(each[:31] + bytes([each[31] | 0x80]) for each in SMALL)])
def test_a_key_with_which_every_secret_is_zero_is_refused(key: bytes) -> None:
    """P16."""
    with pytest.raises(Refused) as caught:
        check_exchange_key(key)
    assert caught.value.reason is Reason.BAD_KEY
    with pytest.raises(ValueError, match="shared key"):
        SECRET.exchange(X25519PublicKey.from_public_bytes(key))


@pytest.mark.parametrize("key", [bytes([9]) + bytes(31), SECRET.public_key().public_bytes_raw(), b"\xff" * 32])
def test_any_other_key_serves(key: bytes) -> None:
    check_exchange_key(key)
    SECRET.exchange(X25519PublicKey.from_public_bytes(key))
