"""A worker's registration: made once, and kept up to what the worker offers."""

import logging
from dataclasses import dataclass

from ledger.records import Worker
from ledger.transaction import WorkerRegister, WorkerUpdate
from node.compute.blocks import BlockSignal
from node.compute.sender import Sender
from node.ports import ChainView
from primitives.reasons import Refused
from vm.lowering import classes_of
from vm.manifest import Class

_log = logging.getLogger("assay.worker")


@dataclass(frozen=True, kw_only=True)
class WorkerTerms:
    """Who the worker is and what it offers."""

    seed: bytes
    """Of the worker's key, 32 bytes."""
    peer: bytes
    """Public network key of its node, 32 bytes: where its content is asked for."""
    bond: int
    """Grains, at registration."""
    ask: int
    """The price of a job, grains."""
    gas_ask: int
    """And for each million gas of its run, grains."""
    capacity: int
    """Jobs at a time in each role."""
    max_model_bytes: int
    reserve: int = 0
    """Of the balance, kept for the bonds of claims, grains (D30)."""


async def register(chain: ChainView, sender: Sender, blocks: BlockSignal, terms: WorkerTerms) -> None:
    """Register, or bring the registration up to these terms; try until it is done."""
    wanted = WorkerUpdate(ask=terms.ask, gas_ask=terms.gas_ask, capacity=terms.capacity)
    while (worker := chain.state().worker(sender.address)) is None or _terms_of(worker) != wanted:
        await _tried(sender, blocks, _registration(terms) if worker is None else wanted)


async def stand_down(chain: ChainView, sender: Sender, blocks: BlockSignal) -> None:
    """Take no new jobs, and so be drawn for none, until registered anew; try until it is done."""
    while (worker := chain.state().worker(sender.address)) is not None and worker.capacity:
        await _tried(sender, blocks, WorkerUpdate(ask=worker.ask, gas_ask=worker.gas_ask, capacity=0))


async def _tried(sender: Sender, blocks: BlockSignal, payload: WorkerRegister | WorkerUpdate) -> None:
    try:
        await sender.send(payload)
    except Refused as refused:
        _log.warning("the worker's registration stays as it is: %s", refused)
        await blocks.wait()


def _terms_of(worker: Worker) -> WorkerUpdate:
    return WorkerUpdate(ask=worker.ask, gas_ask=worker.gas_ask, capacity=worker.capacity)


def _registration(terms: WorkerTerms) -> WorkerRegister:
    return WorkerRegister(
        peer=terms.peer,
        bond=terms.bond,
        capacity=terms.capacity,
        ask=terms.ask,
        gas_ask=terms.gas_ask,
        classes=classes_of(list(Class)),
        max_model_bytes=terms.max_model_bytes,
    )
