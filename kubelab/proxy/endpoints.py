"""From API objects to service ports and endpoints: what kube-proxy reads out of them.

Pure functions. A service has each of its ports once for every address that it has. Services that
need no rules (headless, ExternalName, or left to another proxy by label) give no port; slices of
names instead of addresses give no endpoint.

In Kubernetes: pkg/proxy/serviceport.go, servicechangetracker.go and endpointslicecache.go.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.api.objects import Obj, get, key_of, labels_of
from kubelab.network.addresses import is_address, version_of
from kubelab.proxy.ports import Endpoint, ServicePort

SERVICE_NAME = "kubernetes.io/service-name"
OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"


class SlicePort(NamedTuple):
    """One port of a slice, its endpoints, and the node of each."""

    name: str
    protocol: str
    endpoints: tuple[Endpoint, ...]
    nodes: tuple[str, ...]
    family: int = 4


SlicePorts = tuple[SlicePort, ...]

# The slice that was read last. All nodes' proxies hear of a slice one after the other; it is read
# once for them all. Whether this helps or not, the result is the same.
_last: list[tuple[Obj | None, SlicePorts]] = [(None, ())]


def service_ports(service: Obj | None) -> tuple[ServicePort, ...]:
    """The ports of a service for which there should be rules."""
    if service is None or OTHER_PROXY in labels_of(service):
        return ()
    spec = service["spec"]
    first = get(spec, "clusterIP", default="")
    if get(spec, "type", default="ClusterIP") == "ExternalName" or not is_address(first):
        return ()
    affinity = 0
    if get(spec, "sessionAffinity", default="None") == "ClientIP":
        seconds = get(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds", default=10800)
        affinity = int(seconds)
    balancer_ips = tuple(
        entry["ip"]
        for entry in get(service, "status", "loadBalancer", "ingress", default=())
        if entry.get("ip") and entry.get("ipMode", "VIP") == "VIP"
    )
    key = key_of(service)
    made = []
    for address in get(spec, "clusterIPs", default=None) or (first,):
        version = version_of(address)
        outside, balancers, sources = (
            tuple(text for text in texts if version_of(text) == version)
            for texts in (
                get(spec, "externalIPs", default=()), balancer_ips,
                tuple(text.strip() for text in get(spec, "loadBalancerSourceRanges", default=())),
            )
        )  # fmt: skip
        made += [
            ServicePort(
                f"{key}:{port['name']}" if port.get("name") else key,
                port.get("protocol", "TCP"),
                address,
                port["port"],
                port.get("nodePort", 0),
                outside,
                balancers,
                sources,
                affinity,
                get(spec, "internalTrafficPolicy", default="Cluster") == "Local",
                get(spec, "externalTrafficPolicy", default="Cluster") == "Local",
                get(spec, "healthCheckNodePort", default=0),
            )
            for port in get(spec, "ports", default=())
        ]
    return tuple(made)


def slice_ports(slice_: Obj) -> SlicePorts:
    """The ports and endpoints of a slice; of an endpoint's addresses the first counts."""
    known, ports = _last[0]
    if known is not slice_:
        ports = _read(slice_)
        _last[0] = (slice_, ports)
    return ports


def _read(slice_: Obj) -> SlicePorts:
    family = {"IPv4": 4, "IPv6": 6}.get(slice_.get("addressType") or "")
    if family is None:
        return ()
    entries = slice_.get("endpoints") or ()
    nodes = tuple(entry.get("nodeName") or "" for entry in entries)
    return tuple(
        SlicePort(
            port.get("name") or "",
            port.get("protocol") or "TCP",
            tuple(_endpoint(entry, port["port"]) for entry in entries),
            nodes,
            family,
        )
        for port in slice_.get("ports") or ()
        if port.get("port") is not None
    )


def _endpoint(entry: Obj, port: int) -> Endpoint:
    conditions = entry.get("conditions") or {}
    ready = conditions.get("ready")
    ready = ready is None or bool(ready)
    serving = conditions.get("serving")
    hints = entry.get("hints") or {}
    return Endpoint(
        entry["addresses"][0],
        port,
        ready,
        ready if serving is None else bool(serving),
        bool(conditions.get("terminating")),
        False,
        tuple(zone["name"] for zone in hints.get("forZones") or ()),
        tuple(hint["name"] for hint in hints.get("forNodes") or ()),
    )
