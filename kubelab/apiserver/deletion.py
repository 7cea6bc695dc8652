"""Delete: at once, or marked until grace and finalizers are over.

A deletion is a wish. What has no grace period and no finalizer goes at once; anything else gets a
deletionTimestamp and stays until whoever must do something first has done it: the kubelet stops a
pod's containers, a controller removes its finalizer. The last such update deletes the object.

In Kubernetes: k8s.io/apiserver/pkg/registry/rest/delete.go and pkg/registry/generic/registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api import errors, fielderrors
from kubelab.api.kinds import Kind
from kubelab.api.objects import (
    EMPTY,
    Obj,
    freeze,
    get,
    labels_of,
    merged,
    name_of,
    uid_of,
    with_,
)
from kubelab.api.rest import Request, Response, url
from kubelab.apiserver import (
    admission,
    convert,
    decoding,
    defining,
    dynamic,
    list_options,
    reading,
    registry,
    routes,
    services,
    stored,
    strategy,
)
from kubelab.apiserver.pending import Pending, Write
from kubelab.sim.kernel import timestamp

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

POLICIES = ("Foreground", "Background", "Orphan")
# Kinds of which a deletion is answered with the object as it was, not with a Status.
ANSWERED_WHOLE = (
    "PersistentVolume", "PersistentVolumeClaim", "Pod", "PodTemplate", "ResourceQuota", "Service",
    "ServiceAccount",
)  # fmt: skip


def delete(server: APIServer, pending: Pending) -> Write | Response:
    """DELETE of one object: at once, or marked until its grace and finalizers are over."""
    route = pending.route
    kind = convert.stored_kind(route.kind)
    options = _delete_options(pending.request)
    pending.dry = pending.dry or bool(options.get("dryRun"))
    old, revision = registry.current(server, pending)
    _delete_preconditions(kind, old, revision, options)
    admission.admit(server, route, old, pending.request.user)
    dynamic.judge(server, pending, kind, "DELETE", None, old)
    return deleted(server, pending, kind, old, revision, options)


def deleted(
    server: APIServer, pending: Pending, kind: Kind, old: Obj, revision: int, options: Obj
) -> Write | Response:
    """What deleting means for an object as it is now."""
    if kind is defining.DEFINITION and not get(old, "metadata", "deletionTimestamp"):
        old = _definition_marked(server, old)
    metadata = old["metadata"]
    finalizers = _finalizers(kind, old, options)
    grace = strategy.grace_seconds(kind, old, options.get("gracePeriodSeconds"))
    key = stored.path(kind, pending.route.namespace, name_of(old))
    marked = metadata.get("deletionTimestamp")
    held = bool(finalizers) or (kind.kind == "Namespace" and get(old, "spec", "finalizers"))
    if not grace and not held:
        whole = kind.kind in ANSWERED_WHOLE
        answer = old if whole else _deleted_status(kind, old)
        return Write(name_of(old), key, None, revision, answer, 200, released(kind, old), whole)
    already = metadata.get("deletionGracePeriodSeconds")
    if marked and (already is None or grace >= already) and finalizers == _list(metadata):
        return reading.present(server, pending, 200, old)
    new = with_(old, ("metadata",), merged(
        metadata,
        deletionTimestamp=timestamp(server.now + grace * 1_000_000_000),
        deletionGracePeriodSeconds=None if kind.kind == "Namespace" else grace,
        finalizers=finalizers or None,
        resourceVersion=None,
        generation=_next_generation(metadata),
    ))  # fmt: skip
    if kind.kind == "Namespace":
        new = with_(new, ("status", "phase"), "Terminating")
    return Write(name_of(old), key, new, revision, new, 200)


def _next_generation(metadata: Obj) -> int | None:
    """The wish to delete is a new wish; to have it sooner is not."""
    generation: int | None = metadata.get("generation")
    return generation if not generation or metadata.get("deletionTimestamp") else generation + 1


def _definition_marked(server: APIServer, old: Obj) -> Obj:
    """A CustomResourceDefinition waits for its objects to go."""
    held = _list(old["metadata"])
    if defining.FINALIZER not in held:
        old = with_(old, ("metadata", "finalizers"), [*held, defining.FINALIZER])
    return defining.with_condition(old, {
        "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will "
        "begin soon",
    }, timestamp(server.now))  # fmt: skip


def _list(metadata: Obj) -> list[str]:
    return list(metadata.get("finalizers") or ())


def _finalizers(kind: Kind, obj: Obj, options: Obj) -> list[str]:
    """The object's finalizers, with the one that the wished propagation adds or removes."""
    finalizers = _list(obj["metadata"])
    policy = options.get("propagationPolicy")
    if policy is None and options.get("orphanDependents") is not None:
        policy = "Orphan" if options["orphanDependents"] else "Background"
    if policy is None and (kind.group, kind.kind) in strategy.ORPHANING and not finalizers:
        policy = "Orphan"
    if policy is None:
        return finalizers
    finalizers = [f for f in finalizers if f not in ("orphan", "foregroundDeletion")]
    added = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(policy)
    return [*finalizers, added] if added else finalizers


