"""From API objects to service ports and endpoints: what kube-proxy reads out of them.

Pure functions. Services that need no rules (headless, ExternalName, or left to another proxy by
label) give no port; slices of an address family that we do not proxy give no endpoint.

In Kubernetes: pkg/proxy/serviceport.go, servicechangetracker.go and endpointslicecache.go.
"""

from __future__ import annotations

from kubelab.api.objects import Obj, get, key_of, labels_of
from kubelab.network.addresses import is_address
from kubelab.proxy.rules import Endpoint, ServicePort

SERVICE_NAME = "kubernetes.io/service-name"
OTHER_PROXY = "service.kubernetes.io/service-proxy-name"
HEADLESS = "service.kubernetes.io/headless"

# The endpoints of one slice, by port name and protocol.
SlicePorts = dict[tuple[str, str], tuple[Endpoint, ...]]


def service_ports(service: Obj | None) -> tuple[ServicePort, ...]:
    """The ports of a service for which there should be rules."""
    if service is None or OTHER_PROXY in labels_of(service):
        return ()
    spec = service["spec"]
    cluster_ip = get(spec, "clusterIP", default="")
    if get(spec, "type", default="ClusterIP") == "ExternalName" or not is_address(cluster_ip):
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
    return tuple(
        ServicePort(
            f"{key}:{port['name']}" if port.get("name") else key,
            port.get("protocol", "TCP"),
            cluster_ip,
            port["port"],
            port.get("nodePort", 0),
            tuple(get(spec, "externalIPs", default=())),
            balancer_ips,
            tuple(get(spec, "loadBalancerSourceRanges", default=())),
            affinity,
            get(spec, "internalTrafficPolicy", default="Cluster") == "Local",
            get(spec, "externalTrafficPolicy", default="Cluster") == "Local",
            get(spec, "healthCheckNodePort", default=0),
        )
        for port in get(spec, "ports", default=())
    )


def slice_endpoints(slice_: Obj, node: str) -> SlicePorts:
    """The endpoints of a slice, by port; each has the first of its addresses, as upstream."""
    out: SlicePorts = {}
    if slice_.get("addressType") != "IPv4":
        return out
    for port in slice_.get("ports") or ():
        number = port.get("port")
        if number is None:
            continue
        key = (port.get("name") or "", port.get("protocol") or "TCP")
        out[key] = tuple(_endpoint(entry, number, node) for entry in slice_.get("endpoints") or ())
    return out


def _endpoint(entry: Obj, port: int, node: str) -> Endpoint:
    conditions = entry.get("conditions") or {}
    ready = conditions.get("ready")
    serving = conditions.get("serving")
    hints = entry.get("hints") or {}
    ready = ready is None or bool(ready)
    return Endpoint(
        entry["addresses"][0],
        port,
        ready,
        ready if serving is None else bool(serving),
        bool(conditions.get("terminating")),
        entry.get("nodeName") == node,
        tuple(zone["name"] for zone in hints.get("forZones") or ()),
        tuple(hint["name"] for hint in hints.get("forNodes") or ()),
    )
