"""The dashboard says what needs attention, and why, one click away."""

from __future__ import annotations

from kubelab import Cluster, views
from tests.views.test_owners import web


def pod(name: str, cpu: str) -> dict[str, object]:
    """A pod that asks for so much cpu."""
    container = {"name": "main", "image": "nginx", "resources": {"requests": {"cpu": cpu}}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [container]}}  # fmt: skip


def test_a_pending_pod_is_one_click_from_its_reasons() -> None:
    """The attention line leads to the pod, and the panel names the reason for each node."""
    cluster = Cluster(nodes=3, dns=False)
    cluster.apply([pod("big", "30"), pod("small", "1")])
    cluster.settle()
    view = views.dashboard(cluster)
    (row,) = view.frame["attention"]
    assert row["text"] == "1 pod waits for a node"
    view.select(row["kind"], row["name"])
    panel = view.frame["panel"]
    assert panel["kind"] == "scheduler"
    svg = view.picture().svg()
    for number in (1, 2, 3):
        assert f"node-{number}" in svg
    assert "asks 30, free" in svg


def test_a_running_pod_shows_its_life() -> None:
    """For a pod on a node the panel is the strip of its stations."""
    cluster = Cluster(nodes=1, dns=False)
    cluster.apply(pod("small", "1"))
    cluster.settle()
    view = views.dashboard(cluster).select("Pod", "default/small")
    assert view.frame["panel"]["kind"] == "kubelet"
    assert view.frame["attention"] == []


def test_stopped_parts_and_empty_services_need_attention() -> None:
    """A stopped scheduler and a Service that selects nothing are named."""
    cluster = Cluster(nodes=1, dns=False)
    cluster.apply(web(selector="wbe"))
    cluster.settle()
    cluster.faults.stop("scheduler")
    said = [row["text"] for row in views.dashboard(cluster).frame["attention"]]
    assert said == ["Scheduler is stopped", "Service default/web has no endpoint"]


def test_every_selection_can_be_drawn() -> None:
    """Whatever is drawn can be selected, and the dashboard then still draws."""
    cluster = Cluster(nodes=2, dns=False)
    cluster.apply(web())
    cluster.settle()
    view = views.dashboard(cluster)
    things = {(p.kind, p.name) for p in view.picture().pieces if p.name}
    for kind, name in sorted(things):
        assert view.select(kind, name).state()["picture"].pieces, (kind, name)


def test_an_empty_cluster_says_what_to_do() -> None:
    """Before anything has happened there is a hint, and Step goes on."""
    view = views.dashboard(Cluster(nodes=1, dns=False))
    assert "Press Step" in view.picture().svg()
    view.step(5)
    assert view.cursor.event > 0
