"""Leases: how long they last, and what hangs on them."""

from __future__ import annotations

import pytest

from kubelab.etcd.lease import SECOND_NS, Lessor
from kubelab.etcd.records import EtcdError


def test_granting() -> None:
    """A lease shorter than two seconds becomes two; an ID is granted once; there is a longest."""
    lessor = Lessor()
    assert lessor.grant(1, 0, 0) == 2
    assert lessor.grant(2, 60, 0) == 60
    for lease, ttl, code, words in (
        (2, 5, 9, "etcdserver: lease already exists"),
        (3, 9_000_000_001, 11, "etcdserver: too large lease TTL"),
    ):
        with pytest.raises(EtcdError) as caught:
            lessor.grant(lease, ttl, 0)
        assert (caught.value.code, caught.value.message) == (code, words)
    assert sorted(lessor.ttl) == [1, 2]


def test_time_left() -> None:
    """Seconds left are rounded down; an unknown lease has -1."""
    lessor = Lessor()
    lessor.grant(1, 60, 0)
    assert lessor.remaining_seconds(1, 1) == 59
    assert lessor.remaining_seconds(1, 70 * SECOND_NS) == 0
    assert lessor.remaining_seconds(9, 0) == -1


def test_keeping_alive() -> None:
    """Renewing gives the full time again; a lease that has run out or never was gets 0."""
    lessor = Lessor()
    lessor.grant(1, 10, 0)
    assert lessor.renew(1, 9 * SECOND_NS) == 10
    assert lessor.expired(18 * SECOND_NS) == []
    assert lessor.renew(1, 19 * SECOND_NS) == 0
    assert lessor.renew(2, 0) == 0


def test_expiry_in_order() -> None:
    """Leases run out by their time, then by their ID."""
    lessor = Lessor()
    for lease, ttl in ((3, 5), (2, 5), (1, 9)):
        lessor.grant(lease, ttl, 0)
    assert lessor.expired(10 * SECOND_NS) == [2, 3, 1]
    assert lessor.expired(6 * SECOND_NS) == [2, 3]


def test_a_new_leader_starts_over() -> None:
    """Who begins to lead gives every lease its full time and an election time-out more."""
    lessor = Lessor()
    lessor.grant(1, 20, 0)
    lessor.promote(15 * SECOND_NS, SECOND_NS)
    assert lessor.expired(35 * SECOND_NS) == []
    assert lessor.expired(36 * SECOND_NS) == [1]
