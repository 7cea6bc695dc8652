"""The mode nftables: kube-proxy's own table, and how packets go through it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter

import pytest
from hypothesis import given, settings

from kubelab.network.nftables import span
from kubelab.proxy.nftables import (
    RuleSet,
    endpoint_chain,
    install,
    port_chain,
    replace,
    rule_set,
)
from kubelab.proxy.ports import Endpoint, Facts, ServicePort
from tests.network.lab import Lab, endpoint, service, slices
from tests.proxy.test_rules import endpoints, ports

FACTS = Facts(cluster_cidr="10.0.0.0/8", service_cidr="172.30.0.0/16")
SVC = ServicePort("ns1/svc1:p80", "TCP", "172.30.0.41", 80)


def printed(port: ServicePort, *ends: Endpoint) -> str:
    """The table with what one port needs."""
    return written(port, ends).kernels[1].nft["ip"].list()


def written(port: ServicePort, ends: tuple[Endpoint, ...]) -> Lab:
    """A node with the table and what one port needs."""
    lab = Lab(1, proxies=False)
    install(lab.kernels[1], 4, FACTS)
    replace(lab.kernels[1], 4, port.name, RuleSet(), rule_set(port, ends, ends, FACTS))
    return lab


def test_chain_names_are_the_real_ones() -> None:
    """Prefix, eight characters of base32(sha256), namespace/service/protocol/port[__endpoint]."""
    assert port_chain(SVC, "service") == "service-ULMVA6XW-ns1/svc1/tcp/p80"
    end = Endpoint("10.180.0.1", 80)
    assert endpoint_chain(SVC, end) == "endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80"
    https = ServicePort("default/kubernetes:https", "TCP", "10.96.0.1", 443)
    assert port_chain(https, "service") == "service-2QRHZV4L-default/kubernetes/tcp/https"


def test_base_table() -> None:
    """Without any service the maps are empty and the chains that ask them are there."""
    text = written(SVC, ()).kernels[1].nft["ip"].list()
    for line in (
        'comment "rules for kube-proxy"',
        "type filter hook prerouting priority dstnat - 10; policy accept;",
        "type nat hook prerouting priority dstnat; policy accept;",
        "type nat hook postrouting priority srcnat; policy accept;",
        "type filter hook forward priority filter; policy accept;",
        "ip daddr . meta l4proto . th dport vmap @service-ips",
        "ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports",
        "ip daddr @cluster-ips ip saddr != 10.0.0.0/8 meta mark set meta mark | 0x00004000 "
        'comment "masquerade clusterIP traffic from outside cluster"',
        "meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 "
        "masquerade fully-random",
        "ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections "
        "masquerade fully-random",
        'ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"',
        'ip daddr 172.30.0.0/16 drop comment "Drop traffic to unallocated ClusterIPs"',
        "elements = { 192.168.0.2 }",
    ):
        assert f"\t{line}\n" in text, line


def test_cluster_ip_rules() -> None:
    """A port's chain draws an endpoint from a map and translates; the service map leads there."""
    ends = (Endpoint("10.180.0.1", 80, local=True), Endpoint("10.180.2.1", 80))
    text = printed(SVC, *ends)
    assert (
        "\tchain service-ULMVA6XW-ns1/svc1/tcp/p80 {\n\t\tmeta l4proto tcp dnat ip to numgen "
        "random mod 2 map { 0 : 10.180.0.1 . 80, 1 : 10.180.2.1 . 80 }\n\t}\n"
    ) in text
    goto = "goto service-ULMVA6XW-ns1/svc1/tcp/p80"
    assert f"elements = {{ 172.30.0.41 . tcp . 80 : {goto} }}" in text
    assert "elements = { 10.180.0.1 . 10.180.0.1 . tcp . 80 }" in text, "hairpin, local ones only"


