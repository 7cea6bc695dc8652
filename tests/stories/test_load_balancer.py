"""A Service of the type LoadBalancer gets its address from the simulated cloud, after a while."""

from __future__ import annotations

from kubelab import Cluster
from kubelab.api.objects import get

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {type: LoadBalancer, selector: {app: front}, ports: [{port: 80, targetPort: 8080}]}
"""


def address(c: Cluster, name: str = "front") -> str:
    return str(get(c.get("Service", name), "status", "loadBalancer", "ingress", 0, "ip"))


def told(c: Cluster) -> list[tuple[str, str]]:
    found = [e for e in c.list("Event", "default") if e["involvedObject"]["kind"] == "Service"]
    return [(event["reason"], event["message"]) for event in found]


def test_the_address_comes_after_a_while() -> None:
    """At first there is a node port and no address; five seconds later there is one."""
    c = Cluster(nodes=1)
    c.settle()
    c.apply(SERVICE)
    c.run(1)
    service = c.get("Service", "front")
    assert service["spec"]["ports"][0]["nodePort"] >= 30000
    assert service["status"] == {"loadBalancer": {}}
    assert service["metadata"]["finalizers"] == ["service.kubernetes.io/load-balancer-cleanup"]
    assert told(c) == [("EnsuringLoadBalancer", "Ensuring load balancer")]
    c.run(5)
    assert address(c) == "203.0.113.1"
    assert told(c)[1] == ("EnsuredLoadBalancer", "Ensured load balancer")
    c.apply(SERVICE.replace("front", "back"))
    c.settle()
    assert address(c, "back") == "203.0.113.2"


def test_a_deleted_service_gives_its_address_back() -> None:
    """The finalizer goes with the cloud's balancer, then the Service; the address is free again."""
    c = Cluster(nodes=1)
    c.apply(SERVICE)
    c.settle()
    c.delete("Service", "front")
    c.settle()
    assert not [item for item in c.list("Service") if item["metadata"]["name"] == "front"]
    assert told(c)[-1] == ("DeletedLoadBalancer", "Deleted load balancer")
    c.apply(SERVICE)
    c.settle()
    assert address(c) == "203.0.113.1"


def test_a_service_that_is_no_longer_a_balancer_loses_the_address() -> None:
    """LoadBalancer to ClusterIP: an Event of the change, an empty status, no finalizer."""
    c = Cluster(nodes=1)
    c.apply(SERVICE)
    c.settle()
    change = {
        "type": "ClusterIP", "ports": [{"port": 80, "targetPort": 8080}],
        "allocateLoadBalancerNodePorts": None, "externalTrafficPolicy": None,
    }  # fmt: skip
    headers = {"Content-Type": "application/merge-patch+json"}
    path = "/api/v1/namespaces/default/services/front"
    assert c.request("PATCH", path, {"spec": change}, headers).ok
    c.settle()
    service = c.get("Service", "front")
    assert service["status"] == {"loadBalancer": {}}
    assert "finalizers" not in service["metadata"]
    assert ("Type", "LoadBalancer -> ClusterIP") in told(c)
