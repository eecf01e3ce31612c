"""Two traces against each other, by the ledger's own duel: each side tells what it can, and the referee hears both."""

from typing import NamedTuple

from ledger.market.dispute.duel import acted, check_defence, fallen, heard, is_over, open_leaf, start, tell
from ledger.market.dispute.records import Duel, DuelStep, Fall, Part
from primitives import codec
from primitives.reasons import Refused
from tests.vm.claims.sides import Honest, Liar, Subject
from vm.place import Place, TrapPlace
from vm.referee.defence import Defence, decode_defence, judge_defence
from vm.referee.showing import defence, rows_tree
from vm.referee.witness import Shown
from vm.tensor import ROOT_LEAF_BYTES
from vm.trace import Window, part_width
from vm.trace import tell as told_parts

ROUNDS_MAX = 12
"""Two lists of digests, two of leaves, a leaf and the defence; and one round in which nobody moves."""
HONEST, LYING = 0, 1
"""Claimants, by number."""


class Fought(NamedTuple):
    """How a duel went."""

    fallen: list[tuple[int, Fall, int | None]]
    rounds: int
    """Windows of time that it takes at most: one for each step in which both sides act."""
    list_bytes: int
    """Of all digests and leaves that one side told."""
    proof_bytes: int
    """Of the longest proof."""


def fight(job: Subject, left: Honest, right: Honest) -> Fought:
    """Return how the duel of two parties ends, when each does all that it can."""
    duel = start((0, 1), left.trace, right.trace, job.lowering)
    sides, rounds, lists, proofs = (left, right), 0, 0, 0
    while not is_over(duel) and rounds < ROUNDS_MAX:
        before, step = duel, duel.step
        rounds += 1
        for at in (0, 1):
            if duel.step is step and duel.low == before.low and not acted(duel, at):
                duel, size = _act(job, duel, at, sides[at], sides[1 - at])
                lists, proofs = (lists, max(proofs, size)) if step is DuelStep.DEFENCE else (lists + size, proofs)
        if duel == before:
            break
    return Fought(fallen(duel), rounds, lists // 2, proofs)


def _act(job: Subject, duel: Duel, at: int, side: Honest, rival: Honest) -> tuple[Duel, int]:
    """Return the duel after what a side does in a step, if it can, and the bytes that this takes."""
    match duel.step:
        case DuelStep.RUN | DuelStep.ROWS | DuelStep.VALUE:
            return _tell(duel, at, side)
        case DuelStep.LEAF:
            return _leaf(duel, at, side)
        case DuelStep.DEFENCE:
            return _defend(job, duel, at, side, rival)


def _tell(duel: Duel, at: int, side: Honest) -> tuple[Duel, int]:
    window = Window(duel.low, duel.sides[at].high)
    type_ = None
    if duel.step is DuelStep.RUN:
        roots = told_parts(side.tree(perturbed=duel.part is Part.PERTURBED), window, duel.width)
    elif duel.step is DuelStep.ROWS:
        [noise] = side.noises([duel.place])
        roots = told_parts(rows_tree(noise.rows()), window, duel.width)
    else:
        shown = _value(duel, side)
        if shown is None:
            return duel, 0
        whole = Window(0, len(shown.tree))
        width = duel.width or part_width(whole)
        type_ = None if duel.width else shown.type
        roots = told_parts(shown.tree, window if duel.width else whole, width)
    try:
        return tell(duel, at, roots, type_), len(codec.encode(roots))
    except Refused:
        return duel, 0


def _value(duel: Duel, side: Honest) -> Shown | None:
    """Return the value that a step is about, as a side has it."""
    value = duel.place if duel.part is Part.INPUT else side.program.first_result + duel.number
    exhibit = side.exhibit([value], perturbed=duel.part is Part.PERTURBED)
    return exhibit.shown(value) if value in exhibit.values else None


def _leaf(duel: Duel, at: int, side: Honest) -> tuple[Duel, int]:
    shown = _value(duel, side)
    assert shown is not None
    leaf = shown.data[duel.low * ROOT_LEAF_BYTES : (duel.low + 1) * ROOT_LEAF_BYTES]
    if isinstance(side, Liar) and side.other_leaf:
        leaf = bytes([leaf[0] ^ 1]) + leaf[1:]
    try:
        return open_leaf(duel, at, leaf), len(leaf)
    except Refused:
        return duel, 0


def _defend(job: Subject, duel: Duel, at: int, side: Honest, rival: Honest) -> tuple[Duel, int]:
    """Put what a side has before the referee; a liar tries its rival's proof, too."""
    longest = 0
    for claimant, shows in enumerate((side, rival) if isinstance(side, Liar) else (side,)):
        try:
            place: Place = check_defence(duel, at, claimant=claimant)
        except Refused:
            break
        proof = _proof(job, shows, place)
        if proof is None:
            continue
        raw = codec.encode(proof)
        longest = max(longest, len(raw))
        try:
            right: bool | None = judge_defence(side.trace, decode_defence(raw), place, job.grounds)
        except Refused:
            right = None
        duel = heard(duel, at, claimant=claimant, right=right)
    return duel, longest


def _proof(job: Subject, side: Honest, place: Place) -> Defence | None:
    try:
        if isinstance(side, Liar) and isinstance(place, TrapPlace):
            return side.false_trap(place)
        return defence(side, place, side.job.content, side.job.cut)
    except Refused:
        return None
