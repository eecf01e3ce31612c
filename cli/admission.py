"""Judging a model on the user's own machine, in a sandbox like those of the network's workers."""

from collections.abc import Sequence
from pathlib import Path

from cli.bundles import INPUT_FILE_BYTES_MAX, bundle_of_file
from cli.wallet_keys import read_limited
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering
from vm.manifest import FREE, Port
from vm.pool import PoolConfig, check_once
from vm.sandbox_protocol import Checked, Failed, refused

WALL_LIMIT_S = 600.0
"""Ten times what a worker allows for a run: calibrating takes two canonical runs for each sample."""
CONFIG = PoolConfig(wall_limit_s=WALL_LIMIT_S)
FREE_SIZE = 1
"""What a free dimension is where neither a sample nor a shape says more."""


def check(model: bytes, samples: Sequence[Path], shapes: Sequence[str]) -> Checked:
    """Return what a sandbox finds in a model, for inputs like the samples or of the shapes (`NAME=1,224,224,3`).

    Raises Refused for a file that is no model, and for samples and shapes that don't fit it.
    """
    bundles = [bundle_of_file(read_limited(each, INPUT_FILE_BYTES_MAX)) for each in samples]
    bound = []
    if shapes:
        declared = check_once(CONFIG, model, calibrate=False)
        bound = bound_shapes(declared.inputs, [shape_of(each) for each in shapes])
    return check_once(CONFIG, model, shapes=bound, samples=bundles)


def check_bundles(model: bytes, samples: Sequence[bytes]) -> Checked:
    """Return what a sandbox finds in a model, for inputs like these encoded bundles. Raises Refused."""
    return check_once(CONFIG, model, samples=samples)


def shape_of(text: str) -> tuple[str, list[int]]:
    """Return name and sizes of `NAME=1,224,224,3`; a scalar is `NAME=`. Raises Refused REQUEST_INVALID."""
    name, equals, sizes = text.rpartition("=")
    parts = [each for each in sizes.split(",") if each]
    if not equals or not all(each.isascii() and each.isdigit() for each in parts):
        raise Refused(Reason.REQUEST_INVALID, what="--shape", seen=text, wanted="NAME=1,224,224,3")
    return name, [int(each) for each in parts]


def bound_shapes(inputs: Sequence[Port], named: Sequence[tuple[str, list[int]]]) -> list[list[int]]:
    """Return a shape for each input: the one named, else the declared one with 1 where it is free.

    Raises Refused INPUT_WRONG_NAME for a name that is none of the inputs'.
    """
    known = [port.name.decode(errors="replace") for port in inputs]
    for name, _ in named:
        if name not in known:
            raise Refused(Reason.INPUT_WRONG_NAME, what="--shape", seen=name, wanted=", ".join(known))
    chosen = dict(named)
    return [
        chosen.get(name, [FREE_SIZE if size == FREE else size for size in port.shape])
        for name, port in zip(known, inputs, strict=True)
    ]


def lowering_of(found: Checked) -> Lowering:
    """Return what may be registered on chain. Raises Refused with the first thing that stands against the model."""
    if found.lowering is not None:
        return found.lowering
    for fault in found.faults:
        if fault.exact:
            raise refused(Failed(reason=fault.reason, facts=fault.facts))
    raise Refused(Reason.CLASS_NOT_OFFERED, wanted="a class in which the model is served")
