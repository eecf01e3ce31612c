"""The trace of a canonical run: the root of every result, in one root, and how a difference in it is found (V82).

Whoever is accused tells the roots of at most 4,096 parts of a tree at a time; the other side names the first part that
is wrong, until that is one operation, then one leaf of its result. What is told is checked against what was committed
to before, and all that is before the first wrong part is agreed.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import msgspec

from primitives import codec, merkle
from primitives.hashing import Hash, tagged
from primitives.reasons import Reason, Refused
from primitives.record import Record
from primitives.units import U32
from vm.program import Outline, TrapCode, outline_root
from vm.tensor import BUNDLE_TENSORS_MAX, ITEM_BYTES, ROOT_LEAF_BYTES, TensorType, bytes_of

PARTS_MAX = 4096
"""Roots told in one step: 136 KiB. Two steps reach one of 100,000 operations, two more a leaf of the largest value."""


class Run(Record):
    """The roots of the results of a run, in one; after a trap there are no further results."""

    count: U32
    root: Hash


class Trace(Record):
    """What a party commits to about a job's canonical runs."""

    vm_version: U32
    program: Hash
    inputs: Annotated[list[Hash], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
    """Roots of the tensors that went in."""
    first: Run
    perturbed: Run | None
    """The second run: in class native alone."""
    noise: Annotated[list[Hash], msgspec.Meta(max_length=BUNDLE_TENSORS_MAX)]
    """For each value of the cut the root of its scales and noise; empty without a second run."""


ABSENT = tagged("assay/absent")
"""In the trace of a tail, what stands for the result of an operation before the cut (V132)."""


class Window(NamedTuple):
    """Leaves `low` to `high` (excluded) of a tree that splitting it leaves together."""

    low: int
    high: int


def trap_digest(code: TrapCode, operation: int) -> bytes:
    """Return what stands for the result of an operation that traps, 32 bytes (V83)."""
    return tagged("assay/trap", bytes([code]), operation.to_bytes(4, "big"))


def trap_of(leaf: bytes, operation: int) -> TrapCode | None:
    """Return how an operation traps whose digest is the leaf with this hash in its run's tree; None if it does not."""
    for code in TrapCode:
        if merkle.leaf_hash(trap_digest(code, operation)) == leaf:
            return code
    return None


def run_of(digests: Sequence[bytes]) -> Run:
    """Return the commitment to the roots of a run's results: the last may be a trap's (V82)."""
    return Run(count=len(digests), root=merkle.root(digests))


def run_tree(digests: Sequence[bytes]) -> merkle.Tree:
    """Return the tree over the roots of a run's results, which are its leaves (V82)."""
    return merkle.Tree([merkle.leaf_hash(digest) for digest in digests])


def trace_root(trace: Trace) -> bytes:
    """Return the root of a trace, 32 bytes (V82)."""
    return tagged("assay/trace", codec.encode(trace))


def check_trace(trace: Trace, told: Outline, *, second: bool) -> None:
    """Raise Refused MALFORMED unless a trace has the form that a program of this outline gives it (V82, V132).

    `second` says whether there is a second run: of a whole program in class native, not of a tail or in class exact.
    """
    runs = [trace.first] if trace.perturbed is None else [trace.first, trace.perturbed]
    fits = trace.program == outline_root(told) and len(trace.inputs) == len(told.inputs)
    if not fits or any(run.count > told.operations for run in runs) or len(runs) != 1 + second:
        raise Refused(Reason.MALFORMED, what="trace", wanted="one of this program")
    if len(trace.noise) not in _noise_counts(runs, told):
        raise Refused(Reason.MALFORMED, what="noise of a trace", seen=len(trace.noise), wanted=len(told.cut))


def ends_early(run: Run, number: int, told: Outline) -> bool:
    """Tell whether a run ends with operation `number`, before the program does: only a trap may end it (V82)."""
    return number + 1 == run.count < told.operations


def _noise_counts(runs: list[Run], told: Outline) -> list[int]:
    """Return for how many values a trace may tell noise: for all of the cut if both runs have reached them (V82)."""
    reached = max(told.cut, default=0) - len(told.inputs) - told.constants + 1
    least = min(run.count for run in runs)
    if len(runs) == 1 or not told.cut or least < reached:
        return [0]
    if least > reached:
        return [len(told.cut)]
    # The last digest of a run that is shorter than the program is a trap's; of a whole one it may be.
    return [0, len(told.cut)] if reached == told.operations else [0]


def part_width(*windows: Window) -> int:
    """Return the width of the parts of these windows, so that each has at most 4,096 (V84).

    Runs of different lengths are told in parts of one width, or their parts could not be held against each other.
    """
    width = 1
    while any(-(-(window.high - window.low) // width) > PARTS_MAX for window in windows):
        width *= 2
    return width


def parts(window: Window, width: int | None = None) -> list[Window]:
    """Return the parts of a window whose roots are told next, from left to right (V84)."""
    step = part_width(window) if width is None else width
    return [Window(low, min(low + step, window.high)) for low in range(window.low, window.high, step)]


def tell(tree: merkle.Tree, window: Window, width: int | None = None) -> list[bytes]:
    """Return the roots of a window's parts."""
    return [tree.subtree(*part) for part in parts(window, width)]


def check_told(roots: Sequence[bytes], window: Window, committed: bytes, width: int | None = None) -> None:
    """Raise Refused BAD_PROOF unless these are as many roots as the window has parts, and give its root (V84)."""
    wanted = len(parts(window, width))
    if len(roots) != wanted:
        raise Refused(Reason.BAD_PROOF, what="parts of a trace", seen=len(roots), wanted=wanted)
    if merkle.root_of_hashes(roots) != committed:
        raise Refused(Reason.BAD_PROOF, what="parts of a trace", wanted=committed)


def first_difference(told: Sequence[bytes], own: Sequence[bytes]) -> int | None:
    """Return the first part that differs from one's own, or is there on one side alone; None if there is none."""
    for at, (left, right) in enumerate(zip(told, own, strict=False)):
        if left != right:
            return at
    return None if len(told) == len(own) else min(len(told), len(own))


def first_element(left: bytes, right: bytes, leaf: int, type_: TensorType) -> int:
    """Return the first element of a value in which two leaves differ that stand in the same place (V84)."""
    at = next(at for at, (one, other) in enumerate(zip(left, right, strict=True)) if one != other)
    return (leaf * ROOT_LEAF_BYTES + at) // ITEM_BYTES[type_.dtype]


def check_leaf(leaf: bytes, number: int, type_: TensorType, committed: bytes) -> None:
    """Raise Refused BAD_PROOF unless these are the bytes of a leaf of a value, by the leaf's hash (V84)."""
    wanted = min(ROOT_LEAF_BYTES, bytes_of(type_) - number * ROOT_LEAF_BYTES)
    if len(leaf) != wanted or merkle.leaf_hash(leaf) != committed:
        raise Refused(Reason.BAD_PROOF, what="leaf of a value", seen=len(leaf), wanted=committed)
