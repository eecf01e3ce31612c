"""Each tier from submission to a result: how long, how many a minute, and how much of the work is verification.

4 validators and 9 workers as processes, client and all on this machine.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from benches.figures import Figure, percentile
from benches.jobs import JOB_S_MAX, POLL_S, PRICE_MAX, publish
from benches.network import account, running
from cli.client import ENDED, Client, Order
from examples.filetype.files import samples
from examples.filetype.jobs import Asked, input_of
from ledger.parameters import Parameters, Tier
from node.keys.files import Key
from node.rpc.client import RpcClient
from node.rpc.json_value import Json, records
from primitives.address import parse_address
from primitives.content import ContentId
from testnet.manifest import standard

WORKERS = 9
"""Seven verifiers of tier max, a provider, and one to spare."""
ALONE = 8
"""Jobs one after the other."""
TOGETHER = 12
"""Jobs at once."""
TRUST = 1
"""Settled jobs that halve the audit rate here, so that spot comes to its floor after a few."""
WARMING = 6
"""Jobs before any is timed: the provider earns its trust, and workers start their sandboxes."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Who orders what of whom."""

    client: Client
    key: Key
    asked: Asked
    input: ContentId
    provider: bytes

    def order(self, tier: Tier) -> bytes:
        """Submit a job and return its id."""
        order = Order(
            model=self.asked.model,
            lowering=self.asked.lowering,
            input=self.input,
            max_price=PRICE_MAX,
            provider=self.provider,
            tier=tier,
        )
        return self.client.submit(self.client.order(self.key, order))

    def ended(self, job: bytes) -> dict[str, Json]:
        """Return a job once its client has the result."""
        began = time.perf_counter()
        self.client.final(job)
        while (told := self.client.job(job))["state"] not in ENDED:
            if time.perf_counter() - began > JOB_S_MAX:
                raise TimeoutError(f"job {job.hex()} is {told['state']} after {JOB_S_MAX:.0f} s")
            time.sleep(POLL_S)
        if told["state"] == "void":
            raise RuntimeError(f"job {job.hex()} ended void: {told['outcome']}")
        return told


def run() -> Iterator[Figure]:
    """Yield the figures of each tier."""
    manifest = replace(standard(validators=4, workers=WORKERS), parameters=Parameters(audit_trust=TRUST))
    with running(manifest) as (directory, network), RpcClient(network.nodes[0].rpc) as rpc:
        desk = _desk(Client(rpc), account(directory, 0))
        for _ in range(WARMING):
            desk.ended(desk.order(Tier.HIGH))
        for tier in Tier:
            yield from _of(desk, tier)


def _desk(client: Client, key: Key) -> Desk:
    bundle = next(bundle for bundle in map(input_of, samples()) if bundle is not None)
    asked = publish(client, key, bundle)
    workers = records(client.rpc.table("worker.list")["workers"])
    provider = parse_address(str(workers[0]["address"]), client.network.prefix)
    return Desk(client=client, key=key, asked=asked, input=client.rpc.put_blob(bundle), provider=provider)


def _of(desk: Desk, tier: Tier) -> Iterator[Figure]:
    name, took, blocks = tier.name.lower(), [], []
    for _ in range(ALONE):
        began = time.perf_counter()
        told = desk.ended(desk.order(tier))
        took.append(time.perf_counter() - began)
        blocks.append(float(_blocks_of(told)))
    method = f"{ALONE} jobs in turn"
    for what, value in (("p50", percentile(took, 50)), ("slowest", max(took))):
        yield Figure(what=f"{name}: submit to result, {what}", value=value, unit="s", method=method)
    yield Figure(what=f"{name}: blocks that it takes, p50", value=percentile(blocks, 50), unit="", method=method)
    began = time.perf_counter()
    jobs = [desk.order(tier) for _ in range(TOGETHER)]
    ended = [desk.ended(job) for job in jobs]
    per_minute = 60 * TOGETHER / (time.perf_counter() - began)
    yield Figure(what=f"{name}: jobs", value=per_minute, unit="/min", method=f"{TOGETHER} at once, one provider")
    runs = TOGETHER + sum(_verified(each) for each in ended)
    share = 100 * (runs - TOGETHER) / runs
    yield Figure(what=f"{name}: runs that are verification", value=share, unit="%", method=f"of {runs}, all alike")


def _blocks_of(told: dict[str, Json]) -> int:
    """Return how many blocks a job took, the one that holds its submission included."""
    heights = [int(str(each["height"])) for each in records(told["history"])]
    return heights[-1] - heights[0] + 1


def _verified(told: dict[str, Json]) -> int:
    """Return how many verifiers have run a job: who has only been drawn has not."""
    return sum(each["commitment"] is not None for each in records(told["verifiers"]))
