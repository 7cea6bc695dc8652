"""The autoscaler in a whole cluster: what metrics-server says, and what becomes of it when."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster

METRICS = "/apis/metrics.k8s.io/v1beta1"
SCALED = "New size: {}; reason: cpu resource utilization (percentage of request) above target"


def web(replicas: int, cpu: str, request: str | None = "100m") -> dict[str, Any]:
    """A Deployment whose pods use so much cpu each."""
    resources = {"requests": {"cpu": request}} if request else {}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {
                    "labels": {"app": "web"}, "annotations": {"kubelab.io/usage-cpu": cpu},
                },
                "spec": {"containers": [
                    {"name": "web", "image": "kubelab/http:1", "resources": resources},
                ]},
            },
        },
    }  # fmt: skip


def scaler(metrics: list[Any] | None = None, name: str = "web", **spec: Any) -> dict[str, Any]:
    """An autoscaler that aims at half of the request."""
    target = {"type": "Utilization", "averageUtilization": 50}
    cpu = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    return {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "maxReplicas": 20, "metrics": metrics or cpu,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            **spec,
        },
    }  # fmt: skip


def started(deployment: dict[str, Any]) -> Cluster:
    """A cluster whose Deployment has run for a minute, so that all of its pods are measured."""
    cluster = Cluster(2, dns=False)
    cluster.apply(deployment)
    cluster.settle()
    cluster.run(60)
    return cluster


def told(cluster: Cluster) -> list[tuple[str, str]]:
    """The Events of the autoscaler: reason and message."""
    events = cluster.list("Event", "default")
    events.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
    return [
        (event["reason"], event["message"]) for event in events
        if event["involvedObject"]["kind"] == "HorizontalPodAutoscaler"
    ]  # fmt: skip


def conditions(cluster: Cluster) -> dict[str, tuple[str, str, str]]:
    """The conditions of the autoscaler by type."""
    held = cluster.get("HorizontalPodAutoscaler", "web")["status"]["conditions"]
    return {row["type"]: (row["status"], row["reason"], row["message"]) for row in held}


def size(cluster: Cluster) -> int:
    """The wished size of the Deployment."""
    return int(cluster.get("Deployment", "web")["spec"]["replicas"])


@pytest.mark.parametrize(
    ("replicas", "cpu", "after"),
    [(3, "90m", 6), (3, "53m", 3), (3, "55m", 3), (3, "56m", 4), (2, "250m", 4), (4, "44m", 4)],
)
def test_after_a_quarter_of_a_minute_the_size_follows_the_use(
    replicas: int, cpu: str, after: int
) -> None:
    """Target 50 % of 100m: the first look is 15 s after the autoscaler was made."""
    cluster = started(web(replicas, cpu))
    cluster.apply(scaler())
    cluster.run(14)
    assert size(cluster) == replicas
    cluster.run(2)
    assert size(cluster) == after
    assert told(cluster) == ([("SuccessfulRescale", SCALED.format(after))] * (after != replicas))


@pytest.mark.parametrize(("replicas", "after"), [(5, 1), (10, 5)])
def test_shrinking_waits_five_minutes(replicas: int, after: int) -> None:
    """Too many pods stay for as long as the window holds the size of the beginning."""
    cluster = started(web(replicas, "10m" if after == 1 else "25m"))
    cluster.apply(scaler())
    cluster.run(299)
    assert size(cluster) == replicas
    assert conditions(cluster)["AbleToScale"] == (
        "True", "ScaleDownStabilized", "recent recommendations were higher than current one, "
        "applying the highest recent recommendation",
    )  # fmt: skip
    assert cluster.run_until(lambda c: size(c) == after, 40)
    cluster.run(1)
    assert told(cluster) == [
        ("SuccessfulRescale", f"New size: {after}; reason: All metrics below target")
    ]


def test_the_use_is_shown_in_the_status_and_grows_with_an_annotation() -> None:
    """90 % at first; annotations on the pods change what the next round measures."""
    cluster = started(web(2, "50m"))
    cluster.apply(scaler())
    cluster.run(20)
    (shown,) = cluster.get("HorizontalPodAutoscaler", "web")["status"]["currentMetrics"]
    assert shown["resource"]["current"] == {"averageUtilization": 50, "averageValue": "50m"}
    for pod in cluster.list("Pod", "default"):
        cluster.kubectl(f"annotate pod {pod['metadata']['name']} --overwrite "
                        "kubelab.io/usage-cpu=75m")  # fmt: skip
    cluster.run(30)
    assert size(cluster) == 3


def test_a_container_without_a_request_cannot_be_reckoned() -> None:
    """Utilization needs a request: Events and conditions name the container and the pod."""
    cluster = started(web(1, "90m", request=None))
    cluster.apply(scaler())
    cluster.run(16)
    (pod,) = cluster.list("Pod", "default")
    text = (
        "failed to get cpu utilization: missing request for cpu in container web of Pod "
        f"{pod['metadata']['name']}"
    )
    assert told(cluster) == [
        ("FailedGetResourceMetric", text),
        ("FailedComputeMetricsReplicas", "invalid metrics (1 invalid out of 1), first error is: "
         f"failed to get cpu resource metric value: {text}"),
    ]  # fmt: skip
    whole = f"the HPA was unable to compute the replica count: {text}"
    assert conditions(cluster)["ScalingActive"] == ("False", "FailedGetResourceMetric", whole)


def test_of_several_metrics_the_highest_wins_and_one_that_fails_stops_only_shrinking() -> None:
    """A metric that needs an adapter fails; the cpu still lets the Deployment grow."""
    custom = {
        "type": "Pods",
        "pods": {
            "metric": {"name": "hits"}, "target": {"type": "AverageValue", "averageValue": "10"},
        },
    }  # fmt: skip
    cpu = scaler()["spec"]["metrics"][0]
    cluster = started(web(2, "90m"))
    cluster.apply(scaler([custom, cpu]))
    cluster.run(16)
    assert size(cluster) == 4
    assert told(cluster)[0] == (
        "FailedGetPodsMetric", "unable to get metric hits: unable to fetch metrics from custom "
        "metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
    )  # fmt: skip


def test_two_autoscalers_of_the_same_pods_hold_each_other_up() -> None:
    """Which one counts would be chance, so none does."""
    cluster = started(web(3, "90m"))
    cluster.apply([scaler(), scaler(name="other")])
    cluster.run(40)
    assert size(cluster) == 3 or size(cluster) == 6
    text = "pods by selector app=web are controlled by multiple HPAs: [default/other default/web]"
    assert ("AmbiguousSelector", text) in told(cluster)


def test_a_new_pod_is_measured_after_ten_seconds() -> None:
    """metrics-server has nothing of a pod that has just started, nor of one that is no more."""
    cluster = Cluster(1, dns=False)
    cluster.apply(web(1, "90m"))
    cluster.settle()
    assert cluster.request("GET", f"{METRICS}/pods").body["items"] == []
    cluster.run(30)
    (item,) = cluster.request("GET", f"{METRICS}/namespaces/default/pods").body["items"]
    assert item["containers"] == [{"name": "web", "usage": {"cpu": "90m", "memory": "10Mi"}}]
    (node,) = cluster.request("GET", f"{METRICS}/nodes").body["items"]
    assert node["usage"] == {"cpu": "90m", "memory": "10Mi"}


def test_without_metrics_server_the_api_says_so() -> None:
    """503 while it is stopped; the APIService is not available, and is again afterwards."""
    cluster = Cluster(1, dns=False)
    cluster.settle()
    cluster.faults.stop("metrics-server")
    assert cluster.request("GET", f"{METRICS}/nodes").status == 503
    cluster.settle()
    available = cluster.get("APIService", "v1beta1.metrics.k8s.io")["status"]["conditions"][0]
    assert (available["status"], available["reason"]) == ("False", "MissingEndpoints")
    cluster.faults.start("metrics-server")
    cluster.run(1)
    assert cluster.request("GET", f"{METRICS}/nodes").status == 200
    cluster.settle()
    available = cluster.get("APIService", "v1beta1.metrics.k8s.io")["status"]["conditions"][0]
    assert (available["status"], available["reason"]) == ("True", "Passed")
