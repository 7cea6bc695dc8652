"""Names and packets in whole clusters, by what a user sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubelab.cluster import Cluster

MANIFESTS = Path(__file__).parents[1] / "manifests"
CLIENT = {
    "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "client"},
    "spec": {"containers": [{"name": "c", "image": "busybox", "command": ["sleep", "100000"]}]},
}  # fmt: skip
CURL = "default/client"


def ready(*manifests: Any) -> Cluster:
    """A settled cluster with these manifests and a client pod."""
    cluster = Cluster(nodes=3)
    cluster.settle()
    for manifest in (CLIENT, *manifests):
        cluster.apply(manifest)
    cluster.settle()
    return cluster


@pytest.fixture(scope="module")
def guestbook() -> Cluster:
    """The guestbook, running; tests fork it."""
    return ready(str(MANIFESTS / "guestbook.yaml"))


@pytest.mark.parametrize("name", ["guestbook", "voting-app", "online-boutique"])
def test_every_service_answers_by_its_name(name: str) -> None:
    """Each port of each service in a real manifest is reached by its DNS name from another pod."""
    cluster = ready(str(MANIFESTS / f"{name}.yaml"))
    services = [s for s in cluster.list("Service") if s["metadata"]["name"] != "kubernetes"]
    assert len(services) > 3
    for service in services:
        host = f"{service['metadata']['name']}.{service['metadata']['namespace']}"
        for port in service["spec"]["ports"]:
            done = cluster.connect(CURL, host, port["port"], port["protocol"])
            assert (done.error, bool(done.pod)) == ("", True), (host, port)


def test_fork_gets_the_same_answer(guestbook: Cluster) -> None:
    """Original and fork choose the same endpoint by the same rules."""
    one, two = guestbook.fork(), guestbook.fork()
    assert one.curl(CURL, "http://frontend/") == two.curl(CURL, "http://frontend/")


def test_names_fail_without_coredns_and_addresses_work(guestbook: Cluster) -> None:
    """CoreDNS stopped: no name resolves, the cluster IP still answers; its restart mends it."""
    cluster = guestbook.fork()
    address = cluster.get("Service", "frontend")["spec"]["clusterIP"]
    cluster.faults.stop("coredns")
    assert cluster.dns.resolve("frontend", pod=CURL).rcode == "REFUSED"
    words = "curl: (6) Could not resolve host: frontend"
    assert cluster.curl(CURL, "http://frontend/").error == words
    assert cluster.curl(CURL, f"http://{address}/").status == 200
    cluster.run(200)
    assert cluster.dns.resolve("frontend", pod=CURL).rcode == "NOERROR"


def test_stale_rules_of_a_stopped_proxy(guestbook: Cluster) -> None:
    """With the client's proxy stopped, new pods are unknown and old addresses are dead."""
    cluster = guestbook.fork()
    node = cluster.get("Pod", "client")["spec"]["nodeName"]
    cluster.faults.stop(f"kube-proxy/{node}")
    for pod in cluster.list("Pod", namespace="default"):
        if pod["metadata"]["name"].startswith("frontend-"):
            cluster.delete("Pod", pod["metadata"]["name"])
    cluster.settle()
    cluster.run(40)
    dead = cluster.curl(CURL, "http://frontend/")
    assert dead.error == "curl: (28) Connection timed out after 5000 milliseconds"
    assert any(hop.chain.startswith("KUBE-SEP-") for hop in dead.hops)
    cluster.faults.start(f"kube-proxy/{node}")
    cluster.settle()
    assert cluster.curl(CURL, "http://frontend/").status == 200


def test_node_port_on_every_node(guestbook: Cluster) -> None:
    """The frontend's node port answers on each node's address."""
    cluster = guestbook.fork()
    (port,) = cluster.get("Service", "frontend")["spec"]["ports"]
    for node in cluster.list("Node"):
        address = node["status"]["addresses"][0]["address"]
        assert cluster.curl(CURL, f"http://{address}:{port['nodePort']}/").status == 200


def test_every_event_of_a_request_has_a_sentence(guestbook: Cluster) -> None:
    """From the user's call to the pod's answer: each event is told in at most 30 words."""
    cluster = guestbook.fork()
    before = len(cluster.trace)
    cluster.curl(CURL, "http://frontend/")
    cluster.dns.resolve("nosuch", pod=CURL)
    for event in list(cluster.trace)[before:]:
        told = cluster.tell(event)
        assert told.endswith("."), told
        assert len(told.split()) <= 30, told
