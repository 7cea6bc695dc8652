"""The rules of one service port, as a pure function of the port and its endpoints.

Traffic to a service's address jumps from KUBE-SERVICES to the port's own chain: KUBE-SVC-… (all
endpoints) or KUBE-SVL-… (those of this node, for a Local traffic policy). There each of n endpoints
has a rule that matches with chance 1/n of what is left, and jumps to the endpoint's KUBE-SEP-…,
which rewrites the destination. Traffic from outside (node ports, external and load balancer
addresses) goes through KUBE-EXT-… first, which marks it to be masqueraded, so that the answer comes
back through this node. Where no endpoint is left, the filter rejects or drops instead.

In Kubernetes: pkg/proxy/iptables/proxier.go (syncProxyRules) and pkg/proxy/topology.go. Left out:
nfacct counters, localhost node ports, IPv6.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from functools import lru_cache
from typing import NamedTuple

from kubelab.network.addresses import text_of
from kubelab.network.nat import CLEAR_MARK, MARKED, NOT_MARKED, SET_MARK, Portal, Rule, Rules

SERVICES = "KUBE-SERVICES"
EXTERNAL_SERVICES = "KUBE-EXTERNAL-SERVICES"
NODE_PORTS = "KUBE-NODEPORTS"
POSTROUTING = "KUBE-POSTROUTING"
MARK_MASQ = "KUBE-MARK-MASQ"
FORWARD = "KUBE-FORWARD"
FIREWALL = "KUBE-PROXY-FIREWALL"
CANARY = "KUBE-PROXY-CANARY"


class Endpoint(NamedTuple):
    """One endpoint of a service port. `local` is set only where the port asks for it."""

    address: str
    port: int
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    local: bool = False
    zones: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()

    def text(self) -> str:
        """`address:port`."""
        return text_of(self.address, self.port)


class ServicePort(NamedTuple):
    """One port of a service; `name` is `namespace/service[:port]`."""

    name: str
    protocol: str
    cluster_ip: str
    port: int
    node_port: int = 0
    external_ips: tuple[str, ...] = ()
    balancer_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    affinity_seconds: int = 0
    internal_local: bool = False
    external_local: bool = False
    health_check_port: int = 0

    @property
    def external(self) -> bool:
        """Whether traffic from outside can come to it."""
        return bool(self.node_port or self.external_ips or self.balancer_ips)

    @property
    def uses_cluster(self) -> bool:
        """Whether all endpoints matter: even under a Local policy pods are sent to all of them."""
        return self.external or not self.internal_local

    @property
    def uses_local(self) -> bool:
        """Whether it matters which endpoints are on this node."""
        return self.internal_local or (self.external_local and self.external)

    def chain(self, prefix: str) -> str:
        """The port's chain of a kind (`KUBE-SVC`)."""
        return f"{prefix}-{chain_hash(self.name + self.protocol.lower())}"

    def endpoint_chain(self, endpoint: Endpoint) -> str:
        """The chain of one endpoint."""
        return f"KUBE-SEP-{chain_hash(self.name + self.protocol.lower() + endpoint.text())}"


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


def usable(endpoints: tuple[Endpoint, ...]) -> tuple[Endpoint, ...]:
    """The ready ones; where none is left, those that terminate but still serve."""
    ready = tuple(e for e in endpoints if e.ready)
    return ready or tuple(e for e in endpoints if e.serving and e.terminating)


def near(endpoints: tuple[Endpoint, ...], node: str, zone: str) -> tuple[Endpoint, ...]:
    """The endpoints that hints name for this node or zone, if every ready one has such a hint."""
    ready = [e for e in endpoints if e.ready]
    if ready and all(e.nodes for e in ready):
        chosen = tuple(e for e in endpoints if node in e.nodes)
        if any(e.ready for e in chosen):
            return chosen
    if zone and ready and all(e.zones for e in ready):
        chosen = tuple(e for e in endpoints if zone in e.zones)
        if any(e.ready for e in chosen):
            return chosen
    return endpoints


