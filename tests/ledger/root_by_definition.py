"""Root and proof, word for word as docs/spec/ledger.md defines them (L60-L64), over a sorted list of all rows.

Slow, and written apart from ledger.tree and primitives.state_proof: bits are text here, and nothing is imported.
"""

import hashlib

Row = tuple[str, bytes]
"""A hashed key in bits, and the hash of the value."""


def root_by_definition(rows: dict[bytes, bytes]) -> bytes:
    """Return the state root."""
    return _root(_sorted(rows))


def proof_by_definition(rows: dict[bytes, bytes], key: bytes) -> tuple[list[bytes], tuple[bytes, bytes] | None]:
    """Return the siblings from the root down, and the other row (hashed key, hashed value) at the end of the path."""
    path = _bits(key)
    under = _sorted(rows)
    siblings: list[bytes] = []
    while len(under) > 1:
        depth = len(siblings)
        siblings.append(_root([row for row in under if row[0][depth] != path[depth]], depth + 1))
        under = [row for row in under if row[0][depth] == path[depth]]
    if not under or under[0][0] == path:
        return siblings, None
    other, value = under[0]
    return siblings, (int(other, 2).to_bytes(32, "big"), value)


def _sorted(rows: dict[bytes, bytes]) -> list[Row]:
    return sorted((_bits(key), hashlib.sha256(value).digest()) for key, value in rows.items())


def _bits(key: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in hashlib.sha256(key).digest())


def _root(rows: list[Row], depth: int = 0) -> bytes:
    if not rows:
        return b"\0" * 32
    if len(rows) == 1:
        ((bits, value),) = rows
        return hashlib.sha256(b"\0" + int(bits, 2).to_bytes(32, "big") + value).digest()
    left = _root([row for row in rows if row[0][depth] == "0"], depth + 1)
    right = _root([row for row in rows if row[0][depth] == "1"], depth + 1)
    return hashlib.sha256(b"\1" + left + right).digest()
