"""The comparison with a real etcd runs, small."""

from __future__ import annotations

import pytest

from tests.bench.beside_etcd import measure


@pytest.mark.native
def test_both_stores_are_measured() -> None:
    """Puts, ranges, transactions and watch deliveries have a rate on both sides."""
    rows = measure(5)
    assert [row.what for row in rows] == ["puts", "ranges", "transactions", "watch deliveries"]
    assert all(row.embedded > 0 and row.real > 0 for row in rows)