# The same port has the same rules on every node, unless a policy looks at the node.
@lru_cache(maxsize=16384)
def rule_set(
    port: ServicePort,
    near_endpoints: tuple[Endpoint, ...],
    endpoints: tuple[Endpoint, ...],
    cidr: str,
) -> RuleSet:
    """All rules of a service port.

    `near_endpoints` are those that hints leave for this node (see `near`), `endpoints` all of them;
    `cidr` is the pods' network, by which traffic of pods is known.
    """
    everywhere = usable(near_endpoints) if port.uses_cluster else ()
    here = usable(tuple(e for e in endpoints if e.local)) if port.uses_local else ()
    everywhere = tuple(sorted(everywhere, key=Endpoint.text))
    here = tuple(sorted(here, key=Endpoint.text))
    internal = here if port.internal_local else everywhere
    outward = here if port.external_local else everywhere
    chains: list[tuple[str, str, Rules]] = []
    if internal or (port.external and (everywhere or here)):
        chains += _own_chains(port, everywhere, here, internal, outward, cidr)
    any_at_all = bool(everywhere or here or usable(endpoints))
    portals = _portals(port, any_at_all, internal, outward, cidr)
    used = {e.text(): None for e in (*internal, *(outward if port.external else ()))}
    return RuleSet(tuple(chains), portals, tuple(used))


def _own_chains(
    port: ServicePort,
    everywhere: tuple[Endpoint, ...],
    here: tuple[Endpoint, ...],
    internal: tuple[Endpoint, ...],
    outward: tuple[Endpoint, ...],
    cidr: str,
) -> list[tuple[str, str, Rules]]:
    """KUBE-SVC, KUBE-SVL, KUBE-EXT, KUBE-FW and one KUBE-SEP an endpoint."""
    out: list[tuple[str, str, Rules]] = []
    masquerade = Rule(
        MARK_MASQ, f"{port.name} cluster IP", cidr, True, f"{port.cluster_ip}/32",
        port.protocol.lower(), port.port,
    )  # fmt: skip
    for prefix, endpoints, first in (
        ("KUBE-SVC", everywhere, not port.internal_local and bool(internal)),
        ("KUBE-SVL", here, port.internal_local and bool(internal)),
    ):
        if endpoints:
            head = (masquerade,) if first else ()
            out.append(("nat", port.chain(prefix), head + _choice(port, endpoints)))
    if port.external:
        out.append(("nat", port.chain("KUBE-EXT"), _external(port, everywhere, outward, cidr)))
        if port.balancer_ips and port.source_ranges:
            out.append(("nat", port.chain("KUBE-FW"), _firewall(port)))
    seen: dict[str, None] = {}
    for endpoint in (*everywhere, *here):
        chain = port.endpoint_chain(endpoint)
        if chain not in seen:
            seen[chain] = None
            out.append(("nat", chain, _endpoint(port, endpoint, chain)))
    return out


def _choice(port: ServicePort, endpoints: tuple[Endpoint, ...]) -> Rules:
    """Affinity first, then a fair choice: the i-th of n rules takes 1/(n-i) of what is left."""
    sticky = tuple(
        Rule(
            port.endpoint_chain(endpoint),
            f"{port.name} -> {endpoint.text()}",
            recent=port.endpoint_chain(endpoint),
            recent_seconds=port.affinity_seconds,
        )
        for endpoint in endpoints
        if port.affinity_seconds
    )
    count = len(endpoints)
    return sticky + tuple(
        Rule(
            port.endpoint_chain(endpoint),
            f"{port.name} -> {endpoint.text()}",
            one_in=count - index if index < count - 1 else 0,
        )
        for index, endpoint in enumerate(endpoints)
    )


def _endpoint(port: ServicePort, endpoint: Endpoint, chain: str) -> Rules:
    """A pod that reaches itself is masqueraded, else it would get an answer from a stranger."""
    return (
        Rule(MARK_MASQ, port.name, source=f"{endpoint.address}/32"),
        Rule(
            "DNAT",
            port.name,
            protocol=port.protocol.lower(),
            recent=chain if port.affinity_seconds else "",
            to=f"--to-destination {endpoint.text()}",
        ),
    )


