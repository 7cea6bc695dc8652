"""The DaemonSet controller alone: one pod on every node that qualifies."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get, key_of, labels_of
from kubelab.controllers.daemonset import DaemonSetController
from kubelab.controllers.nodematch import target_of
from tests.controllers.stub import Scene, template

IMAGE = ("spec", "template", "spec", "containers", 0, "image")


class Daemons(Scene):
    """Three nodes and a DaemonSet `agent`."""

    def __init__(self, nodes: int = 3, **spec: Any) -> None:
        super().__init__(DaemonSetController)
        for number in range(1, nodes + 1):
            self.node(f"node-{number}")
        self.make({
            "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}}, "template": template(),
                "updateStrategy": {
                    "type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
                },
                **spec,
            },
        })  # fmt: skip

    def node(self, name: str, **spec: Any) -> None:
        self.make({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"n": name}},
            "spec": spec,
        })  # fmt: skip

    def all_ready(self) -> None:
        for key, pod in list(self.server.store.get("pods", {}).items()):
            if pod["metadata"].get("deletionTimestamp"):
                self.server.kill(key)
            elif not get(pod, "status", "conditions"):
                self.ready(key, node=target_of(pod))

    def targets(self) -> list[str]:
        return sorted(target_of(pod) for pod in self.list("pods"))

    @property
    def status(self) -> dict[str, Any]:
        return self.get("daemonsets", "default/agent")["status"]  # type: ignore[no-any-return]


def test_one_pod_on_each_node_pinned_by_affinity() -> None:
    """Three nodes, three pods; each is pinned to its node and tolerates what daemons tolerate."""
    scene = Daemons()
    scene.settle()
    assert scene.targets() == ["node-1", "node-2", "node-3"]
    spec = scene.list("pods")[0]["spec"]
    assert [(t["key"].partition("/")[2], t["effect"]) for t in spec["tolerations"]] == [
        ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    ]  # fmt: skip
    assert scene.status == {
        "currentNumberScheduled": 3, "numberMisscheduled": 0, "desiredNumberScheduled": 3,
        "numberReady": 3, "observedGeneration": 1, "updatedNumberScheduled": 3,
        "numberAvailable": 3,
    }  # fmt: skip


def test_a_new_node_gets_a_pod() -> None:
    """Nobody scales a DaemonSet: nodes do."""
    scene = Daemons(2)
    scene.settle()
    scene.node("node-9")
    scene.settle()
    assert scene.targets() == ["node-1", "node-2", "node-9"]


def test_cordoned_nodes_get_pods_tainted_ones_do_not() -> None:
    """The cordon's taint is tolerated, a stranger's is not."""
    scene = Daemons(1)
    cordon = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    scene.node("cordoned", unschedulable=True, taints=[cordon])
    control = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    scene.node("control", taints=[control])
    scene.settle()
    assert scene.targets() == ["cordoned", "node-1"]


def test_a_no_schedule_taint_leaves_the_pod_a_no_execute_taint_does_not() -> None:
    """A pod that is there may stay where no new one would be made."""
    scene = Daemons(2)
    scene.settle()
    path = ("spec", "taints")
    scene.change("nodes", "node-1", path, [{"key": "x", "effect": "NoSchedule"}])
    scene.settle()
    assert scene.targets() == ["node-1", "node-2"]
    assert scene.status["numberMisscheduled"] == 1
    scene.change("nodes", "node-1", path, [{"key": "x", "effect": "NoExecute"}])
    scene.settle()
    assert scene.targets() == ["node-2"]


def test_a_node_selector_chooses_nodes() -> None:
    """A selector that no node fits: all pods go."""
    scene = Daemons()
    scene.settle()
    path = ("spec", "template", "spec", "nodeSelector")
    scene.change("daemonsets", "default/agent", path, {"n": "node-2"})
    scene.settle()
    assert scene.targets() == ["node-2"]
    scene.change("daemonsets", "default/agent", path, {"no": "where"})
    scene.settle()
    assert scene.targets() == []
    assert scene.status["desiredNumberScheduled"] == 0


def test_a_rolling_update_takes_one_node_at_a_time() -> None:
    """maxUnavailable 1: never more than one pod is away; a revision is kept for each template."""
    scene = Daemons()
    scene.settle()
    scene.change("daemonsets", "default/agent", IMAGE, "nginx:2")
    for _ in range(30):
        scene.run(0.5)
        ready = [
            pod
            for pod in scene.list("pods")
            if get(pod, "status", "conditions") and not pod["metadata"].get("deletionTimestamp")
        ]
        assert len(ready) >= 2
        scene.all_ready()
    images = {pod["spec"]["containers"][0]["image"] for pod in scene.list("pods")}
    assert images == {"nginx:2"}
    revisions = scene.list("controllerrevisions")
    assert [item["revision"] for item in revisions] == [1, 2]
    mark = labels_of(revisions[1])["controller-revision-hash"]
    assert {labels_of(pod)["controller-revision-hash"] for pod in scene.list("pods")} == {mark}


def test_a_template_that_comes_back_gets_the_next_number() -> None:
    """Rolling back renumbers the old revision; no third one is made."""
    scene = Daemons()
    scene.settle()
    scene.change("daemonsets", "default/agent", IMAGE, "nginx:2")
    scene.settle()
    scene.change("daemonsets", "default/agent", IMAGE, "nginx:1")
    scene.settle()
    assert sorted(item["revision"] for item in scene.list("controllerrevisions")) == [2, 3]


def test_with_surge_the_new_pod_comes_first() -> None:
    """maxSurge 1: each node keeps an available pod all the time."""
    rule = {"maxUnavailable": 0, "maxSurge": 1}
    scene = Daemons(updateStrategy={"type": "RollingUpdate", "rollingUpdate": rule})
    scene.settle()
    scene.change("daemonsets", "default/agent", IMAGE, "nginx:2")
    for _ in range(40):
        scene.run(0.5)
        ready = {
            target_of(pod)
            for pod in scene.list("pods")
            if get(pod, "status", "conditions") and not pod["metadata"].get("deletionTimestamp")
        }
        assert ready == {"node-1", "node-2", "node-3"}
        scene.all_ready()
    assert {pod["spec"]["containers"][0]["image"] for pod in scene.list("pods")} == {"nginx:2"}
    assert len(scene.list("pods")) == 3


def test_a_failed_pod_is_replaced_with_growing_pauses() -> None:
    """Event FailedDaemonPod; the second failure waits a second."""
    scene = Daemons(1)
    scene.settle()

    def fail() -> None:
        (key,) = [key_of(pod) for pod in scene.list("pods")]
        scene.change("pods", key, ("status", "phase"), "Failed")

    fail()
    scene.run(0.5)
    scene.all_ready()
    scene.run(0.2)
    assert "FailedDaemonPod" in " ".join(scene.events("agent"))
    fail()
    scene.run(0.2)
    assert not scene.list("pods")[0]["metadata"].get("deletionTimestamp")
    scene.run(1)
    assert [pod for pod in scene.list("pods") if pod["metadata"].get("deletionTimestamp")] or (
        get(scene.list("pods")[0], "status", "phase") != "Failed"
    )
