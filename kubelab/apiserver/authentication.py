"""Who asks: the first station of a request.

A component of the cluster is known by its connection, the administrator by the token or certificate
that the HTTP server has checked; everybody else shows a bearer token, or is `system:anonymous`.
Then whoever may `impersonate` becomes who the headers name. The result is the same request with the
user's full name and groups.

In Kubernetes: k8s.io/apiserver/pkg/authentication and pkg/endpoints/filters (authentication.go,
impersonation.go). Left out: bootstrap tokens, OIDC, authenticating proxies and webhooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from kubelab.api import errors
from kubelab.api.objects import Arr, Obj
from kubelab.api.rest import ADMIN, Request
from kubelab.apiserver import rbac, tokens
from kubelab.apiserver.decoding import header

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

ANONYMOUS, UNAUTHENTICATED = "system:anonymous", "system:unauthenticated"
AUTHENTICATED, MASTERS = "system:authenticated", "system:masters"
SERVICE_ACCOUNT = "system:serviceaccount:"
# All repeated headers of a name stand in one, one a line.
LINES = "\n"


def identify(server: APIServer, client: str, request: Request) -> Request:
    """The request with who asks in full. Raises ApiError 401 or 403."""
    if client != "you":
        # Components are trusted: see `rbac.authorize`.
        return request
    scheme, _, token = header(request, "Authorization").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        known = tokens.user_of(server, token.strip())
        if known is None:
            raise errors.unauthorized()
        name, uid, extra = known
        request = request._replace(user=name, groups=groups_of(name), uid=uid, extra=extra)
    elif request.user:
        groups = groups_of(request.user, request.groups)
        request = request._replace(groups=groups)
    else:
        request = request._replace(user=ANONYMOUS, groups=(UNAUTHENTICATED,))
    return _impersonated(server, request)


def groups_of(user: str, groups: tuple[str, ...] = ()) -> tuple[str, ...]:
    """All groups of somebody: the given ones, and those that follow from the name."""
    found = list(groups)
    if user == ADMIN and not groups:
        found.append(MASTERS)
    if user.startswith(SERVICE_ACCOUNT):
        namespace = user.split(":")[2]
        found += ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"]
    found.append(UNAUTHENTICATED if user == ANONYMOUS else AUTHENTICATED)
    return tuple(dict.fromkeys(found))


def _impersonated(server: APIServer, request: Request) -> Request:
    """The request in the name of whom the headers name, if its sender may act for them."""
    wishes = _wishes(request)
    if not wishes:
        return request
    user, uid = wishes.get("user", ""), wishes.get("uid", "")
    groups = tuple(wishes.get("group", "").split(LINES)) if wishes.get("group") else ()
    extra = {key[6:]: value for key, value in wishes.items() if key.startswith("extra-")}
    if not user:
        raise errors.internal_error(
            f"requested [{_asked(groups, uid)}] without impersonating a user"
        )
    asked: list[tuple[str, str, str, str, str]] = []
    if user.startswith(SERVICE_ACCOUNT) and user.count(":") == 3:
        namespace, name = user.split(":")[2:]
        asked.append(("", "serviceaccounts", "", namespace, name))
    else:
        asked.append(("", "users", "", "", user))
    asked += [("", "groups", "", "", group) for group in groups]
    for key, value in extra.items():
        asked += [
            ("authentication.k8s.io", "userextras", key, "", item) for item in value.split(LINES)
        ]
    if uid:
        asked.append(("authentication.k8s.io", "uids", "", "", uid))
    for group, resource, subresource, namespace, name in asked:
        rbac.check(
            server, request,
            rbac.Ask("impersonate", group, resource, subresource, namespace, name),
        )  # fmt: skip
    server.note(impersonates=user, caller=request.user)
    said = Obj({key: Arr(value.split(LINES)) for key, value in sorted(extra.items())})
    return request._replace(user=user, groups=groups_of(user, groups), uid=uid, extra=said)


def _asked(groups: tuple[str, ...], uid: str) -> str:
    return " ".join(
        [*(f"{{Group  {name}}}" for name in groups), *([f"{{UID  {uid}}}"] * bool(uid))]
    )


def _wishes(request: Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in request.headers.items():
        if name.lower().startswith("impersonate-"):
            found[unquote(name[12:].lower())] = str(value)
    return found


def user_info(request: Request) -> Obj:
    """Who asks, as reviews show it."""
    info: dict[str, Any] = {"username": request.user, "uid": request.uid}
    groups = request.groups
    if not groups:
        # A component of the cluster, which is not asked who it is.
        own = ("system:nodes",) if request.user.startswith("system:node:") else ()
        groups = groups_of(request.user, own)
    info["groups"] = Arr(groups)
    if request.extra:
        info["extra"] = request.extra
    return Obj({key: value for key, value in info.items() if value})
