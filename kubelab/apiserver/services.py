"""What the API server hands out to Services: cluster IPs and node ports.

Automatic addresses are drawn at random from above the static band, so that people who ask for a low
address by hand seldom meet one in use. What is handed out is written in the same transaction as the
Service: an IPAddress object says who has each address, and no address can be handed out twice.

In Kubernetes: pkg/registry/core/service/ipallocator and portallocator; there the IPAddress is
written a moment before the Service. Left out: a second IP family.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from kubelab.api.errors import FieldError
from kubelab.api.objects import NOTHING, Obj, freeze, get, merged, name_of, namespace_of, with_
from kubelab.sim.chance import Chance

SERVICE_CIDR = ipaddress.ip_network("10.96.0.0/12")
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
    service: Obj, old: Obj | None, held: Taken, chance: Chance
) -> tuple[Obj, list[FieldError]]:
    """The Service with its cluster IP and node ports, and what could not be handed out."""
    errors = _check_families(service)
    if errors:
        return service, errors
    before = get(old, "spec", "clusterIP") if old is not None else None
    spec = service["spec"]
    if not has_cluster_ip(service):
        if spec.get("type") == "ExternalName":
            service = with_(service, ("spec",), merged(spec, clusterIP=None, clusterIPs=None))
        elif not spec.get("clusterIPs"):
            service = with_(service, ("spec", "clusterIPs"), ["None"])
    else:
        address = spec.get("clusterIP") or get(spec, "clusterIPs", 0) or before
        if not address or address == "None":
            address = _draw_address(held, chance)
        elif address != before:
            problem = _check_address(address, held)
            if problem:
                value = freeze([address])
                errors.append(FieldError("FieldValueInvalid", "spec.clusterIPs", value, problem))
        held.addresses[address] = None
        changed = merged(service["spec"], clusterIP=address, clusterIPs=[address])
        service = with_(service, ("spec",), changed)
    service = _families(service)
    service, more = _node_ports(service, old, held, chance)
    spec = service["spec"]
    local = spec.get("externalTrafficPolicy") == "Local" and spec.get("type") == "LoadBalancer"
    if local and not spec.get("healthCheckNodePort"):
        port = _draw_port("TCP", held, chance)
        service = with_(service, ("spec", "healthCheckNodePort"), port)
    elif not local and "healthCheckNodePort" in spec:
        service = with_(service, ("spec",), merged(spec, healthCheckNodePort=None))
    return service, errors + more


def _check_families(service: Obj) -> list[FieldError]:
    """What a Service wants of address families that this cluster does not have."""
    spec = service["spec"]
    free = spec.get("clusterIP") == "None" and not spec.get("selector")
    if spec.get("type") == "ExternalName" or free:
        return []
    errors: list[FieldError] = []
    if spec.get("ipFamilyPolicy") == "RequireDualStack":
        message = "this cluster is not configured for dual-stack services"
        field = "spec.ipFamilyPolicy"
        errors.append(FieldError("FieldValueInvalid", field, "RequireDualStack", message))
    for at, family in enumerate(spec.get("ipFamilies") or NOTHING):
        if family != "IPv4":
            message, field = "not configured on this cluster", f"spec.ipFamilies[{at}]"
            errors.append(FieldError("FieldValueInvalid", field, family, message))
    return errors


def _families(service: Obj) -> Obj:
    """The IP families of a Service; this cluster has one, a headless name without pods any."""
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return service
    policy, families = spec.get("ipFamilyPolicy"), spec.get("ipFamilies")
    if not policy:
        headless = spec.get("clusterIP") == "None" and not spec.get("selector")
        policy = "RequireDualStack" if headless and not families else "SingleStack"
    if not families:
        families = ["IPv4", "IPv6"] if policy == "RequireDualStack" else ["IPv4"]
    changed = merged(spec, ipFamilies=families, ipFamilyPolicy=policy)
    return with_(service, ("spec",), changed)  # type: ignore[no-any-return]


def _draw_address(held: Taken, chance: Chance) -> str:
    size = SERVICE_CIDR.num_addresses - 1
    while True:
        offset = STATIC_BAND + 1 + chance.below(size - STATIC_BAND - 1)
        address = str(SERVICE_CIDR[offset])
        if address not in held.addresses:
            return address


def _check_address(address: str, held: Taken) -> str:
    try:
        inside = ipaddress.ip_address(address) in SERVICE_CIDR
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
                "ipaddress.kubernetes.io/ip-family": "IPv4",
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
