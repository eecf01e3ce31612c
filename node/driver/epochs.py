"""A validator's part in one epoch after another: a core and its driver for each whose set names it (N76)."""

import logging
from collections.abc import Callable

import trio

from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import Certified, GuardRecord, Stored
from consensus.messages import Certificate, Message, decode_message, encode_message, epoch_of
from consensus.parting import last_word
from consensus.scheme import Ed25519Scheme
from consensus.timing import Timing
from ledger.block import Header, decode_block
from ledger.stake.epochs import EpochSet
from node.config import ConsensusSection
from node.driver.driver import FAULT_WEIGHT, Driver
from node.driver.early import Early
from node.evidence import EvidencePool
from node.final_chain import FinalChain
from node.identity import ValidatorIdentity, ValidatorKeys
from node.p2p.peer_id import peer_id_of
from node.store.guard import Guard
from node.traffic import CONSENSUS_CHANNEL, NetworkPort
from primitives.reasons import Refused

LAST_WORDS_MAX = 2
"""Answers to one straggler between two retries, as in an epoch that goes on (C9)."""
PEERS_MAX = 512
"""Peers whose answers are counted: as many as the network program serves."""
PLACES_MAX = 4
"""Epochs whose own place is remembered: late blocks are of the last one or two."""
_MS_PER_S = 1_000

_log = logging.getLogger("assay.driver")


