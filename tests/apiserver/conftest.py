"""What the tests of the API server's conformance share: a cluster that stands still, and forks."""

from __future__ import annotations

import pytest

from kubelab import Cluster


@pytest.fixture(scope="session")
def settled() -> Cluster:
    """A control plane without nodes that stands still."""
    cluster = Cluster(nodes=0, dns=False)
    cluster.settle()
    return cluster


@pytest.fixture
def c(settled: Cluster) -> Cluster:
    """A cluster of the test's own."""
    return settled.fork()
