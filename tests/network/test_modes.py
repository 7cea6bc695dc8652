"""What a service promises holds in every mode of kube-proxy, whatever the rules look like."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from kubelab.network.payloads import HttpRequest, Outcome
from kubelab.sim.kernel import SECOND
from tests.network.lab import Lab, endpoint, service, slices

MODES = ("iptables", "ipvs", "nftables")
OUTSIDE = "192.0.2.80"


@pytest.fixture(params=MODES)
def lab(request: pytest.FixtureRequest) -> Lab:
    """Two nodes in one of the modes, with a web server on each and a service for them."""
    lab = Lab(2, mode=request.param)
    here, there = lab.pod("web-1", 1, 8080), lab.pod("web-2", 2, 8080)
    lab.server.put(service("web", "10.97.3.4", {"port": 80, "protocol": "TCP", "nodePort": 30080}))
    lab.server.put(slices("web", [endpoint(here, 1), endpoint(there, 2)], 8080))
    lab.settle()
    return lab


def offered(lab: Lab, name: str, ip: str, *nodes: int, **spec: Any) -> None:
    """A service with a web server of each of these nodes as its endpoints."""
    ends = [endpoint(lab.kernels[n].sandboxes[f"web-{n}"], n) for n in nodes]
    port = {"port": 80, "protocol": "TCP"}
    if "nodePort" in spec:
        port["nodePort"] = spec.pop("nodePort")
    made = service(name, ip, port, **spec)
    made["status"] = made["spec"].pop("status", {})
    lab.server.put(made)
    lab.server.put(slices(name, ends, 8080))
    lab.settle()
    lab.run(2)


def from_outside(lab: Lab, address: str, port: int) -> Outcome:
    """A connection from the machine outside the cluster."""
    kernel: Any = lab.world.components["kernel/internet"]
    kernel.open(OUTSIDE, address, port, "TCP", "hello", "client", "t")
    lab.settle()
    return lab.client.outcomes.pop()


def test_every_endpoint_is_reached(lab: Lab) -> None:
    """Pods on both nodes answer at the cluster IP, to pods and to the nodes themselves."""
    client = lab.pod("client")
    for source in (client, lab.kernels[1].node_ip):
        got = Counter(lab.open(source, "10.97.3.4", 80).pod for _ in range(24))
        assert sorted(got) == ["default/web-1", "default/web-2"]


def test_no_endpoints_is_refused_at_once(lab: Lab) -> None:
    """Without an endpoint anywhere a client need not wait."""
    client = lab.pod("client")
    lab.server.put(slices("web", [], 8080))
    lab.settle()
    lab.run(2)
    outcome = lab.open(client, "10.97.3.4", 80)
    assert (outcome.error, outcome.elapsed_ns < SECOND) == ("refused", True)


def test_node_port_on_every_node(lab: Lab) -> None:
    """From a node, from a pod and from outside, at each node's address."""
    client = lab.pod("client")
    for node in (1, 2):
        address = lab.kernels[node].node_ip
        assert lab.open(client, address, 30080).ok
        assert lab.open(lab.kernels[1].node_ip, address, 30080).ok
        assert from_outside(lab, address, 30080).ok


def test_a_pod_reaches_itself(lab: Lab) -> None:
    """The hairpin connection is masqueraded, or its answer would never arrive."""
    web = lab.kernels[1].sandboxes["web-1"]
    pods = {lab.open(web, "10.97.3.4", 80).pod for _ in range(20)}
    assert pods == {"default/web-1", "default/web-2"}


def test_affinity_sticks_for_its_time(lab: Lab) -> None:
    """One client stays with one endpoint until it was away for the timeout."""
    config = {"clientIP": {"timeoutSeconds": 100}}
    offered(lab, "sticky", "10.97.3.5", 1, 2, sessionAffinity="ClientIP",
            sessionAffinityConfig=config)  # fmt: skip
    client = lab.pod("client")
    assert len({lab.open(client, "10.97.3.5", 80).pod for _ in range(12)}) == 1
    seen = set()
    for _ in range(12):
        lab.run(101)
        seen.add(lab.open(client, "10.97.3.5", 80).pod)
    assert len(seen) == 2


def test_local_policy_keeps_the_clients_address(lab: Lab) -> None:
    """externalTrafficPolicy Local: the node's own pod answers, and nothing is masqueraded."""
    offered(lab, "local", "10.97.3.6", 1, 2, type="NodePort", nodePort=30090,
            externalTrafficPolicy="Local")  # fmt: skip
    for node in (1, 2):
        outcome = from_outside(lab, lab.kernels[node].node_ip, 30090)
        assert outcome.pod == f"default/web-{node}"
        hops = outcome.hops
        assert not any(hop.target.lower() == "masquerade" for hop in hops)
    outcome = from_outside(lab, lab.kernels[1].node_ip, 30080)
    hops = outcome.hops
    assert any(hop.target.lower() == "masquerade" for hop in hops), "Cluster policy masquerades"