class Epochs:
    """Follows the chain from epoch to epoch, and takes part in those whose set names this node."""

    def __init__(
        self,
        *,
        chain: FinalChain,
        guard: Guard,
        network: NetworkPort,
        keys: ValidatorKeys,
        times: ConsensusSection,
        evidence: EvidencePool,
        ahead: Callable[[bytes], None],
    ) -> None:
        """`ahead` is told of a peer that speaks of a later epoch."""
        self.driver: Driver | None = None
        """This node's part in the running epoch, None while it has none."""
        self._chain = chain
        self._guard = guard
        self._network = network
        self._keys = keys
        self._times = times
        self._evidence = evidence
        self._ahead = ahead
        self._early = Early()
        self._proven = False
        self._places: dict[int, int] = {}
        self._answered: dict[bytes, int] = {}

    @property
    def is_proven(self) -> bool:
        """Whether this node votes, and no vote can matter any more that it does not know to have cast (C13)."""
        return self.driver is not None and self.driver.is_proven

    def is_mine(self, header: Header) -> bool:
        """Tell whether this node proposed a block of a recent epoch."""
        return self._places.get(header.epoch) == header.proposer

    async def run(self) -> None:
        """Take part, for ever; raises ConsensusHaltedError."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._renew_answers)
            while True:
                epoch = self._chain.epoch
                running, following = self._chain.epoch_set(epoch), self._chain.epoch_set(epoch + 1)
                self._link(running, following)
                me = await self._place_in(running)
                if self._chain.epoch == epoch:
                    nursery.start_soon(self._place_in, following)  # opens keys that are needed soon
                    await self._take_part(epoch, me)

    async def _place_in(self, epoch_set: EpochSet) -> ValidatorIdentity | None:
        try:
            return await self._keys.place_in(epoch_set)
        except Refused as fault:
            _log.error("this node has no part in epoch %d: %s", epoch_set.epoch, fault)  # it tells all
            return None

    def _link(self, *sets: EpochSet) -> None:
        """Hold direct links with the validators of these sets, if this node is one of them."""
        peers = sorted({peer_id_of(member.peer) for each in sets for member in each.members})
        self._network.set_validators(peers if self._network.peer_id in peers else [])

    async def _take_part(self, epoch: int, me: ValidatorIdentity | None) -> None:
        """Take part in an epoch until it is over."""
        if me is None:
            _log.info("epoch %d: this node is not among the validators", epoch)
            await self._chain.wait_for_epoch(epoch + 1)
            return
        _log.info("epoch %d: this node is validator %d", epoch, me.index)
        self._places[epoch] = me.index
        if len(self._places) > PLACES_MAX:
            del self._places[min(self._places)]
        driver = self.driver = self._open(me)
        for peer, message in self._early.take(epoch):
            driver.hear_early(peer, message)
        try:
            await driver.run()
        finally:
            self.driver = None
        end = self._chain.end_view(epoch)
        self._proven = self._proven or (end is not None and driver.began_before(end))

    def _open(self, me: ValidatorIdentity) -> Driver:
        """Return the driver of the running epoch, with everything that this validator must not forget (N71)."""
        chain, instance = self._chain, self._chain.instance
        recovered: list[GuardRecord] = self._guard.recall(instance.epoch)
        for record in recovered:
            if isinstance(record, Stored):
                chain.hold(decode_block(record.body))
        certificate = chain.certificate_at(chain.head.height)
        if certificate is not None and certificate.vote.epoch == instance.epoch:
            recovered.insert(0, Certified(certificate=certificate))
        delta_ms = self._times.delta_ms
        core = Core(
            instance=instance,
            me=me.index,
            scheme=Ed25519Scheme(instance.validators, me.seed),
            timing=Timing(delta_ms=delta_ms, idle_ms=self._times.idle_ms, retry_ms=2 * delta_ms),
            start=Point(chain.head_view, chain.head.block_id),
            recovered=recovered,
            quarantine=not self._proven,
        )
        return Driver(
            core=core,
            chain=chain,
            guard=self._guard,
            network=self._network,
            peers=[peer_id_of(member.peer) for member in chain.epoch_set(instance.epoch).members],
            onion=me.onion,
            times=self._times,
            evidence=self._evidence,
        )

    # What comes from other validators.

    async def receive(self, peer: bytes, body: bytes) -> None:
        """Take in a message from a validator's link; what does not decode is dropped, and its sender blamed."""
        try:
            message = decode_message(body)
        except Refused as fault:
            _log.debug("%s sent what is no message: %s", peer.hex(), fault)
            self._network.penalise(peer, "sent what is no message", FAULT_WEIGHT)
            return
        epoch = epoch_of(message)
        if epoch is None:
            return
        if self.driver is not None and epoch == self.driver.epoch:
            await self.driver.hear(peer, message)
        elif epoch < self._chain.epoch:
            self._tell_end(peer, epoch, message)
        elif epoch > self._chain.epoch + 1:  # far behind, or made up: no reason to drop what comes next
            if self._is_to_be_answered(peer):
                self._answered[peer] += 1
                self._ahead(peer)
        elif self._early.keep(epoch, peer, message, len(body)) and epoch > self._chain.epoch:
            self._ahead(peer)

    def _tell_end(self, peer: bytes, epoch: int, message: Message) -> None:
        """Answer a straggler with the end of its epoch (C24)."""
        if not self._is_to_be_answered(peer):
            return
        end = self._chain.end_of(epoch)
        said = None if end is None else last_word(message, end)
        if said is not None:
            self._answered[peer] += 1
            self._network.send(CONSENSUS_CHANNEL, encode_message(said), to=[peer])

    def _is_to_be_answered(self, peer: bytes) -> bool:
        """Tell whether a peer of another epoch has had few answers since the last retry."""
        if len(self._answered) >= PEERS_MAX:
            return False
        return self._answered.setdefault(peer, 0) < LAST_WORDS_MAX

    async def _renew_answers(self) -> None:
        while True:
            await trio.sleep(2 * self._times.delta_ms / _MS_PER_S)
            self._answered.clear()

    async def testify(self, body: bytes) -> bytes | None:
        """Answer a validator that asks for its past (C13); a node that has no part in an epoch knows nothing."""
        if self.driver is None:
            await trio.lowlevel.checkpoint()
            return None
        return await self.driver.testify(body)

    async def repeat_proposal(self, body: bytes) -> bytes | None:
        """Answer a validator that has missed a proposal (N14)."""
        await trio.lowlevel.checkpoint()
        return None if self.driver is None else self.driver.repeat_proposal(body)

    async def synced(self, certificate: Certificate) -> None:
        """Tell consensus that catch-up brought the chain to the block of this certificate."""
        if self.driver is not None:
            await self.driver.synced(certificate)
