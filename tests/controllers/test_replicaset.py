"""The ReplicaSet controller alone: pods to a number."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import controller_of, get, key_of, name_of, uid_of
from kubelab.controllers.replicaset import ReplicaSetController
from kubelab.controllers.replicationcontroller import ReplicationControllerController
from tests.controllers.stub import Scene, status_of, template


def replicaset(replicas: int, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": template(), **spec,
        },
    }  # fmt: skip


def test_makes_the_pods_that_are_wished() -> None:
    """Three are wished, none is there: three are created, owned by the ReplicaSet."""
    scene = Scene(ReplicaSetController)
    owner = scene.make(replicaset(3))
    scene.run(1)
    pods = scene.list("pods")
    assert len(pods) == 3
    assert {controller_of(pod)["uid"] for pod in pods} == {uid_of(owner)}
    assert scene.notes("replicaset")[0]["act"] == "create 3"
    assert scene.events("web") == [f"SuccessfulCreate Created pod: {name_of(pod)}" for pod in pods]


def test_status_follows_the_pods() -> None:
    """The status counts the pods, those that are ready, and those that are terminating."""
    scene = Scene(ReplicaSetController)
    scene.make(replicaset(2))
    scene.settle()
    assert scene.get("replicasets", "default/web")["status"] == {
        "replicas": 2, "fullyLabeledReplicas": 2, "readyReplicas": 2, "availableReplicas": 2,
        "terminatingReplicas": 0, "observedGeneration": 1,
    }  # fmt: skip
    scene.change("replicasets", "default/web", ("spec", "replicas"), 0)
    scene.run(1)
    assert scene.get("replicasets", "default/web")["status"] == {
        "replicas": 0, "terminatingReplicas": 2, "observedGeneration": 2,
    }  # fmt: skip


def test_never_acts_twice_on_an_old_cache() -> None:
    """Whatever the latencies, exactly as many pods are created as are missing."""
    scene = Scene(ReplicaSetController)
    scene.world.links.set_latency("apiserver-1", "controller-manager", 50_000_000)
    scene.make(replicaset(20))
    for _ in range(100):
        scene.run(0.02)
        scene.change("replicasets", "default/web", ("metadata", "annotations", "n"), str(_))
    scene.run(2)
    created = [r for r in scene.server.asked if r.method == "POST" and r.path.endswith("/pods")]
    assert len(created) == 20


def test_creations_go_out_in_batches_that_double() -> None:
    """1, 2, 4 and so on at a time, each batch after the answers to the one before."""
    scene = Scene(ReplicaSetController)
    scene.make(replicaset(10))
    scene.run(1)
    times: dict[int, int] = {}
    for event in scene.world.trace:
        if event.verb == "request" and event.detail.get("path", "").endswith("/pods"):
            if event.detail["method"] == "POST":
                times[event.ns] = times.get(event.ns, 0) + 1
    assert list(times.values()) == [1, 2, 4, 3]


def test_a_refusal_stops_the_batches_and_is_told() -> None:
    """A quota's refusal: one creation tried, Event FailedCreate, ReplicaFailure, back-off."""
    scene = Scene(ReplicaSetController)
    message = 'pods "web-x" is forbidden: exceeded quota: q'
    scene.server.refuse["POST", "pods"] = status_of(403, "Forbidden", message)
    scene.make(replicaset(5))
    scene.run(0.004)
    scene.run(0.003)
    tried = [r for r in scene.server.asked if r.method == "POST" and r.path.endswith("/pods")]
    assert len(tried) == 1
    scene.run(0.1)
    assert scene.events()[0].startswith(f"FailedCreate Error creating: {message}")
    (condition,) = scene.get("replicasets", "default/web")["status"]["conditions"]
    assert condition["type"] == "ReplicaFailure"
    assert (condition["reason"], condition["message"]) == ("FailedCreate", message)
    del scene.server.refuse["POST", "pods"]
    scene.run(30)
    assert len(scene.list("pods")) == 5
    scene.settle()
    assert "conditions" not in scene.get("replicasets", "default/web")["status"]


