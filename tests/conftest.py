"""How much hypothesis tries, and which tests may run side by side.

The same examples on each `make test`, fresh and many more on `make night`.
"""

import os

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


class _Sides(LoadScopeScheduling):
    """Files stay whole, and tests of whole networks with workers all go to one of the two processes, from the start."""

    def _split_scope(self, nodeid: str) -> str:
        return _side(nodeid)


def _side(nodeid: str) -> str:
    """Return what a test stays together with: a machine of two cores bears one network at a time, and small ones."""
    return "networks" if nodeid.startswith("tests/e2e/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Sides:
    """Say who runs what in `make test`, which has two test processes."""
    config.option.loadscopereorder = False  # the order is ours
    return _Sides(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the side that takes longer first, in a test process of xdist's."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: _side(item.nodeid) != "networks")
