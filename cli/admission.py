"""Judging a model on the user's own machine, in a sandbox like those of the network's workers."""

from collections.abc import Sequence

from cli.bundles import name_bytes
from vm.manifest import Class
from vm.pool import PoolConfig, admit_once
from vm.sandbox_protocol import Admitted

WALL_LIMIT_S = 60.0
"""What a worker allows, by default."""


def admit(model: bytes, cut: Sequence[str]) -> Admitted:
    """Return what a sandbox finds in a model. Raises Refused with what is wrong with it."""
    return admit_once(PoolConfig(wall_limit_s=WALL_LIMIT_S), model, [name_bytes(name) for name in cut], Class.NATIVE)
