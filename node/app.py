"""The composition root: opens what a node consists of, ties it together, and ends it (N90-N93).

`python -m node.app --home DIR` runs one node until SIGTERM or SIGINT.
"""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import trio

from consensus.ancestry import Point
from consensus.core import Core
from consensus.io import Certified, GuardRecord, Stored
from consensus.scheme import Ed25519Scheme
from consensus.timing import Timing
from ledger.block import decode_block
from ledger.genesis import Charter, charter_of
from node.config import Config, parse_listen, parse_peer, read_config
from node.driver.driver import ConsensusHaltedError, Driver
from node.final_chain import DivergedError, FinalChain
from node.genesis_file import read_genesis
from node.home import Home, announced, locked
from node.identity import Identity, ValidatorIdentity, open_identity
from node.mempool.gossip import TOPIC as TX_TOPIC
from node.mempool.gossip import TransactionGossip
from node.mempool.pool import Pool, PoolLimits
from node.network import Network, NetworkConfig, NetworkStartError, open_network
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.rpc.server import open_rpc
from node.rpc.services import NodeFacts, Services
from node.store.store import Store
from node.sync import blobs as blob_messages
from node.sync import messages as sync_messages
from node.sync.announcements import Announcements
from node.sync.answers import SyncAnswers
from node.sync.blob_store import BlobStore
from node.sync.blobs import NetworkBlobs
from node.sync.catch_up import CatchUp
from node.traffic import CONSENSUS_CHANNEL, Traffic
from primitives.reasons import Refused

PATIENCE_DELTAS = 10
"""How many Δ consensus has to bring a validator the next block before it asks its peers: a view and its repetitions."""
EXIT_REFUSED = 2
EXIT_FAILED = 1
_MS_PER_S = 1_000

_log = logging.getLogger("assay.node")


async def run_node(home: Home, *, ready: Callable[[str], None] | None = None) -> None:
    """Run the node of a home until cancelled; `ready` is told one line once the node serves.

    Raises Refused for files that are wrong, NetworkStartError, ConsensusHaltedError and DivergedError.
    """
    config = read_config(home.config)
    charter = charter_of(read_genesis(home.genesis))
    home.make()
    with locked(home):
        identity = await trio.to_thread.run_sync(open_identity, home, config, charter)
        fresh = not home.state.exists()
        with closing(Store(home.state, charter.hash)) as store:
            async with open_network(_network_config(config, charter, identity)) as network:
                node = _Node(home, config, charter, identity, store, network, fresh=fresh)
                await node.run(ready)


def _network_config(config: Config, charter: Charter, identity: Identity) -> NetworkConfig:
    host, port = parse_listen(config.network.listen, key="network.listen")
    validators = [peer_id_of(each.peer) for each in charter.genesis.validators]
    return NetworkConfig(
        identity_seed=identity.network_seed,
        network_id=charter.hash,
        host=host,
        port=port,
        validators=validators if identity.validator is not None else (),
        peers=[parse_peer(text) for text in config.network.peers],
    )


