"""Workers: registration, bond, terms and exit (L51 to L53)."""

from typing import Any

from testnet.audit.holdings import Holdings, Worker
from testnet.audit.rules import Kind, Why, must

WORKERS_MAX = 1_000


def carry_out(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    """Carry out what concerns a registration. Raises RefusedError."""
    match Kind(payload[0]):
        case Kind.WORKER_REGISTER:
            _register(holdings, sender, payload)
        case Kind.WORKER_BOND:
            worker = holdings.worker(sender)
            must(payload[1], Why.ZERO_AMOUNT)
            holdings.take(sender, payload[1])
            worker.bond += payload[1]
        case Kind.WORKER_UPDATE:
            worker = holdings.worker(sender)
            _, worker.ask, worker.gas_ask, worker.capacity = payload
        case _:
            _leave(holdings, sender, payload[1])


def _register(holdings: Holdings, sender: bytes, payload: list[Any]) -> None:
    _, _, bond, capacity, ask, gas_ask, classes, max_model_bytes = payload
    must(sender not in holdings.workers, Why.WORKER_EXISTS)
    must(bond >= holdings.tell("worker_bond_min"), Why.BOND_TOO_SMALL)
    must(len(holdings.workers) < WORKERS_MAX, Why.BUSY)
    holdings.take(sender, bond)
    holdings.workers[sender] = Worker(
        operator=sender,
        bond=bond,
        capacity=capacity,
        ask=ask,
        gas_ask=gas_ask,
        classes=classes,
        max_model_bytes=max_model_bytes,
        registered=holdings.height,
    )


def _leave(holdings: Holdings, sender: bytes, amount: int | None) -> None:
    worker = holdings.worker(sender)
    if amount is None:
        must(not (worker.locked or worker.providing or worker.verifying), Why.BOND_LOCKED)
        del holdings.workers[sender]
        amount = worker.bond
    else:
        must(amount, Why.ZERO_AMOUNT)
        must(amount <= worker.free, Why.BOND_LOCKED)
        must(worker.bond - amount >= holdings.tell("worker_bond_min"), Why.BOND_TOO_SMALL)
        worker.bond -= amount
    holdings.unbonding[holdings.time_ms + holdings.tell("unbonding_ms"), sender] += amount
