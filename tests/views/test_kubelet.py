"""The kubelet view on a running cluster: stations, waits, probes, restarts, an ended life."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster, views

SECRET = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: kubelab/server
    ports: [{containerPort: 80}]
    livenessProbe: {tcpSocket: {port: 81}, periodSeconds: 2, failureThreshold: 3}
  volumes: [{name: keys, secret: {secretName: db}}]
"""


@pytest.fixture(scope="module")
def built() -> Any:
    """A settled cluster of one node with a pod that waits for a Secret."""
    cluster = Cluster(nodes=1)
    cluster.settle()
    cluster.apply(SECRET)
    cluster.run(2)
    return cluster


@pytest.fixture
def cluster(built: Any) -> Any:
    """A copy for one test."""
    return built.fork()


def states(view: Any) -> dict[str, str]:
    """Each station's state."""
    return {row["name"]: row["state"] for row in view.frame["stations"]}


def test_a_missing_secret_halts_the_strip_until_it_is_there(cluster: Any) -> None:
    """The pod stands at its station with the reason; when the Secret is made, the same goes on."""
    view = views.kubelet(cluster, "web")
    assert view.frame["station"] == "secrets, volumes"
    assert 'secret "db" not found' in view.frame["waits"]
    assert states(view)["secrets, volumes"] == "failed" and states(view)["bound"] == "ready"
    uid = cluster.moment().get("Pod", "web")["metadata"]["uid"]
    cluster.apply("{apiVersion: v1, kind: Secret, metadata: {name: db}}")
    cluster.run(8)
    assert states(view.now())["start"] == "ready" and view.frame["waits"] == ""
    assert cluster.moment().get("Pod", "web")["metadata"]["uid"] == uid


def test_failed_probes_are_ticks_and_lead_to_a_restart(cluster: Any) -> None:
    """Three failures in a row: the container is stopped and started anew, the address stays."""
    cluster.apply("{apiVersion: v1, kind: Secret, metadata: {name: db}}")
    cluster.run(60)
    view = views.kubelet(cluster, "web").now()
    row = view.frame["containers"][0]
    assert row["restarts"] >= 1
    ticks = row["ticks"]["liveness"]
    assert [tick["good"] for tick in ticks[:3]] == [False] * 3
    assert [tick["row"] for tick in ticks[:3]] == [1, 2, 3]
    address = cluster.moment().get("Pod", "web")["status"]["podIP"]
    assert view.frame["address"] == address
    assert "stop_container" in [call["call"] for call in view.frame["calls"]]


def test_back_shows_the_same_drawing_again(cluster: Any) -> None:
    """Steps forth and back end in the same picture, and the cluster stays as it is."""
    view = views.kubelet(cluster, "web").first()
    here = view.picture().svg()
    now = cluster.world.now
    assert view.step(2).back(2).picture().svg() == here
    assert cluster.world.now == now


def test_a_deleted_pods_life_can_be_looked_at(cluster: Any) -> None:
    """After its end the pod stands at `gone`; the stations it never reached are not filled."""
    cluster.delete("Pod", "web")
    cluster.run(60)
    view = views.kubelet(cluster, "web").now()
    assert view.frame["station"] == "gone"
    assert states(view)["start"] == "stopped"
    assert "stands at gone" in view.state()["words"].alt


def test_the_status_rung_stops_at_reports_only(cluster: Any) -> None:
    """By outcome each stop is a status that the kubelet reports."""
    view = views.kubelet(cluster, "web", by="outcome")
    assert view.stops.ids
    assert all(cluster.trace[number - 1].detail["status"] for number in view.stops.ids)


def test_a_pod_that_nobody_knows_says_so(cluster: Any) -> None:
    """Without a pod the view says that no kubelet has heard of it."""
    view = views.kubelet(cluster, "nobody")
    assert "No kubelet has heard of" in view.told
    assert "not bound to a node" in view.picture().svg()
