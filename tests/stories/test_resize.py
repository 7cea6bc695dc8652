"""In-place resize: what is wished, granted and in force, and what stands in the way."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api.rest import Response

STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}


def pod(name: str, cpu: str, **container: Any) -> dict[str, Any]:
    """A pod of one container, Burstable."""
    resources = {"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [
            {"name": "c", "image": "kubelab/sleep:1", "resources": resources, **container},
        ]},
    }  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Cluster:
    """Two pods on a node of four cpus; a change of memory restarts the first one's container."""
    cluster = Cluster(1, dns=False)
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    cluster.apply([pod("app", "100m", resizePolicy=policy), pod("big", "2")])
    cluster.settle()
    return cluster


def resize(cluster: Cluster, **container: Any) -> Response:
    """PATCH of the subresource, and three seconds."""
    body = {"spec": {"containers": [{"name": "c", **container}]}}
    path = "/api/v1/namespaces/default/pods/app/resize"
    answer = cluster.request("PATCH", path, body, STRATEGIC)
    cluster.run(3)
    return answer


def told(cluster: Cluster) -> list[tuple[str, str]]:
    """The Events of the pod that speak of a resize."""
    return [
        (event["reason"], event["message"]) for event in cluster.list("Event", "default")
        if event["involvedObject"]["name"] == "app" and "esize" in event["message"]
    ]  # fmt: skip


def status(cluster: Cluster) -> Any:
    """The container's status."""
    return cluster.get("Pod", "app")["status"]["containerStatuses"][0]


def pending(cluster: Cluster) -> tuple[str, str] | None:
    """Reason and message of PodResizePending."""
    for row in cluster.get("Pod", "app")["status"]["conditions"]:
        if row["type"] == "PodResizePending":
            return row["reason"], row["message"]
    return None


def test_cpu_changes_in_place(running: Cluster) -> None:
    """Granted, then in force; the container runs on, and Events tell beginning and end."""
    cluster = running.fork()
    assert resize(cluster, resources={"requests": {"cpu": "300m"}}).status == 200
    assert status(cluster)["resources"]["requests"]["cpu"] == "300m"
    assert status(cluster)["allocatedResources"] == {"cpu": "300m", "memory": "64Mi"}
    assert status(cluster)["restartCount"] == 0
    said = (
        '{"containers":[{"name":"c","resources":{"limits":{"memory":"128Mi"},"requests":'
        '{"cpu":"300m","memory":"64Mi"}}}],"generation":2}'
    )
    assert told(cluster) == [
        ("ResizeStarted", f"Pod resize started: {said}"),
        ("ResizeCompleted", f"Pod resize completed: {said}"),
    ]


def test_a_policy_can_ask_for_a_restart(running: Cluster) -> None:
    """More memory kills the container and starts it again in the same pod."""
    cluster = running.fork()
    resize(cluster, resources={"requests": {"memory": "96Mi"}})
    assert status(cluster)["restartCount"] == 1
    reasons = [row[0] for row in told(cluster)]
    assert reasons == ["ResizeStarted", "Killing", "ResizeCompleted"]
    assert ("Killing", "Container c resize requires restart") in told(cluster)


def test_what_the_node_can_never_grant_is_infeasible(running: Cluster) -> None:
    """The condition says so; the container keeps what it has, and the wish may be taken back."""
    cluster = running.fork()
    resize(cluster, resources={"requests": {"cpu": "5"}})
    text = "Node didn't have enough capacity: cpu, requested: 5000, capacity: 4000"
    assert pending(cluster) == ("Infeasible", text)
    assert status(cluster)["allocatedResources"]["cpu"] == "100m"
    resize(cluster, resources={"requests": {"cpu": "100m"}})
    assert pending(cluster) is None


def test_what_others_use_is_waited_for(running: Cluster) -> None:
    """Deferred until the other pod is gone; tried again within half a minute."""
    cluster = running.fork()
    resize(cluster, resources={"requests": {"cpu": "3"}})
    text = "Node didn't have enough resource: cpu, requested: 3000, used: 2000, capacity: 4000"
    assert pending(cluster) == ("Deferred", text)
    cluster.delete("Pod", "big")
    cluster.run(40)
    assert pending(cluster) is None
    assert status(cluster)["resources"]["requests"]["cpu"] == "3"


def test_only_cpu_and_memory_change_and_never_the_quality_of_service(running: Cluster) -> None:
    """The server's words for what this door does not let through."""
    cluster = running.fork()
    answer = resize(cluster, image="nginx")
    assert answer.status == 422
    assert "spec: Forbidden: only cpu and memory resources are mutable" in answer.message
    whole = {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}}
    answer = resize(cluster, resources=whole)
    assert "Pod QOS Class may not change as a result of resizing" in answer.message
    plain = cluster.request(
        "PATCH", "/api/v1/namespaces/default/pods/app",
        {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1"}}}]}},
        STRATEGIC,
    )  # fmt: skip
    assert plain.status == 422
