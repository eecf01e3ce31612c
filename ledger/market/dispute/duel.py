"""A duel of two traces: how the place is found where they differ first, and who falls there (X30 to X38). Pure.

Both sides tell the same parts of their traces, coarse ones first; what is told must give what they committed to. The
first part that differs is told next, down to one element, or one row of noise. There each side shows the referee that
its own trace is right. All that comes before is agreed, so at most one of them can be.
"""

from collections.abc import Sequence

from ledger.market.dispute.records import Duel, DuelStep, Fall, Part, Side
from ledger.state import change
from primitives import merkle
from primitives.reasons import Reason, Refused
from vm.lowering import Lowering
from vm.place import EndPlace, InputPlace, NoisePlace, Place, ResultPlace, TrapPlace
from vm.program import TENSOR_BYTES_MAX
from vm.tensor import TensorType, bound_root, bytes_of, element_count, leaf_count
from vm.trace import (
    ABSENT,
    Run,
    Trace,
    Window,
    check_leaf,
    check_told,
    first_difference,
    first_element,
    part_width,
    parts,
    trap_of,
)

ABSENT_LEAF = merkle.leaf_hash(ABSENT)
UNTYPED = 0
"""The width of parts that follows from a type which is told with them."""


def start(traces: tuple[int, int], left: Trace, right: Trace, lowering: Lowering) -> Duel:
    """Return the duel of two traces that differ, with their places among the dispute's (X30)."""
    for place, roots in enumerate(zip(left.inputs, right.inputs, strict=True)):
        if roots[0] != roots[1]:
            return _duel(Part.INPUT, DuelStep.VALUE, traces, roots, (0, 0), place=place, width=UNTYPED)
    if left.first != right.first:
        return _duel_of_runs(Part.FIRST, traces, left.first, right.first)
    if left.perturbed != right.perturbed:
        assert left.perturbed is not None
        assert right.perturbed is not None
        return _duel_of_runs(Part.PERTURBED, traces, left.perturbed, right.perturbed)
    if len(left.noise) != len(right.noise):
        return _duel_about_the_end(traces, left, right)
    place = next(at for at, roots in enumerate(zip(left.noise, right.noise, strict=True)) if roots[0] != roots[1])
    rows = row_count(lowering.cut[place].type)
    width = part_width(Window(0, rows))
    roots = left.noise[place], right.noise[place]
    return _duel(Part.NOISE, DuelStep.ROWS, traces, roots, (rows, rows), place=place, width=width)


def row_count(type_: TensorType) -> int:
    """Return how many rows a value has: a record of noise for each (V100)."""
    return element_count(type_.shape) // max(1, type_.shape[-1] if type_.shape else 1)


def _duel(
    part: Part,
    step: DuelStep,
    traces: tuple[int, int],
    roots: tuple[bytes, bytes],
    highs: tuple[int, int],
    *,
    place: int = 0,
    width: int,
) -> Duel:
    sides = [
        Side(trace=trace, committed=root, high=high, told=None, type=None, leaf=None, asked=None, right=None, tried=[])
        for trace, root, high in zip(traces, roots, highs, strict=True)
    ]
    return Duel(part=part, place=place, step=step, low=0, width=width, number=0, sides=sides)


def _duel_of_runs(part: Part, traces: tuple[int, int], left: Run, right: Run) -> Duel:
    highs = left.count, right.count
    width = part_width(*(Window(0, high) for high in highs))
    return _duel(part, DuelStep.RUN, traces, (left.root, right.root), highs, width=width)


def _duel_about_the_end(traces: tuple[int, int], left: Trace, right: Trace) -> Duel:
    """Ask who tells no noise for the trap that its runs end in: the runs are agreed, so that decides (X36)."""
    duel = _duel(Part.NOISE, DuelStep.DEFENCE, traces, (bytes(32), bytes(32)), (0, 0), width=1)
    return _defence(duel, [None if trace.noise else EndPlace() for trace in (left, right)])


def acted(duel: Duel, at: int) -> bool:
    """Tell whether a side has done what the step asks of it."""
    side = duel.sides[at]
    match duel.step:
        case DuelStep.RUN | DuelStep.ROWS | DuelStep.VALUE:
            return side.told is not None
        case DuelStep.LEAF:
            return side.leaf is not None
        case DuelStep.DEFENCE:
            return side.asked is None or side.right is not None


