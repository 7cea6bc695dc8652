"""What a node does by itself: static pods, shutdown in good order, process numbers, images."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api.errors import ApiError
from kubelab.api.objects import Obj, get

PATH = "/etc/kubernetes/manifests/web.yaml"
MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - {name: web, image: "kubelab/http:1"}
"""


def a_cluster(nodes: Any = 1) -> Cluster:
    c = Cluster(nodes=nodes, dns=False)
    c.settle()
    return c


def pods(c: Cluster) -> dict[str, str]:
    return {pod["metadata"]["name"]: get(pod, "status", "phase") for pod in c.list("Pod")}


def a_pod(name: str, image: str = "kubelab/http:1", **spec: Any) -> dict[str, Any]:
    container = {"name": "web", "image": image, **spec.pop("container", {})}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"nodeName": "node-1", "containers": [container], **spec},
    }  # fmt: skip


def image_of(pod: Obj) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def test_a_file_on_a_node_becomes_a_pod_that_the_api_shows() -> None:
    """The mirror has the node's name in its own, a hash for a UID, and the Node for an owner."""
    c = a_cluster()
    c.write_file("node-1", PATH, MANIFEST)
    c.run(5)
    mirror = c.get("Pod", "web-node-1")
    notes = mirror["metadata"]["annotations"]
    assert notes["kubernetes.io/config.source"] == "file"
    assert notes["kubernetes.io/config.mirror"] == notes["kubernetes.io/config.hash"]
    assert len(notes["kubernetes.io/config.hash"]) == 32
    assert mirror["metadata"]["ownerReferences"][0]["kind"] == "Node"
    assert mirror["spec"]["tolerations"] == [{"effect": "NoExecute", "operator": "Exists"}]
    assert get(mirror, "status", "phase") == "Running"
    assert get(mirror, "status", "conditions")[2]["status"] == "True"


def test_a_mirror_that_is_deleted_comes_back_and_its_containers_run_on() -> None:
    """Only the file can end a static pod."""
    c = a_cluster()
    c.write_file("node-1", PATH, MANIFEST)
    c.run(5)
    before = c.get("Pod", "web-node-1")
    c.delete("Pod", "web-node-1")
    c.run(3)
    after = c.get("Pod", "web-node-1")
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    ids = [pod["status"]["containerStatuses"][0]["containerID"] for pod in (before, after)]
    assert ids[0] == ids[1]
    c.write_file("node-1", PATH, None)
    c.run(3)
    assert pods(c) == {}
    with pytest.raises(ApiError):
        c.get("Pod", "web-node-1")


def test_a_changed_file_ends_the_old_pod_before_the_new_one_begins() -> None:
    """Two versions of one static pod never run side by side."""
    c = a_cluster()
    c.write_file("node-1", PATH, MANIFEST)
    c.run(5)
    first = c.get("Pod", "web-node-1")
    c.write_file("node-1", PATH, MANIFEST.replace("http:1", "sleep:1"))
    c.run(6)
    second = c.get("Pod", "web-node-1")
    assert (image_of(first), image_of(second)) == ("kubelab/http:1", "kubelab/sleep:1")
    assert get(second, "status", "phase") == "Running"
    running = [
        held.config.name
        for held in c.world.components["runtime/node-1"].containers.values()
        if held.running
    ]
    assert running == ["web"]


def test_a_static_pod_needs_no_api_server() -> None:
    """It runs while there is nobody to ask, and is shown once there is."""
    c = a_cluster()
    c.faults.stop("apiserver-1")
    c.write_file("node-1", PATH, MANIFEST)
    c.run(5)
    runtime = c.world.components["runtime/node-1"]
    assert [held.running for held in runtime.containers.values()] == [True]
    c.faults.start("apiserver-1")
    c.run(30)
    assert pods(c) == {"web-node-1": "Running"}


def test_a_file_that_is_no_pod_changes_nothing() -> None:
    """The kubelet goes on with what it can read."""
    c = a_cluster()
    c.write_file("node-1", "/etc/kubernetes/manifests/broken.yaml", "kind: [")
    c.write_file("node-1", "/etc/kubernetes/manifests/other.yaml", "kind: Service")
    c.write_file("node-1", PATH, MANIFEST)
    c.run(5)
    assert pods(c) == {"web-node-1": "Running"}


def test_a_shutdown_in_good_order_ends_ordinary_pods_first() -> None:
    """Ordinary pods get the grace less the critical pods' part; then the power goes."""
    c = a_cluster(2)
    stubborn = {"command": ["sleep", "3600"]}
    c.apply(a_pod("plain", "busybox:1", container=stubborn))
    critical = a_pod("critical", priorityClassName="system-node-critical")
    c.apply({**critical, "metadata": {"name": "critical"}})
    c.run(6)
    c.faults.shutdown_node("node-1", grace_seconds=30, critical_seconds=10)
    c.run(19)
    assert pods(c) == {"plain": "Running", "critical": "Running"}
    rows = {row["type"]: row for row in get(c.get("Node", "node-1"), "status", "conditions")}
    assert (rows["Ready"]["status"], rows["Ready"]["message"]) == ("False", "node is shutting down")
    c.run(2.5)
    plain = c.get("Pod", "plain")["status"]
    assert (plain["phase"], plain["reason"]) == ("Failed", "Terminated")
    assert plain["message"] == "Pod was terminated in response to imminent node shutdown."
    c.apply(a_pod("late"))
    c.run(1)
    late = c.get("Pod", "late")["status"]
    assert late["reason"] == "NodeShutdown"
    assert late["message"] == "Pod was rejected: Pod was rejected as the node is shutting down."
    c.run(10)
    assert c.get("Pod", "critical")["status"]["reason"] == "Terminated"
    assert c.world.components["kubelet/node-1"].stopped


def test_a_node_without_process_numbers_evicts_the_least_important() -> None:
    """PIDPressure, its taint, one eviction a round; five minutes after the end all is well."""
    c = a_cluster()
    c.apply(a_pod("plain"))
    c.apply(a_pod("critical", priorityClassName="system-node-critical"))
    c.run(5)
    c.faults.take_pids("node-1")
    c.run(11)
    plain = c.get("Pod", "plain")["status"]
    assert plain["reason"] == "Evicted"
    assert plain["message"] == (
        "The node was low on resource: pids. Threshold quantity: 3276, available: 0. "
    )
    assert pods(c)["critical"] == "Running"
    taints = get(c.get("Node", "node-1"), "spec", "taints")
    assert [taint["key"] for taint in taints] == ["node.kubernetes.io/pid-pressure"]
    c.faults.free_pids("node-1")
    c.run(330)
    assert "taints" not in c.get("Node", "node-1")["spec"]


def test_images_that_nobody_uses_go_before_the_disk_is_full() -> None:
    """Above 85 % of the disk, at the five minutes' look, down to 80 %; used images stay."""
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "110", "ephemeral-storage": "200Mi"}
    node = {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"},
        "status": {"capacity": capacity, "allocatable": capacity},
    }  # fmt: skip
    c = a_cluster([node])
    c.apply(a_pod("keeps"))
    c.apply(a_pod("goes", "kubelab/sleep:1"))
    c.run(10)
    c.delete("Pod", "goes")
    c.run(5)
    images = c.world.components["runtime/node-1"].images.images
    used = sum(image.size_bytes for image in images.values())
    assert used * 100 > 85 * 200 * 1024 * 1024
    c.run(290)
    assert len(images) == 2
    c.run(310)
    assert list(images) == ["docker.io/kubelab/http:1"]
