"""The ports of services and their endpoints, and which of these are used: the same in every mode.

Of a port's endpoints the ready ones count; where none is left, those that terminate but still
serve. Hints may narrow them down to those near this node; a Local traffic policy to those on it.

In Kubernetes: pkg/proxy/serviceport.go, endpoint.go and topology.go (CategorizeEndpoints).
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.network.addresses import text_of, version_of


class Endpoint(NamedTuple):
    """One endpoint of a service port. `local` is set only where somebody asks for it."""

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
    """One port of a service at one of its addresses; `name` is `namespace/service[:port]`."""

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
    def family(self) -> int:
        """4 or 6."""
        return version_of(self.cluster_ip)

    @property
    def part(self) -> str:
        """The name of the port for people: that of the second family says so."""
        return self.name if self.family == 4 else f"{self.name} (IPv6)"

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


class Facts(NamedTuple):
    """What rules depend on besides the port: the pods' and services' networks, the node, settings.

    `node_ip` is given only where a rule asks whether the node is among the allowed sources, so that
    the rules of most ports are the same on every node.
    """

    cluster_cidr: str = "10.244.0.0/16"
    service_cidr: str = "10.96.0.0/12"
    node_ip: str = ""
    masquerade_all: bool = False
    scheduler: str = "rr"
    node_ips: tuple[str, ...] = ()


class Chosen(NamedTuple):
    """The endpoints in use: everywhere, on this node, for traffic from inside and from outside."""

    everywhere: tuple[Endpoint, ...]
    here: tuple[Endpoint, ...]
    internal: tuple[Endpoint, ...]
    outward: tuple[Endpoint, ...]
    any_at_all: bool

    @property
    def reachable(self) -> tuple[Endpoint, ...]:
        """All that this node may send to, each once."""
        return tuple(dict.fromkeys((*self.everywhere, *self.here)))


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


def choose(
    port: ServicePort, near_endpoints: tuple[Endpoint, ...], endpoints: tuple[Endpoint, ...]
) -> Chosen:
    """Which endpoints a port uses.

    `near_endpoints` are those that hints leave for this node (see `near`), `endpoints` all of them.
    """
    everywhere = usable(near_endpoints) if port.uses_cluster else ()
    here = usable(tuple(e for e in endpoints if e.local)) if port.uses_local else ()
    everywhere = tuple(sorted(everywhere, key=Endpoint.text))
    here = tuple(sorted(here, key=Endpoint.text))
    return Chosen(
        everywhere,
        here,
        here if port.internal_local else everywhere,
        here if port.external_local else everywhere,
        bool(everywhere or here or usable(endpoints)),
    )
