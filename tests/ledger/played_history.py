"""A history with every ending of a job, and the digest of what came of it. As a program, it prints the digest."""

import hashlib
import sys

from primitives import codec
from testnet.kit import ledger_builders as kit

SCRIPTS = [
    kit.Script(),
    kit.Script(accepts=False),
    kit.Script(commits=False),
    kit.Script(reveals=False),
    kit.Script(verifiers_commit=0),
    kit.Script(verifiers_commit=1),
    kit.Script(verifiers_reveal=2),
    kit.Script(verifiers_reveal=1),
    kit.Script(provider_shift=0.01),
]


def played() -> kit.World:
    world = kit.a_world()
    for script in SCRIPTS:
        kit.run_job(world, script)
    return world


def digest_of(world: kit.World) -> str:
    """Return the digest over blocks, ids, roots, receipts with their facts, events and writes."""
    digest = hashlib.sha256()
    for final in world.finals:
        outcome = final.outcome
        for part in (
            codec.encode(final.block),
            outcome.id,
            outcome.state_root,
            codec.encode(outcome.receipts),
            codec.encode(outcome.events),
            codec.encode(list(outcome.writes.items())),
        ):
            digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest_of(played()) + "\n")
