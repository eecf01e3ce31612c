"""Whole nodes without their processes: participants over a network in memory, in virtual time."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import trio

from consensus.messages import Proposal as ProposalMessage
from consensus.messages import SignedVote, decode_message
from ledger.genesis import Charter
from ledger.stake.epochs import EpochSet
from ledger.transaction import Payload, sign_transaction
from node.config import Config, ConsensusSection
from node.identity import ValidatorIdentity
from node.p2p.peer_id import peer_id_of
from node.participant import Participant
from node.ports import TxState
from node.store.store import Store
from primitives.ed25519 import public_key_of
from testnet.kit.ledger_builders import GENESIS_MS, a_body, a_transfer, address, key_of, onion_of, seed_of
from tests.node.chains import CHARTER
from tests.node.memory_network import Hub

CONFIG = Config(consensus=ConsensusSection(idle_ms=400, delta_ms=100, min_block_interval_ms=50))
LIMIT_S = 300.0
"""Of virtual time, for anything that should take seconds."""


class Keys:
    """The secrets of one validator of the cluster, by the numbers that its keys are made of."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    async def place_in(self, epoch_set: EpochSet) -> ValidatorIdentity | None:
        await trio.lowlevel.checkpoint()
        for index, member in enumerate(epoch_set.members):
            for number in self.numbers:
                seed = seed_of(f"validator {number}")
                if public_key_of(seed) == member.key:
                    return ValidatorIdentity(index=index, seed=seed, onion=onion_of(number))
        return None


class Member:
    """One node of the cluster, which can be killed and started again on its store."""

    def __init__(self, cluster: "Cluster", name: str, keys: Sequence[int], only: Sequence[str] | None) -> None:
        self.name = name
        self.keys = keys
        self.peer = peer_id_of(key_of(f"peer of {name}"))
        self._cluster = cluster
        self._only = None if only is None else [peer_id_of(key_of(f"peer of {each}")) for each in only]
        self._scope = trio.CancelScope()
        self._gone = trio.Event()
        self.store: Store
        self.part: Participant

    def start(self) -> None:
        self.store = Store(self._cluster.folder / self.name, self._cluster.charter.hash)
        self.part = Participant(
            charter=self._cluster.charter,
            store=self.store,
            network=self._cluster.hub.join(self.peer, validator=False, only=self._only),
            now_ms=self._cluster.now_ms,
            config=CONFIG,
            validator=Keys(*self.keys) if self.keys else None,
        )
        self._scope = trio.CancelScope()
        self._gone = trio.Event()
        self._cluster.nursery.start_soon(self._run)

    async def _run(self) -> None:
        with self._scope:
            await self.part.run()
        self._gone.set()

    async def kill(self) -> None:
        self._scope.cancel()
        await self._gone.wait()
        self._cluster.hub.leave(self.peer)
        self.store.close()

    def lose_disk(self) -> None:
        """Forget everything that was stored, votes included."""
        shutil.rmtree(self._cluster.folder / self.name)

    def copy_disk(self) -> None:
        """Keep a copy of what is stored, of a node that is down."""
        shutil.copytree(self._cluster.folder / self.name, self._copy)

    def restore_disk(self) -> None:
        """Put the copy in the place of what is stored."""
        self.lose_disk()
        shutil.copytree(self._copy, self._cluster.folder / self.name)

    @property
    def _copy(self) -> Path:
        return self._cluster.folder / f"copy of {self.name}"

    @property
    def height(self) -> int:
        return self.part.chain.head.height


