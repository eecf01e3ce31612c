"""Hostile models against real sandboxes: at admission, and with the checks off, which only these tests can do."""

import pytest

from primitives.reasons import Reason, Refused
from tests.vm.build import bundle, classifier, tensor
from tests.vm.hostile_models import CUT, HOSTILE
from tests.vm.processes import children
from vm.manifest import Class
from vm.pool import PoolConfig, open_pool

pytestmark = pytest.mark.e2e

CONFIG = PoolConfig(wall_limit_s=2.0, memory_limit_bytes=2**30)
JOB = bundle(x=tensor([1.0]))

ADMISSION = {
    "loops-for-ever": {Reason.OPERATOR_REFUSED},
    "allocates-8-gb": {Reason.RUN_MEMORY_LIMIT},
    "nests-2-to-the-30-functions": {Reason.FUNCTIONS_REFUSED},
    "cut-short": {Reason.MODEL_UNREADABLE},
    "reads-another-file": {Reason.EXTERNAL_DATA},
    "multiplies-for-hours": {Reason.RUN_TIME_LIMIT},
}
RUN = {
    "loops-for-ever": {Reason.RUN_TIME_LIMIT},
    "allocates-8-gb": {Reason.RUN_MEMORY_LIMIT},
    # Whichever comes first on the machine at hand.
    "nests-2-to-the-30-functions": {Reason.RUN_TIME_LIMIT, Reason.RUN_MEMORY_LIMIT},
    "cut-short": {Reason.MODEL_UNREADABLE},
    "reads-another-file": {Reason.GRAPH_INVALID},
    "multiplies-for-hours": {Reason.RUN_TIME_LIMIT},
}


@pytest.mark.parametrize("name", list(HOSTILE))
async def test_a_hostile_model_is_refused_at_admission(name: str) -> None:
    before = children()
    async with open_pool(CONFIG) as pool:
        with pytest.raises(Refused) as caught:
            await pool.admit(HOSTILE[name](), [CUT], Class.NATIVE)
        assert caught.value.reason in ADMISSION[name]
    assert children() == before


@pytest.mark.parametrize("name", list(HOSTILE))
async def test_with_the_checks_off_a_hostile_model_ends_as_a_typed_failure_and_the_pool_goes_on(name: str) -> None:
    async def hostile() -> bytes:
        return HOSTILE[name]()

    async def honest() -> bytes:
        raw: bytes = classifier().SerializeToString()
        return raw

    before = children()
    async with open_pool(CONFIG) as pool:
        with pytest.raises(Refused) as caught:
            await pool.run(b"h" * 32, [CUT], hostile, JOB)
        assert caught.value.reason in RUN[name], caught.value
        await pool.run(bytes(32), [b"logits"], honest, bundle(x=tensor([1] * 4, [1, 4])))
        assert len(children()) == len(before) + 1
    assert children() == before
