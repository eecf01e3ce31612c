from typing import Any

import pytest

from ledger.market.pace import RUN_GAS_MAX
from ledger.stake.records import RuleVersion, RuleVersions
from ledger.state import VERSIONS, change
from ledger.transaction import LoweringPublish, ModelPublish
from primitives import codec
from primitives.reasons import Reason
from testnet.kit import ledger_builders as kit
from vm.cost import TRACE_BYTES_MAX
from vm.lowering import lowering_id
from vm.manifest import model_id
from vm.tensor import DType, TensorType

WIDE = TensorType(dtype=DType.FLOAT32, shape=[2, kit.OUTPUTS])


def test_a_published_model_stands_under_its_id() -> None:
    world = kit.a_world()
    world.must("publisher", kit.a_publication())
    entry = world.state.model(model_id(kit.a_model()))
    assert entry is not None
    assert (entry.model, entry.published) == (kit.a_model(), 1)
    assert [identity for identity, _ in world.state.models()] == [model_id(kit.a_model())]


def test_a_model_is_published_once_and_by_its_publisher() -> None:
    world = kit.a_world()
    world.must("publisher", kit.a_publication())
    assert world.do("publisher", kit.a_publication()).reason == Reason.MODEL_EXISTS
    # The id covers file and interface, so the same file can't be taken over under another name.
    assert world.do("client", kit.a_publication("client")).reason == Reason.MODEL_EXISTS
    assert world.do("client", kit.a_publication("stranger")).reason == Reason.NOT_A_PARTY


def test_a_model_comes_with_its_first_lowering_and_anybody_adds_others() -> None:
    """J6."""
    world = kit.a_world()
    unknown = LoweringPublish(lowering=kit.a_lowering())
    assert world.do("client", unknown).reason == Reason.MODEL_UNKNOWN
    world.must("publisher", kit.a_publication())
    other = kit.a_lowering(inputs=[WIDE], outputs=[WIDE])
    world.must("client", LoweringPublish(lowering=other))
    found = dict(world.state.lowerings(model_id(kit.a_model())))
    assert sorted(found) == sorted(map(lowering_id, (kit.a_lowering(), other)))
    assert found[lowering_id(other)].publisher == kit.address("client")
    assert world.do("client", LoweringPublish(lowering=other)).reason == Reason.LOWERING_EXISTS


def test_a_wrong_lowering_keeps_the_right_one_of_the_same_binding_from_nobody() -> None:
    """V121."""
    world = kit.a_world()
    world.must("publisher", kit.a_publication())
    world.must("client", LoweringPublish(lowering=kit.a_lowering(program_root=bytes(32))))
    assert len(list(world.state.lowerings(model_id(kit.a_model())))) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"model": bytes(32)},
        {"outputs": [WIDE, WIDE]},
        {"vm_version": 2},
        {"classes": 0},
        {"cost": kit.a_cost(gas=RUN_GAS_MAX + 1)},
        {"cost": kit.a_cost(trace_bytes=TRACE_BYTES_MAX + 1)},
    ],
)
def test_a_model_is_not_published_with_a_lowering_that_can_not_be_its_own(changed: dict[str, Any]) -> None:
    """J6."""
    world = kit.a_world()
    publication = ModelPublish(model=kit.a_model(), lowering=kit.a_lowering(**changed))
    assert world.do("publisher", publication).reason == Reason.LOWERING_INVALID
    assert world.state.model(model_id(kit.a_model())) is None


def test_a_lowering_for_rules_to_come_is_registered_ahead_and_serves_from_their_time_on() -> None:
    """J6, J10."""
    world = kit.a_world()
    world.must("publisher", kit.a_publication())
    later = [RuleVersion(protocol=1, vm=1, from_ms=0), RuleVersion(protocol=1, vm=2, from_ms=2**60)]
    world.reader.write({VERSIONS: codec.encode(RuleVersions(planned=later))})
    ahead = kit.a_lowering(vm_version=2)
    world.must("client", LoweringPublish(lowering=ahead))
    job = change(kit.a_submission(), lowering=lowering_id(ahead))
    assert world.do("client", job).reason == Reason.LOWERING_INVALID
    world.must("client", kit.a_submission())


def test_a_lowering_for_rules_that_are_over_is_refused() -> None:
    """J6."""
    world = kit.a_world()
    world.must("publisher", kit.a_publication())
    gone = [RuleVersion(protocol=1, vm=7, from_ms=0), RuleVersion(protocol=1, vm=1, from_ms=1)]
    world.reader.write({VERSIONS: codec.encode(RuleVersions(planned=gone))})
    past = kit.a_lowering(vm_version=7)
    assert world.do("client", LoweringPublish(lowering=past)).reason == Reason.LOWERING_INVALID
