"""How much hypothesis tries, and which tests may run side by side.

The same examples on each `make test`, fresh and many more on `make night`.
"""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a machine that is busy with something else must not fail a test.
settings.register_profile("test", deadline=None, derandomize=True, max_examples=60)
settings.register_profile(
    "night", deadline=None, max_examples=5_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))

_NETWORKS = Path(__file__).parent / "e2e"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have one of `make test`'s two processes run all tests that start processes, one after another; files whole."""
    for item in items:
        starts_processes = item.get_closest_marker("e2e") is not None or _NETWORKS in item.path.parents
        item.add_marker(pytest.mark.xdist_group("processes" if starts_processes else str(item.path)))
