"""The mode nftables: chains of a service port, and its entries in the maps of kube-proxy's table.

One rule looks each packet's destination, protocol and port up in `service-ips` (node ports in
`service-nodeports`); the entry leads to the port's chain, and there one rule draws an endpoint and
translates. With session affinity each endpoint has a chain and a set of the clients that were sent
to it. What has no endpoint is in `no-endpoint-services`. What a node's own pods might ask of
themselves is in `hairpin-connections`, so that it is masqueraded.

In Kubernetes: pkg/proxy/nftables/proxier.go.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from functools import lru_cache
from typing import NamedTuple

from kubelab.network.addresses import contains
from kubelab.network.kernel import Kernel
from kubelab.network.nftables import Base, Container, Element, Statement, Statements, Table
from kubelab.proxy.ports import Chosen, Endpoint, Facts, ServicePort, choose

LONGEST = 240
IPS, NODE_PORTS = "service-ips", "service-nodeports"
NO_IPS, NO_NODE_PORTS = "no-endpoint-services", "no-endpoint-nodeports"
FIREWALLED, CLUSTER_IPS, NODE_IPS = "firewall-ips", "cluster-ips", "nodeport-ips"
HAIRPIN = "hairpin-connections"

BASES = {
    "filter-prerouting-pre-dnat": Base("filter", "prerouting", "dstnat - 10"),
    "filter-output-pre-dnat": Base("filter", "output", "-110"),
    "filter-input": Base("filter", "input", "filter"),
    "filter-forward": Base("filter", "forward", "filter"),
    "filter-output": Base("filter", "output", "filter"),
    "nat-prerouting": Base("nat", "prerouting", "dstnat"),
    "nat-output": Base("nat", "output", "-100"),
    "nat-postrouting": Base("nat", "postrouting", "srcnat"),
}
NO_ENDPOINTS = "vmap to drop or reject packets to"


class RuleSet(NamedTuple):
    """What one service port needs: chains, affinity sets, and entries of the shared maps."""

    chains: tuple[tuple[str, Statements], ...] = ()
    affinity: tuple[str, ...] = ()
    affinity_seconds: int = 0
    elements: tuple[tuple[str, str, Element], ...] = ()
    endpoints: tuple[str, ...] = ()


@lru_cache(maxsize=65536)
def hashed(name: str) -> str:
    """A name behind a hash of itself, so that alike names are told apart and none is too long."""
    made = f"{b32encode(hashlib.sha256(name.encode()).digest()).decode()[:8]}-{name}"
    return made if len(made) <= LONGEST else made[: LONGEST - 3] + "..."


def port_chain(port: ServicePort, prefix: str) -> str:
    """A port's chain: `service-LNJAC4UY-default/web/tcp/http`."""
    return f"{prefix}-{hashed(_long_name(port))}"


def endpoint_chain(port: ServicePort, endpoint: Endpoint, prefix: str = "endpoint") -> str:
    """The chain (or the affinity set) of one endpoint of a port."""
    address = endpoint.address.replace(":", ".")
    return f"{prefix}-{hashed(f'{_long_name(port)}__{address}/{endpoint.port}')}"


def _long_name(port: ServicePort) -> str:
    service, _, name = port.name.partition(":")
    return f"{service}/{port.protocol.lower()}/{name}"


@lru_cache(maxsize=16384)
def rule_set(
    port: ServicePort,
    near_endpoints: tuple[Endpoint, ...],
    endpoints: tuple[Endpoint, ...],
    facts: Facts,
) -> RuleSet:
    """All that a service port needs; for the endpoints see `choose`."""
    chosen = choose(port, near_endpoints, endpoints)
    chains: list[tuple[str, Statements]] = []
    for prefix, group in (("service", chosen.everywhere), ("local", chosen.here)):
        if group:
            chains.append((port_chain(port, prefix), _choice(port, group)))
    if port.external and chosen.any_at_all:
        chains.append((port_chain(port, "external"), _external(port, chosen, facts)))
    if port.balancer_ips and port.source_ranges:
        chains.append((port_chain(port, "firewall"), _firewall(port, facts)))
    affinity: list[str] = []
    for endpoint in chosen.reachable if port.affinity_seconds else ():
        affinity.append(endpoint_chain(port, endpoint, "affinity"))
        chains.append((endpoint_chain(port, endpoint), (
            Statement("update", affinity[-1]),
            Statement("dnat", endpoint.text(), protocol=port.protocol.lower()),
        )))  # fmt: skip
    used = {e.text(): None for e in (*chosen.internal, *(chosen.outward if port.external else ()))}
    elements = _elements(port, chosen, endpoints)
    return RuleSet(tuple(chains), tuple(affinity), port.affinity_seconds, elements, tuple(used))


