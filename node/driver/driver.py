"""The shell around the consensus core: feeds it one input at a time and carries out its effects in order (N70)."""

import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import assert_never

import trio

from consensus.core import Core
from consensus.io import (
    Build,
    Commit,
    Effect,
    Evidence,
    FetchBlock,
    Halt,
    Input,
    Penalise,
    Persist,
    RetryDue,
    Send,
    SetRetry,
    SetTimer,
    Start,
    Synced,
    TimedOut,
    Validate,
    Validated,
    Verdict,
)
from consensus.messages import Certificate, Message, Proposal, SignedVote, encode_message
from consensus.scheme import Ed25519Scheme
from ledger.block import block_id, decode_block
from ledger.chain import ParentUnknown, TreeFull
from ledger.onion import Onion, reveal
from ledger.stake.records import Evidence as Accusation
from node.config import ConsensusSection
from node.driver import witness
from node.driver.building import Builder
from node.driver.fetching import Fetcher
from node.driver.relay import Relay, received
from node.driver.timer import Timer
from node.evidence import EvidencePool
from node.final_chain import FinalChain
from node.store.guard import Guard
from node.traffic import CONSENSUS_CHANNEL, NetworkPort
from primitives.codec import encode
from primitives.reasons import Reason, Refused

INBOX_MAX = 512
"""Inputs that wait, twice as many as messages are kept before an epoch begins.

While it is full, what comes from the network waits in the network's own bounded queues.
"""
LAST_WORDS_S = 1.0
"""Between the core's halt and the node's end: the certificate that shows a fork is on its way to others (C11)."""
FAULTS_LOGGED_MAX = 256
"""Bad messages that are written to the log: enough to see who and what; a liar must not fill the disk."""
FAULT_WEIGHT = 1
"""What a broken rule of consensus counts with the network, in invalid messages."""

_log = logging.getLogger("assay.driver")


class ConsensusHaltedError(Exception):
    """This node must not go on: to do so could contradict what others hold final (C11). A person has to look."""


