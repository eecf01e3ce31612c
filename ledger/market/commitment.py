"""Commitments: what binds a party to its values before anybody shows theirs (J20)."""

from dataclasses import dataclass

from ledger.transaction import Shown
from primitives.content import ContentId, content_id
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from vm.layout import Layout, bundle_length
from vm.lowering import Lowering
from vm.manifest import Class, Model, told_shape
from vm.tensor import Bundle, TensorType, decode_small_bundle


def commitment(*, genesis: bytes, job: bytes, worker: bytes, cut: Shown, outputs: Shown, salt: bytes) -> bytes:
    """Return the commitment of `worker` (20-byte address) to two encoded bundles, or their ids, 32 bytes (J20).

    It binds network, job and worker, so a copied one opens for nobody else.
    """
    roots = identified(cut).root, identified(outputs).root
    return tagged("assay/commit", genesis, job, worker, *roots, salt)


def identified(shown: Shown) -> ContentId:
    """Return the id of a bundle that a reveal shows."""
    return shown if isinstance(shown, ContentId) else content_id(shown)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A commitment that was opened: the ids of its bundles, of the form that the job's lowering gives."""

    cut: Bundle | None
    """None where it was shown by its id alone."""
    cut_id: ContentId
    outputs_id: ContentId


def forms(model: Model, lowering: Lowering, class_: Class) -> tuple[Layout, Layout]:
    """Return the layouts of cut and outputs of a job (V124)."""
    values = lowering.cut_of(class_)
    cut = Layout([value.name for value in values], [value.type for value in values])
    return cut, Layout([port.name for port in model.outputs], lowering.outputs)


def open_bundles(model: Model, lowering: Lowering, class_: Class, *, cut: Shown, outputs: Shown) -> Opened:
    """Return the bundles that a reveal carries.

    Raises Refused TOO_LARGE or MALFORMED (V5, V6), and WRONG_SHAPE unless they have exactly the names, types and
    shapes that the lowering gives (J22), and are shown whole or by their ids as these say (J70).
    """
    cut_form, outputs_form = forms(model, lowering, class_)
    opened = _opened("cut", cut, cut_form, whole=lowering.cut_is_whole(class_))
    _opened("outputs", outputs, outputs_form, whole=lowering.outputs_are_whole)
    return Opened(cut=opened, cut_id=identified(cut), outputs_id=identified(outputs))


def _opened(what: str, shown: Shown, form: Layout, *, whole: bool) -> Bundle | None:
    """Return a bundle that is shown whole, as it must be unless it is large. Raises Refused."""
    if isinstance(shown, ContentId):
        if whole:
            raise Refused(Reason.WRONG_SHAPE, what=what, seen="its id", wanted="all of it")  # J70
        if shown.length != bundle_length(form):
            raise Refused(Reason.WRONG_SHAPE, what=what, seen=shown.length, wanted=bundle_length(form))  # J71
        return None
    if not whole:
        raise Refused(Reason.WRONG_SHAPE, what=what, seen="all of it", wanted="its id")  # J70
    bundle = decode_small_bundle(shown)
    check_form(what, bundle, form)
    return bundle


def check_form(what: str, seen: Bundle, form: Layout) -> None:
    """Raise Refused WRONG_SHAPE unless a bundle has exactly the names, types and shapes of a layout (J22)."""
    found = [each.name for each in seen.tensors]
    if found != form.names:
        raise Refused(Reason.WRONG_SHAPE, what=what, seen=b", ".join(found), wanted=b", ".join(form.names))
    for each, type_ in zip(seen.tensors, form.types, strict=True):
        type_seen = TensorType(dtype=each.tensor.dtype, shape=each.tensor.shape)
        if type_seen != type_:
            raise Refused(Reason.WRONG_SHAPE, tensor=each.name, seen=_told(type_seen), wanted=_told(type_))


def _told(type_: TensorType) -> str:
    return f"{type_.dtype.name.lower()} {told_shape(type_.shape)}"
