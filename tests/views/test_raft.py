"""The raft view tells elections and agreement, on an etcd alone and in a whole cluster."""

from __future__ import annotations

from kubelab import Cluster, views
from kubelab.etcd import EtcdCluster


def led(members: int = 3) -> EtcdCluster:
    """An etcd that has a leader, at rest."""
    cluster = EtcdCluster(members)
    assert cluster.run_until(lambda c: c.leader)
    cluster.run(0.05)
    return cluster


def test_an_election_is_told_message_by_message() -> None:
    """From the first time-out on: asks, votes, and one leader at the end."""
    cluster = led()
    view = views.raft(cluster).first()
    roles = []
    for _ in range(30):
        roles += [m["role"] for m in view.frame["members"]]
        view.step()
    assert {"follower", "candidate", "leader"} <= set(roles)
    assert view.frame["leader"] == cluster.leader


def test_back_shows_what_members_held_then() -> None:
    """Stepping back and forth ends in the same drawing, and the cluster has not moved."""
    cluster = led()
    view = views.raft(cluster).first()
    view.step(9)
    drawn, size, now = view.picture().svg(), len(cluster.trace), cluster.now
    view.step(5).back(5)
    assert view.picture().svg() == drawn
    assert (len(cluster.trace), cluster.now) == (size, now)


def test_two_of_three_stopped_is_an_alarm() -> None:
    """Without a majority the scale is in alarm and says what is missing."""
    cluster = led()
    cluster.faults.stop("etcd-1", "etcd-2")
    view = views.raft(cluster)
    assert view.frame["able"] is False
    assert "nothing can be decided" in view.state()["head"]["alt"]
    scale = next(p for p in view.picture().pieces if p.kind == "quorum")
    assert scale.state == "failed"


def test_a_write_on_the_small_side_is_never_agreed_on() -> None:
    """Five cut 2|3: the old leader's entry stays dashed, the three elect, healing replaces it."""
    cluster = led(5)
    old = cluster.leader
    assert old is not None
    with_it = [old, next(m.name for m in cluster.members if m.name != old)]
    rest = [m.name for m in cluster.members if m.name not in with_it]
    cluster.faults.partition(with_it, rest)
    cluster.call("put", member=old, key=b"lost", value=b"1")
    cluster.run(3)
    members = {m["name"]: m for m in views.raft(cluster).frame["members"]}
    assert [e["agreed"] for e in members[old]["entries"] if e["said"] == "put lost"] == [False]
    assert cluster.leader in rest
    cluster.faults.heal()
    cluster.run(3)
    view = views.raft(cluster)
    said = [e["said"] for m in view.frame["members"] for e in m["entries"]]
    assert "put lost" not in said
    told = [cluster.tell(event) for event in cluster.trace if "overwritten" in event.detail]
    assert any("no majority had agreed" in text for text in told)


def test_a_whole_cluster_has_the_same_view() -> None:
    """Three members inside a cluster; with one member the ring has one."""
    view = views.raft(Cluster(nodes=1, etcd=3, dns=False))
    view.run(3)
    assert view.frame["leader"]
    assert len(view.frame["members"]) == 3
    alone = views.raft(Cluster(nodes=1, dns=False))
    alone.step(3)
    assert len(alone.frame["members"]) == 1


def test_the_etcd_view_takes_an_etcd_alone() -> None:
    """Its keys need no Kubernetes objects."""
    cluster = led()
    cluster.put(b"a", b"1")
    cluster.put(b"a", b"2")
    view = views.etcd(cluster, prefix="")
    assert view.frame["current"]["key"] == "a"
    assert view.frame["count"] == 1
