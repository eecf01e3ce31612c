import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primitives import merkle
from primitives.reasons import Refused
from vm.program import Outline, TrapCode, outline_root
from vm.trace import (
    PARTS_MAX,
    Trace,
    Window,
    check_told,
    check_trace,
    first_difference,
    parts,
    run_of,
    run_tree,
    tell,
    trace_root,
    trap_digest,
)


def digests_of(count: int, changed: int | None = None) -> list[bytes]:
    return [(at if at != changed else at + count).to_bytes(32, "big") for at in range(count)]


def test_a_trace_is_bound_by_its_root_and_a_trap_by_code_and_place() -> None:
    """V82, V83."""
    run = run_of(digests_of(3))
    assert run.root == run_tree(digests_of(3)).root
    trace = Trace(vm_version=1, program=bytes(32), inputs=[], first=run, perturbed=None, noise=[])
    other = Trace(vm_version=2, program=bytes(32), inputs=[], first=run, perturbed=None, noise=[])
    assert trace_root(trace) != trace_root(other)
    assert len({trap_digest(code, number) for code in TrapCode for number in (0, 1)}) == 4


def test_a_trace_has_the_form_of_its_program() -> None:
    """V82."""
    told = Outline(
        inputs=[], outputs=[], cut=[2], tail=bytes(32), constants=0, operations=3, constants_root=bytes(32),
        operations_root=bytes(32),
    )  # fmt: skip
    run, short, long = (run_of(digests_of(count)) for count in (3, 2, 4))
    sound = Trace(vm_version=1, program=outline_root(told), inputs=[], first=run, perturbed=run, noise=[bytes(32)])
    check_trace(sound, told, second=True)
    check_trace(msgspec.structs.replace(sound, first=short, noise=[]), told, second=True)
    check_trace(msgspec.structs.replace(sound, perturbed=None, noise=[]), told, second=False)
    check_trace(msgspec.structs.replace(sound, noise=[]), told, second=True)  # it may trap at the end
    wrongs: tuple[dict[str, object], ...] = (
        {"program": bytes(32)},
        {"inputs": [bytes(32)]},
        {"first": long},
        {"perturbed": None},
        {"perturbed": None, "noise": []},
        {"noise": [bytes(32)] * 2},
        {"first": short},
    )
    for wrong in wrongs:
        with pytest.raises(Refused):
            check_trace(msgspec.structs.replace(sound, **wrong), told, second=True)


@pytest.mark.parametrize("count", [1, 2, PARTS_MAX - 1, PARTS_MAX, PARTS_MAX + 1, 100_000])
def test_two_steps_find_the_one_operation_that_differs(count: int) -> None:
    """V84."""
    wrong = count * 2 // 3
    right, lied = run_tree(digests_of(count)), run_tree(digests_of(count, wrong))
    window, committed, steps = Window(0, count), lied.root, 0
    while window.high - window.low > 1:
        told = tell(lied, window)
        assert len(told) <= PARTS_MAX
        check_told(told, window, committed)
        found = first_difference(told, tell(right, window))
        assert found is not None
        window, committed, steps = parts(window)[found], told[found], steps + 1
    assert window == Window(wrong, wrong + 1)
    assert committed == merkle.leaf_hash(digests_of(count, wrong)[wrong])
    assert steps <= 2


@given(st.integers(1, 20_000))
def test_parts_follow_each_other_and_are_few(count: int) -> None:
    """V84."""
    found = parts(Window(0, count))
    assert len(found) <= PARTS_MAX
    assert [part.low for part in found[1:]] == [part.high for part in found[:-1]]
    assert (found[0].low, found[-1].high) == (0, count)


def test_roots_that_do_not_give_what_was_committed_to_are_refused() -> None:
    """V84."""
    tree, window = run_tree(digests_of(7)), Window(0, 7)
    told = tell(tree, window)
    check_told(told, window, tree.root)
    for wrong in (told[:-1], [*told, bytes(32)], [bytes(32), *told[1:]]):
        with pytest.raises(Refused, match="parts of a trace"):
            check_told(wrong, window, tree.root)


def test_a_run_that_ends_early_differs_where_it_ends() -> None:
    assert first_difference([b"a", b"b"], [b"a", b"b"]) is None
    assert first_difference([b"a"], [b"a", b"b"]) == 1
    assert first_difference([b"a", b"c"], [b"a", b"b"]) == 1
