"""Commitments: what binds a party to its values before anybody shows theirs (J20)."""

from dataclasses import dataclass

from ledger.records import ModelEntry
from primitives.content import ContentId, content_id
from primitives.hashing import tagged
from primitives.reasons import Reason, Refused
from vm.manifest import FREE, Port
from vm.tensor import FLOATS, Bundle, NamedTensor, decode_small_bundle


def commitment(*, genesis: bytes, job: bytes, worker: bytes, cut: bytes, outputs: bytes, salt: bytes) -> bytes:
    """Return the commitment of `worker` (20-byte address) to two encoded bundles, 32 bytes (J20).

    It binds network, job and worker, so a copied one opens for nobody else.
    """
    roots = content_id(cut).root, content_id(outputs).root
    return tagged("assay/commit", genesis, job, worker, *roots, salt)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A commitment that was opened: its bundles, decoded and of the model's form."""

    cut: Bundle
    outputs: Bundle
    cut_id: ContentId
    outputs_id: ContentId


def open_bundles(entry: ModelEntry, cut: bytes, outputs: bytes) -> Opened:
    """Return the bundles that a reveal carries.

    Raises Refused TOO_LARGE or MALFORMED (V5, V6), and WRONG_SHAPE unless they are what the model gives (J22).
    """
    opened = Opened(
        cut=decode_small_bundle(cut),
        outputs=decode_small_bundle(outputs),
        cut_id=content_id(cut),
        outputs_id=content_id(outputs),
    )
    _check_names("cut", [each.name for each in opened.cut.tensors], entry.cut.values)
    _check_names("outputs", [each.name for each in opened.outputs.tensors], [port.name for port in entry.model.outputs])
    for each in opened.cut.tensors:
        if each.tensor.dtype not in FLOATS:
            raise Refused(Reason.WRONG_SHAPE, tensor=each.name, seen=each.tensor.dtype.name, wanted="a float type")
    for port, each in zip(entry.model.outputs, opened.outputs.tensors, strict=True):
        _check_port(port, each)
    return opened


def _check_names(what: str, seen: list[bytes], wanted: list[bytes]) -> None:
    if seen != wanted:
        raise Refused(Reason.WRONG_SHAPE, what=what, seen=b", ".join(seen), wanted=b", ".join(wanted))


def _check_port(port: Port, each: NamedTensor) -> None:
    tensor = each.tensor
    fits = len(tensor.shape) == len(port.shape) and all(
        want in (FREE, have) for have, want in zip(tensor.shape, port.shape, strict=True)
    )
    if tensor.dtype is not port.dtype or not fits:
        seen, wanted = f"{tensor.dtype.name} {tensor.shape}", f"{port.dtype.name} {port.shape}"
        raise Refused(Reason.WRONG_SHAPE, tensor=each.name, seen=seen, wanted=wanted)
