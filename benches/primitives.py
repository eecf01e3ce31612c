"""What everything else is made of: encoding, hashing, signatures, trees."""

from collections.abc import Callable, Iterator
from functools import partial

from benches.figures import Figure, per_call_us
from ledger.transaction import Body, SignedTransaction, Transfer, open_transaction, sign_transaction
from primitives import codec, merkle
from primitives.content import check_slice, content_id, cut_slice, tree_of
from primitives.ed25519 import SigningKey, verify
from primitives.hashing import tagged
from primitives.units import KARAT

SEED = bytes(range(32))
GENESIS = bytes(32)
MIB = 1 << 20


def run() -> Iterator[Figure]:
    """Yield figures, each the median of batches over 0.4 s in one process."""
    key = SigningKey(SEED)
    body = Body(
        sender=key.public_key,
        nonce=7,
        fee_cap=1_000,
        tip=0,
        valid_until=1_800_000_000_000,
        payload=Transfer(to=bytes(20), amount=KARAT),
    )
    raw = sign_transaction(SEED, GENESIS, body)
    signature = key.sign(raw)
    method = f"one transfer, {len(raw)} bytes"
    yield _figure("encode a transaction's body", lambda: codec.encode(body), method)
    decode = partial(codec.decode, SignedTransaction, raw, at_most=MIB)
    yield _figure("decode an envelope, canonical form checked", decode, method)
    yield _figure("open a transaction, signature checked", lambda: open_transaction(raw, GENESIS), method)
    yield _figure("Ed25519: sign", lambda: key.sign(raw), "key kept ready")
    yield _figure("Ed25519: verify, pinned rules", lambda: verify(key.public_key, raw, signature), method)
    yield _figure("tagged hash", lambda: tagged("assay/tx", raw), method)
    content = bytes(at % 251 for at in range(MIB))
    tree = tree_of(content)
    wanted = content_id(content)
    piece = cut_slice(content, tree, 512, 64)
    yield _figure("root of content", lambda: content_id(content), "1 MiB in leaves of 1 KiB")
    yield _figure("cut a slice with its proof", lambda: cut_slice(content, tree, 512, 64), "64 KiB of 1 MiB, tree kept")
    yield _figure("check a slice", lambda: check_slice(wanted, piece), "64 KiB of 1 MiB")
    hashes = [merkle.leaf_hash(bytes([at % 251])) for at in range(4_000)]
    yield _figure("root over a full block", lambda: merkle.root_of_hashes(hashes), "4,000 leaf hashes")


def _figure(what: str, call: Callable[[], object], method: str) -> Figure:
    return Figure(what=what, value=per_call_us(call), unit="µs", method=method)