def _choice(port: ServicePort, endpoints: tuple[Endpoint, ...]) -> Statements:
    """Draws an endpoint; with affinity the client's last one first."""
    if not port.affinity_seconds:
        rows = tuple(f"{endpoint.address} . {endpoint.port}" for endpoint in endpoints)
        return (Statement("choose", protocol=port.protocol.lower(), choices=rows),)
    chains = tuple(endpoint_chain(port, endpoint) for endpoint in endpoints)
    sticky = tuple(
        Statement("goto", chain, source_set=endpoint_chain(port, endpoint, "affinity"))
        for chain, endpoint in zip(chains, endpoints, strict=True)
    )
    return (*sticky, Statement("spread", choices=chains))


def _external(port: ServicePort, chosen: Chosen, facts: Facts) -> Statements:
    """What comes from outside: marked, unless the policy keeps it on this node."""
    service, local = port_chain(port, "service"), port_chain(port, "local")
    if not port.external_local:
        return (Statement("mark"), Statement("goto", service))
    rules = (
        Statement(
            "goto", service, source=(facts.cluster_cidr,), comment="short-circuit pod traffic"
        ),
        Statement("mark", source_local=True, comment="masquerade local traffic"),
        Statement("goto", service, source_local=True, comment="short-circuit local traffic"),
    )
    return (*rules, Statement("goto", local)) if chosen.outward else rules


def _firewall(port: ServicePort, facts: Facts) -> Statements:
    sources = list(port.source_ranges)
    if facts.node_ip and any(contains(cidr, facts.node_ip) for cidr in sources):
        sources += port.balancer_ips
    return (Statement("drop", source=tuple(sources), not_source=True),)


def _elements(
    port: ServicePort, chosen: Chosen, endpoints: tuple[Endpoint, ...]
) -> tuple[tuple[str, str, Element], ...]:
    """The port's entries in the shared sets and maps."""
    protocol = port.protocol.lower()
    out = [(CLUSTER_IPS, port.cluster_ip, Element())]
    refused = Element("drop" if chosen.any_at_all else "goto reject-chain", port.name)
    where = f" . {protocol} . {port.port}"
    if chosen.internal:
        chain = port_chain(port, "local" if port.internal_local else "service")
        out.append((IPS, port.cluster_ip + where, Element(f"goto {chain}")))
    else:
        out.append((NO_IPS, port.cluster_ip + where, refused))
    external = Element(f"goto {port_chain(port, 'external')}")
    outside = [(IPS, NO_IPS, address + where) for address in (*port.external_ips,
               *port.balancer_ips)]  # fmt: skip
    if port.node_port:
        outside.append((NODE_PORTS, NO_NODE_PORTS, f"{protocol} . {port.node_port}"))
    for served, unserved, key in outside:
        if chosen.any_at_all:
            out.append((served, key, external))
        if not chosen.outward:
            out.append((unserved, key, refused))
    if port.source_ranges:
        fire = Element(f"goto {port_chain(port, 'firewall')}")
        out += [(FIREWALLED, address + where, fire) for address in port.balancer_ips]
    mine = {(e.address, e.port): None for e in endpoints if e.local}
    for e in chosen.reachable:
        if (e.address, e.port) in mine:
            key = f"{e.address} . {e.address} . {protocol} . {e.port}"
            out.append((HAIRPIN, key, Element()))
    return tuple(out)


# Writing.


