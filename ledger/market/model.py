"""Models: their publication (J5)."""

from ledger.moment import Moment
from ledger.records import ModelEntry
from ledger.state import model_key
from ledger.transaction import ModelPublish
from primitives.reasons import Reason, Refused
from vm.manifest import check_model, check_terms, model_id


def publish(moment: Moment, sender: bytes, payload: ModelPublish) -> None:
    """Register a model for ever. Raises Refused NOT_A_PARTY, MODEL_EXISTS, and as check_model and check_terms do."""
    if payload.model.publisher != sender:
        raise Refused(Reason.NOT_A_PARTY, seen=payload.model.publisher, wanted=sender)
    check_model(payload.model)
    check_terms(payload.cut, payload.class_)
    identity = model_id(payload.model)
    if moment.state.model(identity) is not None:
        raise Refused(Reason.MODEL_EXISTS, model=identity)
    entry = ModelEntry(model=payload.model, cut=payload.cut, class_=payload.class_, published=moment.height)
    moment.state.put(model_key(identity), entry)
