"""Which kubelet a request about a pod's processes goes to: log, exec, attach, portforward.

The server looks at the pod, chooses the container, checks the options, and sends the kubelet of the
pod's node a message; what comes back is the business of `streams.py`.

In Kubernetes: pkg/registry/core/pod/rest (log.go, subresources.go) and pod/strategy.go
(LogLocation, streamLocation). What goes to a pod's ports by `proxy` is in `proxying.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api import errors, fielderrors
from kubelab.api.objects import (
    NOTHING,
    Obj,
    freeze,
    get,
    name_of,
    namespace_of,
)
from kubelab.api.rest import Response
from kubelab.apiserver import decoding, rbac, registry, routes
from kubelab.apiserver.pending import Pending
from kubelab.apiserver.streams import upgraded

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


def _may_create(server: APIServer, pending: Pending) -> None:
    """A WebSocket begins with a GET, but what it opens is more than a look. Raises ApiError."""
    if pending.client == "you" and pending.route.verb == "get":
        rbac.check(server, pending.request, rbac.ask_of(pending.route._replace(verb="create")))


def command(server: APIServer, pending: Pending) -> Response | None:
    """An upgraded connection to a command in a container, or to its first process."""
    _may_create(server, pending)
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
    verb, more = ("attach_to", ()) if attaches else ("exec_in", (words,))
    server.send(target, verb, server.name, pending.token, *where, *more, stdin, tty)
    return None


def port_forward(server: APIServer, pending: Pending) -> Response | None:
    """An upgraded connection to ports of a pod.

    Over SPDY (in a WebSocket or not) each connection names its port when it is opened; a plain
    WebSocket has the ports in the query, and one connection to each.
    """
    _may_create(server, pending)
    pod, _ = registry.current(server, pending)
    if not get(pod, "spec", "nodeName"):
        raise errors.bad_request(f"pod {pending.route.name} does not have a host assigned")
    target = _reached(server, pending, pod)
    if not upgraded(pending):
        raise errors.bad_request("Upgrade request required")
    ports = [] if _multiplexed(pending) else _ports(pending.request.query)
    server.note(ports=ports)
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