def tell(duel: Duel, at: int, roots: list[bytes], type_: TensorType | None) -> Duel:
    """Note the roots of the parts of a side, and go on if both have told.

    Raises Refused DISPUTE_NOT_ASKED, BAD_PROOF, TOO_LARGE or MALFORMED (X31, X32).
    """
    side = duel.sides[at]
    if duel.step not in (DuelStep.RUN, DuelStep.ROWS, DuelStep.VALUE) or acted(duel, at):
        raise Refused(Reason.DISPUTE_NOT_ASKED, seen="parts", wanted=_wanted(duel, at))
    if duel.step is DuelStep.VALUE and duel.width == UNTYPED:
        side = _first_parts_of_value(duel, side, roots, type_)
    elif type_ is not None:
        raise Refused(Reason.MALFORMED, what="type", wanted="none: it is known")
    else:
        check_told(roots, Window(duel.low, side.high), side.committed, duel.width)
    return _go_on(_with(duel, at, change(side, told=roots)))


def _first_parts_of_value(duel: Duel, side: Side, roots: list[bytes], type_: TensorType | None) -> Side:
    """Return the side with the type of its value. Raises Refused MALFORMED, TOO_LARGE or BAD_PROOF (X32)."""
    if type_ is None:
        raise Refused(Reason.MALFORMED, what="type", wanted="of the value")
    if bytes_of(type_) > TENSOR_BYTES_MAX:
        raise Refused(Reason.TOO_LARGE, what="value", wanted=TENSOR_BYTES_MAX)
    window = Window(0, leaf_count(type_))
    if len(roots) != len(parts(window)):
        raise Refused(Reason.BAD_PROOF, what="parts of a value", seen=len(roots), wanted=len(parts(window)))
    root = bound_root(type_, merkle.root_of_hashes(roots))
    if side.committed != (root if duel.part is Part.INPUT else merkle.leaf_hash(root)):
        raise Refused(Reason.BAD_PROOF, what="parts of a value", seen=root, wanted=side.committed)
    return change(side, type=type_, high=window.high)


def open_leaf(duel: Duel, at: int, leaf: bytes) -> Duel:
    """Note the leaf of a side, and go on if both have opened theirs. Raises Refused DISPUTE_NOT_ASKED, BAD_PROOF."""
    side = duel.sides[at]
    if duel.step is not DuelStep.LEAF or acted(duel, at):
        raise Refused(Reason.DISPUTE_NOT_ASKED, seen="a leaf", wanted=_wanted(duel, at))
    assert side.type is not None
    check_leaf(leaf, duel.low, side.type, side.committed)
    return _go_on(_with(duel, at, change(side, leaf=leaf)))


def heard(duel: Duel, at: int, *, claimant: int, right: bool | None) -> Duel:
    """Note what the referee says of a side at the place that it was asked about; None: the proof shows nothing (X33).

    Every claimant of a trace has one try: who would spoil an ally's defence can't take it away.
    """
    side = duel.sides[at]
    tried = [*side.tried, claimant]
    return _with(duel, at, change(side, tried=tried, right=side.right if right is None else right))


def check_defence(duel: Duel, at: int, *, claimant: int) -> Place:
    """Return what a side is asked to show. Raises Refused DISPUTE_NOT_ASKED."""
    side = duel.sides[at]
    if duel.step is not DuelStep.DEFENCE or acted(duel, at) or side.asked is None or claimant in side.tried:
        raise Refused(Reason.DISPUTE_NOT_ASKED, seen="a defence", wanted=_wanted(duel, at))
    return side.asked


def is_over(duel: Duel) -> bool:
    """Tell whether somebody has fallen for certain, or nobody is left who has to show anything (X33)."""
    if duel.step is not DuelStep.DEFENCE:
        return False
    return any(side.right for side in duel.sides) or all(acted(duel, at) for at in range(2))


def fallen(duel: Duel) -> list[tuple[int, Fall, int | None]]:
    """Return who falls as the duel stands: place of the trace, why, and the trace that beat it (X33, X35).

    What one side has shown right is the only right value there, so its rival is wrong, whatever it showed or not.
    """
    found: list[tuple[int, Fall, int | None]] = []
    for at, side in enumerate(duel.sides):
        if duel.sides[1 - at].right:
            found.append((side.trace, Fall.WRONG, duel.sides[1 - at].trace))
        elif side.right is False:
            found.append((side.trace, Fall.WRONG, None))
        elif not acted(duel, at):
            found.append((side.trace, Fall.SILENT, None))
    return found


def _wanted(duel: Duel, at: int) -> str:
    return "nothing" if acted(duel, at) else duel.step.name.lower()


