"""The mode ipvs: virtual servers, sets, the few rules of iptables, and how packets go."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given

from kubelab.network.ipvs import RealServer
from kubelab.network.kernel import Kernel
from kubelab.proxy.ipvs import RuleSet, install, replace, rule_set
from kubelab.proxy.ports import Endpoint, Facts, ServicePort
from tests.network.lab import Lab, endpoint, proxy_config, service, slices
from tests.proxy.test_rules import endpoints, ports

FACTS = Facts(node_ips=("192.168.0.2", "10.244.1.1"))
HEAD = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
"""


def listed(kernel: Kernel) -> str:
    """What ipvsadm -Ln prints."""
    return kernel.ipvs.list(kernel.count)


def servers(kernel: Kernel) -> str:
    """The same without counts of connections."""
    return kernel.ipvs.list(lambda *_: 0)


@pytest.fixture
def lab() -> Lab:
    """Two nodes in the mode ipvs; the service default/web with a pod on each."""
    lab = Lab(2, mode="ipvs")
    here, there = lab.pod("web-1", 1, 8080), lab.pod("web-2", 2, 8080)
    lab.server.put(service("web", "10.97.3.4", {"port": 80, "protocol": "TCP", "nodePort": 30080}))
    lab.server.put(slices("web", [endpoint(here, 1), endpoint(there, 2)], 8080))
    lab.settle()
    return lab


def test_ipvsadm_lists_the_virtual_servers(lab: Lab) -> None:
    """The cluster IP and each address of the node with the node port, columns as ipvsadm's."""
    reals = (
        "  -> 10.244.1.2:8080              Masq    1      0          0         \n"
        "  -> 10.244.2.2:8080              Masq    1      0          0         \n"
    )
    assert listed(lab.kernels[1]) == HEAD + "".join(
        f"TCP  {address} rr\n{reals}"
        for address in ("192.168.0.2:30080", "10.97.3.4:80", "10.244.1.1:30080")
    )


def test_the_address_is_on_the_dummy_device(lab: Lab) -> None:
    """The cluster IP is the node's own and answers ping; other ports of it are refused."""
    node, client = lab.kernels[1], lab.pod("client")
    assert node.virtual == {"10.97.3.4": None}
    assert lab.open(client, "10.97.3.4", 0, None, protocol="ICMP").ok
    refused = lab.open(client, "10.97.3.4", 81)
    assert refused.error == "refused"
    assert any(hop.chain == "KUBE-IPVS-FILTER" for hop in refused.hops)


def test_rules_do_not_grow_with_the_services(lab: Lab) -> None:
    """One more service is one more entry of a set, and no rule more."""
    node = lab.kernels[1]
    before = node.tables.save()
    lab.server.put(service("api", "10.97.3.5", 80))
    lab.server.put(slices("api", [endpoint("10.244.1.9")], 80))
    lab.settle()
    assert node.tables.save() == before
    entries = node.ipsets.sets["KUBE-CLUSTER-IP"].entries
    assert list(entries) == ["10.97.3.4,tcp:80", "10.97.3.5,tcp:80"]
    assert "add KUBE-CLUSTER-IP 10.97.3.5,tcp:80\n" in node.ipsets.save()
    assert "Name: KUBE-CLUSTER-IP\nType: hash:ip,port\n" in node.ipsets.list()


def test_rules_are_the_real_ones(lab: Lab) -> None:
    """The rules that mark, accept and keep out, as iptables-save prints them."""
    lines = lab.kernels[1].tables.save().splitlines()
    ours = [line for line in lines if line.startswith("-A KUBE-SERVICES")]
    assert ours == [
        "-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN",
        "-A KUBE-SERVICES ! -s 10.244.0.0/16 -m comment --comment "
        '"Kubernetes service cluster ip + port for masquerade purpose" '
        "-m set --match-set KUBE-CLUSTER-IP dst,dst -j KUBE-MARK-MASQ",
        "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT",
        "-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT",
    ]
    for line in (
        "-A KUBE-NODE-PORT -p tcp -m comment --comment "
        '"Kubernetes nodeport TCP port for masquerade purpose" '
        "-m set --match-set KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ",
        "-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set KUBE-IPVS-IPS dst "
        "-j REJECT --reject-with icmp-port-unreachable",
        "-A KUBE-POSTROUTING -m comment --comment "
        '"Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose" '
        "-m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE",
        "-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ",
        "-A KUBE-SOURCE-RANGES-FIREWALL -j DROP",
        '-A INPUT -m comment --comment "kubernetes ipvs access filter" -j KUBE-IPVS-FILTER',
    ):
        assert line in lines