def test_affinity_has_a_chain_and_a_set_for_each_endpoint() -> None:
    """With ClientIP affinity the client's last endpoint comes first."""
    text = printed(SVC._replace(affinity_seconds=10800), Endpoint("10.180.0.1", 80))
    name = "5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80"
    assert f"\tset affinity-{re.escape(name)}".replace("\\", "") in text
    assert "\t\tflags dynamic,timeout\n\t\ttimeout 3h\n" in text
    sticky = f"\t\tip saddr @affinity-{name} goto endpoint-{name}\n"
    spread = f"\t\tnumgen random mod 1 vmap {{ 0 : goto endpoint-{name} }}\n"
    assert sticky + spread in text
    update = f"\t\tupdate @affinity-{name} {{ ip saddr }}\n"
    assert f"{update}\t\tmeta l4proto tcp dnat to 10.180.0.1:80\n" in text


def test_external_rules() -> None:
    """Cluster policy marks and goes on; Local policy lets pods and the node use all endpoints."""
    port = SVC._replace(
        node_port=3001, balancer_ips=("1.2.3.4",), source_ranges=("203.0.113.0/25",)
    )
    text = printed(port, Endpoint("10.180.0.2", 80))
    chain = "ULMVA6XW-ns1/svc1/tcp/p80"
    mark = "\t\tmeta mark set meta mark | 0x00004000\n"
    assert f"\tchain external-{chain} {{\n{mark}\t\tgoto service-{chain}\n\t}}" in text
    assert f"elements = {{ tcp . 3001 : goto external-{chain} }}" in text
    assert f"\tchain firewall-{chain} {{\n\t\tip saddr != 203.0.113.0/25 drop\n\t}}" in text
    assert f"elements = {{ 1.2.3.4 . tcp . 80 : goto firewall-{chain} }}" in text
    local = printed(port._replace(external_local=True), Endpoint("10.180.0.2", 80))
    assert (
        f'\t\tip saddr 10.0.0.0/8 goto service-{chain} comment "short-circuit pod traffic"\n'
        "\t\tfib saddr type local meta mark set meta mark | 0x00004000 "
        'comment "masquerade local traffic"\n'
        f'\t\tfib saddr type local goto service-{chain} comment "short-circuit local traffic"\n'
        "\t}"
    ) in local
    assert 'elements = { tcp . 3001 comment "ns1/svc1:p80" : drop }' in local


def test_no_endpoints_are_in_a_map_of_their_own() -> None:
    """Without any endpoint the entry leads to the chain that rejects."""
    entry = '172.30.0.41 . tcp . 80 comment "ns1/svc1:p80" : goto reject-chain'
    assert f"elements = {{ {entry} }}" in printed(SVC)


@pytest.mark.parametrize(
    ("seconds", "text"), [(10800, "3h"), (90, "1m30s"), (86400, "1d"), (93661, "1d2h1m1s")]
)
def test_times_are_printed_as_nft_prints_them(seconds: int, text: str) -> None:
    """nft shows a time in days, hours, minutes and seconds."""
    assert span(seconds) == text


@given(ports, endpoints)
def test_every_verdict_leads_somewhere(port: ServicePort, ends: list[Endpoint]) -> None:
    """Whatever the policy, each chain and set that is named exists."""
    table = written(port, tuple(ends)).kernels[1].nft["ip"]
    for held in table.containers.values():
        for element in held.elements.values():
            verb, _, to = element.verdict.partition(" ")
            assert verb != "goto" or to in table.chains
    for rules in table.chains.values():
        for rule in rules:
            assert rule.verb not in ("jump", "goto") or rule.to in table.chains
            assert rule.verb != "spread" or all(to in table.chains for to in rule.choices)
            named = rule.source_set or (rule.to if rule.verb in ("lookup", "update") else "")
            assert not named or named in table.containers


@given(ports, endpoints, endpoints)
def test_old_entries_leave_nothing_behind(
    port: ServicePort, before: list[Endpoint], after: list[Endpoint]
) -> None:
    """Replacing what a port needs gives the same table as writing it anew."""
    lab = written(port, tuple(before))
    old = rule_set(port, tuple(before), tuple(before), FACTS)
    new = rule_set(port, tuple(after), tuple(after), FACTS)
    replace(lab.kernels[1], 4, port.name, old, new)
    assert sorted(lab.kernels[1].nft["ip"].list().splitlines()) == sorted(
        printed(port, *after).splitlines()
    )


