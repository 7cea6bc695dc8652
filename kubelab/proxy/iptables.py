"""The mode iptables: rules of one service port, a pure function of the port and its endpoints.

Traffic to a service's address jumps from KUBE-SERVICES to the port's own chain: KUBE-SVC-… (all
endpoints) or KUBE-SVL-… (those of this node, for a Local traffic policy). There each of n endpoints
has a rule that matches with chance 1/n of what is left, and jumps to the endpoint's KUBE-SEP-…,
which rewrites the destination. Traffic from outside (node ports, external and load balancer
addresses) goes through KUBE-EXT-… first, which marks it to be masqueraded, so that the answer comes
back through this node. Where no endpoint is left, the filter rejects or drops instead.

In Kubernetes: pkg/proxy/iptables/proxier.go (syncProxyRules) and pkg/proxy/topology.go. Left out:
nfacct counters and what goes with them.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from functools import lru_cache
from typing import NamedTuple

from kubelab.network.addresses import contains, single
from kubelab.network.kernel import Kernel
from kubelab.network.nat import (
    CLEAR_MARK,
    MARKED,
    NOT_MARKED,
    SET_MARK,
    Portal,
    Rule,
    Rules,
    Tables,
)
from kubelab.proxy.ports import Chosen, Endpoint, Facts, ServicePort, choose

SERVICES = "KUBE-SERVICES"
EXTERNAL_SERVICES = "KUBE-EXTERNAL-SERVICES"
NODE_PORTS = "KUBE-NODEPORTS"
POSTROUTING = "KUBE-POSTROUTING"
MARK_MASQ = "KUBE-MARK-MASQ"
FORWARD = "KUBE-FORWARD"
FIREWALL = "KUBE-PROXY-FIREWALL"
CANARY = "KUBE-PROXY-CANARY"
# How the chains of service ports begin.
OURS = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-EXT-", "KUBE-FW-")


class RuleSet(NamedTuple):
    """What one service port needs: chains of its own, and its part of the long chains.

    Both are tuples of (table, chain, rules). `endpoints` are those that traffic is sent to.
    """

    chains: tuple[tuple[str, str, Rules], ...] = ()
    portals: tuple[tuple[str, str, Rules], ...] = ()
    endpoints: tuple[str, ...] = ()


@lru_cache(maxsize=65536)
def chain_hash(key: str) -> str:
    """The end of a chain's name: chain names hold 28 characters, service names more."""
    return b32encode(hashlib.sha256(key.encode()).digest()).decode()[:16]


def port_chain(port: ServicePort, prefix: str) -> str:
    """A port's chain of a kind (`KUBE-SVC`)."""
    return f"{prefix}-{chain_hash(port.name + port.protocol.lower())}"


def endpoint_chain(port: ServicePort, endpoint: Endpoint) -> str:
    """The chain of one endpoint of a port."""
    return f"KUBE-SEP-{chain_hash(port.name + port.protocol.lower() + endpoint.text())}"


# The same port has the same rules on every node, unless a policy looks at the node.
@lru_cache(maxsize=16384)
def rule_set(
    port: ServicePort,
    near_endpoints: tuple[Endpoint, ...],
    endpoints: tuple[Endpoint, ...],
    facts: Facts,
) -> RuleSet:
    """All rules of a service port; for the endpoints see `choose`."""
    chosen = choose(port, near_endpoints, endpoints)
    chains: list[tuple[str, str, Rules]] = []
    if chosen.internal or (port.external and (chosen.everywhere or chosen.here)):
        chains += _own_chains(port, chosen, facts)
    used = {e.text(): None for e in (*chosen.internal, *(chosen.outward if port.external else ()))}
    return RuleSet(tuple(chains), _portals(port, chosen), tuple(used))


def _own_chains(port: ServicePort, chosen: Chosen, facts: Facts) -> list[tuple[str, str, Rules]]:
    """KUBE-SVC, KUBE-SVL, KUBE-EXT, KUBE-FW and one KUBE-SEP an endpoint."""
    out: list[tuple[str, str, Rules]] = []
    masquerade = Rule(
        MARK_MASQ, f"{port.name} cluster IP", "" if facts.masquerade_all else facts.cluster_cidr,
        not facts.masquerade_all, single(port.cluster_ip), port.protocol.lower(), port.port,
    )  # fmt: skip
    internal = bool(chosen.internal)
    for prefix, endpoints, first in (
        ("KUBE-SVC", chosen.everywhere, not port.internal_local and internal),
        ("KUBE-SVL", chosen.here, port.internal_local and internal),
    ):
        if endpoints:
            head = (masquerade,) if first else ()
            out.append(("nat", port_chain(port, prefix), head + _choice(port, endpoints)))
    if port.external:
        rules = _external(port, chosen, facts.cluster_cidr)
        out.append(("nat", port_chain(port, "KUBE-EXT"), rules))
        if port.balancer_ips and port.source_ranges:
            out.append(("nat", port_chain(port, "KUBE-FW"), _firewall(port, facts)))
    for endpoint in chosen.reachable:
        chain = endpoint_chain(port, endpoint)
        out.append(("nat", chain, _endpoint(port, endpoint, chain)))
    return out


