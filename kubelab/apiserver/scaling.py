"""Scale: the wished number of replicas of an object, and the present one, whatever its kind.

The subresource is read, replaced and patched as an object of its own, `autoscaling/v1` Scale; what
is written is the object behind it.

In Kubernetes: pkg/registry/apps/*/storage, pkg/apis/autoscaling/validation (ValidateScale).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api import errors, fielderrors, patch, selectors
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import EMPTY, Obj, freeze, get, name_of, with_
from kubelab.api.rest import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Response
from kubelab.apiserver import (
    customresources,
    decoding,
    formats,
    forms,
    patching,
    registry,
)
from kubelab.apiserver.pending import Pending, Write

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

# Scale is no resource of its own; this row is for reading bodies.
SCALE = Kind(
    "autoscaling", "v1", "Scale", "scales", "scale", True, (), (), ("get",), (), "", ()
)  # fmt: skip


def scale_of(obj: Obj, kind: Kind | None = None) -> Obj:
    """The Scale of a workload, or of a custom resource."""
    if isinstance(kind, CustomKind):
        return _custom_scale(obj, kind)
    selector = get(obj, "spec", "selector", default=EMPTY)
    if "matchLabels" in selector or "matchExpressions" in selector:
        text = str(selectors.compile_selector(selector))
    else:
        text = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
    status = {"replicas": get(obj, "status", "replicas", default=0), "selector": text}
    return _scale(obj, get(obj, "spec", "replicas", default=0), status)


def _custom_scale(obj: Obj, kind: CustomKind) -> Obj:
    wished, present, said = customresources.replicas(kind, obj)
    if wished is None:
        path = kind.scale.get("specReplicasPath", "")
        raise errors.internal_error(f'the spec replicas field "{path}" does not exist')
    status: dict[str, Any] = {"replicas": present}
    return _scale(obj, wished, {**status, "selector": said} if said else status)


def _scale(obj: Obj, replicas: int, status: dict[str, Any]) -> Obj:
    metadata = {
        field: get(obj, "metadata", field)
        for field in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    }
    return freeze({  # type: ignore[no-any-return]
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    })  # fmt: skip


def scale(server: APIServer, pending: Pending) -> Write | Response:
    """GET, PUT and PATCH of the wished number of replicas."""
    kind = pending.route.kind
    old, revision = registry.current(server, pending)
    if isinstance(kind, CustomKind):
        old = customresources.shown(kind, old)
    shown = scale_of(with_(old, ("metadata", "resourceVersion"), str(revision)), kind)
    if pending.request.method == "GET":
        return Response(200, EMPTY, forms.show(pending.request, kind, shown, server.now))
    body = _patched(pending, shown) if pending.request.method == "PATCH" else _sent(pending)
    name = get(body, "metadata", "name")
    if name and name != pending.route.name:
        raise errors.wrong_name(name, pending.route.name)
    replicas = get(body, "spec", "replicas", default=0)
    if replicas < 0:
        problem = fielderrors.wrong("spec.replicas", replicas, formats.NOT_NEGATIVE)
        raise errors.invalid(SCALE, name_of(old), [problem])
    asked = get(body, "metadata", "resourceVersion")
    if asked and asked != str(revision):
        raise errors.conflict(kind, name_of(old))
    if isinstance(kind, CustomKind):
        wish = customresources.with_replicas(kind, old, replicas)
    else:
        wish = with_(old, ("spec", "replicas"), replicas)
    outcome = registry.changed(
        server, _plain(pending), old, wish, revision, unconditional=True, door="scale"
    )
    if isinstance(outcome, Write):
        return outcome._replace(answer=scale_of(outcome.answer, kind))
    return outcome._replace(body=scale_of(outcome.body, kind))


def _sent(pending: Pending) -> Obj:
    """The Scale of a PUT."""
    return decoding.decode(pending, decoding.tree(pending.request), SCALE)


def _patched(pending: Pending, shown: Obj) -> Obj:
    """The Scale as a patch would have it."""
    media = decoding.header(pending.request, "Content-Type").partition(";")[0].strip()
    if media == APPLY_PATCH:
        return decoding.decode(pending, decoding.tree(pending.request), SCALE)
    if media not in (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH):
        raise errors.unsupported_patch_type()
    change = patching.read(pending.request, media)
    laid = patch.json_patch if media == JSON_PATCH else patch.merge_patch
    new: Obj = freeze(laid(shown, change))
    level = pending.request.query.get("fieldValidation") or "Warn"
    patching.check(SCALE, shown, new, change, media, level)
    return new


def _plain(pending: Pending) -> Pending:
    """The request as one to the object itself."""
    twin = Pending(
        pending.token, pending.client, pending.call_id, pending.request,
        pending.route._replace(subresource=""),
    )  # fmt: skip
    twin.gates, twin.warnings = pending.gates, pending.warnings
    twin.answers = pending.answers
    return twin
