"""Who manages which fields, asked at each write; and the way of a server-side apply.

The manager of a write is what its `fieldManager` says, else the client's name (the part of the user
agent before the slash). What follows from it for managedFields stands in `kubelab/api/apply.py`.

In Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers (patch.go's applyPatcher, fieldmanager).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api import apply as fields
from kubelab.api import errors, fieldsets
from kubelab.api.kinds import Kind
from kubelab.api.objects import EMPTY, Arr, Obj, get, name_of, namespace_of
from kubelab.api.rest import Response
from kubelab.apiserver import convert, decoding, registry, routes, schema_check
from kubelab.apiserver.pending import Pending, Write
from kubelab.sim.kernel import timestamp

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer


def manager(
    pending: Pending, kind: Kind, operation: str, door: str | None = None
) -> fields.Manager:
    """Who makes a write."""
    request = pending.request
    name = request.query.get("fieldManager")
    if not name:
        name = decoding.header(request, "User-Agent").partition("/")[0] or "kube-apiserver"
    subresource = pending.route.subresource if door is None else door
    return fields.Manager(str(name), operation, kind.api_version, subresource)


def updated(
    server: APIServer, pending: Pending, kind: Kind, old: Obj, new: Obj, door: str | None = None
) -> Arr:
    """managedFields after a plain write; nobody manages the fields of an absent object."""
    who = manager(pending, kind, "Update", door)
    return fields.updated(fieldsets.type_of(kind), old, new, who, timestamp(server.now))


def apply(server: APIServer, pending: Pending) -> Write | Response:
    """PATCH by server-side apply: makes the object, or merges what the manager wants into it."""
    route, kind = pending.route, convert.stored_kind(pending.route.kind)
    said = decoding.tree(pending.request)
    if not isinstance(said, dict) or not said.get("kind"):
        raise errors.bad_request("invalid object type: /, Kind=")
    if get(said, "metadata", "managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    type_ = fieldsets.type_of(kind)
    _check(route.kind, type_, Obj(said))
    wish = decoding.placed(pending, decoding.decode(pending, said))
    wish = convert.to_stored(route.kind, wish)
    force = routes.is_true(pending.request.query.get("force"))
    who, time = manager(pending, kind, "Apply"), timestamp(server.now)
    try:
        old, revision = registry.current(server, pending)
    except errors.ApiError:
        if not pending.fresh or route.subresource:
            raise
        if get(said, "metadata", "uid"):
            raise
        new, managers = fields.applied(type_, None, wish, said, who, time, force=force)
        return registry.created(server, pending, new, managers)
    asked = get(wish, "metadata", "resourceVersion")
    if asked and asked != str(revision):
        raise errors.conflict(kind, name_of(old))
    new, managers = fields.applied(type_, old, wish, said, who, time, force=force)
    pending.passes("server-side apply")
    return registry.changed(
        server, pending, old, new, revision, unconditional=True, managers=managers
    )


def _check(kind: Kind, type_: fieldsets.Type, said: Obj) -> None:
    """An apply must fit the schema: no unknown field, no item twice."""
    problem = _twice(type_, said, "")
    if not problem:
        for text in schema_check.check(kind, Obj({**said, "apiVersion": kind.api_version}))[1]:
            problem = f".{text.split(chr(34))[1]}: field not declared in schema"
            break
    if problem:
        version = kind.api_version if kind.group else f"/{kind.version}"
        raise errors.failure(
            500,
            f"failed to create typed patch object ({namespace_of(said)}/{name_of(said)}; "
            f"{version}, Kind={kind.kind}): {problem}",
        )


def _twice(type_: fieldsets.Type, value: object, path: str) -> str:
    """The first list of a value that has two items of one key, or the empty string."""
    if fieldsets.is_leaf(type_, value):
        return ""
    if isinstance(value, list):
        seen: dict[str, object] = {}
        for item in value:
            if type_.form == "list" and not isinstance(item, dict):
                return ""
            key = fieldsets.item_key(type_, item)
            if key in seen:
                return f"{path}: duplicate entries for key {fieldsets.step(key)}"
            seen[key] = item
        found = (
            _twice(fieldsets.part_type(type_, key), item, path + fieldsets.step(key))
            for key, item in seen.items()
        )
        return next((text for text in found if text), "")
    for name, item in (value or EMPTY).items():  # type: ignore[attr-defined]
        text = _twice(type_.child(name), item, f"{path}.{name}")
        if text:
            return text
    return ""
