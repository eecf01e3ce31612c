"""How much hypothesis tries: the same examples on each `make test`, fresh and many more on `make night`."""

import os

from hypothesis import HealthCheck, settings

# No deadline: a machine that is busy with something else must not fail a test.
settings.register_profile("test", deadline=None, derandomize=True, max_examples=60)
settings.register_profile(
    "night", deadline=None, max_examples=5_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "test"))