def _external(
    port: ServicePort, everywhere: tuple[Endpoint, ...], outward: tuple[Endpoint, ...], cidr: str
) -> Rules:
    what = f"{port.name} external destinations"
    rules: list[Rule] = []
    if not port.external_local:
        rules.append(Rule(MARK_MASQ, f"masquerade traffic for {what}"))
    else:
        service = port.chain("KUBE-SVC")
        rules += [
            Rule(service, f"pod traffic for {what}", source=cidr),
            Rule(MARK_MASQ, f"masquerade LOCAL traffic for {what}", source_local=True),
            Rule(service, f"route LOCAL traffic for {what}", source_local=True),
        ]
    if outward:
        rules.append(Rule(port.chain("KUBE-SVL" if port.external_local else "KUBE-SVC")))
    return tuple(rules)


def _firewall(port: ServicePort) -> Rules:
    allowed = tuple(
        Rule(port.chain("KUBE-EXT"), f"{port.name} loadbalancer IP", source=source)
        for source in port.source_ranges
    )
    return (*allowed, Rule("", f"other traffic to {port.name} will be dropped by {FIREWALL}"))


def _portals(
    port: ServicePort,
    any_at_all: bool,
    internal: tuple[Endpoint, ...],
    outward: tuple[Endpoint, ...],
    cidr: str,
) -> tuple[tuple[str, str, Rules], ...]:
    """The port's part of the chains that all services share."""
    nat: list[Rule] = []
    rejects: list[Rule] = []
    external_rejects: list[Rule] = []
    node_ports: list[Rule] = []
    protocol = port.protocol.lower()
    refusal = ("REJECT", "has no endpoints", "--reject-with icmp-port-unreachable")
    if any_at_all:
        # Somewhere there are endpoints, but the policy allows none of them here.
        refusal = ("DROP", "has no local endpoints", "")
    target, why, how = refusal
    no = Rule(target, f"{port.name} {why}", protocol=protocol, to=how)
    to_cluster = {"destination": f"{port.cluster_ip}/32", "protocol": protocol, "port": port.port}
    if internal:
        chain = port.chain("KUBE-SVL" if port.internal_local else "KUBE-SVC")
        nat.append(Rule(chain, f"{port.name} cluster IP", **to_cluster))  # type: ignore[arg-type]
    else:
        rejects.append(no._replace(destination=f"{port.cluster_ip}/32", port=port.port))
    balancer = port.chain("KUBE-FW" if port.source_ranges else "KUBE-EXT")
    for addresses, what, chain in (
        (port.external_ips, "external IP", port.chain("KUBE-EXT")),
        (port.balancer_ips, "loadbalancer IP", balancer),
    ):
        for address in addresses:
            there = {"destination": f"{address}/32", "protocol": protocol, "port": port.port}
            if outward:
                nat.append(Rule(chain, f"{port.name} {what}", **there))  # type: ignore[arg-type]
            else:
                external_rejects.append(no._replace(destination=f"{address}/32", port=port.port))
    if port.node_port:
        if any_at_all:
            rule = Rule(port.chain("KUBE-EXT"), port.name, protocol=protocol, port=port.node_port)
            node_ports.append(rule)
        if not outward:
            external_rejects.append(no._replace(destination_local=True, port=port.node_port))
    return (
        ("nat", SERVICES, tuple(nat)),
        ("nat", NODE_PORTS, tuple(node_ports)),
        ("filter", SERVICES, tuple(rejects)),
        ("filter", EXTERNAL_SERVICES, tuple(external_rejects)),
        ("filter", NODE_PORTS, _health_check(port)),
        ("filter", FIREWALL, _unwanted(port, bool(outward))),
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
    what = f"{port.name} traffic not accepted by {port.chain('KUBE-FW')}"
    protocol = port.protocol.lower()
    return tuple(
        Rule("DROP", what, destination=f"{address}/32", protocol=protocol, port=port.port)
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
