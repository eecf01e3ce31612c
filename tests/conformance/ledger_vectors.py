"""The vectors of the ledger: ids, encodings and roots of known things. Run as a program, it writes them anew.

Their form is described in vectors/README.md. A change of the file is a change of the protocol.
"""

import hashlib
import json
from pathlib import Path

from ledger.block import block_id
from ledger.genesis import charter_of, genesis_block_id, genesis_header, initial_rows
from ledger.market.dispute.payloads import (
    WHOLE,
    DisputeBeyond,
    DisputeClaim,
    DisputeDefend,
    DisputeLeaf,
    DisputeOpen,
    DisputeTell,
    tail_of,
)
from ledger.market.draw import pick, weights
from ledger.market.order_payloads import BatchAccept, CanaryOpen
from ledger.market.receipt import encode_receipt
from ledger.market.withheld.payloads import Stage, WithheldChunk, WithheldFile
from ledger.onion import grow, reveal
from ledger.stake.epochs import set_hash
from ledger.stake.keys import prove
from ledger.state import change
from ledger.transaction import (
    Decision,
    Delegate,
    JobAccept,
    JobCommit,
    JobDecline,
    LoweringPublish,
    Payload,
    ProviderReveal,
    SampleOpen,
    Transfer,
    Undelegate,
    ValidatorExit,
    ValidatorRegister,
    ValidatorUnjail,
    ValidatorUpdate,
    VerifierCommit,
    VerifierReveal,
    WorkerBond,
    WorkerExit,
    WorkerRegister,
    WorkerUpdate,
    sign_transaction,
    transaction_id,
)
from ledger.tree import tree_of
from primitives import codec
from primitives.reasons import Reason
from testnet.kit import ledger_builders as kit
from testnet.kit.receipt_builders import a_receipt
from tests.ledger.played_history import SCRIPTS, digest_of, played
from vm.lowering import classes_of
from vm.manifest import Class
from vm.program import Outline
from vm.trace import Trace, run_of

FILE = Path(__file__).parent / "vectors" / "ledger.json"

Vector = dict[str, str | int | list[str] | list[int]]

CHARTER = charter_of(kit.a_genesis())
JOB = bytes(range(32))
PROVEN = prove(kit.seed_of("client"), CHARTER.hash, kit.address("client"))
VALUES = kit.values("worker 0")

OUTLINE = Outline(
    inputs=[kit.ROW],
    outputs=[1],
    cut=[1],
    tail=JOB,
    constants=0,
    operations=1,
    constants_root=JOB,
    operations_root=JOB,
)
TRACE = Trace(vm_version=1, program=JOB, inputs=[JOB], first=run_of([JOB]), perturbed=run_of([JOB]), noise=[JOB])

PAYLOADS: list[Payload] = [
    Transfer(to=kit.address("stranger"), amount=5),
    WorkerRegister(peer=JOB, bond=1, capacity=2, ask=3, gas_ask=0, classes=1, max_model_bytes=4),
    WorkerBond(amount=6),
    WorkerUpdate(ask=7, gas_ask=0, capacity=8),
    WorkerExit(amount=9),
    WorkerExit(amount=None),
    kit.a_publication(),
    kit.a_submission(),
    kit.a_submission(provider=None),
    kit.a_batch(b"one", b"two"),
    BatchAccept(batch=JOB, items=[0, 2], price=10),
    CanaryOpen(job=JOB, salt=JOB),
    SampleOpen(job=JOB, cut=[], outputs=[]),
    JobAccept(job=JOB, price=10),
    JobCommit(job=JOB, commitment=JOB),
    VerifierCommit(job=JOB, commitment=JOB),
    ProviderReveal(job=JOB, salt=JOB, cut=VALUES.cut, outputs=VALUES.outputs),
    VerifierReveal(job=JOB, salt=JOB, cut=VALUES.cut, outputs=VALUES.outputs, verdict=Decision.REJECT),
    JobDecline(job=JOB, reason=Reason.RUN_TIME_LIMIT),
    WithheldFile(job=JOB, stage=Stage.INPUT, holder=bytes(20), chunks=[0, 2]),
    WithheldChunk(job=JOB, stage=Stage.INPUT, holder=bytes(20), chunk=2, data=b"a chunk", proof=[JOB]),
    DisputeClaim(job=JOB, subject=WHOLE, commitment=JOB),
    DisputeClaim(job=JOB, subject=tail_of(bytes(20)), commitment=JOB),
    DisputeOpen(dispute=JOB, outline=OUTLINE, trace=TRACE, salt=JOB),
    DisputeTell(dispute=JOB, root=JOB, roots=[JOB, JOB], value_type=kit.ROW),
    DisputeTell(dispute=JOB, root=JOB, roots=[JOB], value_type=None),
    DisputeLeaf(dispute=JOB, root=JOB, leaf=b"a leaf"),
    DisputeDefend(dispute=JOB, root=JOB, proof=b"a proof"),
    DisputeBeyond(dispute=JOB, party=bytes(20), proof=b"a proof"),
    LoweringPublish(lowering=kit.a_lowering(classes=classes_of([Class.EXACT]), cut=[], tolerance=None)),
    ValidatorRegister(key=PROVEN, peer=PROVEN, onion=JOB, commission=11, bond=12),
    ValidatorUpdate(key=PROVEN, peer=None, onion=JOB, commission=13),
    ValidatorUpdate(key=None, peer=PROVEN, onion=None, commission=None),
    ValidatorExit(),
    ValidatorUnjail(),
    Delegate(validator=kit.address("stranger"), amount=14),
    Undelegate(validator=kit.address("stranger"), amount=15),
    Undelegate(validator=kit.address("stranger"), amount=None),
]


