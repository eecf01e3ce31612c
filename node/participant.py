"""A node's part in the chain: pool, driver, catch-up and what they hear, over any store and network."""

import logging
from collections.abc import Callable, Mapping

import trio

from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import Certified, GuardRecord, Stored
from consensus.scheme import Ed25519Scheme
from consensus.timing import Timing
from ledger.block import decode_block
from ledger.genesis import Charter
from node.config import Config, ConsensusSection
from node.driver.driver import Driver
from node.driver.witness import PROTOCOL as WITNESS_PROTOCOL
from node.final_chain import FinalChain
from node.identity import ValidatorIdentity
from node.mempool.gossip import TOPIC as TX_TOPIC
from node.mempool.gossip import TransactionGossip
from node.mempool.pool import Pool, PoolLimits
from node.p2p.peer_id import peer_id_of
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
        validator: ValidatorIdentity | None = None,
        answers: Mapping[str, Answer] | None = None,
    ) -> None:
        """Tie the parts together; `validator` is None for a follower, `answers` are those of other request protocols.

        Raises Refused STORE_DAMAGED.
        """
        limits, times = config.mempool, config.consensus
        self.pool = Pool(
            PoolLimits(
                per_account=limits.per_account,
                total=limits.total,
                total_bytes=limits.total_bytes,
                base_fee_min=charter.parameters.base_fee_min,
            )
        )
        self._gossip = TransactionGossip(self.pool, network)
        self.chain = FinalChain(charter=charter, store=store, pool=self.pool, now_ms=now_ms, spread=self._gossip.spread)
        self.driver = None
        if validator is not None:
            self.driver = _open_driver(self.chain, store, network, validator, times)
        self._catch_up = CatchUp(
            self.chain,
            network,
            patience_s=0 if self.driver is None else PATIENCE_DELTAS * times.delta_ms / _MS_PER_S,
            synced=_nobody if self.driver is None else self.driver.synced,
        )
        self._announcements = Announcements(
            network,
            self.chain.instance,
            me=None if validator is None else validator.index,
            heard=self._catch_up.heard,
        )
        self._traffic = Traffic(
            network,
            direct={} if self.driver is None else {CONSENSUS_CHANNEL: self.driver.receive},
            gossip={
                TX_TOPIC: lambda message: self._gossip.receive(message.body, self.chain.open, self.chain.take),
                sync_messages.FINAL_TOPIC: self._announcements.receive,
            },
            answers={
                sync_messages.PROTOCOL: SyncAnswers(self.chain).answer,
                **({} if self.driver is None else {WITNESS_PROTOCOL: self.driver.testify}),
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
            if self.driver is not None:
                nursery.start_soon(self.driver.run)
                nursery.start_soon(self._announce_finals)

    async def _announce_finals(self) -> None:
        """Make known each block that becomes final here, unless a later one already is."""
        while True:
            async with self.chain.follow() as finals:
                async for final in finals:
                    header = final.block.header
                    certificate = self.chain.certificate_at(header.height)
                    if certificate is not None and header.height == self.chain.head.height:
                        self._announcements.announce(header, certificate)


def _open_driver(
    chain: FinalChain,
    store: Store,
    network: NetworkPort,
    me: ValidatorIdentity,
    times: ConsensusSection,
) -> Driver:
    """Return the driver, with everything that this validator must not forget (N71)."""
    recovered: list[GuardRecord] = store.guard.recall()
    for record in recovered:
        if isinstance(record, Stored):
            chain.hold(decode_block(record.body))
    certificate = chain.certificate_at(chain.head.height)
    if certificate is not None:
        recovered.insert(0, Certified(certificate=certificate))
    scheme = Ed25519Scheme(chain.instance.validators, me.seed)
    core = Core(
        instance=chain.instance,
        me=me.index,
        scheme=scheme,
        timing=Timing(delta_ms=times.delta_ms, idle_ms=times.idle_ms, retry_ms=2 * times.delta_ms),
        start=Point(chain.head_view, chain.head.block_id),
        recovered=recovered,
        quarantine=True,
    )
    peers = [peer_id_of(each.peer) for each in chain.genesis.validators]
    return Driver(
        core=core,
        chain=chain,
        guard=store.guard,
        network=network,
        peers=peers,
        onion=me.onion,
        times=times,
        scheme=scheme,
    )


async def _nobody(_: object) -> None:
    """Tell nobody: a follower has no consensus core."""
