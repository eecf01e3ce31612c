import os
import subprocess
import sys
from pathlib import Path

from ledger.chain import start_chain
from tests.ledger.played_history import digest_of, played

ROOT = Path(__file__).parents[2]


def digest_in_a_process(hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.ledger.played_history"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_processes_with_other_hash_seeds_find_the_same_to_the_last_byte() -> None:
    found = {digest_in_a_process(seed) for seed in ("1", "2")}
    assert found == {digest_of(played())}


def test_a_node_that_only_checks_finds_what_the_proposers_found() -> None:
    world = played()
    other, reader = start_chain(world.charter)
    for final in world.finals:
        outcome = other.check(final.block, now_ms=None)
        other.finalize(outcome.id)
        reader.write(outcome.writes)
        assert (outcome.state_root, outcome.receipts) == (final.outcome.state_root, final.outcome.receipts)
    assert reader.rows == world.reader.rows