def _transactions() -> list[Vector]:
    found: list[Vector] = []
    for at, payload in enumerate(PAYLOADS):
        body = kit.a_body("client", payload, nonce=at)
        raw = sign_transaction(kit.seed_of("client"), CHARTER.hash, body)
        encoded = codec.encode(body)
        found.append(
            {
                "payload": type(payload).__name__,
                "body": encoded.hex(),
                "id": transaction_id(encoded).hex(),
                "sha256 of envelope": hashlib.sha256(raw).hexdigest(),
            }
        )
    return found


def _genesis() -> list[Vector]:
    header = genesis_header(CHARTER)
    rows = initial_rows(CHARTER)
    return [
        {
            "sha256 of encoding": hashlib.sha256(codec.encode(CHARTER.genesis)).hexdigest(),
            "hash": CHARTER.hash.hex(),
            "validators hash": header.validators_hash.hex(),
            "header": codec.encode(header).hex(),
            "block id": genesis_block_id(CHARTER).hex(),
            "state root": tree_of(rows.items()).root.hex(),
        },
        {"block id in view 7": block_id(change(header, view=7)).hex()},
    ]


def _state_roots() -> list[Vector]:
    found: list[Vector] = []
    for count in (0, 1, 2, 3, 10, 100):
        rows = [(at.to_bytes(4, "big"), bytes([at])) for at in range(count)]
        found.append({"rows": count, "root": tree_of(rows).root.hex()})
    return found


def _commitments() -> list[Vector]:
    return [
        {"worker": kit.address(name).hex(), "commitment": VALUES.commitment(CHARTER, JOB, name).hex()}
        for name in ("worker 0", "worker 1")
    ]


def _draws() -> list[Vector]:
    found: list[Vector] = []
    for bonds in ([1] * 6, [5, 4, 3, 2, 1], [1_000, 1, 1, 1]):
        world = kit.a_world(
            change(kit.a_genesis(), workers=[kit.a_worker(f"w{at}", bond=b) for at, b in enumerate(bonds)])
        )
        workers = sorted((worker for _, worker in world.state.workers()), key=lambda each: -each.bond)
        weight = weights(workers)
        found.append({"bonds": [each.bond for each in workers], "weights": weight, "picked": pick(JOB, weight, 3)})
    return found


def _onions() -> list[Vector]:
    onion = grow(JOB, layers=2_000)
    return [{"layers": 2_000, "tip": onion.tip.hex(), "reveals": [reveal(onion, at).hex() for at in (0, 1, 1_999)]}]


def _history() -> list[Vector]:
    world = played()
    header = world.chain.head.header
    return [
        {
            "jobs": len(SCRIPTS),
            "blocks": len(world.finals),
            "last block id": block_id(header).hex(),
            "state root after it": world.chain.head.state_root.hex(),
            "receipts root of it": world.chain.head.receipts_root.hex(),
            "digest": digest_of(world),
        }
    ]


def _receipts() -> list[Vector]:
    """Return the whole file of a job that nobody accepted, and the hash of that of a job that was settled."""
    world = kit.a_world()
    found: list[Vector] = []
    for script in (kit.Script(accepts=False), kit.Script()):
        receipt = a_receipt(world, kit.run_job(world, script))
        file = encode_receipt(receipt)
        vector: Vector = {
            "job": receipt.job.hex(),
            "genesis": world.charter.hash.hex(),
            "validators": set_hash(receipt.proven.validators).hex(),
            "transactions": len(receipt.transactions),
            "sha256 of file": hashlib.sha256(file).hexdigest(),
        }
        found.append(vector if script.accepts else {**vector, "file": file.hex()})
    return found


def build() -> dict[str, list[Vector]]:
    """Return all vectors, as this implementation computes them."""
    return {
        "transactions": _transactions(),
        "genesis": _genesis(),
        "state roots": _state_roots(),
        "commitments": _commitments(),
        "draws": _draws(),
        "onions": _onions(),
        "history": _history(),
        "receipts": _receipts(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(build(), indent=1) + "\n")