def test_a_terminating_pod_is_replaced_at_once() -> None:
    """A pod with a deletionTimestamp does not count, though it still runs."""
    scene = Scene(ReplicaSetController)
    scene.make(replicaset(2))
    scene.settle()
    victim = scene.list("pods")[0]
    scene.server.remove("pods", key_of(victim))
    scene.run(1)
    assert len(scene.list("pods")) == 3


def test_adopts_a_pod_that_matches_and_releases_one_that_no_longer_does() -> None:
    """Ownership follows the labels: a loner is adopted, a relabelled pod is let go and replaced."""
    scene = Scene(ReplicaSetController)
    scene.make({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "loner", "labels": {"app": "web"}}, "spec": {"containers": []},
    })  # fmt: skip
    owner = scene.make(replicaset(2))
    scene.settle()
    assert controller_of(scene.get("pods", "default/loner"))["uid"] == uid_of(owner)
    assert len(scene.list("pods")) == 2
    scene.change("pods", "default/loner", ("metadata", "labels"), {"app": "free"})
    scene.settle()
    assert controller_of(scene.get("pods", "default/loner")) is None
    assert len(scene.list("pods")) == 3


def test_what_is_not_ready_goes_first() -> None:
    """A scale-down takes the pods in Kubernetes' order: pending before running, unready first."""
    scene = Scene(ReplicaSetController)
    scene.make(replicaset(4))
    scene.run(1)
    keys = [key_of(pod) for pod in scene.list("pods")]
    scene.ready(keys[0])
    scene.ready(keys[1], ready=False)
    scene.ready(keys[2])
    scene.run(1)
    scene.change("replicasets", "default/web", ("spec", "replicas"), 2)
    scene.run(1)
    left = [
        key_of(pod) for pod in scene.list("pods") if not pod["metadata"].get("deletionTimestamp")
    ]
    assert left == [keys[0], keys[2]]


def test_available_only_after_min_ready_seconds() -> None:
    """With minReadySeconds a pod is ready at once and available that much later."""
    scene = Scene(ReplicaSetController)
    scene.make(replicaset(1, minReadySeconds=10))
    scene.run(1)
    scene.all_ready()
    scene.run(5)
    status = scene.get("replicasets", "default/web")["status"]
    assert (status.get("readyReplicas"), status.get("availableReplicas")) == (1, None)
    scene.run(6)
    assert scene.get("replicasets", "default/web")["status"]["availableReplicas"] == 1


def test_no_pods_for_an_owner_that_is_to_go() -> None:
    """A ReplicaSet with a deletionTimestamp makes no pods any more."""
    scene = Scene(ReplicaSetController)
    made = replicaset(1)
    made["metadata"]["finalizers"] = ["foregroundDeletion"]
    scene.make(made)
    scene.settle()
    scene.server.remove("replicasets", "default/web")
    scene.server.remove("pods", key_of(scene.list("pods")[0]))
    scene.run(1)
    assert all(pod["metadata"].get("deletionTimestamp") for pod in scene.list("pods"))


def test_a_replication_controller_works_alike() -> None:
    """The older kind: a plain selector, and no count of terminating pods in its status."""
    scene = Scene(ReplicationControllerController)
    scene.make({
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "old"},
        "spec": {"replicas": 2, "selector": {"app": "web"}, "template": template()},
    })  # fmt: skip
    scene.settle()
    assert len(scene.list("pods")) == 2
    status = scene.get("replicationcontrollers", "default/old")["status"]
    assert get(status, "readyReplicas") == 2
    assert "terminatingReplicas" not in status
    source = scene.list("events")[0]["source"]["component"]
    assert source == "replication-controller"


def test_the_sentences_say_wish_and_count() -> None:
    """What a turn tells names the pods counted and the wish."""
    scene = Scene(ReplicaSetController)
    scene.make(replicaset(3))
    scene.run(1)
    wanted = (
        "ReplicaSet controller creates 3 pods for default/web because it counted 0 pods and the "
        "wish is 3."
    )
    assert wanted in scene.sentences()
