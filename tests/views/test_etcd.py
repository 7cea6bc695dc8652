"""The etcd view shows revisions, who asked for them, what changed, and who has heard."""

from __future__ import annotations

from kubelab import Cluster, views
from tests.views.stand_in import node, story


def test_each_write_is_a_revision_on_the_ribbon() -> None:
    """Three writes make three boxes, the last one ringed; Back rings the one before."""
    cluster = story()
    view = views.etcd(cluster, by="decision")
    view.step(3)
    boxes = [p for p in view.picture().pieces if p.kind == "revision"]
    assert [p.name for p in boxes] == ["2", "3", "4"]
    assert [p.ring for p in boxes] == [False, False, True]
    view.back()
    boxes = [p for p in view.picture().pieces if p.kind == "revision"]
    assert [p.ring for p in boxes] == [False, True]
    assert view.frame["revision"] == 3


def test_the_writer_is_who_asked_not_the_api_server() -> None:
    """The API server carries a write out; the box has the colour of the component that asked."""
    cluster = story(fits=True, cpu="1")
    cluster.settle()
    data = views.etcd(cluster, by="decision").frame
    assert data["current"]["who"] == "scheduler"
    assert data["ribbon"][-2]["who"] == "you"


def test_a_changed_field_is_shown_old_and_new() -> None:
    """Binding a pod changes one field: none before, the node after."""
    cluster = story(fits=True, cpu="1")
    cluster.settle()
    data = views.etcd(cluster, by="decision").frame
    assert data["fields"] == [{"path": "spec.nodeName", "old": "", "new": "node-1"}]
    assert data["value"]["what"] == "changed"
    assert data["value"]["version"] == 2


def test_a_reader_is_behind_until_the_step_in_which_it_hears() -> None:
    """Right after a write its readers lack it; they move up one Step at a time."""
    cluster = story()
    cluster.settle()
    view = views.etcd(cluster)
    write = next(e.id for e in cluster.trace if e.detail.get("key", "").endswith("/default/web"))
    view.jump(write)
    ways = [{row["name"]: row["state"] for row in view.frame["readers"]}]
    for _ in range(2):
        view.step()
        ways.append({row["name"]: row["state"] for row in view.frame["readers"]})
    assert ways == [
        {"apiserver-1": "on its way", "scheduler": "earlier"},
        {"apiserver-1": "has it", "scheduler": "earlier"},
        {"apiserver-1": "has it", "scheduler": "has it"},
    ]


def test_heartbeats_are_no_steps_unless_asked_for() -> None:
    """Leases and Events are left out; `noise=True` takes them in."""
    cluster = story()
    cluster.settle()
    quiet, loud = views.etcd(cluster, by="decision"), views.etcd(cluster, noise=True, by="decision")
    before = len(quiet.stops.ids)
    cluster.writes_object("/registry/leases/kube-node-lease/node-1", {"kind": "Lease"})
    cluster.settle()
    assert len(quiet.stops.ids) == before
    assert len(loud.stops.ids) == before + 1


def test_a_deletion_is_told_as_one() -> None:
    """A deleted key shows its fields as gone, and is no key of the tree any more."""
    cluster = story()
    cluster.writes_object("/registry/minions/node-9", node("node-9"))
    cluster.writes_object("/registry/minions/node-9", None)
    cluster.settle()
    data = views.etcd(cluster, by="decision").frame
    assert data["value"]["what"] == "deleted"
    assert all(not row["new"] for row in data["fields"])
    assert data["tree"][0] == {
        "name": "/registry/minions/", "count": 3, "current": "node-9",
        "keys": ["node-1", "node-2", "node-3"],
    }  # fmt: skip


def test_a_prefix_limits_steps_and_keys() -> None:
    """`views.etcd(c, "/registry/pods/")` shows and counts pods alone."""
    cluster = story()
    cluster.settle()
    data = views.etcd(cluster, "/registry/pods/", by="decision").frame
    assert data["count"] == 4
    assert all(row["key"].startswith("/registry/pods/") for row in data["ribbon"])


def test_a_compaction_has_a_box_of_its_own() -> None:
    """etcd forgets at the revision of the last write: both stand on the ribbon."""
    cluster = Cluster(nodes=1, dns=False)
    cluster.settle()
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "note"}})
    cluster.etcd.compact(cluster.etcd.range(b"/").header.revision)
    boxes = [p for p in views.etcd(cluster).picture().pieces if p.kind == "revision"]
    assert boxes[-1].name == boxes[-2].name and boxes[-1].key != boxes[-2].key
    assert boxes[-1].ring
