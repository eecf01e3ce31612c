"""Hostile models and inputs in real sandboxes: each is refused with its reason and place, and no process is lost."""

from collections.abc import Callable, Sequence

import pytest

from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, tensor
from tests.vm.hostile.corpus import CORPUS, findings
from tests.vm.hostile.expected import SAID, SERVED, SLOW
from tests.vm.hostile.inputs import INPUTS, HostileInput, words_beyond
from tests.vm.hostile.make import Hostile
from tests.vm.models.catalogue import by_name
from tests.vm.processes import children
from vm.manifest import Class
from vm.pool import Pool, PoolConfig, Subject, open_pool

pytestmark = pytest.mark.e2e
CONFIG = PoolConfig(wall_limit_s=30)
FOUR_ONES = bundle(x=tensor([1.0] * 4))


def test_every_model_of_the_corpus_is_expected_to_be_told_one_thing() -> None:
    named = [*SERVED, *SLOW, *(name for names in SAID.values() for name in names)]
    assert sorted(named) == sorted(hostile.name for hostile in CORPUS)


async def test_a_hostile_model_is_refused_with_its_reason_and_place() -> None:
    before = children()
    async with open_pool(CONFIG) as pool:
        assert await findings(pool, [hostile for hostile in CORPUS if hostile.name not in SLOW]) == []
        assert len(children()) == len(before) + 1
    assert children() == before


async def test_a_sandbox_that_a_model_keeps_busy_is_ended_and_the_next_one_works() -> None:
    slow = [hostile for hostile in CORPUS if hostile.name in ("recurs-wide", "folds-many")]
    before = children()
    async with open_pool(PoolConfig(wall_limit_s=1)) as pool:
        assert await findings(pool, slow) == []
        assert len(children()) <= len(before) + 1
    assert children() == before


async def _reason(pool: Pool, subject: Subject, raw: bytes) -> Reason | None:
    try:
        await pool.execute(subject, raw)
    except Refused as fault:
        return fault.reason
    return None


def _subject(name: str, build: Callable[[], bytes], shapes: Sequence[Sequence[int]], class_: Class) -> Subject:
    async def load() -> bytes:
        return build()

    return Subject(model=name.encode().ljust(32), shapes=shapes, class_=class_, load=load)


def _honest(name: str, class_: Class) -> Subject:
    case = by_name(name)
    return _subject(name, case.build, case.shapes, class_)


def _hostile(hostile: Hostile, class_: Class) -> Subject:
    return _subject(hostile.name, hostile.build, hostile.shapes, class_)


RUN = {
    "loops-for-ever": Reason.TOO_MANY_NODES,
    "expands-to-8-gb": Reason.VALUE_TOO_LARGE,
    "functions-doubling": Reason.OPERATOR_REFUSED,
    "cut-short": Reason.MODEL_UNREADABLE,
    "reads-a-parent-folder": Reason.EXTERNAL_DATA,
}
"""What a sandbox says that is to run a model which nobody has judged."""


@pytest.mark.parametrize("class_", [Class.NATIVE, Class.EXACT])
async def test_what_is_run_without_being_judged_is_refused_too(class_: Class) -> None:
    hostile = {each.name: _hostile(each, class_) for each in CORPUS}
    honest, before = _honest("mlp", class_), children()
    async with open_pool(CONFIG) as pool:
        assert {name: await _reason(pool, hostile[name], FOUR_ONES) for name in RUN} == RUN
        await pool.execute(honest, bundle(x=tensor([1.0] * 64, [2, 32])))
        assert len(children()) == len(before) + 1
    async with open_pool(PoolConfig(wall_limit_s=1)) as pool:
        assert await _reason(pool, hostile["multiplies-for-hours"], FOUR_ONES) is Reason.RUN_TIME_LIMIT
    assert children() == before


async def test_a_model_that_is_strange_and_sound_has_a_result_or_a_trap() -> None:
    strange = [hostile for hostile in CORPUS if hostile.name in SERVED]
    async with open_pool(CONFIG) as pool:
        for hostile in strange:
            subject = _hostile(hostile, Class.EXACT)
            reason = await _reason(pool, subject, FOUR_ONES)
            assert reason in (None, Reason.RUN_TRAPPED), (hostile.name, reason)


@pytest.mark.parametrize("class_", [Class.NATIVE, Class.EXACT])
async def test_a_hostile_input_is_refused_with_its_reason(class_: Class) -> None:
    async with open_pool(CONFIG) as pool:
        subject = _honest("mlp", class_)
        wrong = [(each.name, found) for each in INPUTS if (found := await _of(pool, subject, each)) is not each.reason]
        assert wrong == []
        beyond = await _reason(pool, _honest("encoder", class_), words_beyond())
        assert beyond is (Reason.RUN_ENGINE_ERROR if class_ is Class.NATIVE else Reason.RUN_TRAPPED)


async def _of(pool: Pool, subject: Subject, hostile: HostileInput) -> Reason | None:
    return await _reason(pool, subject, hostile.build())


async def test_shapes_that_no_tensor_has_are_refused_before_a_sandbox_sees_them() -> None:
    raw = by_name("mlp").model
    async with open_pool(CONFIG) as pool:
        for shapes in ([[2**62]], [[-1, 32]], [[1] * 9], [[2, 32]] * 40):
            with pytest.raises(Refused) as caught:
                await pool.check(raw, shapes=shapes)
            assert caught.value.reason is Reason.INPUT_WRONG_SHAPE