def _delete_options(request: Request) -> Obj:
    body = decoding.tree(request) or EMPTY
    if not isinstance(body, dict):
        raise errors.bad_request("the body is no DeleteOptions")
    said = body.get("kind")
    if said and said != "DeleteOptions":
        raise errors.bad_request(
            f'no kind "{said}" is registered for version "{body.get("apiVersion", "")}" in scheme '
            '"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"'
        )
    options = dict(body)
    for field in ("propagationPolicy", "gracePeriodSeconds", "orphanDependents"):
        value = request.query.get(field)
        if value is not None and field not in options:
            options[field] = value
            if field == "gracePeriodSeconds":
                options[field] = list_options.number(request.query, field)
            elif field == "orphanDependents":
                options[field] = routes.is_true(value)
    policy = options.get("propagationPolicy")
    problem = None
    if policy is not None and options.get("orphanDependents") is not None:
        text = "orphanDependents and deletionPropagation cannot be both set"
        problem = fielderrors.wrong("propagationPolicy", policy, text)
    elif policy is not None and policy not in POLICIES:
        problem = fielderrors.unsupported("propagationPolicy", policy, (*POLICIES, "nil"))
    if problem is not None:
        raise errors.invalid_named("DeleteOptions", "meta.k8s.io", "", [problem])
    return Obj(options)


def _delete_preconditions(kind: Kind, old: Obj, revision: int, options: Obj) -> None:
    wanted = options.get("preconditions") or EMPTY
    if wanted.get("uid") and wanted["uid"] != uid_of(old):
        raise errors.precondition_failed(kind, name_of(old), "UID", wanted["uid"], uid_of(old))
    if wanted.get("resourceVersion") and wanted["resourceVersion"] != str(revision):
        raise errors.precondition_failed(
            kind, name_of(old), "ResourceVersion", wanted["resourceVersion"], str(revision)
        )


def _deleted_status(kind: Kind, obj: Obj) -> Obj:
    details = {"name": name_of(obj), "kind": kind.plural, "uid": uid_of(obj)}
    if kind.group:
        details["group"] = kind.group
    return freeze({  # type: ignore[no-any-return]
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    })  # fmt: skip


def delete_collection(server: APIServer, pending: Pending) -> Response:
    """DELETE of all objects that the selectors match, one by one."""
    route, query = pending.route, pending.request.query
    _delete_options(pending.request)
    labels, fields = reading.chosen(route.kind, query)
    cache = server.caches[route.kind.prefix]
    doomed = [
        obj
        for obj in cache.all(route.namespace)
        if labels.matches(labels_of(obj)) and fields.matches(obj)
    ]
    for obj in doomed:
        path = url(route.kind, get(obj, "metadata", "namespace", default=""), name_of(obj))
        request = Request("DELETE", path, query, EMPTY, pending.request.body, pending.request.user)
        server.send(server.name, "request", server.name, 0, request)
    shown = [reading.item(route.kind, obj) for obj in doomed]
    return Response(200, EMPTY, reading.as_list(route.kind, shown, cache.revision))


def released(kind: Kind, obj: Obj) -> tuple[tuple[str, Obj | None], ...]:
    """What goes with a deleted object: a Service's addresses."""
    held = services.addresses_of(obj) if kind.kind == "Service" else ()
    return tuple((f"/registry/ipaddresses/{address}", None) for address in held)
