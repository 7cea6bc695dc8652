"""A settled cluster for the tests of a view: built once for a file, copied for each test."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster


@pytest.fixture(scope="module")
def built(request: Any) -> Any:
    """A cluster of two nodes with what the file's MANIFEST says, at rest."""
    cluster = Cluster(nodes=2)
    cluster.settle()
    cluster.apply(request.module.MANIFEST)
    cluster.settle()
    return cluster


@pytest.fixture
def cluster(built: Any) -> Any:
    """A copy for one test."""
    return built.fork()
