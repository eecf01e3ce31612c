"""Everything that decodes bytes and keeps nothing: records, signed and bound things, proofs."""

from functools import cache

import msgspec

from ledger.block import decode_block
from ledger.genesis import decode_genesis
from ledger.market.receipt import check_receipt, decode_receipt, encode_receipt
from ledger.proven import check_proven_rows, decode_proven_rows
from ledger.stake import epochs, records
from ledger.stake.epochs import set_hash
from ledger.state import CLOCK, account_key
from ledger.transaction import LoweringPublish, Transfer, open_transaction
from primitives import codec
from primitives.content import LEAF_BYTES, Slice, check_slice, content_id, cut_slice, tree_of
from primitives.record import Record
from primitives.state_proof import check_state_proof
from testnet.kit import ledger_builders as kit
from testnet.kit.fake_chain import FakeChain
from testnet.kit.receipt_builders import a_receipt
from tests.conformance.decoded import decoded_kinds
from tests.conformance.wire_digests import Chooser, make
from tests.fuzz.target import Target, plainly
from vm import sandbox_protocol
from vm.tensor import decode_bundle

RECORD_BYTES_MAX = 1 << 20
SEEDS = 8
"""Values of a record that are made from its description."""
TRIES = 40
CONTENT = bytes(at * 7 % 251 for at in range(9_000))
PAYER = "client"


def record_kinds() -> dict[str, object]:
    """Return every type of record that the product reads, by module and name."""
    kinds = dict(decoded_kinds())
    for module in (records, epochs):
        kinds |= {
            f"{module.__name__}.{name}": found
            for name, found in sorted(vars(module).items())
            if isinstance(found, type) and issubclass(found, Record) and found.__module__ == module.__name__
        }
    kinds["vm.sandbox_protocol.Settings"] = sandbox_protocol.Settings
    kinds["vm.sandbox_protocol.Request"] = sandbox_protocol.Request
    return kinds


@cache
def samples(name: str) -> list[bytes]:
    """Return encoded values of a record, always the same ones."""
    shape = msgspec.inspect.type_info(record_kinds()[name])
    found: list[bytes] = []
    for seed in range(TRIES):
        try:
            found.append(codec.encode(make(shape, Chooser(f"{name}/{seed}"))))
        except (ValueError, msgspec.ValidationError):
            continue  # some records refuse what contradicts itself
        if len(found) == SEEDS:
            break
    return found


def _record(name: str, kind: object) -> Target:
    def feed(raw: bytes) -> None:
        value: object = codec.decode(kind, raw, at_most=RECORD_BYTES_MAX)  # type: ignore[arg-type]  # a union is no type[T]
        assert codec.encode(value) == raw, "a value has one encoding"

    return Target(name=f"record-{name}", seeds=lambda: samples(name), open=plainly(feed))


# --- what is read from bytes and then checked


def _transaction(raw: bytes) -> None:
    transaction = open_transaction(raw, CHAIN.genesis_hash)
    assert transaction.raw == raw


def _transactions() -> list[bytes]:
    nobody_signed = b"\x00" * 64
    transfer = CHAIN.world.sign(PAYER, Transfer(to=bytes(20), amount=5))
    published = CHAIN.world.sign("publisher", kit.a_publication())
    lowered = CHAIN.world.sign(PAYER, LoweringPublish(lowering=kit.a_lowering()))
    return [transfer, published, lowered, transfer[:-64] + nobody_signed]


def _block(raw: bytes) -> None:
    block = decode_block(raw)
    assert codec.encode(block) == raw


def _blocks() -> list[bytes]:
    world = kit.a_world()
    world.block(world.sign(PAYER, Transfer(to=bytes(20), amount=5)), world.sign("publisher", kit.a_publication()))
    world.block()
    return [codec.encode(final.block) for final in world.finals]


def _genesis(raw: bytes) -> None:
    genesis = decode_genesis(raw)
    assert codec.encode(genesis) == raw


CONTENT_ID, CONTENT_TREE = content_id(CONTENT), tree_of(CONTENT)


def _slice(raw: bytes) -> None:
    piece = codec.decode(Slice, raw, at_most=RECORD_BYTES_MAX)
    check_slice(CONTENT_ID, piece)
    assert piece == cut_slice(CONTENT, CONTENT_TREE, piece.start, -(-len(piece.data) // LEAF_BYTES)), "a forged slice"


def _slices() -> list[bytes]:
    return [codec.encode(cut_slice(CONTENT, CONTENT_TREE, at, count)) for at, count in ((0, 9), (3, 2), (8, 1))]


CHAIN = FakeChain()
for _ in range(2):
    CHAIN.step()
ROOT = CHAIN.world.finals[0].outcome.state_root
KEYS = (account_key(kit.address(PAYER)), account_key(bytes(20)), CLOCK)
TRUE = {row.key: row.value for row in CHAIN.prove(KEYS, None).rows}


def _proven(raw: bytes) -> None:
    """Trust whatever validators the input names: their signatures are checked before the rows."""
    proven = decode_proven_rows(raw)
    check_proven_rows(proven, genesis_hash=CHAIN.genesis_hash, validators_hash=set_hash(proven.validators))
    raise AssertionError("nobody has signed this")


def _rows(raw: bytes) -> None:
    for row in decode_proven_rows(raw).rows:
        check_state_proof(ROOT, row.key, row.value, row.proof)
        assert TRUE.get(row.key) == row.value, "a forged row"  # of a key beside these the proof says that it is absent


def _provens() -> list[bytes]:
    return [codec.encode(CHAIN.prove(KEYS[:count], None)) for count in (1, 3)]


WORLD = kit.a_world()
JOBS = [kit.run_job(WORLD, script) for script in (kit.Script(), kit.Script(accepts=False))]
RECEIPTS = {job: a_receipt(WORLD, job) for job in JOBS}


def _receipt(raw: bytes) -> None:
    receipt = decode_receipt(raw)
    trusted = set_hash(next(iter(RECEIPTS.values())).proven.validators)
    check_receipt(receipt, genesis_hash=WORLD.charter.hash, validators_hash=trusted)
    true = RECEIPTS[receipt.job]
    assert receipt.proven.rows == true.proven.rows, "a forged row"
    assert all(each in true.transactions for each in receipt.transactions), "a forged transaction"


def _receipts() -> list[bytes]:
    return [encode_receipt(each) for each in RECEIPTS.values()]


def _bundle(raw: bytes) -> None:
    assert codec.encode(decode_bundle(raw, at_most=RECORD_BYTES_MAX)) == raw


def _bundles() -> list[bytes]:
    return [kit.a_bundle(b"x", [1.0, float("nan"), -0.0]), kit.a_bundle(b"", [0.5])]


def decoders() -> list[Target]:
    """Return the targets of this module."""
    return [
        *(_record(name, kind) for name, kind in record_kinds().items()),
        Target(name="transaction", seeds=_transactions, open=plainly(_transaction), weight=2),
        Target(name="block", seeds=_blocks, open=plainly(_block), weight=2),
        Target(name="genesis", seeds=lambda: [codec.encode(CHAIN.genesis)], open=plainly(_genesis)),
        Target(name="slice", seeds=_slices, open=plainly(_slice), weight=4),
        Target(name="proven-rows", seeds=_provens, open=plainly(_proven), weight=2),
        Target(name="state-proof", seeds=_provens, open=plainly(_rows), weight=4),
        Target(name="receipt", seeds=_receipts, open=plainly(_receipt), weight=2),
        Target(name="bundle", seeds=_bundles, open=plainly(_bundle), weight=2),
    ]