class Driver:
    """A validator's part in the consensus of one epoch."""

    def __init__(
        self,
        *,
        core: Core,
        chain: FinalChain,
        guard: Guard,
        network: NetworkPort,
        peers: Sequence[bytes],
        onion: Onion,
        times: ConsensusSection,
        evidence: EvidencePool,
    ) -> None:
        """`peers` are the validators' peer ids by index; `onion` is this validator's."""
        self._core = core
        self._chain = chain
        self._guard = guard
        self._network = network
        self._peers = list(peers)
        self._onion = onion
        self._times = times
        self._evidence = evidence
        self._index_of = {peer: index for index, peer in enumerate(peers)}
        self._inbox_in, self._inbox = trio.open_memory_channel[Input](INBOX_MAX)
        self._nursery: trio.Nursery | None = None
        self._relay = Relay(
            core.instance,
            me=core.me,
            network=network,
            peers=self._peers,
            delta_ms=times.delta_ms,
            current=lambda: core.view,
            give=self._give_all,
        )
        self.faults = 0
        """Broken rules seen in others' messages."""

    @property
    def epoch(self) -> int:
        """The epoch that this is a part in."""
        return self._core.instance.epoch

    @property
    def view(self) -> int:
        """The current view."""
        return self._core.view

    async def hear(self, peer: bytes, message: Message) -> None:
        """Take in a message of this epoch from a validator's link."""
        sender = self._index_of.get(peer)
        if sender is not None and self._is_to_be_heard(sender, message):
            await self._give_all(sender, message)

    def _is_to_be_heard(self, sender: int, message: Message) -> bool:
        """Pass on what is to be passed on, and tell whether consensus is to hear a message (N14)."""
        if isinstance(message, Proposal):
            return self._relay.take(sender, message)
        if isinstance(message, SignedVote) and self._nursery is not None:
            self._relay.note_vote(message, self._nursery)
        return True

    async def _give_all(self, sender: int, message: Message) -> None:
        for given in received(sender, message):
            await self._give(given)

    async def _give(self, given: Input) -> None:
        """Put an input in line; once the epoch is over nobody waits for it."""
        with contextlib.suppress(trio.BrokenResourceError):
            await self._inbox_in.send(given)

    def hear_early(self, peer: bytes, message: Message) -> None:
        """Take in a message that came before this epoch began here; there is room for as many as are kept (Early)."""
        sender = self._index_of.get(peer)
        if sender is not None and self._is_to_be_heard(sender, message):
            for given in received(sender, message):
                self._inbox_in.send_nowait(given)

    def repeat_proposal(self, body: bytes) -> bytes | None:
        """Answer another validator that has missed a proposal (N14)."""
        return self._relay.answer(body)

    async def testify(self, body: bytes) -> bytes | None:
        """Answer another validator that asks for its past (C13)."""
        await trio.lowlevel.checkpoint()
        return witness.answer(self._core, body)

    @property
    def is_proven(self) -> bool:
        """Whether no vote can matter any more that this validator does not know to have cast (C13)."""
        return witness.is_proven(self._core)

    def began_before(self, view: int) -> bool:
        """Tell whether a block of `view` was made after this node started, as no earlier life of it got so far (C13).

        If that is the last block of the epoch, no earlier life has cast a vote in the next one.
        """
        return not self._core.quarantined and view > self._core.guard.doubted

    def _asker(self) -> witness.Asker:
        return witness.Asker(
            self._core,
            self._network,
            scheme=Ed25519Scheme(self._core.instance.validators, None),
            peers=self._peers,
            delta_ms=self._times.delta_ms,
            closed=self._guard.closed_in(self.epoch),
            give=self._give,
        )

    async def synced(self, certificate: Certificate) -> None:
        """Tell consensus that catch-up brought the chain to the block of this certificate."""
        if certificate.vote.epoch == self.epoch:
            await self._give(Synced(certificate=certificate))

    async def run(self) -> None:
        """Take part until the epoch is over; raises ConsensusHaltedError."""
        give = self._give
        async with trio.open_nursery() as self._nursery:
            nursery = self._nursery
            self._view_timer = Timer(nursery, give)
            self._retry_timer = Timer(nursery, give)
            self._builder = Builder(
                chain=self._chain,
                nursery=nursery,
                give=give,
                propose=self._propose,
                epoch=self.epoch,
                idle_ms=self._times.idle_ms,
                min_interval_ms=self._times.min_block_interval_ms,
            )
            self._fetcher = Fetcher(
                chain=self._chain, network=self._network, nursery=nursery, peers=self._peers, give=give
            )
            try:
                await self._step(Start())
                if self._core.quarantined:
                    nursery.start_soon(self._asker().run)
                while not self._is_over:
                    await self._step(await self._inbox.receive())
            except ConsensusHaltedError:
                await trio.sleep(LAST_WORDS_S)
                raise
            nursery.cancel_scope.cancel()
        self._inbox.close()

    @property
    def _is_over(self) -> bool:
        """Whether the last block of the epoch is final here, by consensus or by catch-up (C24)."""
        return self._chain.epoch != self.epoch

    async def _step(self, given: Input) -> None:
        """Feed an input, and the answers that its effects have at once."""
        waiting = deque([given])
        while waiting and not self._is_over:
            for effect in self._core.step(waiting.popleft()):
                answer = self._carry_out(effect)
                if self._is_over:  # what follows the commit of the last block is of no more use (C24)
                    break
                if answer is not None:
                    waiting.append(answer)
            await trio.lowlevel.checkpoint()

    def _carry_out(self, effect: Effect) -> Input | None:
        """Carry out an effect; return the answer if it is known at once."""
        match effect:
            case Persist():
                self._guard.persist(self.epoch, effect.records)  # on disk before the sends that follow it (N71)
            case Send():
                self._send(effect)
            case SetTimer():
                self._view_timer.set(effect.delay_ms, TimedOut(view=effect.view))
            case SetRetry():
                self._retry_timer.set(effect.delay_ms, RetryDue())
            case Build():
                self._builder.start(effect)
            case Validate():
                return self._validate(effect)
            case FetchBlock():
                self._fetcher.start(effect)
            case Commit():
                return self._commit(effect)
            case Evidence():
                self._accuse(effect)
            case Penalise():
                self._blame(effect)
            case Halt():
                raise ConsensusHaltedError(effect.why)  # N75
            case _:
                assert_never(effect)
        return None

    def _accuse(self, effect: Evidence) -> None:
        self.faults += 1  # always in the log: once for a validator and view, and it convicts
        _log.warning("validator %d signed two votes of one view: %s", effect.first.signer, effect)
        self._evidence.accuse(Accusation(first=effect.first, second=effect.second), self._chain.state())

    def _blame(self, effect: Penalise) -> None:
        self.faults += 1
        if self.faults <= FAULTS_LOGGED_MAX:
            _log.warning("validator %s broke a rule: %s", effect.sender, effect.fault.name)
        if effect.sender is not None:
            self._network.penalise(self._peers[effect.sender], effect.fault.name, FAULT_WEIGHT)

    def _send(self, effect: Send) -> None:
        if isinstance(effect.message, Proposal) and effect.to is None:
            self._relay.spread(effect.message)
            return
        to = None if effect.to is None else [self._peers[effect.to]]
        # Votes and certificates overtake bodies, which take the longest on a line.
        urgent = not isinstance(effect.message, Proposal)
        self._network.send(CONSENSUS_CHANNEL, encode_message(effect.message), to=to, priority=urgent)

    def _validate(self, asked: Validate) -> Validated:
        return Validated(view=asked.view, block=asked.block, verdict=self._verdict(asked))

    def _verdict(self, asked: Validate) -> Verdict:
        """Judge a proposed block by executing it (N73)."""
        try:
            block = decode_block(asked.body)
        except Refused:
            return Verdict.MISMATCHED
        if asked.block == asked.parent:
            return self._verdict_again(block_id(block.header), asked)
        header = block.header
        links = (header.view, header.parent_view, header.parent)
        if block_id(header) != asked.block or links != (asked.view, asked.parent_view, asked.parent):
            return Verdict.MISMATCHED
        if header.proposer != self._chain.instance.validators.leader(asked.view):
            return Verdict.INVALID
        try:
            self._chain.judge(block)
        except Refused as fault:
            _log.warning("proposed block %s of view %d: %s", asked.block.hex(), asked.view, fault)
            early = fault.reason is Reason.BLOCK_WRONG_TIME and self._chain.is_after_parent(header)
            return Verdict.DECLINED if early else Verdict.INVALID
        except (ParentUnknown, TreeFull) as fault:
            _log.warning("no verdict on block %s of view %d: %r", asked.block.hex(), asked.view, fault)
            return Verdict.DECLINED
        return Verdict.VALID

    def _verdict_again(self, name: bytes, asked: Validate) -> Verdict:
        """Judge a block that is proposed on itself: it must be the last of its epoch (C23)."""
        if name != asked.block:
            return Verdict.MISMATCHED
        try:
            self._chain.execute(name)
            return Verdict.VALID if self._chain.ends_epoch(name, self.epoch) else Verdict.INVALID
        except Refused as fault:
            _log.warning("block %s proposed again in view %d: %s", name.hex(), asked.view, fault)
            return Verdict.INVALID
        except (ParentUnknown, TreeFull) as fault:
            _log.warning("no verdict on block %s proposed again in view %d: %r", name.hex(), asked.view, fault)
            return Verdict.DECLINED

    def _commit(self, effect: Commit) -> Validated | None:
        """Make a block final; what is invalid here in spite of its certificate goes back to the core, which halts."""
        try:
            self._chain.finalize(effect.certificate)
        except Refused as fault:
            _log.error("final block %s: %s", effect.block.hex(), fault)
            return Validated(view=effect.certificate.vote.view, block=effect.block, verdict=Verdict.INVALID)  # C11
        except (ParentUnknown, TreeFull) as fault:  # further behind than bodies are held: catch-up brings them (N63)
            _log.warning("final block %s waits for catch-up: %r", effect.block.hex(), fault)
        return None

    def _propose(self, wanted: Build) -> tuple[bytes, bytes]:
        assert self._core.me is not None, "only a validator builds"
        if self._chain.ends_epoch(wanted.parent, self.epoch):
            body = self._chain.body(wanted.parent)
            assert body is not None, "the core builds on what is held"
            return wanted.parent, body  # C23
        block = self._chain.propose(
            wanted.parent,
            view=wanted.view,
            proposer=self._core.me,
            reveal_at=partial(reveal, self._onion),
            evidence=self._evidence.waiting(),
        )
        return block_id(block.header), encode(block)
