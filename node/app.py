"""The composition root: opens what a node consists of, ties it together, and ends it (N91).

`python -m node.app --home DIR` runs one node until SIGTERM or SIGINT.
"""

import argparse
import gc
import logging
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import trio

from ledger.genesis import Charter, charter_of
from ledger.stake.versions import RulesUnknownError
from node.children import child_pids
from node.config import Config, parse_listen, parse_peer, read_config
from node.driver.driver import ConsensusHaltedError
from node.final_chain import DivergedError
from node.genesis_file import read_genesis
from node.home import Home, announced, locked
from node.identity import Identity, open_identity
from node.network import Network, NetworkConfig, NetworkStartError, open_network
from node.p2p.ipc import Limits, PeerAddress
from node.p2p.peer_id import peer_id_of, peer_id_text
from node.participant import Participant
from node.peers.addresses import host_port_text
from node.rpc.server import open_admin, open_rpc
from node.rpc.services import NodeFacts, Services
from node.store.pruning import Keep, keep_of
from node.store.store import Store
from node.sync.blob_store import BlobStore
from node.sync.blobs import PROTOCOL as BLOB_PROTOCOL
from node.sync.blobs import NetworkBlobs
from node.working import EngineWrap, Working, open_working
from primitives.ed25519 import public_key_of
from primitives.reasons import Refused

EXIT_REFUSED = 2
EXIT_FAILED = 1

_log = logging.getLogger("assay.node")


async def run_node(
    home: Home, *, engine_wrap: EngineWrap | None = None, ready: Callable[[str], None] | None = None
) -> None:
    """Run the node of a home until cancelled; `ready` is told one line once the node serves.

    Raises Refused for files that are wrong, NetworkStartError, ConsensusHaltedError, RulesUnknownError, DivergedError.
    """
    config = read_config(home.config)
    charter = charter_of(read_genesis(home.genesis))
    home.make()
    with locked(home):
        identity = await trio.to_thread.run_sync(open_identity, home, config, charter)
        with closing(Store(home.state, charter.hash, keep=kept(config, charter))) as store:
            async with open_network(_network_config(home, config, charter, identity)) as network:
                node = _Node(home, config, charter, identity, network, store)
                async with node.worker(engine_wrap):
                    await node.run(ready)


def kept(config: Config, charter: Charter) -> Keep:
    """Return how much of the past a node keeps."""
    storage = config.storage
    return keep_of(storage.mode, storage.keep_blocks, age_ms=charter.genesis.parameters.unbonding_ms)


def _network_config(home: Home, config: Config, charter: Charter, identity: Identity) -> NetworkConfig:
    told = config.network
    host, port = parse_listen(told.listen, key="network.listen")
    validators = [peer_id_of(each.peer) for each in charter.genesis.validators]
    own = peer_id_of(public_key_of(identity.network_seed))
    reached_at = [parse_listen(text, key="network.announce") for text in told.announce]
    return NetworkConfig(
        identity_seed=identity.network_seed,
        network_id=charter.hash,
        host=host,
        port=port,
        validators=validators if identity.validator is not None else (),
        peers=[parse_peer(text) for text in told.peers],
        bootnodes=[parse_peer(text, key="network.bootnodes") for text in told.bootnodes],
        announce=[PeerAddress(peer=own, host=host, port=port) for host, port in reached_at],
        book=str(home.peers),
        limits=Limits(outbound=told.outbound, inbound=told.inbound, is_test_network=told.test_network),
    )


