"""Which kubelet a request about a pod's processes goes to: log, exec, attach, portforward, proxy.

The server looks at the pod, chooses the container, checks the options, and sends the kubelet of the
pod's node a message; what comes back is the business of `streams.py`.

In Kubernetes: pkg/registry/core/pod/rest (log.go, subresources.go), pod/strategy.go (LogLocation,
streamLocation, ResourceLocation) and service/proxy.go. Left out: the API server's own way into the
pods' network: what `proxy` asks of a pod goes through the kubelet of its node.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubelab.api import errors, fielderrors, kinds
from kubelab.api.objects import (
    NOTHING,
    Obj,
    freeze,
    get,
    labels_of,
    name_of,
    namespace_of,
)
from kubelab.api.rest import Response
from kubelab.apiserver import decoding, registry, routes
from kubelab.apiserver.pending import Pending
from kubelab.apiserver.streams import upgraded
from kubelab.network.payloads import HttpRequest

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

CONTAINER_FIELDS = ("containers", "initContainers", "ephemeralContainers")


def _located(server: APIServer, pending: Pending) -> Obj | None:
    """The pod that is meant and its container; None if it is on no node yet.

    Raises ApiError.
    """
    pod, _ = registry.current(server, pending)
    asked = pending.request.query.get("container") or ""
    pending.container = _container(pod, asked)
    return pod if get(pod, "spec", "nodeName") else None


def _reached(server: APIServer, pending: Pending, pod: Obj) -> str:
    """The kubelet of a pod's node. Raises ApiError."""
    node = pod["spec"]["nodeName"]
    found = server.cached("/registry/minions/", node)
    if found is None:
        raise errors.not_found_named("pods", "", node)
    pending.node, pending.node_object = node, found
    return f"kubelet/{node}"


def _container(pod: Obj, asked: str) -> str:
    """The container that is meant. Raises ApiError where that is not clear."""
    names = {
        field: [c["name"] for c in get(pod, "spec", field, default=NOTHING)]
        for field in CONTAINER_FIELDS
    }
    if asked:
        if any(asked in group for group in names.values()):
            return asked
        raise errors.bad_request(f"container {asked} is not valid for pod {name_of(pod)}")
    plain, init = names["containers"], names["initContainers"]
    if len(plain) == 1:
        return str(plain[0])
    text = (
        f"a container name must be specified for pod {name_of(pod)}, "
        f"choose one of: [{' '.join(plain)}]"
    )
    if init:
        text += f" or one of the init containers: [{' '.join(init)}]"
    raise errors.bad_request(text)


def log(server: APIServer, pending: Pending) -> Response | None:
    """GET of a container's log."""
    if pending.request.method != "GET":
        raise errors.method_not_allowed()
    options = _log_options(pending)
    pod = _located(server, pending)
    if pod is None:
        return Response(200, Obj({"Content-Type": "text/plain"}), "")
    target = _reached(server, pending, pod)
    where = (namespace_of(pod), name_of(pod), pending.container)
    server.send(target, "container_logs", server.name, pending.token, *where, options)
    return None


def _log_options(pending: Pending) -> Obj:
    """The PodLogOptions of a query. Raises ApiError."""
    query = pending.request.query
    options: dict[str, Any] = {}
    for field in ("tailLines", "limitBytes", "sinceSeconds"):
        text = query.get(field)
        if text not in (None, ""):
            try:
                options[field] = int(text)
            except ValueError:
                why = f'strconv.ParseInt: parsing "{text}": invalid syntax'
                raise errors.bad_request(why) from None
    for field in ("follow", "previous", "timestamps"):
        if routes.is_true(query.get(field)):
            options[field] = True
    if query.get("sinceTime"):
        options["sinceTime"] = query["sinceTime"]
    problems = _log_problems(options)
    if problems:
        raise errors.invalid_named("PodLogOptions", "", pending.route.name, problems)
    return freeze(options)  # type: ignore[no-any-return]


