"""The product's engine on real sandboxes; each test starts one, half a second each."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from ledger.records import ModelEntry
from node.compute.engine import SandboxEngine
from node.ports import Role, Task
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from tests.vm.build import MAGIKA_CUT, bundle, classifier, magika_model, tensor
from vm.manifest import TOLERANCE, Class, Cut, Model, Port, Provenance, model_id
from vm.pool import LoadModel, Pool, PoolConfig, RunResult, open_pool
from vm.sandbox_protocol import Admitted
from vm.tensor import DType, decode_small_bundle

pytestmark = pytest.mark.e2e

PORTS = ([Port(name=b"x", dtype=DType.FLOAT32, shape=[-1, 4])], [Port(name=b"y", dtype=DType.FLOAT32, shape=[-1, 3])])
INPUT = bundle(x=tensor([1, 2, 3, 4], [1, 4]))


def an_entry(file: bytes, ports: tuple[list[Port], list[Port]] = PORTS, cut: bytes = b"logits") -> ModelEntry:
    model = Model(
        file=content_id(file),
        inputs=ports[0],
        outputs=ports[1],
        licence=b"",
        provenance=Provenance(parents=[], datasets=[], training_jobs=[]),
        publisher=bytes(20),
    )
    return ModelEntry(model=model, cut=Cut(values=[cut], tolerance=TOLERANCE), class_=Class.NATIVE, published=1)


def a_task(entry: ModelEntry, file: bytes, raw: bytes = INPUT, *, job: bytes = b"j" * 32) -> Task:
    return Task(
        job=job,
        role=Role.PROVIDE,
        model_id=model_id(entry.model),
        model=file,
        cut=tuple(entry.cut.values),
        input=raw,
    )


class CountingPool(Pool):
    """Counts what sandboxes are asked for."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.asked: list[str] = []

    async def admit(self, model: bytes, cut: Sequence[bytes], class_: Class, *, sample: bytes = b"") -> Admitted:
        self.asked.append("admit")
        return await self.pool.admit(model, cut, class_, sample=sample)

    async def run(self, model_key: bytes, cut: Sequence[bytes], load: LoadModel, bundle: bytes) -> RunResult:
        self.asked.append("run")
        return await self.pool.run(model_key, cut, load, bundle)


async def test_a_rehearsed_task_is_not_run_a_second_time_and_a_model_is_admitted_once() -> None:
    file = classifier().SerializeToString()
    entry = an_entry(file)
    async with open_pool(PoolConfig()) as real:
        pool = CountingPool(real)
        engine = SandboxEngine(pool)
        task = a_task(entry, file)
        await engine.rehearse(task, entry)
        assert pool.asked == ["admit", "run"]
        first = await engine.run(task)
        assert pool.asked == ["admit", "run"]
        assert (await engine.run(replace_job(task))).outputs == first.outputs
        assert pool.asked == ["admit", "run", "run"]
    assert [each.name for each in decode_small_bundle(first.cut).tensors] == [b"logits"]
    assert [each.name for each in decode_small_bundle(first.outputs).tensors] == [b"y"]


def replace_job(task: Task) -> Task:
    return Task(
        job=b"k" * 32, role=Role.VERIFY, model_id=task.model_id, model=task.model, cut=task.cut, input=task.input
    )


async def refusal(engine: SandboxEngine, task: Task, entry: ModelEntry) -> Reason:
    with pytest.raises(Refused) as caught:
        await engine.rehearse(task, entry)
    return caught.value.reason


async def test_what_can_not_be_done_is_found_out_in_rehearsal() -> None:
    file = classifier().SerializeToString()
    entry = an_entry(file)
    wider = (PORTS[0], [replace(PORTS[1][0], shape=[-1, 4])])
    async with open_pool(PoolConfig()) as pool:
        engine = SandboxEngine(pool)
        lied = an_entry(file, wider)
        assert await refusal(engine, a_task(lied, file), lied) is Reason.GRAPH_INVALID
        short = an_entry(file[:40])
        assert await refusal(engine, a_task(short, file[:40]), short) is Reason.MODEL_UNREADABLE
        cutless = an_entry(file, cut=b"nowhere")
        assert await refusal(engine, a_task(cutless, file), cutless) is Reason.CUT_UNKNOWN
        bad = bundle(x=tensor([1, 2, 3], [1, 3]))
        assert await refusal(engine, a_task(entry, file, bad), entry) is Reason.INPUT_WRONG_SHAPE
        await engine.rehearse(a_task(entry, file), entry)  # nothing of it is held against the model


async def test_a_model_that_no_one_here_made_runs_with_its_cut() -> None:
    file = magika_model()
    async with open_pool(PoolConfig()) as pool:
        admitted = await pool.admit(file, [MAGIKA_CUT], Class.NATIVE)
        entry = an_entry(file, (admitted.inputs, admitted.outputs), MAGIKA_CUT)
        engine = SandboxEngine(pool)
        name = admitted.inputs[0].name.decode()
        task = a_task(entry, file, bundle(**{name: tensor([256] * 2048, [1, 2048], DType.INT32)}))
        await engine.rehearse(task, entry)
        result = await engine.run(task)
    (cut,) = decode_small_bundle(result.cut).tensors
    assert (cut.name, cut.tensor.shape) == (MAGIKA_CUT, [1, 214])
