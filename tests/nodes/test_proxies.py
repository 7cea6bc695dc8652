"""`/proxy` of pods, services and nodes: through the API server, to a program or a kubelet."""

from __future__ import annotations

import json

import pytest

from kubelab import Cluster
from tests.nodes.test_streams import PODS, pod

LOOP = ["sh", "-c", "while true; do echo hi; sleep 5; done"]


@pytest.fixture(scope="module")
def running() -> Cluster:
    c = Cluster(nodes=1, dns=False)
    c.apply(pod("web", {"name": "c", "image": "nginx"}))
    c.apply(pod("loop", {"name": "c", "image": "busybox", "command": LOOP}))
    c.apply(pod("two", {"name": "a", "image": "nginx"}, {"name": "b", "image": "kubelab/sleep"}))
    c.apply(pod("stuck", {"name": "c", "image": "nginx"}, nodeSelector={"no": "such"}))
    c.run(20)
    return c


def test_the_server_proxies_to_pods_and_services(running: Cluster) -> None:
    """`/proxy` of a pod and of a service answer what the program answers."""
    c = running.fork()
    assert c.request("GET", f"{PODS}/web:80/proxy/").body == "<h1>Welcome to nginx!</h1>\n"
    assert c.request("GET", f"{PODS}/web/proxy/no/such").status == 404
    labels = {"metadata": {"labels": {"app": "web"}}}
    c.request("PATCH", f"{PODS}/web", labels, {"Content-Type": "application/merge-patch+json"})
    c.apply({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": 80}]},
    })  # fmt: skip
    c.run(5)
    path = "/api/v1/namespaces/default/services/s:8080/proxy/"
    assert c.request("GET", path).body == "<h1>Welcome to nginx!</h1>\n"


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("pods/web:81/proxy/", 503,
         "error trying to reach service: dial tcp 10.244.1.2:81: connect: connection refused"),
        ("pods/https:web:80/proxy/", 503,
         "error trying to reach service: http: server gave HTTP response to HTTPS client"),
        ("pods/ftp:web:80/proxy/", 400, 'invalid pod request "ftp:web:80"'),
        ("pods/stuck/proxy/", 400, "address not allowed"),
        ("pods/none/proxy/", 404, 'pods "none" not found'),
        ("services/none/proxy/", 404, 'services "none" not found'),
        ("services/empty/proxy/", 503, 'no endpoints available for service "empty"'),
        ("services/empty:81/proxy/", 503, 'no service port 81 found for service "empty"'),
        ("services/empty:x/proxy/", 503, 'no endpoints available for service "empty:x"'),
    ],
)  # fmt: skip
def test_what_cannot_be_proxied_is_told_in_words(
    running: Cluster, path: str, code: int, message: str
) -> None:
    """Names, ports and pods that are not there."""
    c = running.fork()
    c.apply({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "empty"},
        "spec": {"selector": {"no": "such"}, "ports": [{"port": 80}]},
    })  # fmt: skip
    answer = c.request("GET", f"/api/v1/namespaces/default/{path}")
    assert (answer.status, answer.message) == (code, message)


def test_every_method_goes_through(running: Cluster) -> None:
    """Also those that no object of the API knows; those are refused elsewhere."""
    c = running.fork()
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
        assert c.request(method, f"{PODS}/web/proxy/").status == 200
    assert c.request("HEAD", f"{PODS}/web").status == 405


def test_a_proxy_without_a_path_sends_on(running: Cluster) -> None:
    """The client is told to ask for the path with a slash at its end."""
    answer = running.fork().request("GET", f"{PODS}/web/proxy?a=b")
    assert (answer.status, answer.headers["Location"]) == (301, f"{PODS}/web/proxy/?a=b")


def test_the_way_to_a_pod_needs_no_kubelet(running: Cluster) -> None:
    """The API server connects to the pod itself, from its own machine."""
    c = running.fork()
    c.faults.stop("kubelet/node-1")
    assert c.request("GET", f"{PODS}/web/proxy/").body == "<h1>Welcome to nginx!</h1>\n"
    answer = c.request("GET", "/api/v1/nodes/node-1/proxy/healthz")
    assert (answer.status, answer.message) == (
        503,
        "error trying to reach service: dial tcp 192.168.0.11:10250: connect: connection refused",
    )


def test_a_kubelets_pages_come_through_the_proxy(running: Cluster) -> None:
    """Health, pods, statistics and metrics of a node."""
    c = running.fork()
    nodes = "/api/v1/nodes/node-1"
    assert c.request("GET", f"{nodes}/proxy/healthz").body == "ok"
    assert c.request("GET", f"{nodes}:10250/proxy/healthz").body == "ok"
    pods = json.loads(c.request("GET", f"{nodes}/proxy/pods").body)
    assert {p["metadata"]["name"]: p["status"]["phase"] for p in pods["items"]} == {
        "web": "Running", "loop": "Running", "two": "Running"
    }  # fmt: skip
    summary = json.loads(c.request("GET", f"{nodes}/proxy/stats/summary").body)
    assert summary["node"]["nodeName"] == "node-1"
    used = [row["memory"]["workingSetBytes"] for row in summary["pods"]]
    assert used == [10 * 2**20, 10 * 2**20, 20 * 2**20]
    metrics = c.request("GET", f"{nodes}/proxy/metrics").body
    assert 'kubelet_running_containers{container_state="running"} 4\n' in metrics
    resources = c.request("GET", f"{nodes}/proxy/metrics/resource").body
    assert 'container_memory_working_set_bytes{container="c",namespace="default",pod="web"}' in (
        resources
    )  # fmt: skip
    log = c.request("GET", f"{nodes}/proxy/containerLogs/default/loop/c?tailLines=1")
    assert log.body == "hi\n"
    assert c.request("GET", f"{nodes}/proxy/nothing").status == 404
    assert c.request("GET", "/api/v1/nodes/none/proxy/healthz").status == 404
