"""The Ed25519 curve in plain arithmetic (RFC 8032 section 5.1), to make the encodings that no library would make."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P

Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    """Return a + b."""
    (x1, y1), (x2, y2) = a, b
    cross = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + cross, P - 2, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - cross, P - 2, P) % P
    return x, y


def multiply(times: int, point: Point) -> Point:
    """Return times × point: doubling and adding with a common denominator, which is inverted once at the end."""
    total, addend = (0, 1, 1), (point[0], point[1], 1)
    while times:
        if times & 1:
            total = _add_projective(total, addend)
        addend = _add_projective(addend, addend)
        times >>= 1
    x, y, z = total
    inverse = pow(z, P - 2, P)
    return x * inverse % P, y * inverse % P


def _add_projective(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    # The formula of `add` with x = X/Z and y = Y/Z.
    (x1, y1, z1), (x2, y2, z2) = a, b
    z = z1 * z2 % P
    xx, yy = x1 * x2 % P, y1 * y2 % P
    square, cross = z * z % P, D * xx * yy % P
    minus, plus = square - cross, square + cross
    return z * (x1 * y2 + x2 * y1) * minus % P, z * (yy + xx) * plus % P, minus * plus % P


def encode_point(point: Point) -> bytes:
    """Return the canonical encoding of a point, 32 bytes."""
    x, y = point
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode_point(raw: bytes) -> Point | None:
    """Return the point that `raw` encodes, canonical or not; None if its y is of no point."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, (y & 2**255 - 1) % P
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return (P - x if x & 1 != sign else x) % P, y


def _base() -> Point:
    base = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    assert base is not None
    return base


BASE = _base()


def torsion_points() -> list[Point]:
    """Return the eight points whose order divides 8."""
    for seed in range(2, 100):
        found = decode_point(seed.to_bytes(32, "little"))
        if found is not None:
            generator = multiply(L, found)
            if multiply(4, generator) != IDENTITY:
                return [multiply(times, generator) for times in range(8)]
    raise AssertionError("no point of order 8 among the first encodings")


def secret_scalar(seed: bytes) -> int:
    """Return the scalar of a secret seed (RFC 8032 section 5.1.5)."""
    scalar = int.from_bytes(hashlib.sha512(seed).digest()[:32], "little")
    return scalar & ((1 << 254) - 8) | 1 << 254


def challenge(r: bytes, public_key: bytes, message: bytes) -> int:
    """Return h of the verification equation."""
    return int.from_bytes(hashlib.sha512(r + public_key + message).digest(), "little") % L


def holds_without_cofactor(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether encode([S]B - [h]A) = R and S < L: the equation that the protocol pins."""
    a, s = decode_point(public_key), int.from_bytes(signature[32:], "little")
    if a is None or s >= L:
        return False
    minus_a = (P - a[0]) % P, a[1]
    h = challenge(signature[:32], public_key, message)
    return encode_point(add(multiply(s, BASE), multiply(h, minus_a))) == signature[:32]
