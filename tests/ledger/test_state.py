from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import UNFINAL_BLOCKS_MAX
from ledger.records import Amount
from ledger.state import MemoryReader, State
from primitives import codec

NAMES = [bytes([namespace, at]) for namespace in (1, 2) for at in range(6)]
writes = st.dictionaries(st.sampled_from(NAMES), st.none() | st.integers(0, 9), max_size=6)
layers = st.lists(writes, min_size=1, max_size=5)


def rows_of(plain: dict[bytes, int]) -> dict[bytes, bytes]:
    return {key: codec.encode(Amount(grains=value)) for key, value in plain.items()}


def put_all(state: State, plain: dict[bytes, int | None]) -> None:
    for key, value in plain.items():
        state.put(key, None if value is None else Amount(grains=value))


def after(before: dict[bytes, int], plain: dict[bytes, int | None]) -> dict[bytes, int]:
    kept = {key: value for key, value in before.items() if key not in plain}
    return kept | {key: value for key, value in plain.items() if value is not None}


def scanned(state: State, prefix: bytes, limit: int = 100) -> list[tuple[bytes, int]]:
    return [(key, row.grains) for key, row in state.scan(Amount, prefix, limit=limit)]


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, 9)), layers, st.integers(0, 7))
def test_overlays_read_like_one_map(start: dict[bytes, int], stack: list[dict[bytes, int | None]], limit: int) -> None:
    held, state = start, State(MemoryReader(rows_of(start)))
    for plain in stack:
        held, state = after(held, plain), state.child()
        put_all(state, plain)
        state.freeze()
    for key in NAMES:
        row = state.find(Amount, key)
        assert (None if row is None else row.grains) == held.get(key)
    for namespace in (b"\x01", b"\x02"):
        wanted = sorted(item for item in held.items() if item[0][:1] == namespace)
        assert scanned(state, namespace) == wanted
        assert scanned(state, namespace, limit) == wanted[:limit]


@given(layers)
def test_the_writes_of_a_state_bring_a_store_to_it(stack: list[dict[bytes, int | None]]) -> None:
    reader = MemoryReader()
    held: dict[bytes, int] = {}
    state = State(reader)
    for plain in stack:
        child = state.child()
        put_all(child, plain)
        held = after(held, plain)
        state.rebase(reader)  # what stood below is written by now
        reader.write(child.freeze())
        state = child
    assert reader.rows == rows_of(held)
    assert dict(scanned(state, b"\x01") + scanned(state, b"\x02")) == held


@given(writes, writes, writes)
def test_undone_writes_leave_no_trace(
    first: dict[bytes, int | None], kept: dict[bytes, int | None], undone: dict[bytes, int | None]
) -> None:
    base = State(MemoryReader(rows_of({key: value for key, value in first.items() if value is not None})))
    plain, marked = base.child(), base.child()
    put_all(plain, kept)
    put_all(marked, kept)
    mark = marked.mark()
    put_all(marked, undone)
    put_all(marked, first)
    marked.undo(mark)
    assert marked.freeze() == plain.freeze()


def test_a_child_does_not_change_its_parent() -> None:
    parent = State(MemoryReader(rows_of({NAMES[0]: 1})))
    child = parent.child()
    put_all(child, {NAMES[0]: None, NAMES[1]: 2})
    assert scanned(parent, b"\x01") == [(NAMES[0], 1)]
    assert scanned(child, b"\x01") == [(NAMES[1], 2)]


def test_an_account_that_never_was_reads_as_zeros() -> None:
    account = State(MemoryReader()).account(bytes(20))
    assert (account.nonce, account.balance) == (0, 0)


def test_as_many_blocks_as_may_wait_to_be_final_are_read_through() -> None:
    state = State(MemoryReader(rows_of({NAMES[0]: 9})))
    for at in range(UNFINAL_BLOCKS_MAX):
        state = state.child()
        put_all(state, {NAMES[1 + at % 5]: at})
        state.freeze()
    last = {NAMES[1 + at % 5]: at for at in range(UNFINAL_BLOCKS_MAX)}
    assert scanned(state, b"\x01") == sorted({NAMES[0]: 9, **last}.items())
    assert state.find(Amount, NAMES[0]) == Amount(grains=9)
