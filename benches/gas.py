"""What checking and executing each kind of transaction takes: the ground of the gas table (L26)."""

import time
from collections import defaultdict
from collections.abc import Iterator

from benches.figures import Figure
from ledger.apply import BlockRun
from ledger.chain import start_chain
from ledger.fees import KIND_GAS, gas
from ledger.limits import WORKERS_MAX
from ledger.market.order_payloads import BatchAccept
from ledger.stake.keys import prove
from ledger.transaction import (
    Delegate,
    JobDecline,
    LoweringPublish,
    Transfer,
    Undelegate,
    ValidatorExit,
    ValidatorUpdate,
    WorkerBond,
    WorkerExit,
    WorkerRegister,
    WorkerUpdate,
)
from ledger.transaction import open_transaction as opened
from primitives.reasons import Reason
from primitives.units import KARAT
from testnet.kit import ledger_builders as kit
from testnet.kit import stake_builders as stakes
from testnet.kit.large_builders import LargeJob, large_values
from tests.ledger.market.whole_lives import a_disputed_job, a_large_job

TRIES = 7
METHOD = f"signature and execution with {WORKERS_MAX} workers, best of {TRIES}; in gas by the table {{}}"


def run() -> Iterator[Figure]:
    """Yield the microseconds that each kind takes."""
    took: dict[type, float] = {}
    told: dict[type, int] = {}
    for world in (a_disputed_job(), a_large_job(), a_history()):
        took |= measured(world)
        for raw in (raw for final in world.finals for raw in final.block.transactions):
            transaction = opened(raw, world.charter.hash)
            told[type(transaction.body.payload)] = gas(transaction)
    for kind in KIND_GAS:
        if kind in took:
            yield Figure(what=kind.__name__, value=took[kind] * 1e6, unit="us", method=METHOD.format(told[kind]))


def a_history() -> kit.World:
    """Play blocks in which nearly every kind of transaction succeeds once at least."""
    world = kit.a_world(kit.a_genesis(workers=WORKERS_MAX - 1))
    world.names = {kit.address(f"worker {at}"): f"worker {at}" for at in range(WORKERS_MAX)} | world.names
    kit.run_job(world)
    large, values = LargeJob(world=world), large_values("worker 0")
    large.verify(values)
    large.reveal(values)
    large.pick()
    world.must("worker 0", large.opening(values))
    world.must("client", LoweringPublish(lowering=kit.a_lowering(vm_version=1, program_root=bytes(32))))
    world.must("client", Transfer(to=kit.address("stranger"), amount=5))
    batch = world.must("client", kit.a_batch(b"one", b"two", provider="worker 1"))
    world.must("worker 1", BatchAccept(batch=batch, items=[0, 1], price=1))
    named = world.must("client", kit.a_submission(provider="worker 1"))
    world.must("worker 1", JobDecline(job=named, reason=Reason.RUN_TIME_LIMIT))
    terms = {"peer": bytes(32), "capacity": 2, "ask": 7, "gas_ask": 0, "classes": 1, "max_model_bytes": 0}
    world.must("client", WorkerRegister(bond=20 * KARAT, **terms))  # type: ignore[arg-type]  # a builder's fields
    world.must("client", WorkerBond(amount=5))
    world.must("client", WorkerUpdate(ask=9, gas_ask=0, capacity=0))
    world.must("client", WorkerExit(amount=None))
    me = kit.address("publisher")
    key = prove(kit.seed_of("another"), world.charter.hash, me)
    world.must("publisher", stakes.a_registration(world, "publisher", onion=9))
    world.must("publisher", ValidatorUpdate(key=key, peer=key, onion=kit.onion_of(10).tip, commission=1))
    world.must("client", Delegate(validator=me, amount=20 * KARAT))
    world.must("client", Undelegate(validator=me, amount=10 * KARAT))
    world.must("publisher", ValidatorExit())
    return world


def measured(world: kit.World) -> dict[type, float]:
    """Play the history again, and return the seconds that each kind takes at the least."""
    chain, reader = start_chain(world.charter)
    took: dict[type, float] = defaultdict(lambda: float("inf"))
    for final in world.finals:
        for _ in range(TRIES):
            header = final.block.header
            begun = BlockRun(
                world.charter,
                chain.head.state,
                time_ms=header.timestamp_ms,
                proposer=header.proposer,
                reveal=header.beacon_reveal,
            )
            for raw in final.block.transactions:
                start = time.perf_counter()
                transaction = opened(raw, world.charter.hash)
                begun.include(transaction)
                kind, seconds = type(transaction.body.payload), time.perf_counter() - start
                if begun.receipts[-1].ok:
                    took[kind] = min(took[kind], seconds)
        outcome = chain.check(final.block, now_ms=None)
        chain.finalize(outcome.id)
        reader.write(outcome.writes)
    return took
