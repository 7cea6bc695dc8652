"""What ip, ss, iptables-save and their kin show, on a node and in a pod of its own network."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.cluster import Cluster
from tests.dns.zoo import deployment, ips, pod, service
from tests.network.test_traffic import MERGE, shell

NODE = "default/on-node"
PROXY = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"


def made(mode: str = "iptables") -> Cluster:
    """Two nodes, two web pods behind a service, a pod in its node's network and one outside."""
    cluster = Cluster(nodes=2)
    cluster.settle()
    if mode != "iptables":
        held = cluster.get("ConfigMap", "kube-proxy", "kube-system")["data"]["config.conf"]
        changed = {"data": {"config.conf": held.replace('mode: ""', f"mode: {mode}")}}
        assert cluster.request("PATCH", PROXY, changed, MERGE).ok
    cluster.apply([
        deployment("web", 2), pod("client"), pod("on-node", hostNetwork=True),
        service("web", "web", {"port": 80}, clusterIP="10.96.3.4"),
    ])  # fmt: skip
    assert cluster.settle()
    return cluster


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """The cluster that tests only look at."""
    return made()


def run(cluster: Cluster, name: str, *argv: str) -> str:
    """The output of a command in a pod."""
    node = cluster.get("Pod", name)["spec"]["nodeName"]
    runtime: Any = cluster.world.components[f"runtime/{node}"]
    container = next(
        held
        for held in runtime.containers.values()
        if held.running and held.pod == f"default/{name}"
    )
    answer = runtime.execute(container, argv, "kubelet", 1)
    return str(answer.value.output)


def test_a_pod_sees_its_own_network(settled: Cluster) -> None:
    """One interface with the pod's address, a default route to the bridge, and no rule."""
    address = settled.get("Pod", "client")["status"]["podIP"]
    shown = run(settled, "client", "ip", "addr")
    assert f"inet {address}/24 scope global eth0" in shown
    assert shown.count("inet ") == 2
    assert run(settled, "client", "ip", "route").startswith("default via 10.244.")
    assert "KUBE" not in run(settled, "client", "iptables-save")


def test_a_node_sees_cables_and_rules(settled: Cluster) -> None:
    """The node's address, a cable and a route for each of its pods, a route to the other node."""
    found = settled.get("Pod", "on-node")
    node = found["spec"]["nodeName"]
    kernel: Any = settled.world.components[f"kernel/{node}"]
    shown = run(settled, "on-node", "ip", "addr")
    assert f"inet {kernel.node_ip}/24" in shown
    assert shown.count("@if2:") == len(kernel.pods)
    routes = run(settled, "on-node", "ip", "route")
    other: Any = settled.world.components["kernel/node-2" if node == "node-1" else "kernel/node-1"]
    assert f" via {other.node_ip} dev eth0\n" in routes
    for address in kernel.pods:
        assert f"{address} dev veth" in routes
    saved = run(settled, "on-node", "iptables-save", "-t", "nat")
    assert saved == kernel.tables.save("nat")
    chain = next(line.split()[-1] for line in saved.splitlines()
                 if "default/web" in line and "-d 10.96.3.4/32" in line
                 and "-A KUBE-SERVICES" in line)  # fmt: skip
    listed = run(settled, "on-node", "iptables", "-t", "nat", "-S", chain).splitlines()
    assert listed[0] == f"-N {chain}"
    assert len(listed) == 4


def test_listening_ports(settled: Cluster) -> None:
    """A pod shows what it listens on itself; a node kube-proxy's ports."""
    web = next(item["metadata"]["name"] for item in settled.list("Pod", "default")
               if item["metadata"]["name"].startswith("web-"))  # fmt: skip
    shown = run(settled, web, "ss", "-tln")
    assert [line.split()[4] for line in shown.splitlines()[1:]] == ["*:80"]
    assert "*:10256 " in run(settled, "on-node", "netstat", "-tln")


def test_connections_are_remembered(settled: Cluster) -> None:
    """conntrack -L on a node of the client shows the service's address and the pod's."""
    cluster = settled.fork()
    assert cluster.curl(NODE, "http://10.96.3.4/").status == 200
    shown = run(cluster, "on-node", "conntrack", "-L", "-p", "tcp")
    line = next(line for line in shown.splitlines() if "dst=10.96.3.4 " in line)
    assert " dport=80 src=10.244." in line


def test_the_way_to_a_pod(settled: Cluster) -> None:
    """traceroute from a pod: its bridge, the other node, the pod."""
    here = settled.get("Pod", "client")["spec"]["nodeName"]
    far = next((item["status"]["podIP"] for item in settled.list("Pod", "kube-system")
                if item["spec"]["nodeName"] not in ("", here)
                and not item["spec"].get("hostNetwork")), "")  # fmt: skip
    far = far or next(item["status"]["podIP"] for item in settled.list("Pod", "default")
                      if item["spec"]["nodeName"] != here)  # fmt: skip
    lines = run(settled, "client", "traceroute", far).splitlines()
    assert lines[1].split()[1].startswith("10.244.")
    assert lines[-1].split()[1] == far
    assert len(lines) in (3, 4)


def test_ipvs_commands() -> None:
    """ipvsadm and ipset show the virtual servers, and the device has their addresses."""
    cluster = made("ipvs")
    assert "TCP  10.96.3.4:80 rr\n" in run(cluster, "on-node", "ipvsadm", "-Ln")
    assert "10.96.3.4,tcp:80" in run(cluster, "on-node", "ipset", "list", "KUBE-CLUSTER-IP")
    assert "inet 10.96.3.4/32 scope global kube-ipvs0" in run(cluster, "on-node", "ip", "addr")


def test_nft_commands() -> None:
    """nft lists the one table of each family, or a chain of it."""
    cluster = made("nftables")
    assert "table ip kube-proxy\n" in run(cluster, "on-node", "nft", "list", "tables")
    listed = run(cluster, "on-node", "nft", "list", "map", "ip", "kube-proxy", "service-ips")
    assert "10.96.3.4 . tcp . 80 : goto " in listed
    assert listed.startswith("table ip kube-proxy {\n\tmap service-ips {")


def test_ping_counts(settled: Cluster) -> None:
    """ping -c N sends N packets and sums them up."""
    address = ips(settled.fork(), "web")[0]
    lines = shell(settled.fork(), f"ping -c 3 {address}").splitlines()
    assert [line.split()[4] for line in lines[1:4]] == ["seq=0", "seq=1", "seq=2"]
    assert "3 packets transmitted, 3 packets received, 0% packet loss" in lines


NC = [
    ("nc -zv 10.96.3.4 80", "10.96.3.4 (10.96.3.4:80) open"),
    ("nc -z web 80", ""),
    ("nc -zv web 81", "nc: web (10.96.3.4:81): Connection timed out"),
    ("nc -zv -w 2 web 81", "nc: timed out"),
    ("nc -z nosuch 80", "nc: bad address 'nosuch'"),
    ("nc web x", "nc: bad port 'x'"),
]


@pytest.mark.parametrize(("command", "words"), NC)
def test_nc_says_what_it_finds(settled: Cluster, command: str, words: str) -> None:
    """busybox' words for an open port, for silence and for a bad name."""
    assert shell(settled.fork(), f"{command} 2>&1; true").rstrip("\n") == words