class _Node:
    """The participant, content, API and worker of one home."""

    def __init__(
        self, home: Home, config: Config, charter: Charter, identity: Identity, network: Network, store: Store
    ) -> None:
        self.home = home
        self.identity = identity
        self.working: Working | None = None
        self.config = config
        self.charter = charter
        self.network = network
        self.blobs = NetworkBlobs(BlobStore(home.blobs), network)
        self.part = Participant(
            charter=charter,
            store=store,
            network=network,
            now_ms=_now_ms,
            config=config,
            validator=identity.validator,
            answers={BLOB_PROTOCOL: self.blobs.answer},
        )

    @asynccontextmanager
    async def worker(self, engine_wrap: EngineWrap | None) -> AsyncIterator[None]:
        """Have a worker, if that is a role of this node, for as long as the block lasts."""
        if self.identity.worker_seed is None:
            yield
            return
        async with open_working(
            chain=self.part.chain,
            blobs=self.blobs,
            seed=self.identity.worker_seed,
            peer=public_key_of(self.identity.network_seed),
            compute=self.config.compute,
            home=self.home,
            engine_wrap=engine_wrap,
            canary_seed=self.identity.canary_seed,
        ) as self.working:
            yield

    async def run(self, ready: Callable[[str], None] | None) -> None:
        """Run the parts until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.part.run)
            if self.working is not None:
                nursery.start_soon(self.working.run)
            host, port = parse_listen(self.config.rpc.listen, key="rpc.listen")
            address = self.network.address
            p2p = f"{peer_id_text(address.peer)}@{host_port_text(address.host, address.port)}"
            services = self._services()
            async with open_rpc(services, host=host, port=port) as rpc, open_admin(services, self.home.admin):
                with announced(self.home, rpc=rpc, p2p=p2p):
                    gc.freeze()  # full collections need not look at what was loaded once
                    if ready is not None:
                        ready(f"ready: rpc http://{rpc} p2p {p2p} height {self.part.chain.head.height}")
                    await trio.sleep_forever()

    def _services(self) -> Services:
        return Services(
            charter=self.charter,
            chain=self.part.chain,
            blobs=self.blobs,
            pool=self.part.pool,
            facts=self._facts,
            now_ms=_now_ms,
            progress=self.part.progress,
            peers=self.network,
            check=None if self.working is None else self.working.check,
            disputes=None if self.working is None else self.working.disputes,
            canaries=None if self.working is None else self.working.canaries,
            failures=tuple if self.working is None else self.working.failures,
        )

    def _facts(self) -> NodeFacts:
        address = self.network.address
        return NodeFacts(
            peer_id=address.peer,
            p2p_host=address.host,
            p2p_port=address.port,
            roles=tuple(name for name in ("validator", "worker") if getattr(self.config.roles, name)),
            mempool=len(self.part.pool),
            refused=self.part.chain.refused,
            peers=tuple(self.network.peers),
            node_pid=os.getpid(),
            network_pid=self.network.pid,
            sandbox_pids=tuple(pid for pid in child_pids() if pid != self.network.pid),
            sandbox_layers=() if self.working is None else self.working.layers,
            deviating=None if self.working is None else self.working.deviating,
            worker=None if self.working is None else self.working.address,
            reserve=None if self.working is None else self.working.reserve,
            voting=None if self.part.epochs is None else self.part.epochs.is_proven,
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _run_until_signalled(home: Home, engine_wrap: EngineWrap | None) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:

            async def end_on_signal() -> None:
                await anext(signals)
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_on_signal)
            await run_node(home, engine_wrap=engine_wrap, ready=_print_line)


def _print_line(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def run_program(home: Home, *, engine_wrap: EngineWrap | None = None) -> int:
    """Run a node as a process of its own until SIGTERM or SIGINT; return its exit status, an error told in one line."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    status = 0
    try:
        trio.run(_run_until_signalled, home, engine_wrap)
    except* Refused as refused:
        status = _tell(refused, EXIT_REFUSED)
    except* (NetworkStartError, ConsensusHaltedError, DivergedError, RulesUnknownError, OSError) as failed:
        status = _tell(failed, EXIT_FAILED)
    return status


def _tell(group: BaseExceptionGroup[BaseException], status: int) -> int:
    """Write each error of a group in one line; return `status`."""
    for each in group.exceptions:
        match each:
            case BaseExceptionGroup():
                _tell(each, status)
            case Refused() | RulesUnknownError():
                sys.stderr.write(f"error[AS-{int(each.reason)}]: {each}\n")
            case _:
                told = str(each) or (type(each).__doc__ or "").partition("\n")[0]
                sys.stderr.write(f"error: {type(each).__name__}: {told}\n")
    return status


def main() -> int:
    """Run a node from the command line; return its exit status."""
    parser = argparse.ArgumentParser(prog="node.app", description="Run one node of Assay until SIGTERM or SIGINT.")
    parser.add_argument("--home", type=Path, required=True, help="directory with config.toml, genesis.json and keys")
    return run_program(Home(parser.parse_args().home))


if __name__ == "__main__":
    sys.exit(main())