def _choice(port: ServicePort, endpoints: tuple[Endpoint, ...]) -> Rules:
    """Affinity first, then a fair choice: the i-th of n rules takes 1/(n-i) of what is left."""
    sticky = tuple(
        Rule(
            endpoint_chain(port, endpoint),
            f"{port.name} -> {endpoint.text()}",
            recent=endpoint_chain(port, endpoint),
            recent_seconds=port.affinity_seconds,
        )
        for endpoint in endpoints
        if port.affinity_seconds
    )
    count = len(endpoints)
    return sticky + tuple(
        Rule(
            endpoint_chain(port, endpoint),
            f"{port.name} -> {endpoint.text()}",
            one_in=count - index if index < count - 1 else 0,
        )
        for index, endpoint in enumerate(endpoints)
    )


def _endpoint(port: ServicePort, endpoint: Endpoint, chain: str) -> Rules:
    """A pod that reaches itself is masqueraded, else it would get an answer from a stranger."""
    return (
        Rule(MARK_MASQ, port.name, source=single(endpoint.address)),
        Rule(
            "DNAT",
            port.name,
            protocol=port.protocol.lower(),
            recent=chain if port.affinity_seconds else "",
            to=f"--to-destination {endpoint.text()}",
        ),
    )


def _external(port: ServicePort, chosen: Chosen, cidr: str) -> Rules:
    what = f"{port.name} external destinations"
    rules: list[Rule] = []
    if not port.external_local:
        rules.append(Rule(MARK_MASQ, f"masquerade traffic for {what}"))
    else:
        service = port_chain(port, "KUBE-SVC")
        rules += [
            Rule(service, f"pod traffic for {what}", source=cidr),
            Rule(MARK_MASQ, f"masquerade LOCAL traffic for {what}", source_local=True),
            Rule(service, f"route LOCAL traffic for {what}", source_local=True),
        ]
    if chosen.outward:
        rules.append(Rule(port_chain(port, "KUBE-SVL" if port.external_local else "KUBE-SVC")))
    return tuple(rules)


def _firewall(port: ServicePort, facts: Facts) -> Rules:
    """Who may use a load balancer's address; with the node also the address itself may."""
    sources = list(port.source_ranges)
    if facts.node_ip and any(contains(cidr, facts.node_ip) for cidr in sources):
        sources += [single(address) for address in port.balancer_ips]
    to = port_chain(port, "KUBE-EXT")
    allowed = tuple(Rule(to, f"{port.name} loadbalancer IP", source=cidr) for cidr in sources)
    return (*allowed, Rule("", f"other traffic to {port.name} will be dropped by {FIREWALL}"))


def _portals(port: ServicePort, chosen: Chosen) -> tuple[tuple[str, str, Rules], ...]:
    """The port's part of the chains that all services share."""
    nat: list[Rule] = []
    rejects: list[Rule] = []
    external_rejects: list[Rule] = []
    node_ports: list[Rule] = []
    protocol = port.protocol.lower()
    unreachable = "icmp6-port-unreachable" if port.family == 6 else "icmp-port-unreachable"
    target, why, how = "REJECT", "has no endpoints", f"--reject-with {unreachable}"
    if chosen.any_at_all:
        # Somewhere there are endpoints, but the policy allows none of them here.
        target, why, how = "DROP", "has no local endpoints", ""
    no = Rule(target, f"{port.name} {why}", protocol=protocol, to=how, port=port.port)
    yes = Rule("", protocol=protocol, port=port.port)
    external = port_chain(port, "KUBE-EXT")
    if chosen.internal:
        chain = port_chain(port, "KUBE-SVL" if port.internal_local else "KUBE-SVC")
        to = {"comment": f"{port.name} cluster IP", "destination": single(port.cluster_ip)}
        nat.append(yes._replace(target=chain, **to))  # type: ignore[arg-type]
    else:
        rejects.append(no._replace(destination=single(port.cluster_ip)))
    balancer = port_chain(port, "KUBE-FW" if port.source_ranges else "KUBE-EXT")
    for addresses, what, chain in (
        (port.external_ips, "external IP", external),
        (port.balancer_ips, "loadbalancer IP", balancer),
    ):
        for address in addresses:
            to = {"comment": f"{port.name} {what}", "destination": single(address)}
            if chosen.any_at_all:
                nat.append(yes._replace(target=chain, **to))  # type: ignore[arg-type]
            if not chosen.outward:
                external_rejects.append(no._replace(destination=single(address)))
    if port.node_port:
        if chosen.any_at_all:
            node_ports.append(Rule(external, port.name, protocol=protocol, port=port.node_port))
        if not chosen.outward:
            external_rejects.append(no._replace(destination_local=True, port=port.node_port))
    return (
        ("nat", SERVICES, tuple(nat)),
        ("nat", NODE_PORTS, tuple(node_ports)),
        ("filter", SERVICES, tuple(rejects)),
        ("filter", EXTERNAL_SERVICES, tuple(external_rejects)),
        ("filter", NODE_PORTS, _health_check(port)),
        ("filter", FIREWALL, _unwanted(port, chosen.any_at_all)),
    )


