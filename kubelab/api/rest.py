"""A request to the API server and its answer, as values.

The same two records travel as messages between components, through `Cluster.request` and behind the
HTTP server, so that there is one handler for all of them.

In Kubernetes: net/http's Request and Response, and k8s.io/client-go/rest for the paths.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api import errors, kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import EMPTY, Obj

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

# What components of the same process accept: objects as the server holds them, shared and each with
# its kind, where others get them written out (as real components ask for protobuf).
SHARED = "application/x-shared-objects"

ADMIN = "kubernetes-admin"


class Request(NamedTuple):
    """One HTTP request: `path` without its query, query and header names in the sender's spelling.

    `body` is an object, bytes as they came from a socket, or None. `user` is who asks
    and `groups` what he belongs to beside the groups that follow from his name; an empty user must
    show a token among the headers, or is nobody.
    """

    method: str
    path: str
    query: Obj = EMPTY
    headers: Obj = EMPTY
    body: Any = None
    user: str = ADMIN
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Obj = EMPTY


class Response(NamedTuple):
    """One HTTP answer; `body` is an object or text, a Status where `status` is 400 or more."""

    status: int
    headers: Obj = EMPTY
    body: Any = None

    @property
    def ok(self) -> bool:
        """Whether the request was carried out."""
        return self.status < 400

    @property
    def reason(self) -> str:
        """The reason of a failure (`NotFound`, `Conflict`), or the empty string."""
        return str(self.body.get("reason", "")) if isinstance(self.body, dict) else ""

    @property
    def message(self) -> str:
        """The message of a failure."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


def url(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The path of a collection, an object or a subresource."""
    path = kind.path
    if namespace and kind.namespaced:
        path += f"/namespaces/{namespace}"
    path += f"/{kind.plural}"
    if name:
        path += f"/{name}"
    if subresource:
        path += f"/{subresource}"
    return path


def kind_of(word: str) -> Kind:
    """The kind that a word names (`po`, `Pod`, `apps/v1/Deployment`). Raises ApiError."""
    kind = None
    if word.count("/"):
        api_version, _, name = word.rpartition("/")
        kind = kinds.find(api_version, name)
    kind = kind or kinds.resolve(word)
    if kind is None:
        near = kinds.suggest(word)
        hint = f'; did you mean "{near}"?' if near else ""
        text = f'the server doesn\'t have a resource type "{word}"{hint}'
        raise errors.failure(404, text, "NotFound", {})
    return kind
