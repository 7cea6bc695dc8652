"""A cluster with one of every kind of service, for tests of names and traffic.

`zoo()` is settled; tests fork it. In namespace `default`: `web` (three pods, an unnamed port),
`many` (two named ports), `hdl` (headless, a StatefulSet's), `slow` (headless, no pod ready), `all`
(headless, not-ready addresses too), `empty` (no pod at all), ExternalName services. In namespace
`prod`: `api`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from kubelab.cluster import Cluster
from kubelab.dns import wire
from kubelab.network.payloads import Answer

CLIENT = "default/client"


def pod(name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A pod that sleeps."""
    container = {"name": "c", "image": "busybox", "command": ["sleep", "100000"]}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [container], **spec},
    }  # fmt: skip


def service(
    name: str, app: str, *ports: dict[str, Any], namespace: str = "default", **spec: Any
) -> dict[str, Any]:
    """A service for the pods with label `app`."""
    return {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": app}, "ports": list(ports), **spec},
    }  # fmt: skip


def deployment(name: str, replicas: int, namespace: str = "default") -> dict[str, Any]:
    """Web servers with label `app: name`."""
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "name": "page"}]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}}, "spec": {"containers": [container]},
            },
        },
    }  # fmt: skip


def external(name: str, target: str) -> dict[str, Any]:
    """An alias."""
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"type": "ExternalName", "externalName": target},
    }  # fmt: skip


def stateful_set() -> dict[str, Any]:
    """Two pods `db-0` and `db-1` behind `hdl`."""
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80, "name": "page"}]}
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "serviceName": "hdl", "replicas": 2, "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container]},
            },
        },
    }  # fmt: skip


def never_ready() -> dict[str, Any]:
    """A pod whose readiness probe fails."""
    made = pod("slow", {"app": "slow"})
    made["spec"]["containers"][0]["readinessProbe"] = {"tcpSocket": {"port": 9}}
    return made


HTTP = {"name": "http", "port": 80}
MANIFESTS = (
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}},
    pod("client"),
    pod("twin-1", {"app": "twins"}, hostname="twin", subdomain="twins"),
    pod("twin-2", {"app": "twins"}, hostname="twin", subdomain="twins"),
    never_ready(),
    deployment("web", 3), deployment("api", 1, "prod"), stateful_set(),
    service("web", "web", {"port": 80}, clusterIP="10.97.3.4"),
    service("many", "web", HTTP, {"name": "alt", "port": 8080, "targetPort": "page"}),
    service("hdl", "db", {**HTTP, "port": 8000, "targetPort": "page"}, clusterIP="None"),
    service("bare", "db", clusterIP="None"),
    service("twins", "twins", HTTP, clusterIP="None"),
    service("slow", "slow", HTTP, clusterIP="None"),
    service("all", "slow", HTTP, clusterIP="None", publishNotReadyAddresses=True),
    service("empty", "nobody", HTTP),
    service("node", "web", {"port": 80, "nodePort": 30080}, type="NodePort"),
    service("api", "api", HTTP, namespace="prod"),
    external("ext", "example.com"), external("inner", "web.default.svc.cluster.local"),
    external("lost", "nosuch.default.svc.cluster.local"), external("gone", "nosuch.invalid"),
)  # fmt: skip


@lru_cache(maxsize=1)
def _zoo() -> Cluster:
    cluster = Cluster(nodes=3)
    cluster.settle()
    cluster.apply(list(MANIFESTS))
    assert cluster.settle()
    return cluster


def zoo() -> Cluster:
    """A copy of the settled cluster."""
    return _zoo().fork()


def ask(cluster: Cluster, name: str, type_: str) -> wire.Message:
    """The answer of the cluster's DNS over the wire."""
    message = wire.read_response(cluster.dns.query(wire.query(name, type_, 4711)))
    assert message is not None
    assert message.id == 4711
    return message


def data(rows: tuple[Answer, ...]) -> list[str]:
    """The data of some rows, sorted: their order is shuffled on purpose."""
    return sorted(row.data for row in rows)


def ips(cluster: Cluster, app: str, namespace: str = "default") -> list[str]:
    """The addresses of the pods with a label, sorted."""
    pods = cluster.list("Pod", namespace=namespace, selector={"app": app})
    return sorted(str(item["status"]["podIP"]) for item in pods)
