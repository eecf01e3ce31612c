"""The pool with real sandboxes; each test starts at most two, 0.5 s each."""

import os
import signal
import subprocess
import sys

import pytest
import trio
import trio.testing

from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, classifier, magika_model, model, node, tensor, value, values, weight
from tests.vm.processes import children, until_busy, until_dead
from vm.compare import compare_bundles
from vm.dispute_protocol import BytesTold, OutputsAsked, TraceAsked, TraceTold, WorstAsked, WorstTold
from vm.manifest import MODEL_BYTES_MAX, Class, Ratio
from vm.noise import HONEST_SIGMA, THOUSANDTHS
from vm.pool import JOBS_MAX, PoolConfig, Subject, check_once, open_pool, run_once
from vm.sandbox_protocol import Optimisation
from vm.tensor import (
    CUT_VALUES_BYTES_MAX,
    OUTPUT_VALUES_BYTES_MAX,
    Bundle,
    DType,
    NamedTensor,
    decode_bundle,
    decode_small_bundle,
    tensor_root,
    value_bytes,
)
from vm.trace import check_trace

pytestmark = pytest.mark.e2e

RAW = classifier().SerializeToString()
JOB = bundle(x=tensor([1, 2, 3, 4], [1, 4]))
KEY = b"k" * 32
TOLERANCE = Ratio(numerator=1, denominator=10_000)
CONFIG = PoolConfig()


class Store:
    """A model that counts how often it is fetched."""

    def __init__(self, raw: bytes = RAW, shapes: list[list[int]] | None = None) -> None:
        self.raw, self.fetched = raw, 0
        self.shapes = [[1, 4]] if shapes is None else shapes

    def subject(self, key: bytes = KEY, class_: Class = Class.NATIVE) -> Subject:
        return Subject(model=key, shapes=self.shapes, class_=class_, load=self.load)

    async def load(self) -> bytes:
        self.fetched += 1
        return self.raw


SIDE = 700
SLOW_JOB = bundle(x=tensor([1.0] * SIDE**2, [SIDE, SIDE]))


def slow() -> Store:
    """A model that is admitted, and takes minutes."""
    nodes = [node("MatMul", "x x", "a1"), *(node("MatMul", f"a{at} x", f"a{at + 1}") for at in range(1, 300))]
    held = model(
        [*nodes, node("ReduceMax", "a300", "y")], inputs=[value("x", [SIDE, SIDE])], outputs=[value("y", [1, 1])]
    )
    return Store(held.SerializeToString(), [[SIDE, SIDE]])


async def test_a_pool_that_is_not_used_starts_nothing() -> None:
    before = children()
    async with open_pool(CONFIG):
        assert children() == before


async def test_a_model_is_fetched_once_and_stays_loaded() -> None:
    store, before = Store(), children()
    async with open_pool(CONFIG) as pool:
        first = await pool.execute(store.subject(), JOB)
        started = children()
        again = await pool.execute(store.subject(), JOB)
        assert (first.cut, first.outputs) == (again.cut, again.outputs)
        assert store.fetched == 1
        assert children() == started
        await pool.execute(store.subject(class_=Class.EXACT), JOB)
        assert store.fetched == 2  # another class is another session
        assert len(started) == len(before) + 1
    assert children() == before


async def test_more_models_than_a_sandbox_keeps_are_fetched_again() -> None:
    store = Store()
    async with open_pool(CONFIG) as pool:
        for turn in range(2):
            for at in range(5):
                await pool.execute(store.subject(bytes([at]) * 32), JOB)
            assert store.fetched == 5 * (turn + 1)
        await pool.execute(store.subject(bytes([4]) * 32), JOB)
        assert store.fetched == 10


async def test_questions_of_a_dispute_are_answered_by_a_sandbox() -> None:
    """V137."""
    store = Store()
    async with open_pool(CONFIG) as pool:
        told = await pool.ask(store.subject(), JOB, TraceAsked(), TraceTold)
        check_trace(told.trace, told.outline, second=True)
        ran = await pool.execute(store.subject(), JOB)
        worst = await pool.ask(store.subject(), JOB, WorstAsked(cut=ran.cut), WorstTold)
        assert worst.thousandths <= HONEST_SIGMA * THOUSANDTHS
        tail = await pool.ask(store.subject(), JOB, TraceAsked(), TraceTold, cut=ran.cut)
        check_trace(tail.trace, tail.outline, second=False)
        started = children()
        with pytest.raises(Refused, match="bundle"):
            await pool.ask(store.subject(), JOB, TraceAsked(), TraceTold, cut=b"none")
        same = await pool.ask(store.subject(), JOB, OutputsAsked(outputs=ran.outputs), BytesTold, cut=ran.cut)
        assert same == BytesTold(raw=None)
        assert children() == started
        assert store.fetched == 1


