"""Validation of Services, their endpoints, and the networking group.

In Kubernetes: ValidateService in pkg/apis/core/validation; pkg/apis/{discovery,networking}/
validation.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from kubelab.api.fielderrors import duplicate, not_allowed, required, unsupported, wrong
from kubelab.apiserver import families, formats
from kubelab.apiserver.validation_containers import PROTOCOLS
from kubelab.apiserver.validation_meta import Errors, each_wrong, labels, selector
from kubelab.sim.tree import EMPTY, Arr, Obj

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
FAMILIES = ("IPv4", "IPv6")
FAMILY_POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")
AFFINITY_SECONDS = 86400
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def service(obj: Obj) -> Errors:
    """A Service."""
    spec = obj.get("spec") or EMPTY
    kind, ports = spec.get("type"), spec.get("ports") or ()
    addresses = _cluster_ips(spec)
    headless = addresses[:1] == ["None"]
    if not ports and not headless and kind != "ExternalName":
        yield required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and headless:
        message = f"may not be set to 'None' for {kind} services"
        yield wrong("spec.clusterIPs[0]", "None", message)
    if kind == "ExternalName":
        if addresses:
            message = "may not be set for ExternalName services"
            yield not_allowed("spec.clusterIPs", message)
        name = spec.get("externalName") or ""
        if name:
            yield from each_wrong("spec.externalName", name, formats.subdomain(name.rstrip(".")))
        else:
            yield required("spec.externalName")
    yield from _ports(ports)
    yield from labels(spec.get("selector"), "spec.selector")
    affinity = spec.get("sessionAffinity") or ""
    if affinity not in ("ClientIP", "None"):
        yield unsupported("spec.sessionAffinity", affinity, ["ClientIP", "None"])
    for at, address in enumerate(addresses):
        if address != "None" or at:
            field = f"spec.clusterIPs[{at}]"
            yield from each_wrong(field, address, formats.ip_address(address))
    for at, address in enumerate(spec.get("externalIPs") or ()):
        field = f"spec.externalIPs[{at}]"
        yield from each_wrong(field, address, formats.ip_address(address))
    if kind not in TYPES:
        yield unsupported("spec.type", kind or "", TYPES)
    yield from _taken(ports, kind)
    for key in ("internalTrafficPolicy", "externalTrafficPolicy"):
        if spec.get(key) not in (None, "", "Cluster", "Local"):
            yield unsupported(f"spec.{key}", spec[key], ["Cluster", "Local"])


def service_create(obj: Obj) -> Errors:
    """A new Service: also what fits its type and its cluster, which an update fills in or drops."""
    yield from service(obj)
    spec = obj.get("spec") or EMPTY
    kind, addresses = spec.get("type"), spec.get("clusterIPs") or ()
    if addresses and spec.get("clusterIP") not in (None, "", addresses[0]):
        yield wrong("spec.clusterIPs", Arr(addresses), "first value must match `clusterIP`")
    seen: list[str] = []
    for at, family in enumerate(spec.get("ipFamilies") or ()):
        if family not in FAMILIES:
            yield unsupported(f"spec.ipFamilies[{at}]", family, FAMILIES)
        elif family in seen:
            yield duplicate(f"spec.ipFamilies[{at}]", family)
        seen.append(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in FAMILY_POLICIES:
        yield unsupported("spec.ipFamilyPolicy", policy, FAMILY_POLICIES)
    for at, address in enumerate(spec.get("externalIPs") or ()):
        if not formats.ip_address(address):
            yield from each_wrong(f"spec.externalIPs[{at}]", address, _special(address))
    if spec.get("loadBalancerSourceRanges") and kind != "LoadBalancer":
        message = "may only be used when `type` is 'LoadBalancer'"
        yield not_allowed("spec.LoadBalancerSourceRanges", message)
    config = (spec.get("sessionAffinityConfig") or EMPTY).get("clientIP") or EMPTY
    seconds = config.get("timeoutSeconds")
    if seconds is not None and not 0 < seconds <= AFFINITY_SECONDS:
        field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
        yield wrong(field, seconds, f"must be greater than 0 and less than {AFFINITY_SECONDS}")
    outside = kind in ("LoadBalancer", "NodePort") or bool(spec.get("externalIPs"))
    policy = spec.get("externalTrafficPolicy")
    if policy in ("Cluster", "Local") and not outside:
        message = "may only be set for externally-accessible services"
        yield wrong("spec.externalTrafficPolicy", policy, message)


def _special(text: str) -> tuple[str, ...]:
    """Why an address cannot be one at which a Service is reached from outside."""
    address = ipaddress.ip_address(text)
    if address.is_unspecified:
        return ("may not be unspecified (0.0.0.0 or ::)",)
    if address.is_loopback:
        return ("may not be in the loopback range (127.0.0.0/8, ::1/128)",)
    if address.is_link_local:
        return ("may not be in the link-local range (169.254.0.0/16, fe80::/10)",)
    return ()


def _cluster_ips(spec: Any) -> list[str]:
    first = spec.get("clusterIP")
    return list(spec.get("clusterIPs") or ([first] if first else []))


def _ports(ports: Sequence[Any]) -> Errors:
    names: list[str] = []
    for at, port in enumerate(ports):
        path = f"spec.ports[{at}]"
        name, number = port.get("name") or "", port.get("port") or 0
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        elif name:
            yield from each_wrong(f"{path}.name", name, formats.label(name))
            if name in names:
                yield duplicate(f"{path}.name", name)
            names.append(name)
        yield from each_wrong(f"{path}.port", number, formats.port_number(number))
        protocol = port.get("protocol") or "TCP"
        if protocol not in PROTOCOLS:
            yield unsupported(f"{path}.protocol", protocol, PROTOCOLS)
        target = port.get("targetPort", number)
        yield from each_wrong(f"{path}.targetPort", target, formats.port(target))
        if port.get("appProtocol"):
            problems = formats.qualified(port["appProtocol"])
            yield from each_wrong(f"{path}.appProtocol", port["appProtocol"], problems)


def _taken(ports: Sequence[Any], kind: Any) -> Errors:
    """Node ports only where they belong, and no port twice."""
    if kind == "ClusterIP":
        for at, port in enumerate(ports):
            if port.get("nodePort"):
                message = "may not be used when `type` is 'ClusterIP'"
                yield not_allowed(f"spec.ports[{at}].nodePort", message)
    node_ports: list[tuple[str, int]] = []
    for at, port in enumerate(ports):
        if not port.get("nodePort"):
            continue
        key = (port.get("protocol") or "TCP", port["nodePort"])
        if key in node_ports:
            yield duplicate(f"spec.ports[{at}].nodePort", _go_port(key[0], 0, key[1]))
        node_ports.append(key)
    seen: list[tuple[str, int]] = []
    for at, port in enumerate(ports):
        key = (port.get("protocol") or "TCP", port.get("port") or 0)
        if key in seen:
            yield duplicate(f"spec.ports[{at}]", _go_port(*key, 0))
        seen.append(key)


def _go_port(protocol: str, port: int, node_port: int) -> Obj:
    """A service port under the names that it has inside the API server."""
    return Obj({
        "Name": "", "Protocol": protocol, "AppProtocol": None, "Port": port, "TargetPort": 0,
        "NodePort": node_port,
    })  # fmt: skip


def service_update(old: Obj, new: Obj) -> Errors:
    """A Service keeps its first address unless it gives up having one."""
    if old.get("spec") is new.get("spec"):
        return
    before, after = old.get("spec") or EMPTY, new.get("spec") or EMPTY
    first, wished = after.get("clusterIP"), list(after.get("clusterIPs") or ())
    if first and wished[:1] != [first]:
        wished = [first]
    yield from families.changed(before, {**after, "clusterIPs": wished})
    yield from service(new)


def endpoints(obj: Obj) -> Errors:
    """An Endpoints."""
    for at, subset in enumerate(obj.get("subsets") or ()):
        path = f"subsets[{at}]"
        both = [*(subset.get("addresses") or ()), *(subset.get("notReadyAddresses") or ())]
        if not both:
            yield required(path, "must specify `addresses` or `notReadyAddresses`")
        for key in ("addresses", "notReadyAddresses"):
            for place, address in enumerate(subset.get(key) or ()):
                text = address.get("ip") or ""
                field = f"{path}.{key}[{place}].ip"
                yield from each_wrong(field, text, formats.ip_address(text))
        for place, port in enumerate(subset.get("ports") or ()):
            field = f"{path}.ports[{place}].port"
            yield from each_wrong(field, port.get("port"), formats.port_number(port.get("port")))


def endpoint_slice(obj: Obj) -> Errors:
    """An EndpointSlice."""
    kind = obj.get("addressType") or ""
    if not kind:
        yield required("addressType")
    elif kind not in ADDRESS_TYPES:
        yield unsupported("addressType", kind, ADDRESS_TYPES)
    for at, endpoint in enumerate(obj.get("endpoints") or ()):
        addresses = endpoint.get("addresses") or ()
        field = f"endpoints[{at}].addresses"
        if not addresses:
            yield required(field, "must contain at least 1 address")
        for place, address in enumerate(addresses):
            yield from each_wrong(f"{field}[{place}]", address, _address(kind, address))
    for at, port in enumerate(obj.get("ports") or ()):
        number = port.get("port")
        if number is not None:
            yield from each_wrong(f"ports[{at}].port", number, formats.port_number(number))
        if port.get("protocol") not in (None, *PROTOCOLS):
            yield unsupported(f"ports[{at}].protocol", port["protocol"], PROTOCOLS)


def _address(kind: str, text: str) -> tuple[str, ...]:
    if kind == "FQDN":
        return formats.subdomain(text)
    problems = formats.ip_address(text)
    if problems or not kind:
        return problems
    version = ipaddress.ip_address(text).version
    return () if f"IPv{version}" == kind else (f"must be an {kind} address",)


def endpoint_slice_update(old: Obj, new: Obj) -> Errors:
    """An EndpointSlice keeps its type of addresses."""
    yield from endpoint_slice(new)
    if old.get("addressType") != new.get("addressType"):
        yield wrong("addressType", new.get("addressType"), formats.IMMUTABLE)


def ingress(obj: Obj) -> Errors:
    """An Ingress."""
    spec = obj.get("spec") or EMPTY
    rules = spec.get("rules") or ()
    if not rules and spec.get("defaultBackend") is None:
        message = "either `defaultBackend` or `rules` must be specified"
        yield wrong("spec", spec if spec else None, message)
    if spec.get("defaultBackend") is not None:
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for at, rule in enumerate(rules):
        path = f"spec.rules[{at}]"
        host = rule.get("host") or ""
        if host:
            yield from each_wrong(f"{path}.host", host, _host(host))
        http = rule.get("http")
        if http is None:
            continue
        if not http.get("paths"):
            yield required(f"{path}.http.paths")
        for place, item in enumerate(http.get("paths") or ()):
            yield from _http_path(item, f"{path}.http.paths[{place}]")


def _host(host: str) -> tuple[str, ...]:
    if formats.ip_address(host) == ():
        return ("must be a DNS name, not an IP address",)
    return formats.subdomain(host[2:] if host.startswith("*.") else host)


def _http_path(item: Any, path: str) -> Errors:
    kind, text = item.get("pathType"), item.get("path") or ""
    if kind is None:
        yield required(f"{path}.pathType", "pathType must be specified")
    elif kind in ("Exact", "Prefix"):
        if not text.startswith("/"):
            yield wrong(f"{path}.path", text, "must be an absolute path")
        for bad in ("//", "/./", "/../", "%2f", "%2F"):
            if bad in text:
                yield wrong(f"{path}.path", text, f"must not contain '{bad}'")
    elif kind not in PATH_TYPES:
        yield unsupported(f"{path}.pathType", kind, PATH_TYPES)
    elif text and not text.startswith("/"):
        yield wrong(f"{path}.path", text, "must be an absolute path")
    yield from _backend(item.get("backend") or EMPTY, f"{path}.backend")


def _backend(held: Any, path: str) -> Errors:
    target, resource = held.get("service"), held.get("resource")
    if target is not None and resource is not None:
        yield wrong(path, "", "cannot set both resource and service backends")
    elif target is not None:
        name = target.get("name") or ""
        if not name:
            yield required(f"{path}.service.name")
        else:
            yield from each_wrong(f"{path}.service.name", name, formats.label(name))
        port = target.get("port") or EMPTY
        if port.get("name") and port.get("number"):
            yield wrong(path, "", "cannot set both port name & port number")
        elif port.get("name"):
            problems = formats.port_name(port["name"])
            yield from each_wrong(f"{path}.service.port.name", port["name"], problems)
        elif port.get("number"):
            problems = formats.port_number(port["number"])
            yield from each_wrong(f"{path}.service.port.number", port["number"], problems)
        else:
            yield required(path, "port name or number is required")
    elif resource is None:
        yield required(path, "resource or service backend is required")


def network_policy(obj: Obj) -> Errors:
    """A NetworkPolicy."""
    spec = obj.get("spec") or EMPTY
    yield from selector(spec.get("podSelector"), "spec.podSelector")
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for at, rule in enumerate(spec.get(direction) or ()):
            path = f"spec.{direction}[{at}]"
            for place, port in enumerate(rule.get("ports") or ()):
                yield from _policy_port(port, f"{path}.ports[{place}]")
            for place, peer in enumerate(rule.get(peers) or ()):
                yield from _peer(peer, f"{path}.{peers}[{place}]")
    types = spec.get("policyTypes") or ()
    for at, kind in enumerate(types):
        if kind not in ("Ingress", "Egress"):
            yield unsupported(f"spec.policyTypes[{at}]", kind, ["Egress", "Ingress"])


def _policy_port(port: Any, path: str) -> Errors:
    if port.get("protocol") not in (None, *PROTOCOLS):
        yield unsupported(f"{path}.protocol", port["protocol"], PROTOCOLS)
    number = port.get("port")
    if number is not None:
        yield from each_wrong(f"{path}.port", number, formats.port(number))
        end = port.get("endPort")
        if end is not None and isinstance(number, int) and end < number:
            message = "must be greater than or equal to `port`"
            yield wrong(f"{path}.endPort", end, message)


def _peer(peer: Any, path: str) -> Errors:
    block = peer.get("ipBlock")
    chosen = [key for key in ("podSelector", "namespaceSelector") if peer.get(key) is not None]
    for key in chosen:
        yield from selector(peer[key], f"{path}.{key}")
    if block is not None:
        text = block.get("cidr") or ""
        if not text:
            yield required(f"{path}.ipBlock.cidr")
        else:
            yield from each_wrong(f"{path}.ipBlock.cidr", text, formats.cidr(text))
    if block is None and not chosen:
        yield required(path, "must specify a peer")
    elif block is not None and chosen:
        yield not_allowed(path, "may not specify both ipBlock and another peer")


CREATE: dict[tuple[str, str], Callable[[Obj], Errors]] = {
    ("", "Endpoints"): endpoints,
    ("", "Service"): service_create,
    ("discovery.k8s.io", "EndpointSlice"): endpoint_slice,
    ("networking.k8s.io", "Ingress"): ingress,
    ("networking.k8s.io", "NetworkPolicy"): network_policy,
}
UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Errors]] = {
    ("", "Service"): service_update,
    ("discovery.k8s.io", "EndpointSlice"): endpoint_slice_update,
}
