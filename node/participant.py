"""A node's part in the chain: pool, driver, catch-up and what they hear, over any store and network."""

import logging
from collections.abc import Callable, Mapping

import trio

from consensus.messages import Certificate
from ledger.block import Header
from ledger.genesis import Charter
from node.config import Config, MempoolSection
from node.driver.driver import Driver
from node.driver.epochs import Epochs
from node.driver.relay import PROTOCOL as PROPOSAL_PROTOCOL
from node.driver.witness import PROTOCOL as WITNESS_PROTOCOL
from node.evidence import TOPIC as EVIDENCE_TOPIC
from node.evidence import EvidencePool
from node.final_chain import FinalChain
from node.identity import ValidatorKeys
from node.mempool.gossip import TOPIC as TX_TOPIC
from node.mempool.gossip import TransactionGossip
from node.mempool.pool import Pool, PoolLimits
from node.store.store import Store
from node.sync import messages as sync_messages
from node.sync.announcements import Announcements
from node.sync.answers import SyncAnswers
from node.sync.catch_up import CatchUp
from node.sync.progress import Progress
from node.traffic import CONSENSUS_CHANNEL, Answer, NetworkPort, Traffic

PATIENCE_DELTAS = 10
"""How many Δ consensus has to bring a validator the next block before it asks its peers: a view and its repetitions."""
_MS_PER_S = 1_000

_log = logging.getLogger("assay.node")


class Participant:
    """The parts that follow or make the chain, each knowing only those that it needs."""

    def __init__(
        self,
        *,
        charter: Charter,
        store: Store,
        network: NetworkPort,
        now_ms: Callable[[], int],
        config: Config,
        validator: ValidatorKeys | None = None,
        answers: Mapping[str, Answer] | None = None,
    ) -> None:
        """Tie the parts together; `validator` is None for a node that only follows, whatever sets say.

        `answers` are those of other request protocols.

        Raises Refused STORE_DAMAGED.
        """
        times = config.consensus
        self.pool = Pool(_pool_limits(config.mempool, charter))
        self._gossip = TransactionGossip(self.pool, network)
        self.chain = FinalChain(charter=charter, store=store, pool=self.pool, now_ms=now_ms, spread=self._gossip.spread)
        self.evidence = EvidencePool(network, charter.hash)
        self.epochs = None
        if validator is not None:
            self.epochs = Epochs(
                chain=self.chain,
                guard=store.guard,
                network=network,
                keys=validator,
                times=times,
                evidence=self.evidence,
                ahead=lambda peer: self._catch_up.peer_up(peer),  # noqa: PLW0108  # there is no catch-up yet
            )
        self._delta_ms = times.delta_ms
        self._catch_up = CatchUp(self.chain, network, patience_s=self._patience_s, synced=self._synced)
        self._announcements = Announcements(
            network,
            instance_for=self.chain.instance_for,
            is_mine=self._is_mine,
            heard=self._catch_up.heard,
            given=self._catch_up.given,
        )
        self._traffic = Traffic(
            network,
            direct={} if self.epochs is None else {CONSENSUS_CHANNEL: self.epochs.receive},
            gossip={
                TX_TOPIC: lambda message: self._gossip.receive(message.body, self.chain.open, self.chain.take),
                sync_messages.FINAL_TOPIC: self._announcements.receive,
                EVIDENCE_TOPIC: lambda message: self.evidence.receive(message, self.chain.state()),
            },
            answers={
                sync_messages.PROTOCOL: SyncAnswers(self.chain).answer,
                **({} if self.epochs is None else _answers_of_validator(self.epochs)),
                **(answers or {}),
            },
            peer_up=self._catch_up.peer_up,
        )

    def progress(self) -> Progress:
        """Return how far the chain is on its way to the head."""
        return self._catch_up.progress()

    async def run(self) -> None:
        """Take part until cancelled; raises ConsensusHaltedError and DivergedError."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._traffic.run)
            nursery.start_soon(self._gossip.run)
            nursery.start_soon(self._announcements.run)
            nursery.start_soon(self._catch_up.run)
            nursery.start_soon(self._follow_finals)
            if self.epochs is not None:
                nursery.start_soon(self.epochs.run)

    @property
    def driver(self) -> Driver | None:
        """This node's part in the running epoch, None if it has none."""
        return None if self.epochs is None else self.epochs.driver

    def _patience_s(self) -> float:
        """Return how long consensus may take to bring the next block before peers are asked."""
        return 0 if self.driver is None else PATIENCE_DELTAS * self._delta_ms / _MS_PER_S

    def _is_mine(self, header: Header) -> bool:
        return self.epochs is not None and self.epochs.is_mine(header)

    async def _synced(self, certificate: Certificate) -> None:
        if self.epochs is not None:
            await self.epochs.synced(certificate)

    async def _follow_finals(self) -> None:
        """Forget evidence that was heard by each final block; a validator makes it known, unless a later one is."""
        while True:
            async with self.chain.follow() as finals:
                async for final in finals:
                    self.evidence.settle(self.chain.state())
                    if self.driver is None:
                        continue
                    header = final.block.header
                    certificate = self.chain.certificate_at(header.height)
                    if certificate is not None and header.height == self.chain.head.height:
                        self._announcements.announce(final.block, certificate)


def _answers_of_validator(epochs: Epochs) -> dict[str, Answer]:
    return {WITNESS_PROTOCOL: epochs.testify, PROPOSAL_PROTOCOL: epochs.repeat_proposal}


def _pool_limits(section: MempoolSection, charter: Charter) -> PoolLimits:
    return PoolLimits(
        per_account=section.per_account,
        total=section.total,
        total_bytes=section.total_bytes,
        base_fee_min=charter.parameters.base_fee_min,
    )
