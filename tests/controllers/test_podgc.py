"""The pod garbage collector alone: pods that nobody else takes away."""

from __future__ import annotations

import pytest

from kubelab.api.objects import get, with_
from kubelab.controllers import podgc
from kubelab.controllers.podgc import PodGCController
from tests.controllers.stub import Scene


def pod(scene: Scene, name: str, node: str = "") -> None:
    scene.make({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": []},
    })  # fmt: skip
    if node:
        scene.ready(f"default/{name}", node=node)


def node(scene: Scene, name: str) -> None:
    scene.make({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {}})


def test_pods_of_a_deleted_node_are_failed_and_deleted() -> None:
    """Forty seconds after the node is gone, by the look that follows; others stay."""
    scene = Scene(PodGCController)
    node(scene, "node-1")
    node(scene, "node-2")
    pod(scene, "a", "node-1")
    pod(scene, "b", "node-2")
    scene.run(1)
    scene.server.remove("nodes", "node-1")
    scene.run(38)
    assert not scene.get("pods", "default/a")["metadata"].get("deletionTimestamp")
    scene.run(25)
    gone = scene.get("pods", "default/a")
    assert gone["metadata"]["deletionTimestamp"]
    assert gone["status"]["phase"] == "Failed"
    condition = gone["status"]["conditions"][-1]
    assert (condition["reason"], condition["message"]) == (
        "DeletionByPodGC", "PodGC: node no longer exists"
    )  # fmt: skip
    assert not scene.get("pods", "default/b")["metadata"].get("deletionTimestamp")


def test_a_node_that_comes_back_keeps_its_pods() -> None:
    """Within the forty seconds nothing has happened yet."""
    scene = Scene(PodGCController)
    node(scene, "node-1")
    pod(scene, "a", "node-1")
    scene.run(1)
    scene.server.remove("nodes", "node-1")
    scene.run(20)
    node(scene, "node-1")
    scene.run(100)
    assert not scene.get("pods", "default/a")["metadata"].get("deletionTimestamp")


def test_a_terminating_pod_that_was_never_bound_goes() -> None:
    """Nobody else would ever end it."""
    scene = Scene(PodGCController)
    pod(scene, "a")
    marked = with_(scene.get("pods", "default/a"), ("metadata", "deletionTimestamp"), "x")
    scene.server.put("pods", with_(marked, ("metadata", "grace"), True))
    scene.run(21)
    deletes = [r for r in scene.server.asked if r.method == "DELETE"]
    assert [get(r.body, "gracePeriodSeconds") for r in deletes] == [0]


def test_too_many_finished_pods_lose_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit the oldest go, down to it."""
    monkeypatch.setattr(podgc, "TERMINATED_LIMIT", 2)
    scene = Scene(PodGCController)
    node(scene, "node-1")
    for name in "abcd":
        pod(scene, name, "node-1")
        scene.change("pods", f"default/{name}", ("status", "phase"), "Succeeded")
        scene.run(1)
    scene.run(25)
    left = [
        item["metadata"]["name"]
        for item in scene.list("pods")
        if not item["metadata"].get("deletionTimestamp")
    ]
    assert left == ["c", "d"]


def test_a_node_declared_out_of_service_lets_its_terminating_pods_go() -> None:
    """The taint, on a node that is not ready: what is to go is failed and gone; the rest stays."""
    scene = Scene(PodGCController)
    scene.make({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"},
        "spec": {"taints": [{"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}]},
    })  # fmt: skip
    pod(scene, "a", "node-1")
    pod(scene, "b", "node-1")
    marked = with_(scene.get("pods", "default/a"), ("metadata", "deletionTimestamp"), "x")
    scene.server.put("pods", with_(marked, ("metadata", "grace"), True))
    scene.run(21)
    deletes = [r for r in scene.server.asked if r.method == "DELETE"]
    assert [(r.path.rpartition("/")[2], get(r.body, "gracePeriodSeconds")) for r in deletes] == [
        ("a", 0)
    ]
    fails = [r for r in scene.server.asked if r.method == "PATCH"]
    assert [get(r.body, "status", "phase") for r in fails] == ["Failed"]
    assert get(fails[0].body, "status", "conditions") is None
