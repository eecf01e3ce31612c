"""How much hypothesis tries, and which tests may run side by side.

The same examples on each `make test`, fresh and many more on `make night`.
"""

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# No deadline: a machine that is busy with something else must not fail a test.
settings.register_profile("test", deadline=None, derandomize=True, max_examples=60)
settings.register_profile(
    "night", deadline=None, max_examples=5_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

_TESTS = Path(__file__).parent


class _Sides(LoadScopeScheduling):
    """Files stay whole, and all files with tests that start processes (marked e2e) go to one of the two processes."""

    def _split_scope(self, nodeid: str) -> str:
        return _side(nodeid.partition("::")[0])


@cache
def _side(file: str) -> str:
    path = _TESTS.parent / file
    starts_processes = _TESTS / "e2e" in path.parents or "pytest.mark.e2e" in path.read_text()
    return "processes" if starts_processes else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Sides:
    """Say who runs what in `make test`, which has two test processes."""
    return _Sides(config, log)
