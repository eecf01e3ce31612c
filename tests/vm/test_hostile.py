"""Hostile models against real sandboxes: each is refused for its reason, and the pool goes on."""

import pytest

from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, classifier, tensor
from tests.vm.hostile_models import HOSTILE
from tests.vm.processes import children
from vm.manifest import Class
from vm.pool import PoolConfig, Subject, open_pool

pytestmark = pytest.mark.e2e

CONFIG = PoolConfig(wall_limit_s=10.0, memory_limit_bytes=2**30)
JOB = bundle(x=tensor([1.0]))
REFUSED = {
    "loops-for-ever": {Reason.SHAPE_NOT_STATIC, Reason.TOO_MANY_NODES},
    "allocates-8-gb": {Reason.VALUE_TOO_LARGE},
    "nests-2-to-the-30-functions": {Reason.FUNCTIONS_REFUSED, Reason.OPERATOR_REFUSED},
    "cut-short": {Reason.MODEL_UNREADABLE},
    "reads-another-file": {Reason.EXTERNAL_DATA},
    "multiplies-for-hours": {Reason.TOO_COSTLY, Reason.RUN_TIME_LIMIT},
}


@pytest.mark.parametrize("name", list(HOSTILE))
async def test_a_hostile_model_is_refused_when_it_is_judged_and_when_it_is_run(name: str) -> None:
    async def hostile() -> bytes:
        return HOSTILE[name]()

    async def honest() -> bytes:
        raw: bytes = classifier().SerializeToString()
        return raw

    before = children()
    async with open_pool(CONFIG) as pool:
        try:
            found = {fault.reason for fault in (await pool.check(HOSTILE[name]())).faults}
        except Refused as refused:
            found = {refused.reason}
        assert found & REFUSED[name], found
        subject = Subject(model=b"h" * 32, shapes=[[1]], class_=Class.NATIVE, load=hostile)
        with pytest.raises(Refused) as caught:
            await pool.execute(subject, JOB)
        assert caught.value.reason in REFUSED[name], caught.value
        kind = Subject(model=bytes(32), shapes=[[1, 4]], class_=Class.NATIVE, load=honest)
        await pool.execute(kind, bundle(x=tensor([1] * 4, [1, 4])))
        assert len(children()) == len(before) + 1
    assert children() == before
