"""What can be told about a job before anything is spent, beyond what the node's dry run tells."""

from dataclasses import dataclass

from cli.bundles import ports_of_json
from cli.client import Client
from node.rpc.json_value import Json, records
from primitives.hashing import ZERO_HASH
from primitives.reasons import Reason, Refused
from vm.manifest import Class, check_inputs, told_shape
from vm.tensor import decode_bundle

LOWERINGS_MAX = 100
"""Looked at; whoever registers more for the same shapes wants to be in the way."""


@dataclass(frozen=True, kw_only=True)
class Meant:
    """What a job's run means: a lowering of the model, and the class in which it is run."""

    lowering: bytes
    class_: Class


def meaning_of(client: Client, model: bytes, raw: bytes, class_: Class | None) -> Meant:
    """Return the lowering for an encoded input: that of the model's publisher first, then the earliest.

    Raises Refused MODEL_UNKNOWN, INPUT_WRONG_NAME, _TYPE or _SHAPE unless the model takes this input,
    LOWERING_UNKNOWN if nobody has registered it for these shapes, CLASS_NOT_OFFERED.
    """
    told = client.rpc.table("model.show", id=model.hex())
    bundle = decode_bundle(raw)
    check_inputs(ports_of_json(told["inputs"]), bundle)
    shapes: Json = [list(each.tensor.shape) for each in bundle.tensors]
    fitting = _lowerings(client, model, shapes=shapes, publisher=told["publisher"])
    fitting += _lowerings(client, model, shapes=shapes)
    if not fitting:
        seen = _told([each.tensor.shape for each in bundle.tensors])
        raise Refused(Reason.LOWERING_UNKNOWN, seen=seen, wanted=_told_all(_lowerings(client, model)), model=model)
    for each in fitting:
        for offered in _classes(each):
            if class_ in (None, offered):
                return Meant(lowering=bytes.fromhex(str(each["id"])), class_=offered)
    wanted = ", ".join(name.name.lower() for name in _classes(fitting[0]))
    raise Refused(Reason.CLASS_NOT_OFFERED, seen=class_.name.lower() if class_ else None, wanted=wanted)


def unchecked_meaning(client: Client, model: bytes, raw: bytes, class_: Class | None) -> Meant:
    """Return the same if there is any, else whatever makes a transaction, so that the network's answer shows."""
    try:
        return meaning_of(client, model, raw, class_)
    except Refused as refused:
        known = [] if refused.reason is Reason.MODEL_UNKNOWN else _lowerings(client, model)
        lowering = bytes.fromhex(str(known[0]["id"])) if known else ZERO_HASH
        offered = _classes(known[0])[0] if known else Class.NATIVE
        return Meant(lowering=lowering, class_=class_ or offered)


def _lowerings(client: Client, model: bytes, **only: Json) -> list[dict[str, Json]]:
    """Return lowerings of a model, the earliest first."""
    told = records(client.rpc.table("model.lowerings", model=model.hex(), limit=LOWERINGS_MAX, **only)["lowerings"])
    return sorted(told, key=lambda each: (int(str(each["published"])), str(each["id"])))


def _classes(lowering: dict[str, Json]) -> list[Class]:
    """Return what a lowering offers, native first."""
    return [each for each in Class if each.name.lower() in str(lowering["classes"])]


def _shapes(lowering: dict[str, Json]) -> list[list[int]]:
    return [port.shape for port in ports_of_json(lowering["inputs"])]


def _told(shapes: list[list[int]]) -> str:
    return " ".join(map(told_shape, shapes))


def _told_all(known: list[dict[str, Json]]) -> str:
    return " or ".join(dict.fromkeys(_told(_shapes(each)) for each in known)) or "a registered lowering"