async def test_the_largest_outputs_and_the_largest_cut_come_through_the_pipes() -> None:
    """V6."""
    rows = CUT_VALUES_BYTES_MAX // 16
    wide = OUTPUT_VALUES_BYTES_MAX // CUT_VALUES_BYTES_MAX
    nodes = [node("MatMul", "x w", "m"), node("Concat", " ".join(["m"] * wide), "y", axis=1)]
    raw = model(
        nodes,
        inputs=[value("x", [rows, 4])],
        outputs=[value("y", [rows, 4 * wide])],
        weights=[weight("w", [(at * 7 % 11 - 5) / 8 for at in range(16)], [4, 4])],
    )
    store = Store(raw.SerializeToString(), [[rows, 4]])
    async with open_pool(CONFIG) as pool:
        job = bundle(x=tensor([1.0, 2.0, 3.0, 4.0] * rows, [rows, 4]))
        ran = await pool.execute(store.subject(), job)
        assert value_bytes(decode_bundle(ran.cut)) == CUT_VALUES_BYTES_MAX
        assert value_bytes(decode_bundle(ran.outputs)) == OUTPUT_VALUES_BYTES_MAX
        assert await pool.tail(store.subject(), job, ran.cut) == ran.outputs


async def test_a_wrong_input_costs_no_sandbox() -> None:
    store = Store()
    async with open_pool(CONFIG) as pool:
        await pool.execute(store.subject(), JOB)
        started = children()
        for wrong, reason in (
            (bundle(x=tensor([1] * 4, [1, 4], DType.INT32)), Reason.INPUT_WRONG_TYPE),
            (bundle(x=tensor([1] * 3, [1, 3])), Reason.INPUT_WRONG_SHAPE),
            (bundle(q=tensor([1] * 4, [1, 4])), Reason.INPUT_WRONG_NAME),
            (b"\xc1", Reason.INPUT_UNREADABLE),
        ):
            with pytest.raises(Refused) as caught:
                await pool.execute(store.subject(), wrong)
            assert caught.value.reason is reason
        assert children() == started


async def test_a_model_that_cannot_be_fetched_costs_no_sandbox() -> None:
    async def nowhere() -> bytes:
        raise Refused(Reason.CONTENT_NOT_FOUND)

    async with open_pool(CONFIG) as pool:
        await pool.layers()
        started = children()
        with pytest.raises(Refused):
            await pool.execute(Subject(model=KEY, shapes=[[1, 4]], class_=Class.NATIVE, load=nowhere), JOB)
        assert children() == started


async def test_as_many_jobs_run_at_once_as_there_are_sandboxes() -> None:
    before = children()
    async with open_pool(PoolConfig(size=2)) as pool, trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(pool.execute, Store().subject(), JOB)
        while len(children()) < len(before) + 2:
            await trio.lowlevel.checkpoint()
    assert children() == before


async def test_a_sandbox_that_dies_idle_is_replaced_and_costs_no_job() -> None:
    store, before = Store(), children()
    async with open_pool(CONFIG) as pool:
        await pool.execute(store.subject(), JOB)
        (victim,) = set(children()) - set(before)
        os.kill(victim, signal.SIGKILL)
        assert until_dead(victim)
        await pool.execute(store.subject(), JOB)
        assert store.fetched == 2
    assert children() == before


async def test_a_sandbox_that_dies_at_work_is_told_as_a_crash() -> None:
    before = children()
    async with open_pool(CONFIG) as pool, trio.open_nursery() as nursery:
        await pool.layers()
        (victim,) = set(children()) - set(before)

        async def kill() -> None:
            assert await trio.to_thread.run_sync(until_busy, victim)
            os.kill(victim, signal.SIGKILL)

        nursery.start_soon(kill)
        with pytest.raises(Refused) as caught:
            await pool.execute(slow().subject(class_=Class.EXACT), SLOW_JOB)
        assert (caught.value.reason, caught.value.facts["seen"]) == (Reason.RUN_CRASHED, "signal 9")
    assert children() == before


async def test_a_job_that_is_cancelled_leaves_no_sandbox_behind() -> None:
    before = children()
    async with open_pool(CONFIG) as pool:
        await pool.layers()
        with trio.move_on_after(0.5) as scope:
            await pool.execute(slow().subject(class_=Class.EXACT), SLOW_JOB)
        assert scope.cancelled_caught
        assert children() == before


async def test_what_is_owed_does_not_wait_for_offers_d14() -> None:
    before = children()
    ended: list[Reason] = []

    async def never() -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async with open_pool(PoolConfig(patience_s=0.1)) as pool, trio.open_nursery() as nursery:

        async def offer(key: bytes) -> None:
            subject = Subject(model=key, shapes=[[1, 4]], class_=Class.NATIVE, load=never)
            with pytest.raises(Refused) as caught:
                await pool.execute(subject, JOB, offered=True)
            ended.append(caught.value.reason)

        for at in range(3):
            nursery.start_soon(offer, bytes([at]) * 32)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert (await pool.execute(Store().subject(), JOB)).outputs
    assert ended == [Reason.BUSY] * 3
    assert children() == before


