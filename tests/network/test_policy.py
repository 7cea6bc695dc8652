"""NetworkPolicies in a whole cluster: whom they let through, whom they keep waiting."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.cluster import Cluster
from tests.dns.zoo import CLIENT, pod, zoo

DROPPED = "timed out"
DNS_RULE = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}  # fmt: skip


def policy(name: str, app: str | None, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A policy for the pods with label `app`, or for all of the namespace."""
    selector = {"matchLabels": {"app": app}} if app else {}
    return {
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": selector, **spec},
    }  # fmt: skip


@pytest.fixture
def cluster() -> Cluster:
    """A cluster of its own for each test, with a second client that has a label."""
    made = zoo()
    made.apply([pod("friend", {"role": "friend"}), pod("client")])
    made.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "far", "namespace": "prod"},
        "spec": pod("far")["spec"],
    })  # fmt: skip
    assert made.settle()
    return made


def reaches(cluster: Cluster, client: str, host: str = "web.default", port: int = 80) -> bool:
    """Whether a TCP connection is made; what is denied must be dropped, never refused."""
    done = cluster.connect(client, host, port)
    assert not done.error or DROPPED in done.error, done.error
    return not done.error


def test_default_deny(cluster: Cluster) -> None:
    """An empty ingress list denies all; curl waits for its time-out; the policy's end ends it."""
    cluster.apply(policy("deny", "web", ingress=[]))
    cluster.settle()
    done = cluster.curl(CLIENT, "http://web/")
    assert (done.status, done.error) == (
        0,
        "curl: (28) Connection timed out after 5000 milliseconds",
    )
    drops = [e for e in cluster.trace if e.detail.get("verdict") == "dropped"]
    assert drops
    assert drops[-1].detail["why"].startswith("no rule of default/deny allows this ingress of")
    assert "default/deny" in cluster.tell(drops[-1])
    cluster.delete("NetworkPolicy", "deny")
    cluster.settle()
    assert reaches(cluster, CLIENT)


def test_rules_add_up(cluster: Cluster) -> None:
    """A second policy allows what the first denies; there is no order and no deny rule."""
    cluster.apply(policy("deny", None, policyTypes=["Ingress"]))
    friend = {"from": [{"podSelector": {"matchLabels": {"role": "friend"}}}]}
    cluster.apply(policy("friends", "web", ingress=[friend]))
    cluster.settle()
    assert reaches(cluster, "default/friend")
    assert not reaches(cluster, CLIENT)
    assert not reaches(cluster, "prod/far")
    assert reaches(cluster, CLIENT, "api.prod"), "another namespace has no policy"
    done = cluster.curl("default/friend", "http://web/")
    assert done.status == 200
    labels = {"metadata": {"labels": {"role": "friend"}}}
    merge = {"Content-Type": "application/merge-patch+json"}
    assert cluster.request("PATCH", "/api/v1/namespaces/default/pods/client", labels, merge).ok
    cluster.settle()
    assert reaches(cluster, CLIENT), "a new label counts at once"


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "prod"}}}, "far"),
        ({"namespaceSelector": {}}, "far client friend"),
        ({"podSelector": {}}, "client friend"),
        (
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "friend"}}},
            "friend",
        ),
        ({"ipBlock": {"cidr": "10.244.0.0/16"}}, "far client friend"),
        ({"ipBlock": {"cidr": "192.0.2.0/24"}}, ""),
    ],
)
def test_peers(cluster: Cluster, entry: dict[str, Any], allowed: str) -> None:
    """Selectors within one entry must both match; a bare podSelector means the own namespace."""
    cluster.apply(policy("some", "web", ingress=[{"from": [entry]}]))
    cluster.settle()
    clients = ("prod/far", CLIENT, "default/friend")
    got = [name.split("/")[1] for name in clients if reaches(cluster, name)]
    assert got == allowed.split()


def test_holes_in_a_network(cluster: Cluster) -> None:
    """`except` takes addresses out of an ipBlock."""
    address = cluster.get("Pod", "client")["status"]["podIP"]
    block = {"cidr": "0.0.0.0/0", "except": [f"{address}/32"]}
    cluster.apply(policy("most", "web", ingress=[{"from": [{"ipBlock": block}]}]))
    cluster.settle()
    assert not reaches(cluster, CLIENT)
    assert reaches(cluster, "default/friend")


@pytest.mark.parametrize(
    ("ports", "open_"),
    [
        ([{"port": 80}], True), ([{"port": "page"}], True), ([{"port": 8080}], False),
        ([{"port": 1, "endPort": 100}], True), ([{"port": 81, "endPort": 100}], False),
        ([{"protocol": "UDP"}], False), ([{"protocol": "TCP"}], True), ([{"port": "x"}], False),
    ],
)  # fmt: skip
def test_ports_are_those_of_the_pod(
    cluster: Cluster, ports: list[dict[str, Any]], open_: bool
) -> None:
    """A policy sees the pod's port, not the service's: 8080 of `many` is 80 of its pods."""
    cluster.apply(policy("ports", "web", ingress=[{"ports": ports}]))
    cluster.settle()
    assert reaches(cluster, CLIENT, "many", 8080) is open_


def test_egress_cuts_names_off_too(cluster: Cluster) -> None:
    """Denied egress denies DNS; a rule for port 53 of kube-system brings the names back."""
    cluster.apply(policy("closed", None, policyTypes=["Egress"], egress=[]))
    cluster.settle()
    assert cluster.dns.resolve("web", pod=CLIENT).rcode == "TIMEOUT"
    cluster.apply(policy("names", None, policyTypes=["Egress"], egress=[DNS_RULE]))
    cluster.settle()
    assert cluster.dns.resolve("web", pod=CLIENT).rcode == "NOERROR"
    assert not reaches(cluster, CLIENT)
    assert not reaches(cluster, CLIENT, "example.com")
    to_web = {"to": [{"podSelector": {"matchLabels": {"app": "web"}}}]}
    cluster.apply(policy("web", None, policyTypes=["Egress"], egress=[to_web]))
    cluster.settle()
    assert reaches(cluster, CLIENT)


def test_probes_pass(cluster: Cluster) -> None:
    """The kubelet's probes come from the pod's own node, which no policy keeps out."""
    cluster.apply(policy("closed", None, "kube-system", policyTypes=["Ingress"], ingress=[]))
    cluster.settle()
    cluster.run(90)
    pods = cluster.list("Pod", "kube-system", {"k8s-app": "kube-dns"})
    assert all(pod["status"]["containerStatuses"][0]["ready"] for pod in pods)
    assert cluster.dns.resolve("web", pod=CLIENT).rcode == "TIMEOUT"
