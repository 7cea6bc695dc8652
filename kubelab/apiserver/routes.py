"""Paths of the API: what a request asks for.

`/api/v1/namespaces/shop/pods/web/log?container=c` is taken apart into verb, kind, namespace, name
and subresource. A path that names nothing is None; what to answer then is the server's business.

In Kubernetes: k8s.io/apiserver/pkg/endpoints/request (RequestInfo).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.rest import Request

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}


class Route(NamedTuple):
    """What a request asks for: `verb` is the API's (`list`, `deletecollection`), not HTTP's."""

    verb: str
    kind: Kind
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> str:
        """`namespace/name`, or `name`."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


Custom = Mapping[tuple[str, str, str], Kind]
NO_CUSTOM: Custom = {}


def parse(request: Request, custom: Custom = NO_CUSTOM) -> Route | None:
    """The route of a request, or None if its path leads to no object or collection.

    `custom` holds the rows of custom resources by group, version and plural.
    """
    parts = [part for part in request.path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, version, rest = "", parts[1], parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    watching = rest[0] == "watch"
    if watching:
        rest = rest[1:]
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and _find(custom, group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    if not rest or len(rest) > 3:
        # A proxied path may be longer: pods/NAME/proxy/any/where.
        if not (len(rest) > 3 and rest[2] == "proxy"):
            return None
    kind = _find(custom, group, version, rest[0])
    if kind is None:
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in kind.subresources:
        return None
    verb = VERBS.get(request.method, "")
    if subresource == "proxy" and request.method in ("HEAD", "OPTIONS"):
        verb = "get"
    if verb == "get" and not name:
        verb = "list"
    if verb in ("get", "list") and (watching or is_true(request.query.get("watch"))):
        verb = "watch"
    if verb == "delete" and not name:
        verb = "deletecollection"
    if kind.kind == "Namespace" and name:
        namespace = ""
    return Route(verb, kind, namespace, name, subresource)


def unknown(request: Request) -> tuple[str, str, str, str, str, str] | None:
    """Of a path that has the form of a resource's: verb, group, resource, subresource, namespace,
    name. Whoever may not ask for it is not told that it does not exist."""
    parts = [part for part in request.path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        group, rest = "", parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, rest = parts[1], parts[3:]
    else:
        return None
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = (*rest[:3], "", "")[:3]
    verb = VERBS.get(request.method, request.method.lower())
    if not name:
        verb = {"get": "list", "delete": "deletecollection"}.get(verb, verb)
    return verb, group, resource, subresource, namespace, name


def _find(custom: Custom, group: str, version: str, plural: str) -> Kind | None:
    return kinds.by_path(group, version, plural) or custom.get((group, version, plural))


def is_true(value: str | None) -> bool:
    """A query parameter that is given and does not say no."""
    return value is not None and value.lower() not in ("", "0", "false")
