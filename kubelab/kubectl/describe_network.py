"""The pages of the kinds that have to do with names and traffic.

In Kubernetes: k8s.io/kubectl/pkg/describe/describe.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds
from kubelab.api.objects import Obj, get, labels_of, name_of, namespace_of
from kubelab.kubectl.page import NONE, Page, labels_text, selector_text, when
from kubelab.kubectl.session import Session

SLICE = kinds.named("discovery.k8s.io/v1/EndpointSlice")
SERVICE = kinds.named("v1/Service")
UNSET = "<unset>"


def _slices(session: Session, namespace: str, service: str) -> Any:
    return session.list(SLICE, namespace, f"kubernetes.io/service-name={service}")


def endpoints_text(slices: Any, port: Any) -> str:
    """The first three ready addresses behind a port: a name of a port, or a number."""
    found = []
    for held in slices:
        if not held.get("ports"):
            found += [
                address
                for endpoint in held.get("endpoints") or ()
                if get(endpoint, "conditions", "ready", default=True)
                for address in endpoint["addresses"]
            ]
        for row in held.get("ports") or ():
            if port not in ((row.get("name") or ""), row.get("port")):
                continue
            for endpoint in held.get("endpoints") or ():
                if get(endpoint, "conditions", "ready", default=True):
                    found += [f"{address}:{row.get('port')}" for address in endpoint["addresses"]]
    if not found:
        return ""
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more


def _service(session: Session, page: Page, obj: Obj, events: Any) -> None:
    spec = obj.get("spec") or {}
    page.head(obj)
    page.marks(obj)
    page.write(0, f"Selector:\t{labels_text(spec.get('selector'))}")
    page.write(0, f"Type:\t{spec.get('type', '')}")
    if spec.get("ipFamilyPolicy"):
        page.write(0, f"IP Family Policy:\t{spec['ipFamilyPolicy']}")
    page.write(0, f"IP Families:\t{','.join(spec.get('ipFamilies') or ()) or NONE}")
    page.write(0, f"IP:\t{spec.get('clusterIP', '')}")
    page.write(0, f"IPs:\t{','.join(spec.get('clusterIPs') or ()) or NONE}")
    if spec.get("externalIPs"):
        page.write(0, f"External IPs:\t{','.join(spec['externalIPs'])}")
    if spec.get("loadBalancerIP"):
        page.write(0, f"Desired LoadBalancer IP:\t{spec['loadBalancerIP']}")
    if spec.get("externalName"):
        page.write(0, f"External Name:\t{spec['externalName']}")
    ingress = get(obj, "status", "loadBalancer", "ingress", default=())
    if ingress:
        addresses = [_ingress_text(row) for row in ingress]
        page.write(0, f"LoadBalancer Ingress:\t{', '.join(addresses)}")
    slices = _slices(session, namespace_of(obj), name_of(obj))
    for port in spec.get("ports") or ():
        name, protocol = port.get("name") or UNSET, port.get("protocol", "TCP")
        page.write(0, f"Port:\t{name}\t{port['port']}/{protocol}")
        page.write(0, f"TargetPort:\t{port.get('targetPort')}/{protocol}")
        if port.get("nodePort"):
            page.write(0, f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
        page.write(0, f"Endpoints:\t{endpoints_text(slices, port.get('name') or '')}")
    page.write(0, f"Session Affinity:\t{spec.get('sessionAffinity', '')}")
    for title, field in (
        ("External Traffic Policy", "externalTrafficPolicy"),
        ("Internal Traffic Policy", "internalTrafficPolicy"),
        ("HealthCheck NodePort", "healthCheckNodePort"),
        ("Traffic Distribution", "trafficDistribution"),
    ):
        if spec.get(field):
            page.write(0, f"{title}:\t{spec[field]}")
    if spec.get("loadBalancerSourceRanges"):
        ranges = ",".join(spec["loadBalancerSourceRanges"])
        page.write(0, f"LoadBalancer Source Ranges:\t{ranges}")
    page.events(events)


def _ingress_text(row: Any) -> str:
    """An address of a load balancer, and whether packets reach nodes with it (VIP) or without."""
    address = row.get("ip") or row.get("hostname", "")
    return f"{address} ({row['ipMode']})" if row.get("ipMode") else str(address)


def _port_rows(page: Page, level: int, ports: Any) -> None:
    page.write(level, "Name\tPort\tProtocol")
    page.write(level, "----\t----\t--------")
    for port in ports:
        number = port.get("port", UNSET)
        page.write(level, f"{port.get('name') or UNSET}\t{number}\t{port.get('protocol', 'TCP')}")


def _endpoints(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.marks(obj)
    page.write(0, "Subsets:")
    for subset in obj.get("subsets") or ():
        for title, field in (
            ("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")
        ):  # fmt: skip
            addresses = ",".join(row["ip"] for row in subset.get(field) or ())
            page.write(1, f"{title}:\t{addresses or NONE}")
        if subset.get("ports"):
            page.write(1, "Ports:")
            _port_rows(page, 2, subset["ports"])
        page.write(0, "")
    page.events(events)


def _endpoint_slice(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.marks(obj)
    page.write(0, f"AddressType:\t{obj.get('addressType')}")
    if obj.get("ports"):
        page.write(0, "Ports:")
        _port_rows(page, 1, obj["ports"])
    else:
        page.write(0, f"Ports: {UNSET}")
    page.write(0, "Endpoints:" if obj.get("endpoints") else f"Endpoints: {NONE}")
    for endpoint in obj.get("endpoints") or ():
        page.write(1, f"- Addresses:\t{', '.join(endpoint['addresses']) or NONE}")
        page.write(2, "Conditions:")
        ready = get(endpoint, "conditions", "ready")
        page.write(3, f"Ready:\t{UNSET if ready is None else str(ready).lower()}")
        page.write(2, f"Hostname:\t{endpoint.get('hostname', UNSET)}")
        ref = endpoint.get("targetRef")
        if ref:
            page.write(2, f"TargetRef:\t{ref['kind']}/{ref['name']}")
        page.write(2, f"NodeName:\t{endpoint.get('nodeName', UNSET)}")
        page.write(2, f"Zone:\t{endpoint.get('zone', UNSET)}")
    page.events(events)


# Ingress.


def _backend(session: Session, namespace: str, backend: Any) -> str:
    service = backend.get("service")
    if not service:
        ref = backend.get("resource") or {}
        return f"APIGroup: {ref.get('apiGroup')}, Kind: {ref.get('kind')}, Name: {ref.get('name')}"
    port = service.get("port") or {}
    shown = f"{service['name']}:{port.get('number') or port.get('name', '')}"
    held = session.find(SERVICE, namespace, service["name"])
    if held is None:
        return f'{shown} (<error: services "{service["name"]}" not found>)'
    name = ""
    for row in get(held, "spec", "ports", default=()):
        if port.get("number") == row["port"] or port.get("name") == row.get("name", ""):
            name = row.get("name") or ""
    found = endpoints_text(_slices(session, namespace, service["name"]), name)
    return f"{shown} ({found or NONE})"


def _ingress(session: Session, page: Page, obj: Obj, events: Any) -> None:
    spec, namespace = obj.get("spec") or {}, namespace_of(obj)
    page.write(0, f"Name:\t{name_of(obj)}")
    page.labels("Labels", labels_of(obj))
    page.write(0, f"Namespace:\t{namespace}")
    ingress = get(obj, "status", "loadBalancer", "ingress", default=())
    addresses = ",".join(row.get("ip") or row.get("hostname", "") for row in ingress)
    page.write(0, f"Address:\t{addresses}")
    page.write(0, f"Ingress Class:\t{spec.get('ingressClassName', NONE)}")
    default = spec.get("defaultBackend")
    shown = _backend(session, namespace, default) if default else "<default>"
    page.write(0, f"Default backend:\t{shown}")
    if spec.get("tls"):
        page.write(0, "TLS:")
        for row in spec["tls"]:
            secret, hosts = row.get("secretName", ""), ",".join(row.get("hosts") or ())
            page.write(1, f"{secret} terminates {hosts}" if secret else f"SNI routes {hosts}")
    page.write(0, "Rules:\n  Host\tPath\tBackends")
    page.write(1, "----\t----\t--------")
    for rule in spec.get("rules") or ():
        page.write(1, f"{rule.get('host') or '*'}\t")
        for path in get(rule, "http", "paths", default=()):
            backend = _backend(session, namespace, path["backend"])
            page.write(2, f"\t{path.get('path', '')} \t{backend}")
    if not spec.get("rules"):
        page.write(1, f"*\t*\t{shown}")
    page.annotations("Annotations", get(obj, "metadata", "annotations", default={}))
    page.events(events)


def _ingress_class(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    page.write(0, f"Controller:\t{get(obj, 'spec', 'controller', default='')}")
    parameters = get(obj, "spec", "parameters")
    if parameters:
        page.write(0, "Parameters:")
        if parameters.get("apiGroup"):
            page.write(1, f"APIGroup:\t{parameters['apiGroup']}")
        page.write(1, f"Kind:\t{parameters['kind']}")
        page.write(1, f"Name:\t{parameters['name']}")
    page.events(events)


def _address(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    parent = get(obj, "spec", "parentRef")
    if parent:
        page.write(0, "Parent Reference:")
        for title in ("Group", "Resource", "Namespace", "Name"):
            page.write(1, f"{title}:\t{parent.get(title.lower(), '')}")
    page.events(events)


# NetworkPolicy.


def _network_policy(session: Session, page: Page, obj: Obj, events: Any) -> None:
    spec = obj.get("spec") or {}
    page.head(obj)
    page.write(0, f"Created on:\t{_plain_time(obj)}")
    page.marks(obj)
    page.write(0, "Spec:")
    chosen = selector_text(spec.get("podSelector"))
    everything = "<none> (Allowing the specific traffic to all pods in this namespace)"
    page.write(1, f"PodSelector:     {everything if chosen == NONE else chosen}")
    types = spec.get("policyTypes") or ()
    _direction(page, types, "Ingress", spec.get("ingress"), "From", "from")
    _direction(page, types, "Egress", spec.get("egress"), "To", "to")
    page.write(1, f"Policy Types: {', '.join(types)}")


def _plain_time(obj: Obj) -> str:
    stamp = get(obj, "metadata", "creationTimestamp", default="")
    return stamp.replace("T", " ").replace("Z", " +0000 UTC") if stamp else when(None)


def _direction(page: Page, types: Any, way: str, rules: Any, word: str, field: str) -> None:
    if way not in types:
        page.write(1, f"Not affecting {way.lower()} traffic")
        return
    page.write(1, f"Allowing {way.lower()} traffic:")
    if not rules:
        page.write(2, f"{NONE} (Selected pods are isolated for {way.lower()} connectivity)")
        return
    for at, rule in enumerate(rules):
        if at:
            page.write(2, "----------")
        ports = rule.get("ports") or ()
        if not ports:
            page.write(2, "To Port: <any> (traffic allowed to all ports)")
        for port in ports:
            number, title = port.get("port", "<any>"), "To Port"
            if port.get("endPort"):
                number, title = f"{number}-{port['endPort']}", "To Port Range"
            page.write(2, f"{title}: {number}/{port.get('protocol', 'TCP')}")
        peers = rule.get(field) or ()
        if not peers:
            source = "sources" if field == "from" else "destinations"
            page.write(2, f"{word}: <any> (traffic not restricted by "
                          f"{source[:-1] if source else ''})")  # fmt: skip
        for peer in peers:
            page.write(2, f"{word}:")
            for title, part in (
                ("NamespaceSelector", "namespaceSelector"), ("PodSelector", "podSelector")
            ):  # fmt: skip
                if peer.get(part) is not None:
                    page.write(3, f"{title}: {selector_text(peer[part])}")
            if peer.get("ipBlock"):
                block = peer["ipBlock"]
                page.write(3, "IPBlock:")
                page.write(4, f"CIDR: {block['cidr']}")
                page.write(4, f"Except: {', '.join(block.get('except') or ())}")


PAGES = {
    "Service": _service, "Endpoints": _endpoints, "EndpointSlice": _endpoint_slice,
    "Ingress": _ingress, "NetworkPolicy": _network_policy, "IngressClass": _ingress_class,
    "IPAddress": _address,
}  # fmt: skip
