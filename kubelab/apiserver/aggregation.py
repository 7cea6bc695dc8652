"""APIs that another process serves: the request is handed on, and its answer handed back.

An APIService names a group and version and the Service behind it. Here that Service is a component
of the same name. What it serves is listed in discovery like all else and guarded by the same rules;
whether it can be reached stands in the APIService's condition Available.

In Kubernetes: k8s.io/kube-aggregator (handler_proxy.go and the availability controllers). The
resources of a group are known to this server; there they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from kubelab.api import errors, kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import EMPTY, Obj, get
from kubelab.api.rest import Request, Response, url
from kubelab.apiserver import routes
from kubelab.apiserver.defining import SERVICES, Defining, with_condition
from kubelab.apiserver.pending import Pending

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

KIND = kinds.named("apiregistration.k8s.io/v1/APIService")
VERB = "serve_api"
# What is served by others: by group, version and plural, the kind and its APIService.
Backends = dict[tuple[str, str, str], tuple[Kind, str]]


def _row(kind: str, plural: str, namespaced: bool) -> Kind:
    return Kind(
        "metrics.k8s.io", "v1beta1", kind, plural, "", namespaced, (), (), ("get", "list"), (),
        "", (),
    )  # fmt: skip


# What the components serve that may stand behind an APIService.
ROWS = (_row("NodeMetrics", "nodes", False), _row("PodMetrics", "pods", True))


def rows_of(service: Obj | None) -> tuple[Kind, ...]:
    """The kinds that an APIService adds."""
    spec = get(service or EMPTY, "spec", default=EMPTY)
    if not spec.get("service"):
        return ()
    known = (spec.get("group"), spec.get("version"))
    return tuple(row for row in ROWS if (row.group, row.version) == known)


def changed(server: APIServer, name: str, service: Obj | None) -> None:
    """An APIService is new, changed or gone: what is served follows."""
    for path, (_, held) in list(server.backends.items()):
        if held == name:
            del server.backends[path]
    for row in rows_of(service):
        server.backends[(row.group, row.version, row.plural)] = (row, name)
    if service is not None and not get(service, "status", "conditions"):
        _tell(server, service, _availability(server, service))


def _component(service: Obj) -> str:
    return str(get(service, "spec", "service", "name", default=""))


def _availability(server: APIServer, service: Obj) -> dict[str, str]:
    """The condition Available."""
    said = {"type": "Available", "status": "True"}
    behind = get(service, "spec", "service")
    if not behind:
        text = "Local APIServices are always available"
        return {**said, "reason": "Local", "message": text}
    name, namespace = behind.get("name", ""), behind.get("namespace", "")
    if name not in server.world.components:
        text = f'service/{name} in "{namespace}" is not present'
        return {**said, "status": "False", "reason": "ServiceNotFound", "message": text}
    return {**said, "reason": "Passed", "message": "all checks passed"}


def _tell(server: APIServer, service: Obj, said: dict[str, str]) -> None:
    """Writes the condition, if that is news."""
    for held in get(service, "status", "conditions", default=()):
        if all(held.get(field) == value for field, value in said.items()):
            return
    body = with_condition(service, said, server.timestamp)
    path = url(KIND, "", service["metadata"]["name"], "status")
    request = Request("PUT", path, body=body, user="system:apiserver", groups=("system:masters",))
    server.send(server.name, "request", server.name, 0, request)


def route(server: APIServer, request: Request) -> routes.Route | None:
    """The route of a request for what others serve, or None."""
    if not server.backends:
        return None
    return routes.parse(request, {path: row for path, (row, _) in server.backends.items()})


def served(server: APIServer, rows: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """All rows that discovery shows."""
    return (*rows, *(row for row, _ in server.backends.values())) if server.backends else rows


def forward(server: APIServer, pending: Pending) -> bool:
    """Hands a request on to the component behind its group; False if the group is our own."""
    route = pending.route
    held = server.backends.get((route.kind.group, route.kind.version, route.kind.plural))
    if held is None:
        return False
    if route.verb not in route.kind.verbs:
        refuse(server, pending, errors.method_not_allowed())
        return True
    service = server.cached(SERVICES, held[1])
    component = _component(service) if service is not None else ""
    server.note(backend=component)
    server.send(component, VERB, server.name, pending.token, pending.request)
    return True


def refuse(server: APIServer, pending: Pending, error: errors.ApiError) -> None:
    """Answers with an error."""
    server._answer(pending, Response(error.code, EMPTY, error.status))


def silent(server: APIServer, args: tuple[Any, ...]) -> None:
    """The component behind a group does not answer."""
    pending = server.pending.get(args[1])
    if pending is None:
        return
    kind = pending.route.kind
    held = server.backends.get((kind.group, kind.version, kind.plural))
    service = server.cached(SERVICES, held[1]) if held is not None else None
    if service is not None:
        name = _component(service)
        text = f'endpoints for service/{name} in "kube-system" have no addresses'
        said = {"type": "Available", "status": "False", "reason": "MissingEndpoints"}
        _tell(server, service, {**said, "message": text})
    refuse(server, pending, errors.unavailable("service unavailable"))


def answered(server: APIServer, token: int, response: Response) -> None:
    """The component behind a group has answered."""
    pending = server.pending.get(token)
    if pending is None:
        return
    kind = pending.route.kind
    held = server.backends.get((kind.group, kind.version, kind.plural))
    service = server.cached(SERVICES, held[1]) if held is not None else None
    if service is not None:
        _tell(server, service, _availability(server, service))
    server._answer(pending, response)


class Aggregating(Defining):
    """The part of an `APIServer` that looks after the APIs that others serve."""

    backends: Backends

    def backend_changed(self, name: str, service: Obj | None) -> None:
        """An APIService is new, changed or gone."""
        changed(cast("APIServer", self), name, service)

    def aggregated(self, token: int, response: Response) -> None:
        """The process that a request was handed on to has answered."""
        answered(cast("APIServer", self), token, response)
