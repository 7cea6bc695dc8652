"""Clients outside the cluster, and programs on the nodes themselves."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api.objects import get
from tests.dns.zoo import deployment, pod, service

OUTSIDE = "internet"


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """Three nodes, one web pod behind balancers of both policies; tests fork it."""
    cluster = Cluster(nodes=3)
    cluster.settle()
    lent = deployment("lent", 1)
    ports = [{"containerPort": 80, "hostPort": 8088}]
    lent["spec"]["template"]["spec"]["containers"][0]["ports"] = ports
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    cluster.apply([
        deployment("web", 1), lent, pod("client"),
        service("open", "web", {"port": 80, "nodePort": 30080}, type="LoadBalancer"),
        service("near", "web", {"port": 80}, **local),
        service("barred", "web", {"port": 80}, type="LoadBalancer",
                loadBalancerSourceRanges=["198.51.100.0/24"]),
    ])  # fmt: skip
    assert cluster.settle()
    return cluster


def balancer(cluster: Cluster, name: str) -> str:
    """The address that the cloud gave a Service."""
    return str(get(cluster.get("Service", name), "status", "loadBalancer", "ingress", 0, "ip"))


def node_of(cluster: Cluster, app: str) -> Any:
    """The Node of an app's only pod."""
    found = cluster.list("Pod", "default", {"app": app})[0]
    return cluster.get("Node", found["spec"]["nodeName"])


def address_of(node: Any) -> str:
    return str(node["status"]["addresses"][0]["address"])


def test_a_balancer_leads_in(settled: Cluster) -> None:
    """The cloud's address answers to a client outside; under Cluster policy it is masqueraded."""
    done = settled.curl(OUTSIDE, f"http://{balancer(settled, 'open')}/")
    assert (done.status, done.error) == (200, "")
    assert done.pod.startswith("default/web-")
    assert any(hop.target == "MASQUERADE" for hop in done.hops)
    assert done.hops[0].chain == "route"


def test_a_local_policy_keeps_the_clients_address(settled: Cluster) -> None:
    """Only the node with the pod is sent to, since only there the health check says yes."""
    node = node_of(settled, "web")["metadata"]["name"]
    for _ in range(4):
        done = settled.curl(OUTSIDE, f"http://{balancer(settled, 'near')}/")
        assert done.status == 200
        assert done.hops[0].rule == f"to {node}"
        assert not any(hop.target == "MASQUERADE" for hop in done.hops)


def test_health_checks_of_the_balancer(settled: Cluster) -> None:
    """healthCheckNodePort: 200 where the pod is, 503 elsewhere, the count of endpoints in both."""
    port = settled.get("Service", "near")["spec"]["healthCheckNodePort"]
    here = node_of(settled, "web")["metadata"]["name"]
    for node in settled.list("Node"):
        page = settled.curl(OUTSIDE, f"http://{address_of(node)}:{port}/")
        mine = node["metadata"]["name"] == here
        assert page.status == (200 if mine else 503)
        assert f'"localEndpoints": {int(mine)}' in page.body


def test_source_ranges_bar_others(settled: Cluster) -> None:
    """A client outside the ranges is dropped in silence by the node that it was sent to."""
    done = settled.curl(OUTSIDE, f"http://{balancer(settled, 'barred')}/")
    assert "timed out" in done.error
    assert done.hops[-1].chain == "route"


def test_node_ports_from_outside(settled: Cluster) -> None:
    """Every node answers at the node port; the cluster IP is nobody's out there."""
    for node in settled.list("Node"):
        assert settled.curl(OUTSIDE, f"http://{address_of(node)}:30080/").status == 200
    address = settled.get("Service", "open")["spec"]["clusterIP"]
    assert "timed out" in settled.curl(OUTSIDE, f"http://{address}/").error
    assert settled.dns.resolve("example.com", pod=OUTSIDE).rcode == "NOERROR"


def test_host_ports(settled: Cluster) -> None:
    """A host port leads to the pod on its own node, from outside, from pods and from itself."""
    node = node_of(settled, "lent")
    address = address_of(node)
    done = settled.curl(OUTSIDE, f"http://{address}:8088/")
    assert (done.status, done.pod.startswith("default/lent-")) == (200, True)
    assert any(hop.chain.startswith("CNI-DN-") and hop.target == "DNAT" for hop in done.hops)
    assert settled.curl("default/client", f"http://{address}:8088/").status == 200
    name = settled.list("Pod", "default", {"app": "lent"})[0]["metadata"]["name"]
    itself = settled.curl(f"default/{name}", f"http://{address}:8088/")
    assert itself.status == 200
    assert any(hop.chain == "CNI-HOSTPORT-MASQ" for hop in itself.hops)
    other = next(n for n in settled.list("Node") if address_of(n) != address)
    assert "(7)" in settled.curl(OUTSIDE, f"http://{address_of(other)}:8088/").error


def test_host_ports_go_with_their_pod(settled: Cluster) -> None:
    """When the pod is gone its rules are, too."""
    cluster = settled.fork()
    node = node_of(cluster, "lent")
    cluster.delete("Deployment", "lent")
    cluster.settle()
    cluster.run(40)
    kernel: Any = cluster.world.components[f"kernel/{node['metadata']['name']}"]
    assert "CNI-DN-" not in kernel.tables.save()
    assert "(7)" in cluster.curl(OUTSIDE, f"http://{address_of(node)}:8088/").error


def test_a_node_that_is_off_is_not_sent_to(settled: Cluster) -> None:
    """The cloud's balancer takes other nodes when one of them is down."""
    cluster = settled.fork()
    here = node_of(cluster, "web")["metadata"]["name"]
    off = next(n for n in ("node-1", "node-2", "node-3") if n != here)
    cluster.faults.stop_node(off)
    for _ in range(4):
        done = cluster.curl(OUTSIDE, f"http://{balancer(cluster, 'open')}/")
        assert done.status == 200


def test_nodes_have_the_kubelets_chains(settled: Cluster) -> None:
    """KUBE-FIREWALL and the canaries are there as on a real node, behind kube-proxy's rules."""
    kernel: Any = settled.world.components["kernel/node-1"]
    lines = kernel.tables.save().splitlines()
    assert lines.count(":KUBE-KUBELET-CANARY - [0:0]") == 3
    assert (
        "-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "
        '"block incoming localnet connections" '
        "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
    ) in lines
    assert [line for line in lines if line.startswith("-A INPUT")][
        -1
    ] == "-A INPUT -j KUBE-FIREWALL"


def test_the_mode_is_read_from_the_config_map(settled: Cluster) -> None:
    """Another mode in the ConfigMap: all nodes change to it, and services go on answering."""
    cluster = settled.fork()
    held = cluster.get("ConfigMap", "kube-proxy", "kube-system")["data"]["config.conf"]
    for mode in ("nftables", "ipvs"):
        text = held.replace('mode: ""', f"mode: {mode}")
        patch = {"data": {"config.conf": text}}
        path = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"
        headers = {"Content-Type": "application/merge-patch+json"}
        assert cluster.request("PATCH", path, patch, headers).ok
        cluster.settle()
        for name in ("kube-proxy/node-1", "kube-proxy/node-3"):
            proxy: Any = cluster.world.components[name]
            assert proxy.config.mode == mode
        done = cluster.curl("default/client", "http://open/")
        assert done.status == 200
        assert not any(hop.chain.startswith("KUBE-SVC") for hop in done.hops)
