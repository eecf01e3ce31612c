"""Real network programs on loopback, each with a witness that takes its events."""

import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest
import trio

from node.network import Event, Network, NetworkConfig, open_network
from node.p2p.ipc import Limits
from node.p2p.peer_id import peer_id_of, peer_id_text
from primitives.ed25519 import public_key_of

E = TypeVar("E")

PATIENCE_S = 60.0
"""Far longer than anything takes, for machines with much else to do."""
NETWORK_ID = b"n" * 32
ON_ONE_MACHINE = Limits(is_test_network=True, outbound=0)
"""Whoever is on 127.0.0.1 is no stranger, and nobody is dialled but whom the test names."""


def seed_of(number: int) -> bytes:
    return bytes([number]) * 32


def peer_of(number: int) -> bytes:
    return peer_id_of(public_key_of(seed_of(number)))


class Witness:
    """A network, and all its events so far."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.events: list[Event] = []
        self._news = trio.Event()

    async def run(self) -> None:
        async for event in self.network.events():
            self.events.append(event)
            self._news.set()
            self._news = trio.Event()

    def all_of(self, kind: type[E], **fields: Any) -> list[E]:
        return [e for e in self.events if isinstance(e, kind) and all(getattr(e, k) == v for k, v in fields.items())]

    async def wait_for(self, kind: type[E], **fields: Any) -> E:
        """Return the first event of a kind with the given fields, waiting for it."""
        with trio.fail_after(PATIENCE_S):
            while not (found := self.all_of(kind, **fields)):
                await self._news.wait()
        return found[0]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that no event tells of."""
    with trio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the condition tells nobody when it begins to hold
            await trio.sleep(0.01)


def resident_bytes(pid: int) -> int:
    """Return the memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Start(Protocol):
    async def __call__(
        self,
        number: int,
        *,
        validators: Sequence[int] = (),
        peers: Sequence[Witness] = (),
        bootnodes: Sequence[Witness] = (),
        limits: Limits | None = None,
        host: str = "127.0.0.1",
        book: str = "",
        awaited: bool = True,
    ) -> Witness: ...


@pytest.fixture
def start(nursery: trio.Nursery) -> Start:
    """Start the program of node `number`, connected to `peers` if that is `awaited`; it ends with the test."""

    async def run(
        config: NetworkConfig,
        task_status: trio.TaskStatus[Witness],  # type: ignore[name-defined]  # libp2p brings stubs of an older trio
    ) -> None:
        async with open_network(config) as network:
            witness = Witness(network)
            task_status.started(witness)
            await witness.run()

    async def start_one(
        number: int,
        *,
        validators: Sequence[int] = (),
        peers: Sequence[Witness] = (),
        bootnodes: Sequence[Witness] = (),
        limits: Limits | None = None,
        host: str = "127.0.0.1",
        book: str = "",
        awaited: bool = True,
    ) -> Witness:
        config = NetworkConfig(
            identity_seed=seed_of(number),
            network_id=NETWORK_ID,
            host=host,
            bootnodes=[peer.network.address for peer in bootnodes],
            book=book,
            validators=[peer_of(other) for other in validators],
            peers=[peer.network.address for peer in peers],
            limits=limits or ON_ONE_MACHINE,
        )
        witness: Witness = await nursery.start(run, config)
        for peer in peers if awaited else ():
            await until(lambda peer=peer: peer.network.peer_id in witness.network.peers)
            await until(lambda peer=peer: witness.network.peer_id in peer.network.peers)
        return witness

    return start_one


class Stock:
    """A process with an unmodified libp2p host; it prints one JSON value per line."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self._held = b""

    async def says(self) -> Any:
        """Return its next line."""
        assert self.process.stdout is not None
        with trio.fail_after(PATIENCE_S):
            while b"\n" not in self._held:
                received = await self.process.stdout.receive_some()
                assert received, "the stock peer ended"
                self._held += received
        line, _, self._held = self._held.partition(b"\n")
        return json.loads(line)


StartStock = Callable[..., Awaitable[Stock]]


@pytest.fixture
def start_stock(nursery: trio.Nursery) -> StartStock:
    """Start `stock_peer.py` with a role, a node to meet and further words; it is killed after the test."""

    @asynccontextmanager
    async def killed_in_the_end(process: trio.Process) -> AsyncIterator[None]:
        try:
            yield
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()

    async def hold(
        process: trio.Process,
        task_status: trio.TaskStatus[None],  # type: ignore[name-defined]  # libp2p brings stubs of an older trio
    ) -> None:
        async with killed_in_the_end(process):
            task_status.started()
            await trio.sleep_forever()

    async def start_one(role: str, met: Witness, *words: str) -> Stock:
        address = met.network.address
        where = f"/ip4/{address.host}/tcp/{address.port}/p2p/{peer_id_text(address.peer)}"
        script = Path(__file__).with_name("stock_peer.py")
        process = await trio.lowlevel.open_process([sys.executable, str(script), role, where, *words], stdout=-1)
        await nursery.start(hold, process)
        return Stock(process)

    return start_one
