"""The rows of the kinds that have to do with names and traffic.

In Kubernetes: pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api.objects import Obj, get, name_of
from kubelab.apiserver.tables_cells import NONE, UNSET, age, few, labels_text, selector_text


def _addresses(obj: Obj) -> str:
    """The addresses of a load balancer."""
    found = get(obj, "status", "loadBalancer", "ingress", default=())
    return ",".join(dict.fromkeys(i.get("ip") or i.get("hostname", "") for i in found))


def external_ip(service: Obj) -> str:
    """Where a service is reached from outside."""
    spec = service.get("spec") or {}
    given = list(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName"))
    if spec.get("type") == "LoadBalancer":
        addresses = _addresses(service)
        return ",".join([*given, *([addresses] if addresses else [])]) or "<pending>"
    return ",".join(given) or NONE


def _service(obj: Obj, now_ns: int) -> list[Any]:
    spec = obj.get("spec") or {}
    ports = [
        f"{port['port']}:{port['nodePort']}/{port.get('protocol', 'TCP')}"
        if port.get("nodePort")
        else f"{port['port']}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports") or ()
    ]
    return [
        name_of(obj), spec.get("type", ""), get(spec, "clusterIPs", 0, default=NONE),
        external_ip(obj), ",".join(ports) or NONE, age(obj, now_ns),
        labels_text(spec.get("selector")),
    ]  # fmt: skip


def _joined(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _endpoint_pairs(obj: Obj) -> Iterator[str]:
    for subset in obj.get("subsets") or ():
        addresses = [address["ip"] for address in subset.get("addresses") or ()]
        if not subset.get("ports"):
            yield from addresses
        for port in subset.get("ports") or ():
            for address in addresses:
                yield _joined(address, port["port"])


def endpoints_text(obj: Obj) -> str:
    """The first three addresses of Endpoints."""
    return few(_endpoint_pairs(obj), 3, NONE)


def _endpoints(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), endpoints_text(obj), age(obj, now_ns)]


def _endpoint_slice(obj: Obj, now_ns: int) -> list[Any]:
    ports = [str(port.get("port") or port.get("name") or "*") for port in obj.get("ports") or ()]
    addresses = [a for endpoint in obj.get("endpoints") or () for a in endpoint["addresses"]]
    return [
        name_of(obj), obj.get("addressType"), few(ports, 3, UNSET), few(addresses, 3, UNSET),
        age(obj, now_ns),
    ]  # fmt: skip


def _ingress(obj: Obj, now_ns: int) -> list[Any]:
    hosts = [rule["host"] for rule in get(obj, "spec", "rules", default=()) if rule.get("host")]
    return [
        name_of(obj), get(obj, "spec", "ingressClassName", default=NONE), few(hosts, 3, "*"),
        _addresses(obj), "80, 443" if get(obj, "spec", "tls") else "80", age(obj, now_ns),
    ]  # fmt: skip


def _ingress_class(obj: Obj, now_ns: int) -> list[Any]:
    parameters = get(obj, "spec", "parameters")
    text = NONE
    if parameters:
        group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
        text = f"{parameters['kind']}{group}/{parameters['name']}"
    return [name_of(obj), get(obj, "spec", "controller", default=""), text, age(obj, now_ns)]


def _network_policy(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), selector_text(get(obj, "spec", "podSelector")), age(obj, now_ns)]


def _service_cidr(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), ",".join(get(obj, "spec", "cidrs", default=())), age(obj, now_ns)]


def _ip_address(obj: Obj, now_ns: int) -> list[Any]:
    """A real server sends the age too, though there is no column for it."""
    ref = get(obj, "spec", "parentRef", default={})
    resource = f"{ref.get('resource')}.{ref['group']}" if ref.get("group") else ref.get("resource")
    parts = (resource, ref.get("namespace"), ref.get("name"))
    return [name_of(obj), "/".join(part for part in parts if part), age(obj, now_ns)]


ROWS: dict[str, tuple[str, Any]] = {
    "Service": (
        "Name!, Type, Cluster-IP, External-IP, Port(s), Age, Selector+", _service
    ),
    "Endpoints": ("Name!, Endpoints, Age", _endpoints),
    "EndpointSlice": ("Name!, AddressType, Ports, Endpoints, Age", _endpoint_slice),
    "Ingress": ("Name!, Class, Hosts, Address, Ports, Age", _ingress),
    "IngressClass": ("Name!, Controller, Parameters, Age", _ingress_class),
    "NetworkPolicy": ("Name!, Pod-Selector, Age", _network_policy),
    "ServiceCIDR": ("Name!, CIDRs, Age", _service_cidr),
    "IPAddress": ("Name!, ParentRef", _ip_address),
}  # fmt: skip
