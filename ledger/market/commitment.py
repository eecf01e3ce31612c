"""Commitments: what binds a party to its values before anybody shows theirs (J20)."""

from dataclasses import dataclass

from primitives.content import ContentId, content_id
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering
from vm.manifest import Class, Model, told_shape
from vm.tensor import Bundle, Name, TensorType, decode_small_bundle


def commitment(*, genesis: bytes, job: bytes, worker: bytes, cut: bytes, outputs: bytes, salt: bytes) -> bytes:
    """Return the commitment of `worker` (20-byte address) to two encoded bundles, 32 bytes (J20).

    It binds network, job and worker, so a copied one opens for nobody else.
    """
    roots = content_id(cut).root, content_id(outputs).root
    return tagged("assay/commit", genesis, job, worker, *roots, salt)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A commitment that was opened: its bundles, decoded and of the form that the job's lowering gives."""

    cut: Bundle
    outputs: Bundle
    cut_id: ContentId
    outputs_id: ContentId


def open_bundles(model: Model, lowering: Lowering, class_: Class, *, cut: bytes, outputs: bytes) -> Opened:
    """Return the bundles that a reveal carries.

    Raises Refused TOO_LARGE or MALFORMED (V5, V6), and WRONG_SHAPE unless they have exactly the names, types and
    shapes that the lowering gives (J22).
    """
    opened = Opened(
        cut=decode_small_bundle(cut),
        outputs=decode_small_bundle(outputs),
        cut_id=content_id(cut),
        outputs_id=content_id(outputs),
    )
    values = lowering.cut_of(class_)  # V124
    _check_form("cut", opened.cut, [value.name for value in values], [value.type for value in values])
    _check_form("outputs", opened.outputs, [port.name for port in model.outputs], lowering.outputs)
    return opened


def _check_form(what: str, seen: Bundle, names: list[Name], types: list[TensorType]) -> None:
    found = [each.name for each in seen.tensors]
    if found != names:
        raise Refused(Reason.WRONG_SHAPE, what=what, seen=b", ".join(found), wanted=b", ".join(names))
    for each, type_ in zip(seen.tensors, types, strict=True):
        type_seen = TensorType(dtype=each.tensor.dtype, shape=each.tensor.shape)
        if type_seen != type_:
            raise Refused(Reason.WRONG_SHAPE, tensor=each.name, seen=_told(type_seen), wanted=_told(type_))


def _told(type_: TensorType) -> str:
    return f"{type_.dtype.name.lower()} {told_shape(type_.shape)}"