async def test_a_sandbox_is_replaced_after_its_share_of_jobs() -> None:
    store, before = Store(), children()
    async with open_pool(CONFIG) as pool:
        for _ in range(JOBS_MAX):
            await pool.execute(store.subject(), JOB)
        assert children() == before
        await pool.execute(store.subject(), JOB)
        assert store.fetched == 2


def moved(held: Bundle, *, by: float) -> Bundle:
    """The same bundle with every element moved by a part of the largest."""
    (only,) = held.tensors
    numbers = values(only.tensor)
    step = by * max(abs(number) for number in numbers)
    changed = tensor([number + step for number in numbers], only.tensor.shape)
    return Bundle(tensors=[NamedTensor(name=only.name, tensor=changed)])


async def test_tail_trace_and_known_answers_come_through_the_pool() -> None:
    store = Store()
    async with open_pool(CONFIG) as pool:
        assert await pool.deviating() == ()
        ran = await pool.execute(store.subject(), JOB)
        assert await pool.tail(store.subject(), JOB, ran.cut) == ran.outputs
        traced = await pool.trace(store.subject(), JOB, count=3)
        assert len(traced.digests) == 3
        assert store.fetched == 1


async def test_a_machine_that_gets_known_answers_wrong_takes_no_duties_and_says_which() -> None:
    # V109
    store = Store()
    async with open_pool(CONFIG) as pool:
        await pool.layers()
        pool._idle[0].deviating = ("SIN of float32",)
        for duty in (pool.check(RAW), pool.execute(store.subject(), JOB), pool.trace(store.subject(), JOB)):
            with pytest.raises(Refused) as caught:
                await duty
            assert (caught.value.reason, caught.value.facts["seen"]) == (Reason.KNOWN_ANSWERS_WRONG, "SIN of float32")
        assert await pool.deviating() == ("SIN of float32",)
        assert store.fetched == 0


async def test_native_values_are_proved_once_for_each_session_of_this_machine() -> None:
    # V107
    store = Store()
    async with open_pool(CONFIG) as pool:
        for class_ in Class:
            await pool.execute(store.subject(class_=class_), JOB)
        assert list(pool._proved) == [store.subject().key]


async def test_a_request_larger_than_the_sandbox_s_memory_is_told_as_that_and_the_sandbox_goes_on() -> None:
    store = Store()
    async with open_pool(PoolConfig(memory_limit_bytes=600 * 2**20)) as pool:
        with pytest.raises(Refused) as caught:
            await pool.check(bytes(MODEL_BYTES_MAX))
        assert caught.value.reason is Reason.RUN_MEMORY_LIMIT
        await pool.execute(store.subject(), JOB)


async def test_honest_differences_are_within_the_tolerance_and_lies_are_not() -> None:
    store = Store(magika_model(), [[1, 2048]])
    job = bundle(bytes=tensor([at % 257 for at in range(2048)], [1, 2048], DType.INT32))
    cuts = []
    for config in (CONFIG, PoolConfig(threads=2, optimisation=Optimisation.DISABLED)):
        async with open_pool(config) as pool:
            cuts.append(decode_small_bundle((await pool.execute(store.subject(), job)).cut))
    mine, others = cuts
    assert tensor_root(mine.tensors[0].tensor) != tensor_root(others.tensors[0].tensor)
    assert compare_bundles(mine, others, TOLERANCE).within
    noisy = moved(mine, by=1e-6)
    assert tensor_root(noisy.tensors[0].tensor) != tensor_root(mine.tensors[0].tensor)
    assert compare_bundles(mine, noisy, TOLERANCE).within
    assert not compare_bundles(mine, moved(mine, by=1e-3), TOLERANCE).within


def test_a_sandbox_dies_with_its_parent_even_while_it_works() -> None:
    program = (
        "import sys, trio\n"
        "from tests.vm.test_pool import SLOW_JOB, slow\n"
        "from vm.manifest import Class\n"
        "from vm.pool import PoolConfig, open_pool\n"
        "async def main():\n"
        "    async with open_pool(PoolConfig()) as pool, trio.open_nursery() as nursery:\n"
        "        await pool.layers()\n"
        "        nursery.start_soon(pool.execute, slow().subject(class_=Class.EXACT), SLOW_JOB)\n"
        "        print('ready', flush=True)\n"
        "trio.run(main)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (sandbox,) = children(parent.pid)
        assert until_busy(sandbox)
        parent.kill()
    assert until_dead(sandbox)


def test_a_program_without_a_loop_can_judge_and_run() -> None:
    before = children()
    assert [port.name for port in check_once(CONFIG, RAW).inputs] == [b"x"]
    assert decode_small_bundle(run_once(CONFIG, Store().subject(), JOB).outputs).tensors[0].name == b"y"
    assert children() == before
