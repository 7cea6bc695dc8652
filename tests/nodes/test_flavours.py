"""Runtimes: the same pod under containerd, CRI-O, Docker and rkt."""

from __future__ import annotations

import pytest

from kubelab import Cluster
from tests.nodes.lines import cluster, line, pod, state, status, told

FLAVOURS = {
    "containerd": ("containerd://", "containerd://2."),
    "cri-o": ("cri-o://", "cri-o://1.36."),
    "docker": ("docker://", "docker://29."),
    "dockershim": ("docker://", "docker://20."),
    "rkt": ("rkt://", "rkt://1.30."),
    "rkt-before-cri": ("rkt://", "rkt://1.30."),
}


def steps(c: Cluster, call: str) -> list[str]:
    """What the runtime did for a call."""
    event = next(e for e in c.trace if e.verb == call and e.target == "runtime/node-1")
    return list(event.detail["steps"])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_runtime_shows_in_the_status(flavour: str) -> None:
    """Container ids and the node's status tell which runtime it is; the pod's life is the same."""
    prefix, version = FLAVOURS[flavour]
    c = cluster(runtime=flavour)
    c.apply(pod("web", {"image": "nginx:1"}))
    c.settle()
    info = c.get("Node", "node-1")["status"]["nodeInfo"]
    assert info["containerRuntimeVersion"].startswith(version)
    assert state(c, "web")["containerID"].startswith(prefix)
    assert [text for _, text in line(c, "web")] == [
        "Pending", "Pending waiting/ContainerCreating 0", "Running Ready running 0",
    ]  # fmt: skip


def test_when_the_address_comes() -> None:
    """containerd asks the CNI before pause runs, Docker when it runs; CRI-O needs no pause."""
    seen = {}
    for flavour in ("containerd", "cri-o", "docker"):
        c = cluster(runtime=flavour)
        c.apply(pod("web", {"image": "nginx:1"}))
        c.settle()
        seen[flavour] = steps(c, "run_pod_sandbox")
    assert seen["containerd"].index("CNI ADD") < seen["containerd"].index("start pause")
    assert seen["docker"].index("docker start pause") < seen["docker"].index("CNI ADD")
    assert not any("infra" in step for step in seen["cri-o"])


def test_cri_o_starts_an_infra_container_for_shared_process_ids() -> None:
    """Only a pod that shares its process ids needs a process that holds them."""
    c = cluster(runtime="cri-o")
    c.apply(pod("web", {"image": "nginx:1"}, shareProcessNamespace=True))
    c.settle()
    assert steps(c, "run_pod_sandbox")[-1] == "start infra container"


def test_docker_names_its_containers_after_the_pod() -> None:
    """k8s_<container>_<pod>_<namespace>_<uid>_<attempt>."""
    c = cluster(runtime="docker")
    c.apply(pod("web", {"image": "nginx:1"}))
    c.settle()
    uid = c.get("Pod", "web")["metadata"]["uid"]
    made = next(e for e in c.trace if e.verb == "create_container")
    assert made.detail["name"] == f"k8s_c_web_default_{uid}_0"


@pytest.mark.parametrize(("flavour", "restarts"), [("rkt", 0), ("rkt-before-cri", 1)])
def test_before_the_cri_a_restart_took_the_whole_pod(flavour: str, restarts: int) -> None:
    """One container of two ends: the other one is restarted with it only before the CRI."""
    c = cluster(runtime=flavour)
    stays = {"name": "stays", "image": "nginx:1"}
    c.apply(
        pod("web", {"image": "kubelab/job:1", "env": [{"name": "DURATION", "value": "20"}]}, stays)
    )
    c.run(10)
    address = status(c, "web")["podIP"]
    c.run(20)
    assert state(c, "web")["restartCount"] == 1
    assert state(c, "web", "stays")["restartCount"] == restarts
    assert (status(c, "web")["podIP"] != address) is bool(restarts)
    reasons = [reason for _, reason, _, _ in told(c, "web")]
    assert ("SandboxChanged" in reasons) is bool(restarts)


def test_an_unknown_runtime_is_refused() -> None:
    """The error names those that there are."""
    with pytest.raises(ValueError, match="there are containerd, cri-o"):
        Cluster(nodes=1, runtime="podman")


def calls(c: Cluster, since: int) -> list[str]:
    """What the kubelet has asked its runtime for since an event."""
    return [
        event.verb for event in c.trace[since:]
        if (event.actor, event.target) == ("kubelet/node-1", "runtime/node-1")
    ]  # fmt: skip


def test_the_order_of_calls() -> None:
    """A new pod, a restart of one container, and the end of a pod, call by call."""
    c = cluster()
    since = len(c.trace)
    other = {"name": "d", "image": "kubelab/sleep:1"}
    c.apply(pod("web", {"image": "nginx:1"}, other, terminationGracePeriodSeconds=1))
    c.settle()
    image = ["image_status", "pull_image", "image_status", "create_container", "start_container"]
    assert calls(c, since) == ["run_pod_sandbox", "pod_sandbox_status", *image, *image]
    since = len(c.trace)
    c.faults.kill_container("default/web", "c")
    c.run(3)
    assert calls(c, since) == ["image_status", "create_container", "start_container"]
    since = len(c.trace)
    c.delete("Pod", "web")
    c.run(30)
    assert calls(c, since) == [
        "stop_container", "stop_container", "stop_pod_sandbox", "remove_container",
        "remove_container", "remove_container", "stop_pod_sandbox", "remove_pod_sandbox",
    ]  # fmt: skip