def _health_check(port: ServicePort) -> Rules:
    if not port.health_check_port:
        return ()
    what = f"{port.name} health check node port"
    return (Rule("ACCEPT", what, protocol="tcp", port=port.health_check_port),)


def _unwanted(port: ServicePort, reachable: bool) -> Rules:
    """What comes to a load balancer's address from elsewhere than its source ranges."""
    if not (reachable and port.source_ranges):
        return ()
    what = f"{port.name} traffic not accepted by {port_chain(port, 'KUBE-FW')}"
    protocol = port.protocol.lower()
    return tuple(
        Rule("DROP", what, destination=single(address), protocol=protocol, port=port.port)
        for address in port.balancer_ips
    )


def base() -> dict[str, dict[str, Rules | Portal]]:
    """The chains that are there without any service, by table."""
    portals = "kubernetes service portals"
    outside = "kubernetes externally-visible service portals"
    balancer = Rule(FIREWALL, "kubernetes load balancer firewall", ctstate="NEW")
    to_services = Rule(SERVICES, portals, ctstate="NEW")
    to_external = Rule(EXTERNAL_SERVICES, outside, ctstate="NEW")
    last = Rule(
        NODE_PORTS,
        "kubernetes service nodeports; NOTE: this must be the last rule in this chain",
        destination_local=True,
    )
    nat: dict[str, Rules | Portal] = {
        "PREROUTING": (Rule(SERVICES, portals),),
        "OUTPUT": (Rule(SERVICES, portals),),
        "POSTROUTING": (Rule(POSTROUTING, "kubernetes postrouting rules"),),
        SERVICES: Portal((last,)),
        NODE_PORTS: Portal(),
        MARK_MASQ: (Rule("MARK", to=SET_MARK),),
        POSTROUTING: (
            Rule("RETURN", mark=NOT_MARKED),
            Rule("MARK", to=CLEAR_MARK),
            Rule("MASQUERADE", "kubernetes service traffic requiring SNAT", to="--random-fully"),
        ),
        CANARY: (),
    }
    rules: dict[str, Rules | Portal] = {
        "INPUT": (
            balancer, Rule(NODE_PORTS, "kubernetes health check service ports"), to_external,
        ),
        "FORWARD": (
            balancer, Rule(FORWARD, "kubernetes forwarding rules"), to_services, to_external,
        ),
        "OUTPUT": (balancer, to_services),
        SERVICES: Portal(),
        EXTERNAL_SERVICES: Portal(),
        NODE_PORTS: Portal(),
        FIREWALL: Portal(),
        FORWARD: (
            Rule("DROP", ctstate="INVALID"),
            Rule("ACCEPT", "kubernetes forwarding rules", mark=MARKED),
            Rule(
                "ACCEPT", "kubernetes forwarding conntrack rule", ctstate="RELATED,ESTABLISHED"
            ),
        ),
        CANARY: (),
    }  # fmt: skip
    return {"nat": nat, "filter": rules, "mangle": {CANARY: ()}}


def install(kernel: Kernel, version: int, facts: Facts) -> None:
    """Writes the chains that are there without any service, and none for services."""
    del facts
    tables = _tables(kernel, version)
    remove(kernel, version)
    for table, chains in base().items():
        for name, rules in chains.items():
            if isinstance(rules, tuple) and not name.startswith("KUBE-"):
                tables.link(table, name, rules)
            else:
                tables.table(table)[name] = rules


def remove(kernel: Kernel, version: int) -> None:
    """Takes out all that this mode has written."""
    tables = _tables(kernel, version)
    ours: dict[str, None] = {CANARY: None, SERVICES: None}
    for table in ("nat", "filter"):
        ours.update({
            chain: None for chain in tables.table(table)
            if chain.startswith(OURS) or chain in base()[table]
        })  # fmt: skip
    tables.unlink({chain: None for chain in ours if chain.startswith("KUBE-")})


def replace(kernel: Kernel, version: int, part: str, old: RuleSet, new: RuleSet) -> None:
    """Puts a service port's new chains into the tables and takes out what it no longer needs."""
    tables = _tables(kernel, version)
    kept = {(table, chain): None for table, chain, _ in new.chains}
    for table, chain, _ in old.chains:
        if (table, chain) not in kept:
            tables.table(table).pop(chain, None)
    for table, chain, lines in new.chains:
        tables.table(table)[chain] = lines
    parts: dict[tuple[str, str], Rules] = {(t, c): () for t, c, _ in old.portals}
    parts.update({(table, chain): lines for table, chain, lines in new.portals})
    for (table, chain), lines in parts.items():
        portal = tables.table(table)[chain]
        if isinstance(portal, Portal):
            portal.replace(part, lines)


def _tables(kernel: Kernel, version: int) -> Tables:
    return kernel.tables if version == 4 else kernel.tables6
