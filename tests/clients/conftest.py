"""What the client libraries leave open is swept up within the test that used them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Collects sockets that a library has not closed; else a later test would be blamed for them.

    While a cluster runs, Python looks for cycles seldom, so this may be long after.
    """
    yield
    gc.collect()
