"""Two API servers over one etcd: each can be stopped, and clients move on to the other."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster

WEB = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"a": "1"}}


def deployment(replicas: int) -> dict[str, Any]:
    """Some pods, so that controllers, scheduler and kubelets all have to talk to a server."""
    labels = {"app": "web"}
    pod = {"containers": [{"name": "web", "image": "nginx"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def test_each_server_may_be_stopped_and_clients_move_on() -> None:
    """What one server stored the other knows; every component finds the one that still runs."""
    c = Cluster(nodes=2, apiservers=2)
    c.settle()
    c.apply(WEB)
    c.faults.stop("apiserver-1")
    c.run(20)
    c.apply(deployment(3))
    assert c.run_until("deployment/web jsonpath={.status.readyReplicas}=3", timeout=120)
    assert c.get("ConfigMap", "web")["data"] == {"a": "1"}
    c.faults.start("apiserver-1")
    c.faults.stop("apiserver-2")
    c.run(20)
    c.apply(deployment(1))
    assert c.run_until(lambda c: len(c.list("Pod", "default")) == 1, timeout=120)
    assert c.get("ConfigMap", "web")["data"] == {"a": "1"}


def test_each_server_has_its_own_watch_cache() -> None:
    """A read of the cache alone shows on both what was written through one of them."""
    c = Cluster(nodes=1, apiservers=2)
    c.settle()
    c.apply(WEB)
    c.settle()
    path = "/api/v1/namespaces/default/configmaps/web?resourceVersion=0"
    for other in ("apiserver-2", "apiserver-1"):
        c.faults.stop(other)
        c.run(5)
        assert c.request("GET", path).status == 200
        c.faults.start(other)
        c.run(5)
