"""Faults of etcd under a whole cluster: what the users of the API server see of them."""

from __future__ import annotations

import pytest

from kubelab import Cluster

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "1"}}


def leaders(c: Cluster) -> list[str]:
    """The members that believe to lead."""
    return [f"etcd-{n}" for n in (1, 2, 3) if c.world.components[f"etcd-{n}"].raft.role == "leader"]


def leader(c: Cluster) -> str:
    """The one member that leads."""
    (found,) = leaders(c)
    return found


def test_a_leader_that_is_not_heard_is_replaced_and_nothing_is_lost() -> None:
    """Its heartbeats are dropped: the others elect one of themselves, writes go on."""
    c = Cluster(nodes=1, etcd=3, dns=False)
    c.settle()
    c.apply(MAP)
    old = leader(c)
    others = [f"etcd-{n}" for n in (1, 2, 3) if f"etcd-{n}" != old]
    for other in others:
        c.faults.drop(old, other)
    c.run(10)
    c.faults.heal()
    c.run(10)
    assert leader(c) in others
    assert c.get("ConfigMap", "kept")["data"] == {"a": "1"}
    assert any("be lost" in c.tell(event) for event in c.trace if event.target == "faults")


def test_an_election_timer_that_runs_out_begins_an_election() -> None:
    """The member asks for votes at once; the cluster has one leader afterwards."""
    c = Cluster(nodes=1, etcd=3, dns=False)
    c.settle()
    follower = next(f"etcd-{n}" for n in (1, 2, 3) if f"etcd-{n}" != leader(c))
    before = len(c.trace)
    c.faults.time_out(follower)
    c.run(5)
    assert any(e.target == follower and e.verb == "campaign_now" for e in c.trace[before:])
    assert len(leaders(c)) == 1


def test_a_clock_that_runs_fast_does_not_break_the_store() -> None:
    """A member whose timers run three times too fast may call elections; writes are kept."""
    c = Cluster(nodes=1, etcd=3, dns=False)
    c.settle()
    c.faults.set_clock("etcd-2", 3.0)
    c.run(20)
    c.apply(MAP)
    assert c.get("ConfigMap", "kept")["data"] == {"a": "1"}


def test_such_a_fault_of_something_else_is_refused() -> None:
    """The sentence names the thing and what would do."""
    c = Cluster(nodes=1, etcd=3, dns=False)
    with pytest.raises(ValueError, match="'scheduler' is no etcd member"):
        c.faults.set_clock("scheduler", 2)
