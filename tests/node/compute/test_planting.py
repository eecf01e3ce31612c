"""Canaries that a worker plants by itself: like jobs that were run, in its budget and nobody's way (D65, D66)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from ledger.records import Job, Outcome
from node.compute.canaries.box import CanaryBox
from node.compute.canaries.budget import DAY_MS, Budget
from node.compute.canaries.patterns import varied
from node.compute.canaries.planting import RETRY_S, Planting, PlantingPorts
from node.compute.canaries.straying import Straying
from node.compute.sender import Sender
from primitives.content import ContentId
from primitives.reasons import Reason, Refused
from primitives.units import KARAT
from testnet.kit.fake_blobs import FakeBlobs
from testnet.kit.ledger_builders import a_bundle, address, seed_of
from tests.node.compute.cluster import Cluster
from vm.tensor import decode_bundle

WORKER = "worker 0"
ORDERING = "publisher"
INPUT = a_bundle(b"x", [1.0, 2.0, 3.0, 4.0])
ENOUGH = KARAT


class Soon(Random):
    """Chance, but that the next canary is always due."""

    def expovariate(self, lambd: float = 1.0) -> float:
        """Return no time at all."""
        return 0.0


class Garden:
    """A cluster whose first worker plants canaries by itself."""

    def __init__(self, folder: Path, *, budget: int = ENOUGH) -> None:
        self.cluster = Cluster(folder)
        self.box = CanaryBox(folder / f"{WORKER} canary")
        self.store = self.cluster.blobs[WORKER]
        """Where the inputs of canaries are kept."""
        self.now_ms = DAY_MS
        self.budget = Budget(folder / "budget", budget, lambda: self.now_ms)
        self.cluster.engines[WORKER] = Straying(
            self.cluster.plain[WORKER], self.box, self.cluster.chain, address(WORKER)
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Cluster]:
        async with trio.open_nursery() as nursery:
            await self.cluster.start(nursery, *(f"worker {at}" for at in range(5)))
            worker, chain = self.cluster.workers[WORKER], self.cluster.chain
            self.confessor = self.cluster.canaries(WORKER, worker)
            nursery.start_soon(self.confessor.run)
            ports = PlantingPorts(
                chain=chain,
                blobs=self.store,
                sender=Sender(chain, seed_of(ORDERING), worker.blocks),
                seed=seed_of(ORDERING),
                box=self.box,
                budget=self.budget,
                worker=address(WORKER),
                plant=self.confessor.plant,
                chance=Soon(1),
            )
            nursery.start_soon(Planting(ports, per_day=10).run)
            yield self.cluster
            nursery.cancel_scope.cancel()

    async def blocks(self, number: int) -> None:
        """Finalize blocks far enough apart for another try at planting each time."""
        for _ in range(number):
            await trio.sleep(RETRY_S)
            await self.cluster.block()

    def planted(self) -> list[Job]:
        """Return the jobs that were ordered as canaries."""
        return [job for _, job in self.cluster.chain.state().jobs() if job.client == address(ORDERING)]


async def test_a_canary_is_like_a_job_that_was_run_and_is_found_and_opened(
    tmp_path: Path, autojump_clock: object
) -> None:  # D65
    garden = Garden(tmp_path)
    async with garden.running() as cluster:
        real = await cluster.ended(await cluster.submit(raw=INPUT))
        await garden.blocks(2)
        await cluster.until(lambda: garden.planted()[0].outcome is not None)
        canary = garden.planted()[0]
        assert (canary.outcome, canary.canary_opened) == (Outcome.CANARY, True)
        assert [getattr(canary, name) for name in ("model", "lowering", "tier", "class_", "max_price", "at_risk")] == [
            getattr(real, name) for name in ("model", "lowering", "tier", "class_", "max_price", "at_risk")
        ]
        assert canary.input != real.input
        content = await cluster.blobs[WORKER].get(canary.input)
        assert content is not None
        assert len(content) == len(INPUT)
        await cluster.until(lambda: garden.box.find() is None)
        await garden.blocks(20)
        assert len(garden.planted()) == 1  # J92: it opens no two in ten minutes


async def test_nothing_is_planted_before_a_job_was_run_nor_above_the_budget(
    tmp_path: Path, autojump_clock: object
) -> None:  # D65, D66
    garden = Garden(tmp_path, budget=KARAT // 20)
    async with garden.running() as cluster:
        await garden.blocks(5)
        assert garden.planted() == []
        await cluster.ended(await cluster.submit(raw=INPUT))
        await garden.blocks(20)
        assert garden.planted() == []
        assert garden.budget.left() == KARAT // 20


class Full(FakeBlobs):
    """A store without room."""

    async def put(self, raw: bytes) -> ContentId:
        """Refuse."""
        raise Refused(Reason.STORE_FULL, seen=len(raw), wanted=0)


async def test_a_full_store_ends_nothing_and_is_told_once(
    tmp_path: Path, autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:  # D65
    garden = Garden(tmp_path)
    garden.store = Full()
    garden.store.held = garden.cluster.blobs[WORKER].held
    async with garden.running() as cluster:
        await cluster.ended(await cluster.submit(raw=INPUT))
        await garden.blocks(5)
        assert garden.planted() == []
    assert len([each for each in caplog.messages if "no canary" in each and "store" in each.lower()]) == 1


async def test_a_canary_of_the_operator_is_not_displaced_while_its_job_may_come(
    tmp_path: Path, autojump_clock: object
) -> None:  # D65
    garden = Garden(tmp_path)
    async with garden.running() as cluster:
        mine = garden.confessor.plant(address("client"))
        await cluster.ended(await cluster.submit(raw=INPUT))
        await garden.blocks(8)
        found = garden.box.find()
        assert found is not None
        assert found.canary == mine


def test_a_budget_is_for_a_day_and_outlives_a_restart(tmp_path: Path) -> None:  # D66
    now = [DAY_MS]
    assert Budget(tmp_path, 100, lambda: now[0]).take(60)
    after = Budget(tmp_path, 100, lambda: now[0])
    assert (after.left(), after.take(41), after.take(40), after.left()) == (40, False, True, 0)
    now[0] += DAY_MS
    assert after.take(70)
    now[0] -= DAY_MS
    assert after.left() == 30, "a clock that goes back gives nothing twice"


def test_a_damaged_budget_counts_as_spent_for_a_day(tmp_path: Path) -> None:  # D66
    now = [DAY_MS]
    budget = Budget(tmp_path, 100, lambda: now[0])
    assert budget.take(1)
    (tmp_path / "spent").write_bytes(b"\xff")
    assert budget.left() == 0
    now[0] += DAY_MS
    assert budget.left() == 100


@given(values=st.lists(st.integers(0, 3), min_size=1, max_size=8), seed=st.integers(0, 100))
def test_a_varied_input_has_the_same_numbers_in_another_order(values: list[int], seed: int) -> None:  # D65
    raw = a_bundle(b"x", [float(each) for each in values])
    after = varied(raw, Random(seed))
    one, other = (decode_bundle(each).tensors[0].tensor for each in (raw, after))
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    items = [[each.data[at : at + 4] for at in range(0, len(each.data), 4)] for each in (one, other)]
    assert sorted(items[0]) == sorted(items[1])
    assert sum(left != right for left, right in zip(*items, strict=True)) in (0, 2)


def test_an_input_that_cannot_be_varied_stays() -> None:  # D65
    for raw in (b"no bundle", a_bundle(b"x", [1.0, 1.0])):
        assert varied(raw, Random(1)) == raw
    assert varied(INPUT, Random(1)) != INPUT
