"""What tests of nodes start from."""

from pathlib import Path

import pytest

from tests.node.compute.cluster import Cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Return five workers on a fake chain."""
    return Cluster(tmp_path)