def _log_problems(options: dict[str, Any]) -> list[Any]:
    problems = []
    tail, limit, since = (options.get(f) for f in ("tailLines", "limitBytes", "sinceSeconds"))
    if tail is not None and tail < 0:
        problems.append(fielderrors.wrong("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        problems.append(fielderrors.wrong("limitBytes", limit, "must be greater than 0"))
    if since is not None and "sinceTime" in options:
        text = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        problems.append(fielderrors.not_allowed("", text))
    elif since is not None and since < 1:
        problems.append(fielderrors.wrong("sinceSeconds", since, "must be greater than 0"))
    return problems


def command(server: APIServer, pending: Pending) -> Response | None:
    """An upgraded connection to a command in a container, or to its first process."""
    pod = _located(server, pending)
    if pod is None:
        raise errors.bad_request(f"pod {pending.route.name} does not have a host assigned")
    target = _reached(server, pending, pod)
    if not upgraded(pending):
        raise errors.bad_request("Upgrade request required")
    query = pending.request.query
    asked = query.get("command") or ()
    words = (asked,) if isinstance(asked, str) else tuple(asked)
    attaches = pending.route.subresource == "attach"
    if not words and not attaches:
        raise errors.bad_request("you must specify at least 1 command")
    stdin, tty = routes.is_true(query.get("stdin")), routes.is_true(query.get("tty"))
    where = (namespace_of(pod), name_of(pod), pending.container)
    server.note(container=pending.container, command=" ".join(words)[:120])
    server.open_stream(pending, 101)
    verb, more = ("attach_to", ()) if attaches else ("exec_in", (words,))
    server.send(target, verb, server.name, pending.token, *where, *more, stdin, tty)
    return None


def port_forward(server: APIServer, pending: Pending) -> Response | None:
    """An upgraded connection to ports of a pod.

    Over SPDY (in a WebSocket or not) each connection names its port when it is opened; a plain
    WebSocket has the ports in the query, and one connection to each.
    """
    pod, _ = registry.current(server, pending)
    if not get(pod, "spec", "nodeName"):
        raise errors.bad_request(f"pod {pending.route.name} does not have a host assigned")
    target = _reached(server, pending, pod)
    if not upgraded(pending):
        raise errors.bad_request("Upgrade request required")
    ports = [] if _multiplexed(pending) else _ports(pending.request.query)
    server.note(ports=ports)
    server.open_stream(pending, 101)
    where = (namespace_of(pod), name_of(pod), len(ports))
    server.send(target, "forward_ports", server.name, pending.token, *where)
    for number, port in enumerate(ports):
        server.send(target, "forward_connect", server.name, pending.token, port, number)
    return None


def _multiplexed(pending: Pending) -> bool:
    """Whether the client will open connections of its own within this one."""
    protocols = decoding.header(pending.request, "Sec-WebSocket-Protocol")
    upgrade = decoding.header(pending.request, "Upgrade")
    return "SPDY/3.1+portforward.k8s.io" in protocols or upgrade.upper() == "SPDY/3.1"


def _ports(query: Obj) -> list[int]:
    """The ports of a query. Raises ApiError."""
    given = query.get("ports") or ()
    found = []
    for text in (given,) if isinstance(given, str) else tuple(given):
        for word in text.split(","):
            if not word.isascii() or not word.isdigit() or int(word) > 65535:
                why = "value out of range" if word.isdigit() else "invalid syntax"
                words = f'strconv.ParseUint: parsing "{word}": {why}'
                raise errors.bad_request(f'unable to parse "{text}" as a port: {words}')
            if not int(word):
                raise errors.bad_request(f'port "{text}" must be > 0')
            found.append(int(word))
    if not found:
        raise errors.bad_request('query parameter "port" is required')
    return found


# Proxies.


def pod_proxy(server: APIServer, pending: Pending) -> Response | None:
    """A request of HTTP to a port of a pod: `pods/[SCHEME:]NAME[:PORT]/proxy/PATH`."""
    _, name, port = _split(pending.route.name)
    return _to_pod(server, pending, name, int(port) if port.isdigit() else 0)


def service_proxy(server: APIServer, pending: Pending) -> Response | None:
    """The same to one of a service's endpoints; the port by number or name."""
    _, name, port = _split(pending.route.name)
    namespace = pending.route.namespace
    service = server.cached(pending.route.kind.prefix, f"{namespace}/{name}")
    if service is None:
        raise errors.not_found(pending.route.kind, name)
    ports = get(service, "spec", "ports", default=NOTHING)
    chosen = [p for p in ports if port in (str(p["port"]), p.get("name"))]
    if not port and len(ports) == 1:
        chosen = list(ports)
    for held in server.caches["/registry/endpointslices/"].all(namespace):
        if labels_of(held).get("kubernetes.io/service-name") != name:
            continue
        for endpoint in held.get("endpoints") or NOTHING:
            row = _port_row(held, chosen)
            target = get(endpoint, "targetRef", "name")
            if row and target and get(endpoint, "conditions", "ready", default=True):
                return _to_pod(server, pending, target, row["port"])
    if not chosen:
        raise errors.unavailable(f'no service port "{port}" found for service "{name}"')
    raise errors.unavailable(f'no endpoints available for service "{name}"')


def _port_row(held: Obj, chosen: list[Obj]) -> Obj | None:
    """The port of a slice that belongs to a service's port."""
    if not chosen:
        return None
    wanted = chosen[0].get("name") or ""
    ports = held.get("ports") or NOTHING
    return next((row for row in ports if (row.get("name") or "") == wanted), None)


def _split(name: str) -> tuple[str, str, str]:
    """Scheme, name and port of a proxied name."""
    parts = name.split(":")
    if len(parts) == 3:
        return parts[0], parts[1], parts[2]
    return "", parts[0], parts[1] if len(parts) == 2 else ""


def _to_pod(server: APIServer, pending: Pending, name: str, port: int) -> Response | None:
    key = f"{pending.route.namespace}/{name}"
    pod = server.cached("/registry/pods/", key)
    if pod is None:
        raise errors.not_found(kinds.named("v1/Pod"), name)
    if not get(pod, "status", "podIP"):
        raise errors.bad_request(f"address not allowed: pod {name} has no address yet")
    target = _reached(server, pending, pod)
    if not port:
        port = get(pod, "spec", "containers", 0, "ports", 0, "containerPort", default=80)
    request = pending.request
    _, _, rest = request.path.partition(f"/{pending.route.name}/proxy")
    query = "&".join(f"{k}={v}" for k, v in request.query.items())
    body = request.body.decode("utf-8", "replace") if isinstance(request.body, bytes) else ""
    host = f"{pod['status']['podIP']}:{port}"
    headers = tuple((k, v) for k, v in request.headers.items() if k.lower() != "authorization")
    # Doubled slashes become one, as the real server joins paths.
    path = (re.sub("/+", "/", rest) or "/") + (f"?{query}" if query else "")
    payload = HttpRequest(request.method, host, path, headers, body)
    server.send(target, "port_forward", server.name, pending.token, pending.route.namespace, name,
                port, payload)  # fmt: skip
    return None
