"""Faults at random: Raft's invariants hold, answers are linearizable, all is well in the end."""

from __future__ import annotations

import pytest

from kubelab.etcd.seen import members_of
from tests.etcd import chaos
from tests.etcd.chaos import Chaos
from tests.etcd.linearizable import FOREVER, Operation, is_linearizable

SEEDS = 1000
QUICK = 40


@pytest.mark.parametrize("first", range(0, QUICK, 10))
def test_chaos(first: int) -> None:
    """Partitions, crashes, loss, repetition, delay and wrong clocks break no promise."""
    for seed in range(first, first + 10):
        chaos.run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(QUICK, SEEDS, 40))
def test_more_chaos(first: int) -> None:
    """The same for a thousand seeds."""
    for seed in range(first, min(first + 40, SEEDS)):
        chaos.run(seed)


def test_a_vote_given_twice_is_found() -> None:
    """The checks find a member that forgets its vote: they are not blind."""
    harness = Chaos(0)
    harness.run(3)
    member = members_of(harness.cluster.history.world)[0]
    member.raft.vote = "etcd-9"
    with pytest.raises(AssertionError, match="two votes in term 2"):
        harness.run(1)


def test_a_stale_read_is_found() -> None:
    """The checker refuses a read of what was overwritten before it began."""
    put = Operation("put", b"k", b"1", 0, 1)
    over = Operation("put", b"k", b"2", 2, 3)
    assert is_linearizable([put, over, Operation("get", b"k", b"2", 4, 5)])
    assert not is_linearizable([put, over, Operation("get", b"k", b"1", 4, 5)])


def test_an_unanswered_write_may_have_happened_or_not() -> None:
    """Both what saw it and what did not is fine, but not first the one and then the other."""
    lost = Operation("put", b"k", b"1", 0, FOREVER)
    seen = Operation("get", b"k", b"1", 2, 3)
    unseen = Operation("get", b"k", None, 4, 5)
    assert is_linearizable([lost, seen])
    assert is_linearizable([lost, unseen])
    assert not is_linearizable([lost, seen, unseen])


def test_a_scenario_can_be_stepped_back_and_again() -> None:
    """The same seed gives the same trace, and a rewound world goes on as it did."""
    first, second = chaos.run(7), chaos.run(7)
    trace = list(first.cluster.trace)
    assert trace == list(second.cluster.trace)
    half = len(trace) // 2
    first.cluster.rewind(half)
    assert list(first.cluster.trace) == trace[:half]
