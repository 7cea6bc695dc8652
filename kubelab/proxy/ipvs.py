"""The mode ipvs: virtual servers of a service port, and the sets that a few fixed rules ask for.

Each address and port of a service is a virtual server with the endpoints as its real servers, and
the address is put on the device kube-ipvs0 so that packets for it come in. iptables only marks what
needs a masquerade and keeps packets off other ports of these addresses; its rules name ipsets, so
there are as many with one service as with a thousand. A real server that is to go, but has
connections, stays with weight 0 until they are over.

In Kubernetes: pkg/proxy/ipvs/proxier.go, graceful_termination.go, ipset.go. Left out: strictARP and
the time-outs of IPVS.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from kubelab.network.addresses import contains
from kubelab.network.ipsets import NETS, PORTS, IpSet
from kubelab.network.ipvs import RealServer, VirtualServer
from kubelab.network.kernel import Kernel
from kubelab.network.nat import CLEAR_MARK, MARKED, NOT_MARKED, SET_MARK, Rule, Rules
from kubelab.proxy.ports import Endpoint, Facts, ServicePort, choose

SERVICES, NODE_PORT, BALANCER = "KUBE-SERVICES", "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER"
POSTROUTING, MARK_MASQ, FORWARD = "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-FORWARD"
FIREWALL, RANGES = "KUBE-PROXY-FIREWALL", "KUBE-SOURCE-RANGES-FIREWALL"
FILTER, OUT_FILTER, CANARY = "KUBE-IPVS-FILTER", "KUBE-IPVS-OUT-FILTER", "KUBE-PROXY-CANARY"
CHAINS = (
    SERVICES, NODE_PORT, BALANCER, POSTROUTING, MARK_MASQ, FORWARD, FIREWALL, RANGES, FILTER,
    OUT_FILTER, CANARY,
)  # fmt: skip

IP_PORT, IP_PORT_IP = "hash:ip,port", "hash:ip,port,ip"
# Every set with its type and what the rules that ask for it say.
SETS = {
    "KUBE-LOOP-BACK": (IP_PORT_IP, "Kubernetes endpoints dst ip:port, source ip for solving "
                       "hairpin purpose"),
    "KUBE-CLUSTER-IP": (IP_PORT, "Kubernetes service cluster ip + port for masquerade purpose"),
    "KUBE-EXTERNAL-IP": (IP_PORT, "Kubernetes service external ip + port for masquerade and "
                         "filter purpose"),
    "KUBE-EXTERNAL-IP-LOCAL": (IP_PORT, "Kubernetes service external ip + port with "
                               "externalTrafficPolicy=local"),
    "KUBE-LOAD-BALANCER": (IP_PORT, "Kubernetes service lb portal"),
    "KUBE-LOAD-BALANCER-FW": (IP_PORT, "Kubernetes service load balancer ip + port for load "
                              "balancer with sourceRange"),
    "KUBE-LOAD-BALANCER-LOCAL": (IP_PORT, "Kubernetes service load balancer ip + port with "
                                 "externalTrafficPolicy=local"),
    "KUBE-LOAD-BALANCER-SOURCE-IP": (IP_PORT_IP, "Kubernetes service load balancer ip + port + "
                                     "source IP for packet filter purpose"),
    "KUBE-LOAD-BALANCER-SOURCE-CIDR": (NETS, "Kubernetes service load balancer ip + port + "
                                       "source cidr for packet filter purpose"),
    "KUBE-NODE-PORT-TCP": (PORTS, "Kubernetes nodeport TCP port for masquerade purpose"),
    "KUBE-NODE-PORT-LOCAL-TCP": (PORTS, "Kubernetes nodeport TCP port with "
                                 "externalTrafficPolicy=local"),
    "KUBE-NODE-PORT-UDP": (PORTS, "Kubernetes nodeport UDP port for masquerade purpose"),
    "KUBE-NODE-PORT-LOCAL-UDP": (PORTS, "Kubernetes nodeport UDP port with "
                                 "externalTrafficPolicy=local"),
    "KUBE-NODE-PORT-SCTP-HASH": (IP_PORT, "Kubernetes nodeport SCTP port for masquerade purpose "
                                 "with type 'hash ip:port'"),
    "KUBE-NODE-PORT-LOCAL-SCTP-HASH": (IP_PORT, "Kubernetes nodeport SCTP port with "
                                       "externalTrafficPolicy=local with type 'hash ip:port'"),
    "KUBE-HEALTH-CHECK-NODE-PORT": (PORTS, "Kubernetes health check node port"),
    "KUBE-IPVS-IPS": ("hash:ip", "Virtual addresses that are on the device of IPVS"),
}  # fmt: skip

# Rules that are there while their set is not empty: table, chain, target, ends, protocol.
ASKING = (
    ("KUBE-LOOP-BACK", "nat", POSTROUTING, "MASQUERADE", "dst,dst,src", ""),
    ("KUBE-LOAD-BALANCER", "nat", SERVICES, BALANCER, "dst,dst", ""),
    ("KUBE-LOAD-BALANCER-LOCAL", "nat", BALANCER, "RETURN", "dst,dst", ""),
    ("KUBE-NODE-PORT-LOCAL-TCP", "nat", NODE_PORT, "RETURN", "dst", "tcp"),
    ("KUBE-NODE-PORT-TCP", "nat", NODE_PORT, MARK_MASQ, "dst", "tcp"),
    ("KUBE-NODE-PORT-LOCAL-UDP", "nat", NODE_PORT, "RETURN", "dst", "udp"),
    ("KUBE-NODE-PORT-UDP", "nat", NODE_PORT, MARK_MASQ, "dst", "udp"),
    ("KUBE-NODE-PORT-LOCAL-SCTP-HASH", "nat", NODE_PORT, "RETURN", "dst,dst", "sctp"),
    ("KUBE-NODE-PORT-SCTP-HASH", "nat", NODE_PORT, MARK_MASQ, "dst,dst", "sctp"),
    ("KUBE-LOAD-BALANCER-FW", "filter", FIREWALL, RANGES, "dst,dst", ""),
    ("KUBE-LOAD-BALANCER-SOURCE-CIDR", "filter", RANGES, "RETURN", "dst,dst,src", ""),
    ("KUBE-LOAD-BALANCER-SOURCE-IP", "filter", RANGES, "RETURN", "dst,dst,src", ""),
)
HOOKS = {
    ("nat", "OUTPUT"): (Rule(SERVICES, "kubernetes service portals"),),
    ("nat", "PREROUTING"): (Rule(SERVICES, "kubernetes service portals"),),
    ("nat", "POSTROUTING"): (Rule(POSTROUTING, "kubernetes postrouting rules"),),
    ("filter", "INPUT"): (
        Rule(FILTER, "kubernetes ipvs access filter"), Rule(FIREWALL, "kube-proxy firewall rules"),
        Rule(NODE_PORT, "kubernetes health check rules"),
    ),
    ("filter", "FORWARD"): (
        Rule(FIREWALL, "kube-proxy firewall rules"), Rule(FORWARD, "kubernetes forwarding rules"),
    ),
    ("filter", "OUTPUT"): (Rule(OUT_FILTER, "kubernetes ipvs access filter"),),
}  # fmt: skip


class RuleSet(NamedTuple):
    """What one service port needs: virtual servers, entries of sets, addresses of the device."""

    servers: tuple[VirtualServer, ...] = ()
    entries: tuple[tuple[str, str], ...] = ()
    addresses: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()


@lru_cache(maxsize=16384)
def rule_set(
    port: ServicePort,
    near_endpoints: tuple[Endpoint, ...],
    endpoints: tuple[Endpoint, ...],
    facts: Facts,
) -> RuleSet:
    """All that a service port needs; for the endpoints see `choose`."""
    chosen = choose(port, near_endpoints, endpoints)
    # Without an endpoint here even a Local policy sends to all; the answer would be lost.
    inside = chosen.internal or chosen.everywhere
    outside = chosen.outward or chosen.everywhere
    protocol = port.protocol.lower()
    servers = [_server(port, port.cluster_ip, port.port, inside, facts)]
    entries = [("KUBE-CLUSTER-IP", f"{port.cluster_ip},{protocol}:{port.port}")]
    entries += [
        ("KUBE-LOOP-BACK", f"{e.address},{protocol}:{e.port},{e.address}")
        for e in endpoints
        if e.local
    ]
    local = "-LOCAL" if port.external_local else ""
    for address in port.external_ips:
        servers.append(_server(port, address, port.port, outside, facts))
        entries.append((f"KUBE-EXTERNAL-IP{local}", f"{address},{protocol}:{port.port}"))
    for address in port.balancer_ips:
        servers.append(_server(port, address, port.port, outside, facts))
        entries += _balancer_entries(port, f"{address},{protocol}:{port.port}", address, facts)
    if port.node_port:
        servers += [
            _server(port, address, port.node_port, outside, facts) for address in facts.node_ips
        ]
        entries += _node_port_entries(port, facts)
    if port.health_check_port:
        entries.append(("KUBE-HEALTH-CHECK-NODE-PORT", str(port.health_check_port)))
    bound = (port.cluster_ip, *port.external_ips, *port.balancer_ips)
    mine = tuple(address for address in bound if address not in facts.node_ips)
    entries += [("KUBE-IPVS-IPS", address) for address in mine]
    used = {e.text(): None for e in (*inside, *(outside if port.external else ()))}
    return RuleSet(tuple(servers), tuple(entries), mine, tuple(used))


def _server(
    port: ServicePort, address: str, number: int, endpoints: tuple[Endpoint, ...], facts: Facts
) -> VirtualServer:
    reals = tuple(RealServer(endpoint.address, endpoint.port) for endpoint in endpoints)
    key = (port.protocol, address, number)
    return VirtualServer(key, facts.scheduler, port.affinity_seconds, reals)


def _balancer_entries(
    port: ServicePort, entry: str, address: str, facts: Facts
) -> list[tuple[str, str]]:
    out = [("KUBE-LOAD-BALANCER", entry)]
    if port.external_local:
        out.append(("KUBE-LOAD-BALANCER-LOCAL", entry))
    if port.source_ranges:
        out.append(("KUBE-LOAD-BALANCER-FW", entry))
        out += [
            ("KUBE-LOAD-BALANCER-SOURCE-CIDR", f"{entry},{cidr}") for cidr in port.source_ranges
        ]
        if facts.node_ip and any(contains(cidr, facts.node_ip) for cidr in port.source_ranges):
            out.append(("KUBE-LOAD-BALANCER-SOURCE-IP", f"{entry},{address}"))
    return out


def _node_port_entries(port: ServicePort, facts: Facts) -> list[tuple[str, str]]:
    entries = [str(port.node_port)]
    end = port.protocol
    if end == "SCTP":
        end = "SCTP-HASH"
        entries = [f"{address},sctp:{port.node_port}" for address in facts.node_ips]
    kinds = ("", "LOCAL-") if port.external_local else ("",)
    return [(f"KUBE-NODE-PORT-{kind}{end}", entry) for kind in kinds for entry in entries]


# Writing.


def install(kernel: Kernel, version: int, facts: Facts) -> None:
    """Makes the sets and the rules that are there without any service."""
    remove(kernel, version)
    tables = kernel.tables if version == 4 else kernel.tables6
    for (table, chain), rules in HOOKS.items():
        tables.link(table, chain, rules)
    for table in ("mangle", "nat", "filter"):
        tables.table(table)[CANARY] = ()
    for name, (type_, _) in SETS.items():
        family = "inet" if version == 4 else "inet6"
        kernel.ipsets.sets[_set(name, version)] = IpSet(type_, family)
    write_rules(kernel, version, facts)


def remove(kernel: Kernel, version: int) -> None:
    """Takes out all that this mode has written."""
    tables = kernel.tables if version == 4 else kernel.tables6
    tables.unlink(dict.fromkeys(CHAINS))
    for name in SETS:
        kernel.ipsets.sets.pop(_set(name, version), None)
    for key in [key for key in kernel.ipvs.servers if (":" in key[1]) == (version == 6)]:
        kernel.ipvs.remove(key)
    for address in [one for one in kernel.virtual if (":" in one) == (version == 6)]:
        del kernel.virtual[address]


def _set(name: str, version: int) -> str:
    """The sets of the second family have names of their own, of at most 31 characters."""
    return name if version == 4 else f"KUBE-6-{name.removeprefix('KUBE-')}"[:31]


def replace(kernel: Kernel, version: int, part: str, old: RuleSet, new: RuleSet) -> None:
    """Puts what a service port needs into the kernel in the place of what it needed."""
    kept = {server.key: server for server in new.servers}
    for server in old.servers:
        if server.key not in kept:
            kernel.ipvs.remove(server.key)
    for server in new.servers:
        kernel.ipvs.servers[server.key] = _draining(kernel, server)
    wanted = dict.fromkeys(new.entries)
    for name, entry in old.entries:
        if (name, entry) not in wanted:
            kernel.ipsets.sets[_set(name, version)].drop(entry, part)
    for name, entry in new.entries:
        kernel.ipsets.sets[_set(name, version)].add(entry, part)
    held = kernel.ipsets.sets[_set("KUBE-IPVS-IPS", version)].entries
    for address in (*old.addresses, *new.addresses):
        if address in held:
            kernel.virtual[address] = None
        else:
            kernel.virtual.pop(address, None)


def _draining(kernel: Kernel, server: VirtualServer) -> VirtualServer:
    """With the real servers that are no longer wanted but still have connections, at weight 0."""
    before = kernel.ipvs.servers.get(server.key)
    if before is None or server.key[0] != "TCP":
        return server
    wanted = {real[:2]: None for real in server.reals}
    leaving = tuple(
        real._replace(weight=0)
        for real in before.reals
        if real[:2] not in wanted and kernel.count("TCP", real.address, real.port)
    )
    return server._replace(reals=(*server.reals, *leaving))


def drain(kernel: Kernel) -> int:
    """Takes real servers out whose last connection is over; returns how many are still leaving."""
    left = 0
    for key, server in list(kernel.ipvs.servers.items()):
        reals = tuple(
            real
            for real in server.reals
            if real.weight or kernel.count("TCP", real.address, real.port)
        )
        left += sum(not real.weight for real in reals)
        if reals != server.reals:
            kernel.ipvs.servers[key] = server._replace(reals=reals)
    return left


def write_rules(kernel: Kernel, version: int, facts: Facts) -> None:
    """Writes the rules of iptables; those for a set are there only while it has entries."""
    tables = kernel.tables if version == 4 else kernel.tables6
    made: dict[tuple[str, str], list[Rule]] = {
        ("nat", SERVICES): [Rule("RETURN", source="127.0.0.0/8" if version == 4 else "::1/128")],
        ("nat", POSTROUTING): [], ("nat", NODE_PORT): [], ("nat", BALANCER): [],
        ("filter", FIREWALL): [], ("filter", RANGES): [],
    }  # fmt: skip

    def full(name: str) -> bool:
        return bool(kernel.ipsets.sets[_set(name, version)].entries)

    for name, table, chain, target, ends, protocol in ASKING:
        if full(name):
            rule = _asks(name, version, target, ends)._replace(protocol=protocol)
            made[table, chain].append(rule)
    services = made["nat", SERVICES]
    if full("KUBE-CLUSTER-IP"):
        rule = _asks("KUBE-CLUSTER-IP", version, MARK_MASQ, "dst,dst")
        if not facts.masquerade_all:
            rule = rule._replace(source=facts.cluster_cidr, not_source=True)
        services.append(rule)
    for name in ("KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"):
        if full(name):
            accept = _asks(name, version, "ACCEPT", "dst,dst")
            if name == "KUBE-EXTERNAL-IP":
                services.append(accept._replace(target=MARK_MASQ))
            services.append(accept._replace(off_machine=True))
            services.append(accept._replace(destination_local=True))
    services.append(Rule(NODE_PORT, destination_local=True))
    for name in ("KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER"):
        if full(name):
            services.append(Rule("ACCEPT", in_set=f"{_set(name, version)} dst,dst"))
    made["nat", BALANCER].append(Rule(MARK_MASQ))
    made["filter", RANGES].append(Rule("DROP"))
    for (table, chain), rules in {**made, **_fixed(version, made)}.items():
        tables.table(table)[chain] = tuple(rules)


def _asks(name: str, version: int, target: str, ends: str) -> Rule:
    return Rule(target, SETS[name][1], in_set=f"{_set(name, version)} {ends}")


def _fixed(version: int, made: dict[tuple[str, str], list[Rule]]) -> dict[tuple[str, str], Rules]:
    """The chains that look the same whatever services there are."""
    returns = tuple(
        Rule("RETURN", in_set=f"{_set(name, version)} {ends}")
        for name, ends in (
            ("KUBE-LOAD-BALANCER", "dst,dst"), ("KUBE-CLUSTER-IP", "dst,dst"),
            ("KUBE-EXTERNAL-IP", "dst,dst"), ("KUBE-EXTERNAL-IP-LOCAL", "dst,dst"),
            ("KUBE-HEALTH-CHECK-NODE-PORT", "dst"),
        )
    )  # fmt: skip
    unreachable = "icmp-port-unreachable" if version == 4 else "icmp6-port-unreachable"
    refuse = Rule(
        "REJECT", ctstate="NEW", in_set=f"{_set('KUBE-IPVS-IPS', version)} dst",
        to=f"--reject-with {unreachable}",
    )  # fmt: skip
    return {
        ("nat", MARK_MASQ): (Rule("MARK", to=SET_MARK),),
        ("nat", POSTROUTING): (
            *made["nat", POSTROUTING],
            Rule("RETURN", mark=NOT_MARKED),
            Rule("MARK", to=CLEAR_MARK),
            Rule("MASQUERADE", "kubernetes service traffic requiring SNAT", to="--random-fully"),
        ),
        ("filter", FORWARD): (
            Rule("ACCEPT", "kubernetes forwarding rules", mark=MARKED),
            Rule(
                "ACCEPT", "kubernetes forwarding conntrack rule", ctstate="RELATED,ESTABLISHED"
            ),
        ),
        ("filter", NODE_PORT): (_asks("KUBE-HEALTH-CHECK-NODE-PORT", version, "ACCEPT", "dst"),),
        ("filter", FILTER): (*returns, refuse),
        ("filter", OUT_FILTER): (),
    }  # fmt: skip