def _with(duel: Duel, at: int, side: Side) -> Duel:
    return change(duel, sides=[side if place == at else each for place, each in enumerate(duel.sides)])


def _go_on(duel: Duel) -> Duel:
    """Return the next step, if both sides have acted; else the duel as it is."""
    if not (acted(duel, 0) and acted(duel, 1)):
        return duel
    match duel.step:
        case DuelStep.RUN:
            return _after_run(duel)
        case DuelStep.ROWS:
            return _after_rows(duel)
        case DuelStep.VALUE:
            return _after_value(duel)
        case DuelStep.LEAF:
            return _after_leaf(duel)
        case DuelStep.DEFENCE:
            return duel


def _told(duel: Duel) -> tuple[list[bytes], list[bytes]]:
    left, right = (side.told for side in duel.sides)
    assert left is not None
    assert right is not None
    return left, right


def _after_run(duel: Duel) -> Duel:
    """Go into the first part that differs; where one run goes on behind the other, into the last they share (X31)."""
    left, right = _told(duel)
    last = min(len(left), len(right)) - 1
    found = first_difference(left, right)
    at = last if found is None else min(found, last)
    if duel.width > 1:
        return _narrowed(duel, at)
    return _at_operation(change(duel, number=duel.low + at), (left[at], right[at]))


def _at_operation(duel: Duel, leaves: tuple[bytes, bytes]) -> Duel:
    """Ask for the values that two digests stand for, or for what shows that there is none (X36)."""
    number, perturbed = duel.number, duel.part is Part.PERTURBED
    value = ResultPlace(perturbed=perturbed, number=number, element=0)
    trap = TrapPlace(perturbed=perturbed, number=number)
    traps = [trap_of(leaf, number) is not None for leaf in leaves]
    sides = [change(side, committed=leaf, told=None, high=0) for side, leaf in zip(duel.sides, leaves, strict=True)]
    found = change(duel, low=0, width=UNTYPED, sides=sides)
    if any(traps):
        return _defence(found, [trap if it_traps else None for it_traps in traps])
    if leaves[0] == leaves[1] or ABSENT_LEAF in leaves:
        return _defence(found, [value, value])
    return change(found, step=DuelStep.VALUE)


def _after_rows(duel: Duel) -> Duel:
    left, right = _told(duel)
    at = first_difference(left, right)
    assert at is not None  # windows of one size with different roots
    if duel.width > 1:
        return _narrowed(duel, at)
    asked = NoisePlace(place=duel.place, row=duel.low + at)
    return _defence(duel, [asked, asked])


def _after_value(duel: Duel) -> Duel:
    first, second = duel.sides
    assert first.type is not None
    if first.type != second.type:
        return _at_element(duel, leaf=0, element=0)
    left, right = _told(duel)
    at = first_difference(left, right)
    assert at is not None  # windows of one size with different roots
    known = duel if duel.width != UNTYPED else change(duel, width=part_width(Window(0, first.high)))
    narrowed = _narrowed(known, at)
    return narrowed if known.width > 1 else change(narrowed, step=DuelStep.LEAF)


def _after_leaf(duel: Duel) -> Duel:
    left, right = duel.sides
    assert left.leaf is not None
    assert right.leaf is not None
    assert left.type is not None
    return _at_element(duel, leaf=duel.low, element=first_element(left.leaf, right.leaf, duel.low, left.type))


def _at_element(duel: Duel, *, leaf: int, element: int) -> Duel:
    if duel.part is Part.INPUT:
        asked: Place = InputPlace(input=duel.place, leaf=leaf)
    else:
        asked = ResultPlace(perturbed=duel.part is Part.PERTURBED, number=duel.number, element=element)
    return _defence(duel, [asked, asked])


def _narrowed(duel: Duel, at: int) -> Duel:
    """Return the duel about one part of its window."""
    low = duel.low + at * duel.width
    sides = [
        change(side, committed=told[at], high=min(low + duel.width, side.high), told=None)
        for side, told in zip(duel.sides, _told(duel), strict=True)
    ]
    width = part_width(*(Window(low, side.high) for side in sides))
    return change(duel, low=low, width=width, sides=sides)


def _defence(duel: Duel, asked: Sequence[Place | None]) -> Duel:
    sides = [change(side, asked=place, told=None) for side, place in zip(duel.sides, asked, strict=True)]
    return change(duel, step=DuelStep.DEFENCE, sides=sides)