def install(kernel: Kernel, version: int, facts: Facts) -> None:
    """Makes the table with what is there without any service."""
    family, address = ("ip", "ipv4_addr") if version == 4 else ("ip6", "ipv6_addr")
    table = Table(family)
    key, port = f"{address} . inet_proto . inet_service", "inet_proto . inet_service"
    table.containers = {
        HAIRPIN: Container(f"{address} . {key}", "service hairpin connections"),
        CLUSTER_IPS: Container(address, "Active ClusterIPs"),
        NODE_IPS: Container(address, "IPs that accept NodePort traffic"),
        NO_IPS: Container(f"{key} : verdict", f"{NO_ENDPOINTS} services with no endpoints"),
        NO_NODE_PORTS: Container(
            f"{port} : verdict", f"{NO_ENDPOINTS} service nodeports with no endpoints"
        ),
        FIREWALLED: Container(
            f"{key} : verdict", "destinations that are subject to LoadBalancerSourceRanges"
        ),
        IPS: Container(f"{key} : verdict", "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
        NODE_PORTS: Container(f"{port} : verdict", "NodePort traffic"),
    }
    if version in kernel.node_ips:
        table.containers[NODE_IPS].elements[kernel.node_ips[version]] = Element()
    table.bases = dict(BASES)
    table.chains = _chains(facts)
    table.chain_comments["reject-chain"] = (
        "helper for @no-endpoint-services / @no-endpoint-nodeports"
    )
    kernel.nft[family] = table


def _chains(facts: Facts) -> dict[str, Statements]:
    def jump(to: str, new: bool = True) -> Statement:
        return Statement("jump", to, new=new)

    mark = Statement(
        "mark", destination_set=CLUSTER_IPS,
        source=() if facts.masquerade_all else (facts.cluster_cidr,), not_source=True,
        comment="masquerade clusterIP traffic from outside cluster",
    )  # fmt: skip
    firewall = (jump("firewall-check"),)
    endpoints, addresses = jump("service-endpoints-check"), jump("cluster-ips-check")
    return {
        "filter-prerouting-pre-dnat": firewall,
        "filter-output-pre-dnat": firewall,
        "filter-input": (jump("nodeport-endpoints-check"), endpoints),
        "filter-forward": (endpoints, addresses),
        "filter-output": (endpoints, addresses),
        "nat-prerouting": (jump("services", False),),
        "nat-output": (jump("services", False),),
        "nat-postrouting": (jump("masquerading", False),),
        "nodeport-endpoints-check": (
            Statement("lookup", NO_NODE_PORTS, destination_set=NODE_IPS, port_only=True),
        ),
        "service-endpoints-check": (Statement("lookup", NO_IPS),),
        "firewall-check": (Statement("lookup", FIREWALLED),),
        "services": (
            mark, Statement("lookup", IPS),
            Statement("lookup", NODE_PORTS, destination_set=NODE_IPS, port_only=True),
        ),
        "masquerading": (
            Statement("masquerade", marked=True),
            Statement("masquerade", translated=True, hairpin=True),
        ),
        "cluster-ips-check": (
            Statement("reject", destination_set=CLUSTER_IPS,
                      comment="Reject traffic to invalid ports of ClusterIPs"),
            *((Statement("drop", destination=facts.service_cidr,
                         comment="Drop traffic to unallocated ClusterIPs"),)
              if facts.service_cidr else ()),
        ),
        "reject-chain": (Statement("reject"),),
    }  # fmt: skip


def remove(kernel: Kernel, version: int) -> None:
    """Deletes the table."""
    kernel.nft.pop("ip" if version == 4 else "ip6", None)


def replace(kernel: Kernel, version: int, part: str, old: RuleSet, new: RuleSet) -> None:
    """Puts what a service port needs into the table in the place of what it needed."""
    del part
    table = kernel.nft["ip" if version == 4 else "ip6"]
    kept = {name: None for name, _ in new.chains}
    for name, _ in old.chains:
        if name not in kept:
            table.chains.pop(name, None)
    table.chains.update(new.chains)
    sets = dict.fromkeys(new.affinity)
    for name in old.affinity:
        if name not in sets:
            table.containers.pop(name, None)
    for name in new.affinity:
        held = table.containers.get(name)
        if held is None or held.timeout_seconds != new.affinity_seconds:
            address = "ipv4_addr" if version == 4 else "ipv6_addr"
            table.containers[name] = Container(address, timeout_seconds=new.affinity_seconds)
    wanted = {(name, key): None for name, key, _ in new.elements}
    for name, key, _ in old.elements:
        if (name, key) not in wanted and name not in SHARED:
            table.containers[name].elements.pop(key, None)
    for name, key, element in new.elements:
        table.containers[name].elements[key] = element
    _share(table, old, new)


# Several ports of a service have one address; two services may have one endpoint.
SHARED = (CLUSTER_IPS, HAIRPIN)


def _share(table: Table, old: RuleSet, new: RuleSet) -> None:
    """Counts who wants an entry of a set that ports share; the last one takes it out."""
    for rules, step in ((old, -1), (new, 1)):
        for name, key, _ in rules.elements:
            if name in SHARED:
                counts = table.containers[name].seen
                counts[key] = counts.get(key, 0) + step
    for rules in (old, new):
        for name, key, _ in rules.elements:
            if name in SHARED and table.containers[name].seen.get(key, 0) <= 0:
                table.containers[name].elements.pop(key, None)
                table.containers[name].seen.pop(key, None)
