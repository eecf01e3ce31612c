"""The state tree at a million rows: updates, memory, start, proofs."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import perf_counter

from benches.figures import Figure, per_call_us
from ledger.tree import StateTree, tree_of
from primitives import codec
from primitives.state_proof import check_state_proof

ROWS = 1_000_000
VALUE_BYTES = 64
BATCHES = ((100, 50), (1_000, 10), (10_000, 3))
"""Rows that one block writes, and how many blocks."""
PROOFS = 1_000


def run() -> Iterator[Figure]:
    """Yield figures over one tree with ROWS rows, in one process."""
    random = Random(1)
    gc.collect()
    before, began = _resident(), perf_counter()
    tree = tree_of((_key(at), at.to_bytes(VALUE_BYTES, "big")) for at in range(ROWS))
    took = perf_counter() - began
    gc.collect()
    method = f"{ROWS:,} rows of {VALUE_BYTES} bytes, keys of 21"
    yield Figure(what="build from the rows, as a node does at its start", value=took, unit="s", method=method)
    per_row = (_resident() - before) / ROWS
    yield Figure(what="memory", value=per_row, unit="B", method="growth of resident memory, for each row")
    for size, times in BATCHES:
        rate, tree = _rate(tree, random, size, times)
        yield Figure(what=f"update, {size:,} rows in a block", value=rate, unit="/s", method="each makes a new tree")
    present = [_key(random.randrange(ROWS)) for _ in range(PROOFS)]
    absent = [_key(ROWS + at) for at in range(PROOFS)]
    for what, keys in (("present", present), ("absent", absent)):
        yield from _proofs(tree, what, keys)


def _key(at: int) -> bytes:
    return b"\x01" + at.to_bytes(20, "big")


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _rate(tree: StateTree, random: Random, size: int, times: int) -> tuple[float, StateTree]:
    blocks = [{_key(random.randrange(ROWS)): random.randbytes(VALUE_BYTES) for _ in range(size)} for _ in range(times)]
    began = perf_counter()
    for writes in blocks:
        tree = tree.child(writes)
    return size * times / (perf_counter() - began), tree


def _proofs(tree: StateTree, what: str, keys: list[bytes]) -> Iterator[Figure]:
    proofs = [tree.prove(key) for key in keys]
    size = sum(len(codec.encode(proof)) for proof in proofs) / len(proofs)
    yield Figure(what=f"proof of a row that is {what}", value=size, unit="B", method=f"mean of {len(keys):,}, encoded")
    yield Figure(what="  make it", value=per_call_us(lambda: tree.prove(keys[0])), unit="µs", method="one key, again")
    value = None if what == "absent" else b"v"
    changed = tree.child({keys[0]: value})  # the tree keeps no values: one that is known
    proof = changed.prove(keys[0])
    call = per_call_us(lambda: check_state_proof(changed.root, keys[0], value, proof))
    yield Figure(what="  check it", value=call, unit="µs", method=f"{len(proof.siblings)} hashes beside the path")
