"""The API served over fakes on a loopback port, and a client that can also say what no client should."""

import http.client
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from node.compute.duty import Duty
from node.compute.worker import JobFailure
from node.mempool.pool import Pool
from node.rpc.server import open_rpc
from node.rpc.services import NodeFacts, Services
from node.sync.progress import Progress
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit.checked import a_checked
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.fake_chain import FakeChain
from testnet.kit.ledger_builders import address
from tests.node.chains import LIMITS
from vm.sandbox_protocol import Checked, Fault, ToldFact

RESERVE = 5 * KARAT
FACTS = NodeFacts(
    peer_id=bytes(38),
    p2p_host="127.0.0.1",
    p2p_port=4001,
    roles=("validator", "worker"),
    mempool=3,
    refused={Reason.FEE_TOO_LOW: 2},
    peers=(bytes(37) + b"\x01",),
    node_pid=10,
    network_pid=11,
    sandbox_pids=(12,),
    sandbox_layers=("seccomp",),
    deviating=(),
    worker=address("worker 0"),
    reserve=RESERVE,
)


PROGRESS = Progress(height=1_000, target=5_000, peers=3, lowest_block=0, lowest_history=700, blocks_per_s=100.0)
A_FAILURE = JobFailure(
    job=b"j" * 32, duty=Duty.ACCEPT, refused=Refused(Reason.RUN_TIME_LIMIT, limit_ms=5, client=address("client"))
)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


@dataclass
class Node:
    """A served API and what stands behind it."""

    at: str
    chain: FakeChain
    pool: Pool
    blobs: FakeBlobs
    remote: FakeBlobs

    async def ask(
        self, verb: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send one HTTP request."""

        def exchange() -> Answer:
            connection = http.client.HTTPConnection(self.at, timeout=20)
            try:
                connection.request(verb, path, body, headers or {})
                response = connection.getresponse()
                return Answer(response.status, response.read())
            finally:
                connection.close()

        return await trio.to_thread.run_sync(exchange)

    async def post(self, body: object) -> Answer:
        """Post a JSON value, or bytes that need not be JSON."""
        return await self.ask("POST", "/", body if isinstance(body, bytes) else json.dumps(body).encode())

    async def call(self, method: str, **params: object) -> Any:
        """Call a method that must succeed and return its result."""
        answer = (await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).json
        assert "error" not in answer, answer
        return answer["result"]

    async def refusal(self, method: str, **params: object) -> dict[str, Any]:
        """Call a method that must fail and return the error object."""
        answer = (await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})).json
        error: dict[str, Any] = answer["error"]
        return error


async def check(model: bytes, shapes: Sequence[Sequence[int]]) -> Checked:
    """Find any model good but one; the shapes asked for are those of the lowering."""
    if model == b"bad":
        raise Refused(Reason.MODEL_UNREADABLE, why="truncated")
    if not shapes:
        return a_checked()
    fault = Fault(
        native=True,
        exact=False,
        reason=Reason.NOT_NATIVE,
        facts=[ToldFact(name=b"node", value=b"1 Round /round"), ToldFact(name=b"seen", value=3)],
    )
    return a_checked(faults=[fault])


def services_of(chain: FakeChain, *, pool: Pool, blobs: FakeBlobs) -> Services:
    """Return what the API needs, over fakes."""
    return Services(
        charter=chain.world.charter,
        chain=chain,
        blobs=blobs,
        pool=pool,
        facts=lambda: FACTS,
        now_ms=lambda: chain.world.now_ms + 5,
        progress=lambda: PROGRESS,
        check=check,
        failures=lambda: (A_FAILURE,),
    )


@asynccontextmanager
async def served_rpc(fake: FakeChain | None = None) -> AsyncIterator[Node]:
    """Serve the API over a fake chain, fresh if none is given, and two fake stores."""
    chain, remote = fake or FakeChain(), FakeBlobs()
    pool = Pool(LIMITS)
    blobs = FakeBlobs([remote])
    services = services_of(chain, pool=pool, blobs=blobs)
    async with open_rpc(services, host="127.0.0.1", port=0) as at:
        yield Node(at=at, chain=chain, pool=pool, blobs=blobs, remote=remote)