class _Node:
    """The parts of one node, each knowing only those that it needs."""

    def __init__(
        self,
        home: Home,
        config: Config,
        charter: Charter,
        identity: Identity,
        store: Store,
        network: Network,
        *,
        fresh: bool,
    ) -> None:
        self.home = home
        self.config = config
        self.charter = charter
        self.identity = identity
        self.network = network
        limits = config.mempool
        self.pool = Pool(PoolLimits(per_account=limits.per_account, total=limits.total, total_bytes=limits.total_bytes))
        self.gossip = TransactionGossip(self.pool, network)
        self.chain = FinalChain(charter=charter, store=store, pool=self.pool, now_ms=_now_ms, spread=self.gossip.spread)
        self.blobs = NetworkBlobs(BlobStore(home.blobs), network)
        self.driver = None if identity.validator is None else self._open_driver(identity.validator, store, fresh=fresh)
        self.catch_up = CatchUp(
            self.chain,
            network,
            patience_s=0 if self.driver is None else PATIENCE_DELTAS * config.consensus.delta_ms / _MS_PER_S,
            synced=_nobody if self.driver is None else self.driver.synced,
        )
        self.announcements = Announcements(
            network,
            self.chain.instance,
            me=None if identity.validator is None else identity.validator.index,
            heard=self.catch_up.heard,
        )
        self.traffic = Traffic(
            network,
            direct={} if self.driver is None else {CONSENSUS_CHANNEL: self.driver.receive},
            gossip={
                TX_TOPIC: lambda message: self.gossip.receive(message.body, self.chain.take),
                sync_messages.FINAL_TOPIC: self.announcements.receive,
            },
            answers={
                sync_messages.PROTOCOL: SyncAnswers(self.chain).answer,
                blob_messages.PROTOCOL: self.blobs.answer,
            },
            peer_up=self.catch_up.peer_up,
        )

    def _open_driver(self, me: ValidatorIdentity, store: Store, *, fresh: bool) -> Driver:
        """Return the driver, with everything that this validator must not forget (N71)."""
        quarantine = fresh and self.home.voted.exists()
        if quarantine:
            _log.warning("the store is new, but this validator has voted: it follows until its old votes can't matter")
        self.home.voted.touch()
        recovered: list[GuardRecord] = store.guard.recall()
        for record in recovered:
            if isinstance(record, Stored):
                self.chain.hold(decode_block(record.body))
        certificate = self.chain.certificate_at(self.chain.head.height)
        if certificate is not None:
            recovered.insert(0, Certified(certificate=certificate))
        times, instance = self.config.consensus, self.chain.instance
        core = Core(
            instance=instance,
            me=me.index,
            scheme=Ed25519Scheme(instance.validators, me.seed),
            timing=Timing(delta_ms=times.delta_ms, idle_ms=times.idle_ms, retry_ms=2 * times.delta_ms),
            start=Point(self.chain.head_view, self.chain.head.block_id),
            recovered=recovered,
            quarantine=quarantine,
        )
        return Driver(
            core=core,
            chain=self.chain,
            guard=store.guard,
            network=self.network,
            peers=[peer_id_of(each.peer) for each in self.chain.genesis.validators],
            onion=me.onion,
            times=times,
        )

    async def run(self, ready: Callable[[str], None] | None) -> None:
        """Run the parts until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.traffic.run)
            nursery.start_soon(self.gossip.run)
            nursery.start_soon(self.announcements.run)
            nursery.start_soon(self.catch_up.run)
            if self.driver is not None:
                nursery.start_soon(self.driver.run)
                nursery.start_soon(self._announce_finals)
            host, port = parse_listen(self.config.rpc.listen, key="rpc.listen")
            address = self.network.address
            p2p = f"{peer_id_text(address.peer)}@{address.host}:{address.port}"
            async with open_rpc(self._services(), host=host, port=port) as rpc:
                with announced(self.home, rpc=rpc, p2p=p2p):
                    if ready is not None:
                        ready(f"ready: rpc http://{rpc} p2p {p2p} height {self.chain.head.height}")
                    await trio.sleep_forever()

    def _services(self) -> Services:
        return Services(
            charter=self.charter,
            chain=self.chain,
            blobs=self.blobs,
            facts=self._facts,
            now_ms=_now_ms,
            admit=None,
        )

    async def _announce_finals(self) -> None:
        """Make known every block that this validator has seen become final."""
        while True:
            async with self.chain.follow() as finals:
                async for final in finals:
                    certificate = self.chain.certificate_at(final.block.header.height)
                    if certificate is not None:
                        self.announcements.announce(final.block.header, certificate)

    def _facts(self) -> NodeFacts:
        address = self.network.address
        return NodeFacts(
            peer_id=address.peer,
            p2p_host=address.host,
            p2p_port=address.port,
            roles=tuple(name for name in ("validator", "worker") if getattr(self.config.roles, name)),
            mempool=len(self.pool),
            peers=tuple(self.network.peers),
            node_pid=os.getpid(),
            network_pid=self.network.pid,
            sandbox_pids=(),
            sandbox_layers=(),
            worker=None,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _nobody(_: object) -> None:
    """Tell nobody: a follower has no consensus core."""


async def _run_until_signalled(home: Home) -> None:
    async with trio.open_nursery() as nursery:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:

            async def wait() -> None:
                async for _ in signals:
                    nursery.cancel_scope.cancel()

            nursery.start_soon(wait)
            await run_node(home, ready=_print_line)


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run a node from the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="node.app", description="Run one node of Assay until SIGTERM or SIGINT.")
    parser.add_argument("--home", type=Path, required=True, help="directory with config.toml, genesis.json and keys")
    home = Home(parser.parse_args().home)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    status = 0
    try:
        trio.run(_run_until_signalled, home)
    except* Refused as refused:
        status = _tell(refused, EXIT_REFUSED)
    except* (NetworkStartError, ConsensusHaltedError, DivergedError, OSError) as failed:
        status = _tell(failed, EXIT_FAILED)
    return status


def _tell(group: BaseExceptionGroup[BaseException], status: int) -> int:
    """Write each error of a group in one line."""
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            _tell(each, status)
        else:
            sys.stderr.write(f"error: {type(each).__name__.removesuffix('Error')}: {each}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
