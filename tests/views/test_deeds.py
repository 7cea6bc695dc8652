"""Acting from a view, what-ifs, and going back with the cluster."""

from __future__ import annotations

from kubelab import views
from kubelab.views import deeds
from tests.views.test_owners import made


def test_a_fork_leaves_the_cluster_alone_and_marks_what_differs() -> None:
    """A node stopped in the what-if is marked there; the main trace is unchanged."""
    cluster = made()
    view = views.cluster(cluster).back(3)
    size = len(cluster.trace)
    other = deeds.do(view, "stop_node", "Node", "node-1")
    assert other is not view
    assert other.origin is view
    other.run(60)
    assert len(cluster.trace) == size
    head = other.state()["head"]
    assert head["mode"] == "fork"
    assert "no/node-1" in head["differs"]
    assert "no/node-2" not in head["differs"]
    assert view.alert == deeds.PAST


def test_in_the_present_a_deed_is_done_to_the_cluster() -> None:
    """Stop and start from the side panel; the panel then offers the other one."""
    cluster = made()
    view = views.cluster(cluster).select("component", "scheduler")
    assert view.state()["head"]["selected"]["actions"] == [["Stop", "stop"]]
    assert deeds.do(view, "stop", "component", "scheduler") is view
    assert cluster.world.components["scheduler"].stopped
    assert view.state()["head"]["selected"]["actions"] == [["Start", "start"]]


def test_deletion_and_application() -> None:
    """Delete and Apply do what the same calls in a cell do."""
    cluster = made()
    view = views.dashboard(cluster)
    pod = cluster.list("Pod", "default")[0]["metadata"]["name"]
    deeds.do(view, "delete", "Pod", f"default/{pod}")
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: made-here}}"
    deeds.do(view, "apply", text=manifest)
    assert cluster.get("ConfigMap", "made-here")
    assert "You" in deeds.story_of(view.mine())


def test_rewind_here_takes_the_cluster_back() -> None:
    """What came later never happened."""
    cluster = made()
    view = views.cluster(cluster).back(4)
    event = view.cursor.event
    view.rewind()
    assert len(cluster.trace) == event
    assert view.state()["head"]["mode"] == "now"


def test_html_in_names_and_annotations_is_text() -> None:
    """Nothing that an object says becomes markup in a picture or in a still."""
    cluster = made()
    evil = "<script>alert(1)</script>"
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "annotations": {
        "a": evil}}, "spec": {"containers": [{"name": "x", "image": evil}]}})  # fmt: skip
    cluster.settle()
    view = views.dashboard(cluster).select("Pod", "default/x")
    assert evil in view.state()["head"]["selected"]["yaml"]
    bundle = view._repr_mimebundle_()
    assert evil not in view.picture().svg()
    assert evil not in bundle["text/html"]
