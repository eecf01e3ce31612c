"""The vectors of the primitives: what every implementation must compute. Run as a program, it writes them anew.

Their form is described in vectors/README.md. A change of the file is a change of the protocol.
"""

import hashlib
import json
from pathlib import Path

from primitives import merkle
from primitives.address import NETWORK_PREFIXES, address_of, address_text
from primitives.codec import encode
from primitives.content import content_id, cut_slice, tree_of
from primitives.ed25519 import public_key_of, sign, verify
from primitives.hashing import tagged
from primitives.units import NUMBER_MAX
from tests.primitives import curve

FILE = Path(__file__).parent / "vectors" / "primitives.json"

Vector = dict[str, str | int | bool | list[str]]


def some_bytes(size: int) -> bytes:
    """Return content that is not the same in any two leaves: byte i is (7·i + ⌊i ÷ 256⌋) mod 251."""
    return bytes((at * 7 + at // 256) % 251 for at in range(size))


def _integers() -> list[Vector]:
    edges = [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, NUMBER_MAX]
    return [{"value": str(value), "encoded": encode(value).hex()} for value in edges]


def _byte_strings() -> list[Vector]:
    lengths = [0, 1, 31, 32, 255, 256, 65535, 65536]
    return [{"length": n, "header": encode(bytes(n))[: len(encode(bytes(n))) - n].hex()} for n in lengths]


def _tagged() -> list[Vector]:
    cases = [("assay/address", b""), ("assay/content", bytes(40)), ("a", b"b"), ("ab", b"")]
    return [{"tag": tag, "body": body.hex(), "hash": tagged(tag, body).hex()} for tag, body in cases]


def _merkle() -> list[Vector]:
    found: list[Vector] = []
    for count in (0, 1, 2, 3, 5, 8, 13):
        leaves = [bytes([at]) * at for at in range(count)]
        found.append({"count": count, "root": merkle.root(leaves).hex()})
    return found


def _content() -> list[Vector]:
    found: list[Vector] = []
    for size in (0, 1, 1023, 1024, 1025, 5000, 8192):
        raw = some_bytes(size)
        found.append({"size": size, "root": content_id(raw).root.hex()})
    raw = some_bytes(5000)
    for start, count in ((0, 1), (1, 2), (4, 1), (0, 5)):
        piece = cut_slice(raw, tree_of(raw), start, count)
        encoded = hashlib.sha256(encode(piece)).hexdigest()
        found.append(
            {"size": 5000, "start": start, "count": count, "proof": [h.hex() for h in piece.proof], "sha256": encoded}
        )
    return found


def _addresses() -> list[Vector]:
    found: list[Vector] = []
    for seed in (bytes(32), bytes(range(32))):
        key = public_key_of(seed)
        for prefix in NETWORK_PREFIXES:
            text = address_text(address_of(key), prefix)
            found.append({"key": key.hex(), "prefix": prefix, "text": text})
    return found


def _signatures() -> list[Vector]:
    """Cases that libraries judge differently, or could."""
    seed, message = bytes(range(32)), b"assay"
    key, good = public_key_of(seed), sign(seed, message)
    identity = curve.encode_point(curve.IDENTITY)
    s_of_identity = curve.challenge(identity, key, message) * curve.secret_scalar(seed) % curve.L
    s_too_large = int.from_bytes(good[32:], "little") + curve.L
    cases = [
        ("honest", key, good),
        ("another message's", key, sign(seed, b"other")),
        ("S not below the order", key, good[:32] + s_too_large.to_bytes(32, "little")),
        ("R the identity", key, identity + s_of_identity.to_bytes(32, "little")),
        ("key the identity", identity, identity + bytes(32)),
        ("key the identity, its y from p on", (curve.P + 1).to_bytes(32, "little"), identity + bytes(32)),
    ]
    for point in curve.torsion_points()[1:]:
        raw = curve.encode_point(point)
        cases.append(("key of small order", raw, raw + bytes(32)))
    return [
        {
            "case": case,
            "key": public_key.hex(),
            "message": message.hex(),
            "signature": signature.hex(),
            "valid": verify(public_key, message, signature),
        }
        for case, public_key, signature in cases
    ]


def build() -> dict[str, list[Vector]]:
    """Return all vectors, as this implementation computes them."""
    return {
        "integers": _integers(),
        "byte strings": _byte_strings(),
        "tagged hashes": _tagged(),
        "merkle roots": _merkle(),
        "content": _content(),
        "addresses": _addresses(),
        "signatures": _signatures(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1) + "\n")
