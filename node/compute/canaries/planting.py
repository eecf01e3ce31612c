"""The service that plants canaries by itself: at random times, like jobs that were run before, on a budget (D65)."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import trio

from ledger.fees import gas_of, suggested_cap
from ledger.market.settlement import provider_lock
from ledger.market.submitting import new_job
from ledger.records import Job
from ledger.transaction import Body, JobSubmit, SignedTransaction
from node.compute.canaries.box import CanaryBox
from node.compute.canaries.budget import DAY_MS, Budget
from node.compute.canaries.patterns import another_input, pattern
from node.compute.canaries.straying import is_spaced
from node.compute.sender import Sender
from node.keys.envelopes import reply_key, reply_secret
from node.ports import Blobs, ChainView
from primitives.codec import encode
from primitives.content import ContentId
from primitives.hashing import ZERO_HASH
from primitives.reasons import Refused
from primitives.units import BASIS, mul_div_ceil

RETRY_S = 60.0
"""Before a canary that can't be planted now is tried again: what it waits for takes minutes."""
GIVE_WAY_TRIES = 15
"""After which a canary of the operator's that no job carries is taken for lost: its transaction would have expired."""
_SOME_TIME_MS = 2**42
"""A time with as many bytes as those of this century."""

_log = logging.getLogger("assay.canaries")


@dataclass(frozen=True, kw_only=True)
class PlantingPorts:
    """What planting needs of its node."""

    chain: ChainView
    blobs: Blobs
    sender: Sender
    """Of the account that orders the canaries."""
    seed: bytes
    """Of the same account, 32 bytes: results are sealed to a key of it."""
    box: CanaryBox
    budget: Budget
    worker: bytes
    """The address of the worker that provides them."""
    plant: Callable[[bytes], bytes]
    """Returns the commitment that a client's (20-byte address) submission has to carry. Raises Refused BUSY."""
    chance: Random


class Planting:
    """Plants canaries at random times."""

    def __init__(self, ports: PlantingPorts, *, per_day: int) -> None:
        """`per_day` canaries are planted on the average, at least one."""
        self._ports = ports
        self._rate = per_day * 1_000 / DAY_MS
        self._lost = 0
        """Tries at which another canary was in the way that no job carries."""
        self._told = ""
        """Why the last one could not be planted."""

    async def run(self) -> None:
        """Plant until cancelled.

        The times between canaries are such that the past tells nothing of the next one, a restart included.
        """
        is_planted = True
        while True:
            await trio.sleep(self._ports.chance.expovariate(self._rate) if is_planted else RETRY_S)
            is_planted = await self._planted()

    async def _planted(self) -> bool:
        """Plant a canary, and tell whether that was possible."""
        ports = self._ports
        if not self._is_free():
            return False
        job = await pattern(ports.chain, ports.blobs, ports.worker, ports.chance)
        if job is None:
            self._tell("this worker holds the input of no job that it would take again")
            return False
        cost = self._cost(job)
        if not self._can_provide(job) or not self._can_pay(job, cost):
            return False
        try:
            content = await another_input(ports.blobs, job.input, ports.chance)
            if content is None or not ports.budget.take(cost):
                return False
            await ports.sender.send(self._submission(job, content, ports.plant(ports.sender.address)))
        except Refused as refused:
            self._tell(str(refused))
            return False
        self._told = ""
        _log.info("a canary is planted; %d grains are left of today's budget", ports.budget.left())
        return True

    def _tell(self, why: str) -> None:
        """Say why no canary is planted, unless that was said last: it is tried again each minute."""
        if why != self._told:
            _log.warning("no canary is planted: %s", why)
            self._told = why

    def _is_free(self) -> bool:
        """Tell whether a canary could be planted and opened now (D61, J92)."""
        ports = self._ports
        before = ports.box.find()
        is_other = before is not None and before.job is None and before.client != ports.sender.address
        self._lost = self._lost + 1 if is_other else 0
        if before is not None and before.job is not None:
            return False
        return is_spaced(ports.chain, ports.worker) and not 0 < self._lost < GIVE_WAY_TRIES

    def _can_provide(self, job: Job) -> bool:
        """Tell whether the worker has a slot and bond free for another such job."""
        worker = self._ports.chain.state().worker(self._ports.worker)
        assert worker is not None  # it has run the job
        lock = provider_lock(self._fresh(job), job.max_price)
        return worker.providing < worker.capacity and worker.free_bond >= lock

    def _can_pay(self, job: Job, cost: int) -> bool:
        """Tell whether budget and account have room for a canary; say so if not."""
        ports = self._ports
        if ports.budget.left() < cost:
            self._tell(f"it may cost {cost} grains, {ports.budget.left()} are left of today's budget")
            return False
        balance = ports.chain.state().account(ports.sender.address).balance
        wanted = self._fresh(job).escrow + cost
        if balance < wanted:
            self._tell(f"its account holds {balance} grains, it takes {wanted}")
        return balance >= wanted

    def _cost(self, job: Job) -> int:
        """Return what a canary may cost its account beyond what goes to this worker, in grains.

        The verifiers' fees, the transaction's, and the parts of the price that go to others if it is told truly.
        """
        ports = self._ports
        parameters = ports.chain.genesis.parameters
        shares = mul_div_ceil(job.max_price, parameters.owner_share_bps + parameters.protocol_share_bps, BASIS)
        body = Body(
            sender=ZERO_HASH,
            nonce=2**16,
            fee_cap=2**16,
            tip=0,
            valid_until=_SOME_TIME_MS,
            payload=self._submission(job, job.input, ZERO_HASH),
        )
        length = len(encode(SignedTransaction(body=encode(body), signature=bytes(64))))
        fee = gas_of(body.payload, length) * suggested_cap(ports.chain.state().clock().base_fee)
        return job.k * job.verifier_fee + shares + fee

    def _fresh(self, job: Job) -> Job:
        """Return such a job as it opens."""
        wanted = self._submission(job, job.input, ZERO_HASH)
        found = self._ports.chain.state().lowering(job.model, job.lowering)
        assert found is not None  # it has run the job
        return new_job(self._ports.chain.genesis.parameters, self._ports.sender.address, wanted, found.lowering.cost)

    def _submission(self, job: Job, content: ContentId, canary: bytes) -> JobSubmit:
        """Return the submission of a job like another one, for this worker alone."""
        return JobSubmit(
            model=job.model,
            lowering=job.lowering,
            input=content,
            tier=job.tier,
            class_=job.class_,
            max_price=job.max_price,
            provider=self._ports.worker,
            at_risk=job.at_risk,
            reply_key=reply_key(reply_secret(self._ports.seed, canary)),  # K5
            canary=canary,
        )
