"""The comparison with a mock of the API runs, small, where the mock is installed."""

from __future__ import annotations

import pytest

from tests.bench import beside_kmock

KINDS = ["creates", "gets", "p99 of a get", "lists of 5", "watch deliveries"]


@pytest.mark.native
def test_both_servers_are_measured() -> None:
    """Creates, gets, lists and watch deliveries have a rate on both sides."""
    pytest.importorskip("kmock", reason="kmock is for this comparison only: pip install kmock")
    rows = beside_kmock.measure(5, 5)
    assert [row.what for row in rows] == KINDS
    assert all(row.kubelab > 0 for row in rows)
    # Its watch hears of no object that is made over HTTP.
    assert all(row.kmock > 0 for row in rows[:-1])


@pytest.mark.native
def test_our_own_side_is_measured_without_it() -> None:
    """The same work runs on the served API alone, so that it cannot rot."""
    with beside_kmock.kubelab_url(5) as url:
        rows = beside_kmock.work(url, 5, 5)
    assert [what for what, _, _ in rows] == KINDS
    assert all(value > 0 for _, _, value in rows)
