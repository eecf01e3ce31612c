"""X25519 public keys, to which results are sealed: which of them nobody can agree on a secret with (P16)."""

from primitives.reasons import Reason, Refused

_FIELD = 2**255 - 19
_ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)
_SMALL = frozenset((0, 1, _FIELD - 1, *_ORDER_8))
"""The points of small order, on the curve and its twist (RFC 7748, section 6.1; D. J. Bernstein, Curve25519)."""


def check_exchange_key(key: bytes) -> None:
    """Raise Refused BAD_KEY for a public key (32 bytes) with which every secret that is agreed on is zero (P16).

    Nothing can be sealed to it, so whoever owes a sealed result to such a key could never deliver.
    """
    point = int.from_bytes(key, "little") % 2**255 % _FIELD
    if point in _SMALL:
        raise Refused(Reason.BAD_KEY, seen=key, wanted="an X25519 key that is not of small order")
