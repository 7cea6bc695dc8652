"""What the API server hands out to Services: cluster IPs and node ports.

Automatic addresses are drawn at random from above the static band, so that people who ask for a low
address by hand seldom meet one in use; a Service has one of each of its families. What is handed
out is written in the same transaction as the Service: an IPAddress object says who has each
address, and no address can be handed out twice.

In Kubernetes: pkg/registry/core/service/ipallocator and portallocator; there the IPAddress is
written a moment before the Service. Left out: ServiceCIDRs that are added later.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from kubelab.api.errors import FieldError
from kubelab.api.objects import NOTHING, Obj, freeze, get, merged, name_of, namespace_of, with_
from kubelab.apiserver import families
from kubelab.apiserver.families import family_of
from kubelab.sim.chance import Chance

CIDRS = ("10.96.0.0/12",)
STATIC_BAND = 256
FIRST_PORT, LAST_PORT, STATIC_PORTS = 30000, 32767, 86


class Taken(NamedTuple):
    """What is handed out already: addresses and node ports (`TCP/30080`)."""

    addresses: dict[str, None]
    ports: dict[str, None]


def taken(services: list[Obj]) -> Taken:
    """What the given Services have."""
    addresses: dict[str, None] = {}
    ports: dict[str, None] = {}
    for service in services:
        for address in get(service, "spec", "clusterIPs", default=NOTHING):
            addresses[address] = None
        for port in get(service, "spec", "ports", default=NOTHING):
            if port.get("nodePort"):
                ports[f"{port.get('protocol', 'TCP')}/{port['nodePort']}"] = None
    return Taken(addresses, ports)


def addresses_of(service: Obj | None) -> tuple[str, ...]:
    """The cluster IPs that a Service has."""
    held = get(service, "spec", "clusterIPs", default=NOTHING) if service is not None else ()
    return tuple(address for address in held if address != "None")


def has_cluster_ip(service: Obj) -> bool:
    """Whether a Service wants an address of the cluster's own."""
    spec = service["spec"]
    return bool(spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None")


def wants_node_ports(service: Obj) -> bool:
    """Whether every port wants a port on all nodes."""
    spec = service["spec"]
    if spec.get("type") == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return bool(spec.get("type") == "NodePort")


def allocate(
    service: Obj, old: Obj | None, held: Taken, chance: Chance, cidrs: tuple[str, ...] = CIDRS
) -> tuple[Obj, list[FieldError]]:
    """The Service with its cluster IPs and node ports, and what could not be handed out.

    `cidrs` are the networks of cluster IPs, one of each family, the default one first.
    """
    service = _normal(service, old)
    networks = {family_of(cidr): cidr for cidr in cidrs}
    service, errors = families.fill_in(service, old, tuple(networks))
    if errors:
        return service, errors
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        gone = dict.fromkeys(("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"))
        service = with_(service, ("spec",), merged(spec, **gone))
    elif has_cluster_ip(service):
        service, errors = _addresses(service, old, held, chance, networks)
    service, more = _node_ports(service, old, held, chance)
    spec = service["spec"]
    local = spec.get("externalTrafficPolicy") == "Local" and spec.get("type") == "LoadBalancer"
    if local and not spec.get("healthCheckNodePort"):
        port = _draw_port("TCP", held, chance)
        service = with_(service, ("spec", "healthCheckNodePort"), port)
    elif not local and "healthCheckNodePort" in spec:
        service = with_(service, ("spec",), merged(spec, healthCheckNodePort=None))
    return service, errors + more


def _normal(service: Obj, old: Obj | None) -> Obj:
    """`clusterIP` and `clusterIPs` say the same; what an update leaves out is as it was."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return service
    first, every = spec.get("clusterIP") or "", list(get(spec, "clusterIPs", default=NOTHING))
    before = get(old, "spec", "clusterIP", default="") if old is not None else ""
    if not first and not every and before and before != "None":
        first = before
    if first and first == before and not every:
        every = list(get(old, "spec", "clusterIPs", default=NOTHING))
    if first and (not every or every[0] != first):
        every = [first]
    if not first and every:
        first = every[0]
    if not every:
        return service
    changed = merged(spec, clusterIP=first, clusterIPs=every)
    return with_(service, ("spec",), changed)  # type: ignore[no-any-return]


def _addresses(
    service: Obj, old: Obj | None, held: Taken, chance: Chance, networks: dict[str, str]
) -> tuple[Obj, list[FieldError]]:
    """A cluster IP of each family: the wished one, or one that is drawn."""
    spec = service["spec"]
    wished = list(get(spec, "clusterIPs", default=NOTHING))
    mine = tuple(get(old, "spec", "clusterIPs", default=NOTHING)) if old is not None else ()
    given: list[str] = []
    errors = []
    for at, family in enumerate(spec["ipFamilies"]):
        address = wished[at] if at < len(wished) else ""
        if not address:
            address = _draw_address(networks[family], held, chance)
        elif address not in mine:
            problem = _check_address(address, networks[family], held)
            if problem:
                value = freeze(wished)
                errors.append(FieldError("FieldValueInvalid", "spec.clusterIPs", value, problem))
        held.addresses[address] = None
        given.append(address)
    changed = merged(spec, clusterIP=given[0], clusterIPs=given)
    return with_(service, ("spec",), changed), errors


def _draw_address(cidr: str, held: Taken, chance: Chance) -> str:
    network = ipaddress.ip_network(cidr)
    # The last address of IPv4 is for broadcasts.
    size = network.num_addresses - (network.version == 4)
    band = min(STATIC_BAND, max(16, network.num_addresses // 16))
    if network.num_addresses < 32:
        band = 0
    while True:
        address = str(network[band + 1 + chance.below(size - band - 1)])
        if address not in held.addresses:
            return address


def _check_address(address: str, cidr: str, held: Taken) -> str:
    try:
        inside = ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
    except ValueError:
        return ""
    if not inside:
        return (
            f"failed to allocate IP {address}: the provided network does not match the current "
            f"range"
        )
    if address in held.addresses:
        return f"failed to allocate IP {address}: provided IP is already allocated"
    return ""


def _node_ports(
    service: Obj, old: Obj | None, held: Taken, chance: Chance
) -> tuple[Obj, list[FieldError]]:
    errors: list[FieldError] = []
    had = {
        (port.get("protocol", "TCP"), port["port"]): port.get("nodePort")
        for port in get(old, "spec", "ports", default=NOTHING)
    }
    mine = {f"{protocol}/{port}" for (protocol, _), port in had.items() if port}
    ports = []
    for index, port in enumerate(get(service, "spec", "ports", default=NOTHING)):
        protocol, wanted = port.get("protocol", "TCP"), port.get("nodePort")
        if not wants_node_ports(service):
            if wanted and wanted == had.get((protocol, port["port"])):
                port = merged(port, nodePort=None)
        elif not wanted:
            wanted = had.get((protocol, port["port"])) or _draw_port(protocol, held, chance)
            port = merged(port, nodePort=wanted)
        elif f"{protocol}/{wanted}" not in mine:
            problem = ""
            if not FIRST_PORT <= wanted <= LAST_PORT:
                problem = (
                    "provided port is not in the valid range. The range of valid ports is "
                    f"{FIRST_PORT}-{LAST_PORT}"
                )
            elif f"{protocol}/{wanted}" in held.ports:
                problem = "provided port is already allocated"
            if problem:
                field = f"spec.ports[{index}].nodePort"
                errors.append(FieldError("FieldValueInvalid", field, wanted, problem))
        if port.get("nodePort"):
            held.ports[f"{protocol}/{port['nodePort']}"] = None
        ports.append(port)
    if ports:
        service = with_(service, ("spec", "ports"), ports)
    return service, errors


def _draw_port(protocol: str, held: Taken, chance: Chance) -> int:
    while True:
        first = FIRST_PORT + STATIC_PORTS
        port = first + chance.below(LAST_PORT + 1 - first)
        if f"{protocol}/{port}" not in held.ports:
            return port


def address_object(address: str, service: Obj) -> Obj:
    """The IPAddress object of an address that a Service has."""
    return freeze({  # type: ignore[no-any-return]
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IPAddress",
        "metadata": {
            "name": address,
            "labels": {
                "ipaddress.kubernetes.io/ip-family": family_of(address),
                "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
            },
        },
        "spec": {
            "parentRef": {
                "group": "", "resource": "services",
                "namespace": namespace_of(service), "name": name_of(service),
            }
        },
    })  # fmt: skip
