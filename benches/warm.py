"""Jobs per second through a pool of warm sandboxes, and beside a model that keeps one of them busy for ever."""

from collections.abc import Iterator
from time import perf_counter

import trio

from benches.figures import Figure
from primitives import codec
from primitives.hashing import sha256
from primitives.reasons import Refused
from tests.vm.hostile.corpus import CORPUS
from tests.vm.models.case import Case
from tests.vm.models.catalogue import by_name
from vm import compiled
from vm.canonical.arrays import normal, tensor_of
from vm.manifest import Class
from vm.pool import Pool, PoolConfig, Subject, open_pool
from vm.tensor import Bundle, NamedTensor

SHARE_S = 3.0
"""Of each figure."""
MODELS = ("mlp", "cnn", "lstm", "silero-sequence", "magika")
BUSY = "recurs-wide"
"""A hostile model whose judging ends by the sandbox's limit of time."""
LIMIT_S = 1.0


def run() -> Iterator[Figure]:
    """Yield jobs per second by model, class and number of sandboxes."""
    compiled.make()
    for name in MODELS:
        case = by_name(name)
        for class_ in Class:
            for size in (1, 2):
                rate = trio.run(_rate, case, class_, size)
                what = f"{name}, {class_.name.lower()}, {size} sandbox{'es' if size > 1 else ''}"
                yield Figure(what=what, value=rate, unit="jobs/s", method=f"over {SHARE_S:g} s, one thread each")
    rate = trio.run(_beside_hostile, by_name("mlp"))
    told = f"one of two sandboxes judges a hostile model again and again, and is ended each {LIMIT_S:g} s"
    yield Figure(what="mlp, native, beside a hostile model", value=rate, unit="jobs/s", method=told)


def _subject(case: Case, class_: Class) -> Subject:
    async def load() -> bytes:
        return case.model

    return Subject(model=sha256(case.model), shapes=case.shapes, class_=class_, load=load)


def _bundle(case: Case) -> bytes:
    held = [NamedTensor(name=name.encode(), tensor=tensor_of(normal(case.feeds[0][name]))) for name in case.inputs]
    return codec.encode(Bundle(tensors=held))


async def _rate(case: Case, class_: Class, size: int) -> float:
    async with open_pool(PoolConfig(size=size)) as pool:
        return await _jobs(pool, case, class_, size)


async def _jobs(pool: Pool, case: Case, class_: Class, at_once: int) -> float:
    """Return jobs per second of so many callers, once all is warm."""
    subject, bundle = _subject(case, class_), _bundle(case)
    done = 0

    async def call_until(end: float) -> None:
        nonlocal done
        while perf_counter() < end:
            await pool.execute(subject, bundle)
            done += 1

    async def calls(share: float) -> float:
        nonlocal done
        done, began = 0, perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(call_until, began + share)
        return done / (perf_counter() - began)

    await calls(SHARE_S / 10)
    return await calls(SHARE_S)


async def _beside_hostile(case: Case) -> float:
    (hostile,) = [each for each in CORPUS if each.name == BUSY]
    raw = hostile.build()

    async def harm() -> None:
        while True:
            try:
                await pool.check(raw, shapes=hostile.shapes)
            except Refused:
                continue

    async with open_pool(PoolConfig(size=2, wall_limit_s=LIMIT_S)) as pool, trio.open_nursery() as nursery:
        nursery.start_soon(harm)
        rate = await _jobs(pool, case, Class.NATIVE, 1)
        nursery.cancel_scope.cancel()
    return rate
