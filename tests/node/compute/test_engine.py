"""The product's engine on real sandboxes; each test starts one, half a second each."""

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from ledger.records import ModelEntry
from node.compute.engine import SandboxEngine, check_derived
from node.ports import Role, Task
from primitives.content import content_id
from primitives.reasons import Reason, Refused
from testnet.kit.checked import a_meaning
from testnet.kit.ledger_builders import a_cost, a_lowering
from tests.vm.build import bundle, classifier, tensor
from vm.lowering import Lowering
from vm.manifest import Class, Model, Provenance, Ratio, model_id
from vm.pool import Pool, PoolConfig, RunResult, Subject, open_pool
from vm.sandbox_protocol import Checked
from vm.tensor import decode_small_bundle

pytestmark = pytest.mark.e2e

INPUT = bundle(x=tensor([1, 2, 3, 4, 4, -3, 2, 1], [2, 4]))


class Published:
    """A model, as a publisher's sandbox found it."""

    def __init__(self, file: bytes, found: Checked) -> None:
        assert found.lowering is not None, found.faults
        self.file = file
        self.model = Model(
            file=content_id(file),
            inputs=found.inputs,
            outputs=found.outputs,
            licence=b"",
            provenance=Provenance(parents=[], datasets=[], training_jobs=[]),
            publisher=bytes(20),
        )
        self.lowering: Lowering = replace(found.lowering, model=model_id(self.model))

    @property
    def entry(self) -> ModelEntry:
        return ModelEntry(model=self.model, published=1)

    def task(
        self,
        *,
        raw: bytes = INPUT,
        job: bytes = b"j" * 32,
        file: bytes | None = None,
        class_: Class = Class.NATIVE,
        **changed: object,
    ) -> Task:
        return Task(
            job=job,
            role=Role.PROVIDE,
            model_id=model_id(self.model),
            model=self.file if file is None else file,
            lowering=replace(self.lowering, **changed),
            class_=class_,
            input=raw,
        )


async def published(pool: Pool, file: bytes) -> Published:
    return Published(file, await pool.check(file, samples=[INPUT]))


class CountingPool(Pool):
    """Counts what sandboxes are asked for."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.asked: list[str] = []

    async def check(
        self,
        model: bytes,
        *,
        shapes: Sequence[Sequence[int]] = (),
        samples: Sequence[bytes] = (),
        calibrate: bool = True,
        offered: bool = False,
    ) -> Checked:
        self.asked.append("check")
        return await self.pool.check(model, shapes=shapes, samples=samples, calibrate=calibrate, offered=offered)

    async def execute(self, subject: Subject, bundle: bytes, *, offered: bool = False) -> RunResult:
        self.asked.append("execute")
        return await self.pool.execute(subject, bundle, offered=offered)


async def test_a_rehearsed_task_is_not_run_a_second_time_and_a_lowering_is_derived_once() -> None:
    async with open_pool(PoolConfig()) as real:
        told = await published(real, classifier().SerializeToString())
        pool = CountingPool(real)
        engine = SandboxEngine(pool)
        await engine.rehearse(told.task(), told.entry)
        assert pool.asked == ["check", "execute"]
        first = await engine.run(told.task())
        assert pool.asked == ["check", "execute"]
        assert (await engine.run(told.task(job=b"k" * 32))).outputs == first.outputs
        assert pool.asked == ["check", "execute", "execute"]
    assert [each.name for each in decode_small_bundle(first.cut).tensors] == [b"m"]
    assert [each.name for each in decode_small_bundle(first.outputs).tensors] == [b"y"]


async def test_the_outputs_follow_from_the_cut_whoever_computed_it() -> None:
    """J25."""
    async with open_pool(PoolConfig()) as pool:
        told = await published(pool, classifier().SerializeToString())
        engine = SandboxEngine(pool)
        result = await engine.run(told.task())
        assert await engine.tail(told.task(), result.cut) == result.outputs
        other = bundle(m=tensor([9, 1, 1, 9, 1, 1], [2, 3]))
        assert await engine.tail(told.task(), other) != result.outputs


async def test_class_exact_has_an_empty_cut_and_the_same_outputs_every_time() -> None:
    """V124."""
    async with open_pool(PoolConfig()) as pool, open_pool(PoolConfig()) as another:
        told = await published(pool, classifier().SerializeToString())
        first = await SandboxEngine(pool).run(told.task(class_=Class.EXACT))
        second = await SandboxEngine(another).run(told.task(class_=Class.EXACT))
    assert decode_small_bundle(first.cut).tensors == []
    assert first.outputs == second.outputs


async def refusal(engine: SandboxEngine, task: Task, entry: ModelEntry) -> Reason:
    with pytest.raises(Refused) as caught:
        await engine.rehearse(task, entry)
    return caught.value.reason


async def test_what_can_not_be_done_is_found_out_in_rehearsal() -> None:
    async with open_pool(PoolConfig()) as pool:
        told = await published(pool, classifier().SerializeToString())
        engine, entry = SandboxEngine(pool), told.entry
        wider = replace(entry.model, outputs=[replace(entry.model.outputs[0], shape=[-1, 4])])
        assert await refusal(engine, told.task(), replace(entry, model=wider)) is Reason.GRAPH_INVALID
        short = told.task(file=told.file[:40], program_root=b"s" * 32)
        assert await refusal(engine, short, entry) is Reason.MODEL_UNREADABLE
        lied = told.task(program_root=b"l" * 32)
        assert await refusal(engine, lied, entry) is Reason.LOWERING_DIFFERS
        bad = bundle(x=tensor([1, 2, 3], [1, 3]))
        assert await refusal(engine, told.task(raw=bad), entry) is Reason.INPUT_WRONG_SHAPE
        await engine.rehearse(told.task(), entry)  # nothing of it is held against the model


@pytest.mark.parametrize(
    "changed",
    [
        {"program_root": bytes(32)},
        {"constants_root": bytes(32)},
        {"cost": a_cost(gas=1)},
        {"cut": []},
        {"outputs": []},
        {"worst": replace(a_lowering().worst, steps=1)},
    ],
)
def test_a_lowering_that_is_not_what_the_file_gives_is_found_out(changed: dict[str, object]) -> None:
    """V125."""
    with pytest.raises(Refused) as caught:
        check_derived(a_lowering(), replace(a_meaning(), **changed))
    assert caught.value.reason is Reason.LOWERING_DIFFERS


def test_a_lowering_for_another_version_of_the_vm_is_not_worked_for() -> None:
    """V125."""
    with pytest.raises(Refused) as caught:
        check_derived(a_lowering(vm_version=2), a_meaning())
    assert caught.value.facts["what"] == "vm_version"


def test_the_tolerance_is_the_publishers_word() -> None:
    """V125."""
    check_derived(a_lowering(tolerance=Ratio(numerator=1, denominator=2_000)), a_meaning())
