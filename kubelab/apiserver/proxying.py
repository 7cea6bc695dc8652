"""The API server as a proxy: `/proxy` of pods, services and nodes.

What stands behind `/proxy` in the path is asked of a pod's port, of one of a service's endpoints,
or of a node's kubelet. A pod is reached from the API server's own machine, through the network; the
answer comes back as an answer of the kubelets does (`streams.py`).

In Kubernetes: pkg/registry/core/pod/strategy.go and node/strategy.go (ResourceLocation),
pkg/registry/core/service/storage (ResourceLocation), apimachinery's util/proxy. Left out: links in
pages of HTML made to lead back here, and upgrades to WebSocket.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubelab.api import errors, kinds
from kubelab.api.objects import NOTHING, Obj, get, labels_of
from kubelab.api.rest import Response
from kubelab.apiserver.pending import Pending
from kubelab.network.payloads import HttpRequest

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

KUBELET_PORT = 10250
UNTOLD = ("authorization", "connection", "upgrade")


def pod_proxy(server: APIServer, pending: Pending) -> Response | None:
    """A request of HTTP to a port of a pod: `pods/[SCHEME:]NAME[:PORT]/proxy/PATH`."""
    scheme, name, port = _split(pending, "pod")
    pod = server.cached("/registry/pods/", f"{pending.route.namespace}/{name}")
    if pod is None:
        raise errors.not_found(kinds.named("v1/Pod"), name)
    if not get(pod, "status", "podIP"):
        raise errors.bad_request("address not allowed")
    number = int(port) if port.isdigit() else _first_port(pod)
    return _ask(server, pending, scheme, pod["status"]["podIP"], number)


def _first_port(pod: Obj) -> int:
    """The first port that a container of a pod declares, else that of HTTP."""
    containers = get(pod, "spec", "containers", default=NOTHING)
    declared = (port for container in containers for port in container.get("ports") or ())
    return next((int(port["containerPort"]) for port in declared), 80)


def service_proxy(server: APIServer, pending: Pending) -> Response | None:
    """The same to one of a service's endpoints; the port by number or name."""
    scheme, name, port = _split(pending, "service")
    namespace = pending.route.namespace
    service = server.cached(pending.route.kind.prefix, f"{namespace}/{name}")
    if service is None:
        raise errors.not_found(pending.route.kind, name)
    if port.isdigit():
        rows = get(service, "spec", "ports", default=NOTHING)
        found = next((row for row in rows if row["port"] == int(port)), None)
        if found is None:
            raise errors.unavailable(f'no service port {port} found for service "{name}"')
        port = found.get("name") or ""
    for held in server.caches["/registry/endpointslices/"].all(namespace):
        if labels_of(held).get("kubernetes.io/service-name") != name:
            continue
        ports = held.get("ports") or NOTHING
        row = next((row for row in ports if (row.get("name") or "") == port), None)
        for endpoint in held.get("endpoints") or NOTHING:
            if row and get(endpoint, "conditions", "ready", default=True):
                return _ask(server, pending, scheme, endpoint["addresses"][0], row["port"])
    raise errors.unavailable(f'no endpoints available for service "{pending.route.name}"')


def node_proxy(server: APIServer, pending: Pending) -> Response | None:
    """A request to a node's kubelet, or to another port of the node."""
    scheme, name, port = _split(pending, "node")
    node = server.cached("/registry/minions/", name)
    if node is None:
        raise errors.not_found(pending.route.kind, name)
    pending.node, pending.node_object = name, node
    if port in ("", str(KUBELET_PORT)):
        redirect = _redirect(pending)
        if redirect is not None:
            return redirect
        request = _request(pending, f"{name}:{KUBELET_PORT}")
        server.send(f"kubelet/{name}", "page", server.name, pending.token, request)
        return None
    address = get(node, "status", "addresses", 0, "address") or name
    return _ask(server, pending, scheme, address, int(port))


def _split(pending: Pending, what: str) -> tuple[str, str, str]:
    """Scheme, name and port of a proxied name. Raises ApiError."""
    scheme, name, port = "", pending.route.name, ""
    parts = name.split(":")
    if len(parts) == 3:
        scheme, name, port = parts
    elif len(parts) == 2:
        name, port = parts
    if len(parts) > 3 or scheme not in ("", "http", "https") or not name:
        raise errors.bad_request(f'invalid {what} request "{pending.route.name}"')
    return scheme, name, port


def _redirect(pending: Pending) -> Response | None:
    """Without a path the client is sent to one that ends with a slash."""
    if not pending.request.path.endswith("/proxy"):
        return None
    query = _query(pending)
    where = pending.request.path + "/" + (f"?{query}" if query else "")
    return Response(301, Obj(Location=where), "")


def _query(pending: Pending) -> str:
    pairs = []
    for key, value in pending.request.query.items():
        values = value if isinstance(value, (list, tuple)) else (value,)
        pairs += [f"{key}={one}" for one in values]
    return "&".join(pairs)


def _request(pending: Pending, host: str) -> HttpRequest:
    """What the other side is asked."""
    request = pending.request
    _, _, rest = request.path.partition(f"/{pending.route.name}/proxy")
    query = _query(pending)
    # Doubled slashes become one, as the real server joins paths.
    path = (re.sub("/+", "/", rest) or "/") + (f"?{query}" if query else "")
    body = request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else ""
    headers = tuple((k, str(v)) for k, v in request.headers.items() if k.lower() not in UNTOLD)
    return HttpRequest(request.method, host, path, headers, body)


def _ask(
    server: APIServer, pending: Pending, scheme: str, address: str, port: int
) -> Response | None:
    """Sends the request through the network, from the API server's own machine."""
    redirect = _redirect(pending)
    if redirect is not None:
        return redirect
    payload: Any = _request(pending, f"{address}:{port}")
    server.note(address=address, port=port, path=payload.path[:120])
    door = f"door/{server.address}"
    if door not in server.world.components:
        raise errors.unavailable("the API server has no way into the pods' network")
    server.send(door, "fetch", server.name, pending.token, address, port, payload, scheme)
    return None
