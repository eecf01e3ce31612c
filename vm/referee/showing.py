"""What an honest party shows of its runs: trees part by part, leaves, and the proof for a place (V131)."""

from typing import assert_never

import numpy as np

from primitives import codec, merkle
from primitives.content import LEAF_BYTES, content_id, tree_of
from vm.canonical.arrays import Array
from vm.layout import Layout, spans
from vm.noise import Row
from vm.place import EndPlace, InputPlace, NoisePlace, Place, ResultPlace, TrapPlace
from vm.program import Op
from vm.referee.accusation import Accusation, Claim
from vm.referee.defence import Defence
from vm.referee.ending import TrapProof
from vm.referee.noise import NoiseAccusation
from vm.referee.runs import Runs
from vm.referee.source import Held, Piece, Source, SourceProof, leaf_range
from vm.referee.witness import Exhibit
from vm.tensor import ITEM_BYTES, ROOT_LEAF_BYTES, bytes_of, element_count


class Content:
    """An encoded bundle, from which pieces are proved."""

    def __init__(self, raw: bytes, layout: Layout) -> None:
        self.raw, self.layout = raw, layout
        self._tree: merkle.Tree | None = None

    @property
    def held(self) -> Held:
        """What names it, and what it holds."""
        return Held(self.layout, content_id(self.raw))

    def piece(self, low: int, high: int) -> Piece:
        """Return the leaves in which these bytes stand, with their proof."""
        if self._tree is None:
            self._tree = tree_of(self.raw)
        start, stop = low // LEAF_BYTES, -(-high // LEAF_BYTES)
        data = self.raw[start * LEAF_BYTES : stop * LEAF_BYTES]
        return Piece(start=start, data=data, proof=self._tree.prove(start, stop))

    def piece_of(self, tensor: int, first: int, count: int) -> Piece:
        """Return the leaves in which elements of a tensor stand."""
        item = ITEM_BYTES[self.layout.types[tensor].dtype]
        low = spans(self.layout)[tensor].low + first * item
        return self.piece(low, low + count * item)


def defence(runs: Runs, at: Place, inputs: Content, cut: Content | None) -> Defence | None:
    """Return what shows that the trace of these runs is right at a place; None where there is nothing to show.

    `inputs` is the job's, `cut` what the tail follows from.
    """
    match at:
        case InputPlace():
            return _source(runs, Source.INPUT, at.input, at.leaf, inputs)
        case ResultPlace():
            return _result(runs, at, cut)
        case TrapPlace():
            return _trap(runs, at)
        case NoisePlace():
            return _noise(runs, at)
        case EndPlace():
            return ending(runs)
        case _:
            assert_never(at)


def _source(runs: Runs, source: Source, place: int, leaf: int, content: Content) -> Defence | None:
    """Return the proof of a leaf of an input, or of a value at the cut."""
    program = runs.program
    if place >= len(content.layout.types):
        return None
    value = place if source is Source.INPUT else program.cut[place]
    type_ = content.layout.types[place]
    exhibit = runs.exhibit([value], perturbed=False)
    ranges = [leaf_range(type_, leaf)] if bytes_of(type_) else []
    return SourceProof(
        outline=runs.papers.outline,
        source=source,
        place=place,
        leaf=leaf,
        opened=exhibit.open_at(value, ranges),
        run_proof=[] if source is Source.INPUT else exhibit.tree.prove_set([value - program.first_result]),
        piece=content.piece_of(place, *ranges[0]) if ranges else content.piece(0, 1),
    )


def _result(runs: Runs, at: ResultPlace, cut: Content | None) -> Defence | None:
    program, number = runs.program, at.number
    value = program.first_result + number
    trap = runs.trap(perturbed=at.perturbed)
    if number >= len(runs.digests(perturbed=at.perturbed)) or (trap is not None and trap.operation == number):
        return None
    if cut is not None and value in program.cut:
        place = program.cut.index(value)
        item = ITEM_BYTES[cut.layout.types[place].dtype]
        return _source(runs, Source.CUT, place, at.element * item // ROOT_LEAF_BYTES, cut)
    if runs.tail and not runs.papers.in_tail(number):
        return runs.exhibit([], perturbed=False).absent(number)
    if at.element >= max(1, element_count(program.operations[number].result.shape)):
        return None
    return _accusing(runs, number, perturbed=at.perturbed).accuse(number, at.element)


def _accusing(runs: Runs, number: int, *, perturbed: bool) -> Exhibit:
    """Return what shows an operation: its operands and its result, if it has one."""
    operation = runs.program.operations[number]
    return runs.exhibit([*operation.operands, runs.program.first_result + number], perturbed=perturbed)


def _trap(runs: Runs, at: TrapPlace) -> Accusation | None:
    trap = runs.trap(perturbed=at.perturbed)
    if trap is None or trap.operation != at.number:
        return None
    exhibit = _accusing(runs, at.number, perturbed=at.perturbed)
    operation = runs.program.operations[at.number]
    element = _trapping(operation.op, operation.ints, [exhibit.values[value] for value in operation.operands])
    return exhibit.accuse(at.number, element, claim=Claim.TRAP)


def _trapping(op: Op, ints: list[int], operands: list[Array]) -> int:
    """Return the first element that traps, of what V88 names."""
    if op in (Op.TAKE, Op.SCATTER):
        length = operands[0].shape[ints[0] if op is Op.TAKE else 0]
        found = (operands[1] < -length) | (operands[1] >= length)
    elif op is Op.POW:
        base, exponent = np.broadcast_arrays(*operands)
        found = (base == 0) & (exponent < 0)
    else:
        found = operands[1] == 0
    return int(np.flatnonzero(found)[0])


def _noise(runs: Runs, at: NoisePlace) -> Defence | None:
    trace, program = runs.trace, runs.program
    if at.place >= len(trace.noise):
        return None
    value = program.cut[at.place]
    every = [(0, element_count(program.type_of(value).shape))]
    shown = [runs.exhibit([value], perturbed=perturbed) for perturbed in (False, True)]
    [noise] = runs.noises([at.place])
    if at.row >= noise.count:
        return None
    return NoiseAccusation(
        outline=runs.papers.outline,
        place=at.place,
        row=at.row,
        told=noise.row(at.row),
        told_proof=rows_tree(noise.rows()).prove_set([at.row]),
        values=[each.open_at(value, every) for each in shown],
        proofs=[each.tree.prove_set([value - program.first_result]) for each in shown],
    )


def rows_tree(rows: list[Row]) -> merkle.Tree:
    """Return the tree over the records of a value's rows (V89)."""
    return merkle.Tree([merkle.leaf_hash(codec.encode(row)) for row in rows])


def ending(runs: Runs) -> TrapProof | None:
    """Return what shows that a run ends in a trap."""
    for perturbed in (False, True):
        trap = runs.trap(perturbed=perturbed)
        if trap is not None:
            proof = runs.tree(perturbed=perturbed).prove_set([trap.operation])
            return TrapProof(perturbed=perturbed, code=trap.code, proof=proof)
    return None
