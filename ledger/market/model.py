"""Models and what their jobs mean: publication (J5, J6)."""

from ledger.market.pace import check_cost
from ledger.moment import Moment
from ledger.records import LoweringEntry, ModelEntry
from ledger.stake.versions import rules_at
from ledger.state import lowering_key, model_key
from ledger.transaction import LoweringPublish, ModelPublish
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering, check_lowering, lowering_id
from vm.manifest import Model, check_model, model_id


def publish(moment: Moment, sender: bytes, payload: ModelPublish) -> None:
    """Register a model for ever, with its first lowering.

    Raises Refused NOT_A_PARTY, MODEL_EXISTS, and as check_model and check_lowering do (J5).
    """
    if payload.model.publisher != sender:
        raise Refused(Reason.NOT_A_PARTY, seen=payload.model.publisher, wanted=sender)
    check_model(payload.model)
    identity = model_id(payload.model)
    if moment.state.model(identity) is not None:
        raise Refused(Reason.MODEL_EXISTS, model=identity)
    moment.state.put(model_key(identity), ModelEntry(model=payload.model, published=moment.height))
    _register(moment, sender, payload.lowering, payload.model)


def publish_lowering(moment: Moment, sender: bytes, payload: LoweringPublish) -> None:
    """Register a lowering of a published model; anybody may (J6).

    Raises Refused MODEL_UNKNOWN, LOWERING_EXISTS, and as check_lowering does.
    """
    entry = moment.state.model(payload.lowering.model)
    if entry is None:
        raise Refused(Reason.MODEL_UNKNOWN, model=payload.lowering.model)
    _register(moment, sender, payload.lowering, entry.model)


def _register(moment: Moment, sender: bytes, lowering: Lowering, model: Model) -> None:
    identity = model_id(model)
    if lowering.model != identity:
        raise Refused(Reason.LOWERING_INVALID, what="model", seen=lowering.model, wanted=identity)
    check_lowering(lowering, model)
    check_cost(lowering.cost)
    active = rules_at(moment.state, moment.time_ms)
    planned = [each.vm for each in moment.state.rule_versions() if each.from_ms >= active.from_ms]
    if lowering.vm_version not in planned:  # J6: of the rules in force, or of those to come
        raise Refused(Reason.LOWERING_INVALID, what="vm_version", seen=lowering.vm_version, wanted=planned[-1])
    key = lowering_key(identity, lowering_id(lowering))
    if moment.state.find(LoweringEntry, key) is not None:
        raise Refused(Reason.LOWERING_EXISTS, lowering=lowering_id(lowering))
    moment.state.put(key, LoweringEntry(lowering=lowering, publisher=sender, published=moment.height))


def check_version(moment: Moment, lowering: Lowering) -> None:
    """Raise Refused LOWERING_INVALID unless a lowering is of the vm_version in force (J10)."""
    active = rules_at(moment.state, moment.time_ms).vm
    if lowering.vm_version != active:
        raise Refused(Reason.LOWERING_INVALID, what="vm_version", seen=lowering.vm_version, wanted=active)