def real(rules: str) -> str:
    """What the real nft makes of our table; skips where it may not."""
    command = ["unshare", "--net", "--map-root-user", "sh", "-c", "nft -f - && nft list ruleset"]
    done = subprocess.run(command, input=rules, text=True, capture_output=True, check=False)
    if any(word in done.stderr for word in ("ermission", "not permitted", "not supported")):
        pytest.skip(f"the machine does not let us: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("nft") is None, reason="apt-get install nftables")
@settings(max_examples=12, deadline=None)
@given(ports, endpoints)
def test_nft_prints_the_same(port: ServicePort, ends: list[Endpoint]) -> None:
    """The real nft, given our table, prints it as we do, but for the order of elements."""
    ours = printed(port, *ends)

    def parts(text: str) -> list[str]:
        flat = re.sub(r",\s+", ", ", text)
        return sorted(
            " ".join(sorted(re.split(r", |\{ | \}", line))) for line in flat.splitlines() if line
        )

    assert parts(real(ours)) == parts(ours)


@pytest.fixture
def lab() -> Lab:
    """Two nodes in the mode nftables; the service default/web with a pod on each."""
    lab = Lab(2, mode="nftables")
    here, there = lab.pod("web-1", 1, 8080), lab.pod("web-2", 2, 8080)
    lab.server.put(service("web", "10.97.3.4", {"port": 80, "protocol": "TCP", "nodePort": 30080}))
    lab.server.put(slices("web", [endpoint(here, 1), endpoint(there, 2)], 8080))
    lab.settle()
    return lab


def test_iptables_has_no_rule_of_ours(lab: Lab) -> None:
    """In this mode kube-proxy's chains are not in iptables; both families have a table."""
    assert "KUBE-S" not in lab.kernels[1].tables.save()
    assert list(lab.kernels[1].nft) == ["ip", "ip6"]


def test_hops_name_the_maps(lab: Lab) -> None:
    """Each step is a hop: the map's entry, the draw with its chance, the new destination."""
    client = lab.pod("client")
    outcome = lab.open(client, "10.97.3.4", 80)
    assert outcome.ok
    chains = [hop.chain.partition("-")[0] for hop in outcome.hops]
    assert chains[:2] == ["services", "service"]
    assert outcome.hops[0].rule.startswith(
        "ip daddr . meta l4proto . th dport vmap @service-ips { 10.97.3.4 . tcp . 80 : goto "
    )
    assert outcome.hops[1].probability == 0.5
    assert outcome.hops[1].after.endswith(":8080")


def test_undefined_and_unallocated_addresses(lab: Lab) -> None:
    """Another port of a ClusterIP is refused at once; an address nobody has is dropped."""
    client = lab.pod("client")
    refused = lab.open(client, "10.97.3.4", 81)
    assert refused.error == "refused"
    assert refused.hops[0].reason() == "Reject traffic to invalid ports of ClusterIPs"
    assert lab.open(client, "10.97.3.99", 80).error == "timeout"


def test_node_ports_are_on_the_main_address_only(lab: Lab) -> None:
    """A node port answers on the node's address; not on localhost, nor on the bridge."""
    node = lab.kernels[1]
    assert lab.open(node.node_ip, node.node_ip, 30080).ok
    assert lab.open(node.node_ip, "127.0.0.1", 30080).error == "refused"
    assert lab.open(lab.pod("client"), node.gateway, 30080).error == "refused"


def test_hairpin_is_masqueraded(lab: Lab) -> None:
    """A pod that reaches itself through its service sees the bridge as the client."""
    web = lab.kernels[1].sandboxes["web-1"]
    seen = [lab.open(web, "10.97.3.4", 80) for _ in range(20)]
    own = next(outcome for outcome in seen if outcome.pod == "default/web-1")
    assert any(hop.target == "masquerade" for hop in own.hops)
    other = next(outcome for outcome in seen if outcome.pod == "default/web-2")
    assert not any(hop.target == "masquerade" for hop in other.hops)


def test_shares_are_fair(lab: Lab) -> None:
    """Each of two endpoints gets about a half of 400 connections."""
    client = lab.pod("client")
    got = Counter(lab.open(client, "10.97.3.4", 80).pod for _ in range(400))
    assert abs(got["default/web-1"] - 200) < 40