def test_internal_local_policy(lab: Lab) -> None:
    """internalTrafficPolicy Local sends to the client's own node only."""
    offered(lab, "near", "10.97.3.7", 1, 2, internalTrafficPolicy="Local")
    client = lab.pod("client")
    assert {lab.open(client, "10.97.3.7", 80).pod for _ in range(10)} == {"default/web-1"}


def test_external_addresses(lab: Lab) -> None:
    """externalIPs and a balancer's address lead to the service from every node."""
    offered(lab, "open", "10.97.3.8", 1, 2, type="LoadBalancer", nodePort=30091,
            externalIPs=["198.51.100.7"],
            status={"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}})  # fmt: skip
    client = lab.pod("client")
    for address in ("198.51.100.7", "203.0.113.9"):
        assert lab.open(client, address, 80).ok
        assert lab.open(lab.kernels[2].node_ip, address, 80, node=2).ok


def test_source_ranges(lab: Lab) -> None:
    """Who is not in loadBalancerSourceRanges is dropped; node ports are not guarded by them."""
    given = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}}
    ranges = [f"{OUTSIDE}/32", " 10.244.2.0/24"]
    offered(lab, "guarded", "10.97.3.9", 1, 2, type="LoadBalancer", nodePort=30092,
            loadBalancerSourceRanges=ranges, **given)  # fmt: skip
    lab.world.send("client", "network", "balance", ("203.0.113.9", ("kernel/node-1",)))
    lab.settle()
    assert from_outside(lab, "203.0.113.9", 80).ok
    barred = lab.pod("client")
    assert lab.open(barred, "203.0.113.9", 80).error == "timeout"
    allowed = lab.pod("other", 2)
    assert lab.open(allowed, "203.0.113.9", 80, node=2).ok
    assert lab.open(barred, lab.kernels[1].node_ip, 30092).ok


def test_balancer_asks_for_health(lab: Lab) -> None:
    """With a Local policy the cloud sends only to nodes that say they have an endpoint."""
    given = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}}
    offered(lab, "local", "10.97.3.6", 2, type="LoadBalancer", nodePort=30093,
            externalTrafficPolicy="Local", healthCheckNodePort=31000, **given)  # fmt: skip
    nodes = ("kernel/node-1", "kernel/node-2")
    lab.world.send("client", "network", "balance", ("203.0.113.9", nodes, 31000))
    lab.settle()
    for _ in range(6):
        outcome = from_outside(lab, "203.0.113.9", 80)
        assert outcome.pod == "default/web-2"
    client = lab.pod("client")
    for node, status in ((1, 503), (2, 200)):
        page = lab.open(client, lab.kernels[node].node_ip, 31000, HttpRequest()).payload
        assert page.status == status
        assert f'"localEndpoints": {2 - (status == 503) - 1}' in page.body
        assert '"name": "local"' in page.body


def test_stale_rules_of_a_stopped_proxy(lab: Lab) -> None:
    """Stopped, the proxy leaves what it wrote; packets follow it to a pod that is gone."""
    client = lab.pod("client")
    lab.world.halt("kube-proxy/node-1")
    for node in (1, 2):
        lab.kernels[node].detach(f"web-{node}")
    lab.server.put(slices("web", [], 8080))
    lab.settle()
    assert lab.open(client, "10.97.3.4", 80).error == "timeout"
    lab.world.begin("kube-proxy/node-1")
    lab.settle()
    assert lab.open(client, "10.97.3.4", 80).error == "refused"


def test_proxy_tells_its_mode(lab: Lab) -> None:
    """Port 10249 of the node itself says which mode it is; 10256 that it is well."""
    node = lab.kernels[1]
    page = lab.open(node.node_ip, "127.0.0.1", 10249, HttpRequest(path="/proxyMode")).payload
    assert page.body in MODES
    proxy: Any = lab.world.components["kube-proxy/node-1"]
    assert page.body == proxy.config.mode
    well = lab.open(node.node_ip, node.node_ip, 10256, HttpRequest(path="/healthz")).payload
    assert well.status == 200


def test_every_event_has_a_sentence(lab: Lab) -> None:
    """Each event of a request and of the rules behind it is told in at most 30 words."""
    client = lab.pod("client")
    for port in (80, 81):
        lab.open(client, "10.97.3.4", port)
    for event in lab.world.trace:
        told = lab.world.components[event.target].tell(event)
        assert told.endswith("."), event
        assert len(told.split()) <= 30, told
