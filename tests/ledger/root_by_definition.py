"""The state root, word for word as docs/spec/ledger.md defines it (L60-L62): slow, and independent of ledger.tree."""

import hashlib


def root_by_definition(rows: dict[bytes, bytes]) -> bytes:
    return _subtree({hashlib.sha256(key).digest(): value for key, value in rows.items()}, 0)


def _subtree(rows: dict[bytes, bytes], depth: int) -> bytes:
    if not rows:
        return bytes(32)
    if len(rows) == 1:
        ((key, value),) = rows.items()
        return hashlib.sha256(b"\x00" + key + hashlib.sha256(value).digest()).digest()

    def bit(key: bytes) -> int:
        return int.from_bytes(key, "big") >> (255 - depth) & 1

    left = _subtree({key: value for key, value in rows.items() if bit(key) == 0}, depth + 1)
    right = _subtree({key: value for key, value in rows.items() if bit(key) == 1}, depth + 1)
    return hashlib.sha256(b"\x01" + left + right).digest()
