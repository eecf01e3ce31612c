"""Composed MOVEs do what the two they come from do, one after the other."""

import itertools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.lower.graphs import Array
from vm.sandbox.lower import moves

FILLS = (b"\x07", b"\x09")


def moved(x: Array, map_: moves.Map, fill: bytes) -> Array:
    """The definition of MOVE, element by element."""
    seen, result = x.reshape(map_.view), np.empty(map_.shape, x.dtype)
    for at in itertools.product(*(range(size) for size in map_.shape)):
        place = [
            base + sum(f * o for f, o in zip(row, at, strict=True))
            for base, row in zip(map_.base, map_.rows, strict=True)
        ]
        within = all(0 <= p < size for p, size in zip(place, map_.view, strict=True))
        result[at] = seen[tuple(place)] if within else fill[0]
    return result


def shapes_of(count: int) -> list[tuple[int, ...]]:
    """All shapes of up to four dimensions that hold so many elements."""
    sizes = [size for size in range(1, count + 1) if count % size == 0]
    return [s for rank in range(1, 5) for s in itertools.product(sizes, repeat=rank) if math.prod(s) == count]


@st.composite
def maps(draw: st.DrawFn, count: int) -> moves.Map:
    """Return a map of an operand of so many elements."""
    view = draw(st.sampled_from(shapes_of(count)))
    kind = draw(st.sampled_from(["reshape", "transpose", "slice", "broadcast", "any"]))
    if kind == "reshape":
        return moves.reshaping(view)
    if kind == "transpose":
        return moves.transposing(view, draw(st.permutations(range(len(view)))))
    if kind == "slice":
        starts = [draw(st.integers(-1, size - 1)) for size in view]
        steps = [draw(st.sampled_from([1, 1, 2, -1])) for _ in view]
        return moves.slicing(view, starts, steps, [draw(st.integers(1, 3)) for _ in view])
    if kind == "broadcast":
        return moves.broadcasting(
            view, [draw(st.integers(1, 2)), *(s if s != 1 else draw(st.integers(1, 3)) for s in view)]
        )
    shape = tuple(draw(st.integers(1, 3)) for _ in range(draw(st.integers(1, 3))))
    rows = tuple(tuple(draw(st.integers(-1, 2)) for _ in shape) for _ in view)
    return moves.Map(view, tuple(draw(st.integers(0, 1)) for _ in view), rows, shape)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_composed_move_is_the_two_moves(data: st.DataObject) -> None:
    inner = data.draw(maps(12))
    outer = data.draw(maps(math.prod(inner.shape)))
    x = np.arange(100, 112, dtype=np.uint8)
    both = moves.composed(inner, FILLS[0], outer, FILLS[1])
    if both is not None:
        wanted = moved(moved(x, inner, FILLS[0]), outer, FILLS[1])
        assert np.array_equal(moved(x, *both), wanted)


def test_a_reshape_that_undoes_a_split_composes() -> None:
    split = moves.Map((2, 3, 4), (0, 0, 0), ((1, 0, 0), (0, 1, 0), (0, 0, 1)), (2, 3, 4))
    turned = moves.transposing((2, 3, 4), (0, 2, 1))
    heads = moves.reshaping((2, 4, 3, 1))
    for inner, outer in (
        (split, turned),
        (turned, heads),
        (moves.transposing((2, 3, 4), (2, 0, 1)), moves.reshaping((4, 6))),
    ):
        assert moves.composed(inner, b"\0", outer, b"\0") is not None


def test_what_pads_a_slice_does_not_compose() -> None:
    cut = moves.slicing((4,), [1], [1], [2])
    padded = moves.slicing((2,), [-1], [1], [4])
    assert moves.composed(cut, b"\0", padded, b"\0") is None


def test_a_permutation_knows_its_order() -> None:
    assert moves.transposing((2, 3, 4), (2, 0, 1)).permutation == [2, 0, 1]
    assert moves.slicing((4,), [1], [1], [3]).permutation is None
    assert moves.broadcasting((1, 3), (2, 3)).permutation is None
