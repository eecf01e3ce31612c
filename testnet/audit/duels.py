"""Duels of two traces: where they differ first, and who falls there (X30 to X36).

How parts of a trace are told and checked is of the machine's own rules, which `vm.trace` has.
"""

from dataclasses import dataclass, field
from typing import Any

from primitives import merkle
from primitives.reasons import Refused
from testnet.audit.holdings import Meaning
from testnet.audit.rules import Why, must
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

RUN, ROWS, VALUE, LEAF, DEFENCE = "run", "rows", "value", "leaf", "defence"
INPUT, FIRST, SECOND, NOISE = "input", "first", "second", "noise"
ABSENT_LEAF = merkle.leaf_hash(ABSENT)


@dataclass
class Side:
    """One of the two traces."""

    trace: int
    committed: bytes
    high: int
    told: list[bytes] | None = None
    type: TensorType | None = None
    leaf: bytes | None = None
    asked: Place | None = None
    right: bool | None = None
    tried: list[int] = field(default_factory=list)


@dataclass
class Duel:
    """Two traces, and what is known of where they differ first."""

    part: str
    step: str
    width: int
    """0: it follows from a type that is told with the parts."""
    sides: list[Side]
    place: int = 0
    low: int = 0
    number: int = 0

    @property
    def asks(self) -> tuple[str, int, int]:
        """What is asked now: where it changes, the time of a step begins anew (X3)."""
        return self.step, self.low, self.width

    def acted(self, at: int) -> bool:
        """Tell whether a side has done what is asked of it."""
        side = self.sides[at]
        if self.step == DEFENCE:
            return side.asked is None or side.right is not None
        return side.leaf is not None if self.step == LEAF else side.told is not None

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more has to be shown (X33)."""
        shown = any(side.right for side in self.sides) or (self.acted(0) and self.acted(1))
        return self.step == DEFENCE and shown

    def fallen(self) -> list[tuple[int, int | None]]:
        """Return which traces fall as it stands, and by which other they are beaten (X33, X35)."""
        found: list[tuple[int, int | None]] = []
        for at, side in enumerate(self.sides):
            if self.sides[1 - at].right:
                found.append((side.trace, self.sides[1 - at].trace))
            elif side.right is False or not self.acted(at):
                found.append((side.trace, None))
        return found

    def tell(self, at: int, roots: list[bytes], type_: TensorType | None) -> None:
        """Note the parts that a side tells (X31, X32). Raises RefusedError."""
        side = self.sides[at]
        must(self.step in (RUN, ROWS, VALUE) and not self.acted(at), Why.DISPUTE_NOT_ASKED)
        if self.step == VALUE and not self.width:
            self._first_parts(side, roots, type_)
        else:
            must(type_ is None, Why.DISPUTE_NOT_ASKED)
            _asked(check_told, roots, Window(self.low, side.high), side.committed, self.width)
        side.told = roots
        self._go_on()

    def _first_parts(self, side: Side, roots: list[bytes], type_: TensorType | None) -> None:
        """Take the first parts of a value, with its type (X32)."""
        if type_ is None or bytes_of(type_) > TENSOR_BYTES_MAX:
            must(None, Why.DISPUTE_NOT_ASKED)
        assert type_ is not None
        window = Window(0, leaf_count(type_))
        must(len(roots) == len(parts(window)), Why.DISPUTE_NOT_ASKED)
        root = bound_root(type_, merkle.root_of_hashes(roots))
        must(side.committed == (root if self.part == INPUT else merkle.leaf_hash(root)), Why.DISPUTE_NOT_ASKED)
        side.type, side.high = type_, window.high

    def open_leaf(self, at: int, leaf: bytes) -> None:
        """Note the leaf of a side (X32). Raises RefusedError."""
        side = self.sides[at]
        must(self.step == LEAF and not self.acted(at), Why.DISPUTE_NOT_ASKED)
        _asked(check_leaf, leaf, self.low, side.type, side.committed)
        side.leaf = leaf
        self._go_on()

    def _go_on(self) -> None:
        """Ask for the next step, if both have acted."""
        if not (self.acted(0) and self.acted(1)):
            return
        left, right = self.sides
        if self.step == LEAF:
            assert left.leaf is not None
            assert right.leaf is not None
            assert left.type is not None
            self._at_element(self.low, first_element(left.leaf, right.leaf, self.low, left.type))
        elif self.step == RUN:
            self._after_run()
        elif self.step == ROWS:
            self._after_rows()
        elif left.type != right.type:
            self._at_element(0, 0)
        else:
            self._after_value()

    def _differ(self) -> int | None:
        left, right = self.sides
        assert left.told is not None
        assert right.told is not None
        return first_difference(left.told, right.told)

    def _after_run(self) -> None:
        told = [side.told or [] for side in self.sides]
        last, found = min(map(len, told)) - 1, self._differ()
        at = last if found is None else min(found, last)  # X31
        if self.width > 1:
            self._narrow(at)
            return
        self.number = self.low + at
        leaves = [each[at] for each in told]
        for side, leaf in zip(self.sides, leaves, strict=True):
            side.committed, side.told, side.high = leaf, None, 0
        self.low, self.width = 0, 0
        second = self.part == SECOND
        traps = [trap_of(leaf, self.number) is not None for leaf in leaves]
        if any(traps):
            trap = TrapPlace(perturbed=second, number=self.number)
            self._defend([trap if it_traps else None for it_traps in traps])  # X36
        elif leaves[0] == leaves[1] or ABSENT_LEAF in leaves:
            value = ResultPlace(perturbed=second, number=self.number, element=0)
            self._defend([value, value])
        else:
            self.step = VALUE

    def _after_rows(self) -> None:
        at = self._differ()
        assert at is not None
        if self.width > 1:
            self._narrow(at)
            return
        asked = NoisePlace(place=self.place, row=self.low + at)
        self._defend([asked, asked])

    def _after_value(self) -> None:
        at = self._differ()
        assert at is not None
        self.width = self.width or part_width(Window(0, self.sides[0].high))
        known = self.width
        self._narrow(at)
        if known == 1:
            self.step = LEAF

    def _at_element(self, leaf: int, element: int) -> None:
        asked: Place = InputPlace(input=self.place, leaf=leaf)
        if self.part != INPUT:
            asked = ResultPlace(perturbed=self.part == SECOND, number=self.number, element=element)
        self._defend([asked, asked])

    def _narrow(self, at: int) -> None:
        """Go on within one part of the window."""
        self.low += at * self.width
        for side in self.sides:
            assert side.told is not None
            side.committed, side.high, side.told = side.told[at], min(self.low + self.width, side.high), None
        self.width = part_width(*(Window(self.low, side.high) for side in self.sides))

    def _defend(self, asked: list[Place | None]) -> None:
        self.step = DEFENCE
        for side, place in zip(self.sides, asked, strict=True):
            side.asked, side.told = place, None


def _asked(check: Any, *told: Any) -> None:  # noqa: ANN401  # a check of vm.trace with what it takes
    """Raise RefusedError unless something is what the duel asks for."""
    try:
        check(*told)
    except Refused:
        must(None, Why.DISPUTE_NOT_ASKED)


def begun(places: tuple[int, int], left: Trace, right: Trace, meaning: Meaning) -> Duel:
    """Return the duel of two traces that differ (X30)."""
    for place, (one, other) in enumerate(zip(left.inputs, right.inputs, strict=True)):
        if one != other:
            return Duel(INPUT, VALUE, 0, _sides(places, (one, other), (0, 0)), place=place)
    if left.first != right.first:
        return _of_runs(FIRST, places, left.first, right.first)
    if left.perturbed is not None and right.perturbed is not None and left.perturbed != right.perturbed:
        return _of_runs(SECOND, places, left.perturbed, right.perturbed)
    if len(left.noise) != len(right.noise):
        duel = Duel(NOISE, DEFENCE, 1, _sides(places, (bytes(32), bytes(32)), (0, 0)))
        for side, trace in zip(duel.sides, (left, right), strict=True):
            side.asked = None if trace.noise else EndPlace()  # X36
        return duel
    differ = [at for at, (one, other) in enumerate(zip(left.noise, right.noise, strict=True)) if one != other]
    shape = meaning.raw[7][differ[0]][1][1]
    rows = element_count(shape) // max(1, shape[-1] if shape else 1)
    roots = left.noise[differ[0]], right.noise[differ[0]]
    return Duel(NOISE, ROWS, part_width(Window(0, rows)), _sides(places, roots, (rows, rows)), place=differ[0])


def _of_runs(part: str, places: tuple[int, int], left: Run, right: Run) -> Duel:
    highs = left.count, right.count
    width = part_width(*(Window(0, high) for high in highs))
    return Duel(part, RUN, width, _sides(places, (left.root, right.root), highs))


def _sides(places: tuple[int, int], roots: tuple[bytes, bytes], highs: tuple[int, int]) -> list[Side]:
    return [Side(*each) for each in zip(places, roots, highs, strict=True)]