def test_turns_are_taken(lab: Lab) -> None:
    """rr: of 40 connections each of two endpoints gets exactly a half."""
    client = lab.pod("client")
    got = Counter(lab.open(client, "10.97.3.4", 80).pod for _ in range(40))
    assert got == {"default/web-1": 20, "default/web-2": 20}


def test_source_hashing_sticks() -> None:
    """The scheduler sh sends one client always to the same real server."""
    lab = Lab(1, proxies=False)
    kernel = lab.kernels[1]
    port = ServicePort("default/web", "TCP", "10.97.3.4", 80)
    ends = tuple(Endpoint(f"10.244.1.{n}", 80) for n in (2, 3, 4))
    facts = FACTS._replace(scheduler="sh")
    install(kernel, 4, facts)
    replace(kernel, 4, port.name, RuleSet(), rule_set(port, ends, ends, facts))
    key = ("TCP", "10.97.3.4", 80)
    first = {kernel.ipvs.schedule(key, "10.244.1.9", n, 0) for n in range(20)}
    every = {kernel.ipvs.schedule(key, f"10.244.1.{n}", 1, 0) for n in range(40)}
    assert (len(first), len(every)) == (1, 3)


def test_a_server_that_leaves_is_drained(lab: Lab) -> None:
    """With connections it stays at weight 0 and gets no new ones; later it is gone."""
    client, node = lab.pod("client"), lab.kernels[1]
    here, there = (lab.kernels[n].sandboxes[f"web-{n}"] for n in (1, 2))
    for _ in range(2):
        assert lab.open(client, "10.97.3.4", 80).ok
    lab.server.put(slices("web", [endpoint(there, 2)], 8080))
    lab.run(1)
    key = ("TCP", "10.97.3.4", 80)
    assert node.ipvs.servers[key].reals == (RealServer(there, 8080), RealServer(here, 8080, 0))
    assert f"  -> {here}:8080              Masq    0      0          1" in listed(node)
    lab.run(200)
    assert {lab.open(client, "10.97.3.4", 80).pod for _ in range(6)} == {"default/web-2"}
    assert node.ipvs.servers[key].reals == (RealServer(there, 8080),)


def test_no_endpoints_are_refused(lab: Lab) -> None:
    """A virtual server without a real one refuses at once."""
    client = lab.pod("client")
    lab.server.put(slices("web", [], 8080))
    lab.settle()
    outcome = lab.open(client, "10.97.3.4", 80)
    assert (outcome.error, outcome.hops[-2].reason()) == (
        "refused", "TCP 10.97.3.4:80 rr has no real server",
    )  # fmt: skip


def test_changing_the_mode_leaves_nothing(lab: Lab) -> None:
    """Another mode takes out servers, sets and rules; back again all are there as before."""
    node, client = lab.kernels[1], lab.pod("client")
    before = (node.tables.save(), servers(node), node.ipsets.save())
    lab.server.put(proxy_config("nftables"))
    lab.settle()
    assert "KUBE-S" not in node.tables.save()
    assert (listed(node), node.ipsets.sets, node.virtual) == (HEAD, {}, {})
    assert lab.open(client, "10.97.3.4", 80).ok
    lab.run(2)
    lab.server.put(proxy_config("iptables"))
    lab.settle()
    assert node.nft == {}
    assert "-j KUBE-SVC-" in node.tables.save()
    lab.run(2)
    lab.server.put(proxy_config("ipvs"))
    lab.settle()
    assert (node.tables.save(), servers(node), node.ipsets.save()) == before


def test_a_wrong_mode_changes_nothing(lab: Lab) -> None:
    """kube-proxy does not start with a mode that there is not; what it wrote stays."""
    before = listed(lab.kernels[1])
    lab.server.put(proxy_config("userspace"))
    events = lab.settle()
    assert listed(lab.kernels[1]) == before
    told = [event.detail["mistake"] for event in events if event.detail.get("mistake")]
    assert told[0].startswith('KubeProxyConfiguration.Mode: Invalid value: "userspace"')


@given(ports, endpoints, endpoints)
def test_old_entries_leave_nothing_behind(
    port: ServicePort, before: list[Endpoint], after: list[Endpoint]
) -> None:
    """Replacing what a port needs gives the same servers and sets as writing it anew."""

    def written(*states: list[Endpoint]) -> tuple[str, str, list[str]]:
        kernel = Lab(1, proxies=False).kernels[1]
        install(kernel, 4, FACTS)
        old = RuleSet()
        for state in states:
            new = rule_set(port, tuple(state), tuple(state), FACTS)
            replace(kernel, 4, port.name, old, new)
            old = new
        return listed(kernel), kernel.ipsets.save(), sorted(kernel.virtual)

    assert written(before, after) == written(after)