class Cluster:
    """Four validators, and whoever else joins; every vote that is sent is looked at."""

    def __init__(
        self, folder: Path, nursery: trio.Nursery, *, charter: Charter = CHARTER, loss: float = 0.0, seed: int = 1
    ) -> None:
        self.folder = folder
        self.charter = charter
        self.nursery = nursery
        self.hub = Hub(nursery, loss=loss, seed=seed)
        self.hub.watch = self._see
        self.votes: dict[tuple[int, int, int, int], bytes] = {}
        """The block that a validator voted for, by (epoch, signer, view, kind)."""
        self.members: dict[str, Member] = {}
        self._began_s = trio.current_time()
        for at in range(len(charter.genesis.validators)):
            self.join(f"validator {at}", keys=[at])

    def now_ms(self) -> int:
        return GENESIS_MS + 1_000 + int((trio.current_time() - self._began_s) * 1_000)

    def join(self, name: str, *, keys: Sequence[int] = (), only: Sequence[str] | None = None) -> Member:
        """Start a node; with `keys` it is a validator as soon as a set names it."""
        member = self.members[name] = Member(self, name, keys, only)
        member.start()
        return member

    @property
    def validators(self) -> list[Member]:
        return [self.members[f"validator {at}"] for at in range(len(self.charter.genesis.validators))]

    def close(self) -> None:
        for member in self.members.values():
            member.store.close()

    def _see(self, peer: bytes, body: bytes) -> None:
        """Check that a vote is on its sender's disk before it is sent, and that it contradicts none before."""
        message = decode_message(body)
        vote = message.vote if isinstance(message, ProposalMessage) else message
        if not isinstance(vote, SignedVote):
            return
        (sender,) = [member for member in self.members.values() if member.peer == peer]
        epoch_set = sender.part.chain.state().epoch_set(vote.vote.epoch)
        assert epoch_set is not None
        if isinstance(message, ProposalMessage) and peer_id_of(epoch_set.members[vote.signer].peer) != peer:
            return  # a relay passes it on (N14)
        assert peer_id_of(epoch_set.members[vote.signer].peer) == peer
        written = sender.store.guard.recall(vote.vote.epoch)
        persisted = [record for record in written if getattr(record, "vote", None) == vote]
        final = (sender.part.chain.epoch, sender.part.chain.head_view)
        is_old = (vote.vote.epoch, vote.vote.view) <= final
        assert persisted or is_old, f"{sender.name} sends what is not on its disk: {vote}"
        name = (vote.vote.epoch, vote.signer, vote.vote.view, int(vote.vote.kind))
        assert self.votes.setdefault(name, vote.vote.block) == vote.vote.block, f"{sender.name} signs twice"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Let virtual time pass until `condition` holds."""
        with trio.fail_after(LIMIT_S):
            while not condition():  # noqa: ASYNC110  # many things may come about at once
                await trio.sleep(0.05)

    async def grow(self, count: int, *members: Member) -> None:
        """Wait for `count` more final blocks on each of `members`."""
        goal = max(member.height for member in members) + count
        await self.until(lambda: all(member.height >= goal for member in members))

    async def transfer(self, through: Member, *, amount: int = 1) -> bytes:
        nonce = through.part.chain.next_nonce(address("client"))
        raw = a_transfer(self.charter, payer="client", payee="publisher", amount=amount, nonce=nonce)
        return await through.part.chain.submit(raw)

    async def act(self, name: str, payload: Payload, *, through: Member) -> None:
        """Send a transaction of somebody by name, and wait until it is final; it must not fail."""
        chain = through.part.chain
        body = a_body(name, payload, nonce=chain.next_nonce(address(name)), time_ms=self.now_ms())
        txid = await chain.submit(sign_transaction(seed_of(name), self.charter.hash, body))
        await self.until(lambda: chain.transaction(txid).state is TxState.FINAL)
        receipt = chain.transaction(txid).receipt
        assert receipt is not None
        assert receipt.reason == 0, receipt

    def check_agreement(self) -> None:
        """Assert that all have the same blocks and state roots at every height that two of them hold."""
        chains = [member.part.chain for member in self.members.values()]
        for height in range(max(chain.head.height for chain in chains) + 1):
            assert len({chain.encoded_block(height) for chain in chains} - {None}) == 1
            assert len({chain.state_root_at(height) for chain in chains} - {None}) == 1
