"""Create, update and patch: one way for every kind (deletion has its own file).

Each function takes a pending request and what the object is now, and returns a `Write` for the
server to commit, a finished `Response`, or raises ApiError. Nothing is changed here. What differs
between kinds stands in `strategy.py`, `defaults.py`, `validation.py` and `services.py`.

In Kubernetes: k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api import errors, fielderrors, kinds
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import (
    EMPTY,
    NOTHING,
    Arr,
    Obj,
    get,
    merged,
    name_of,
    uid_of,
    with_,
    without,
)
from kubelab.api.rest import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Response
from kubelab.apiserver import (
    admission,
    authentication,
    convert,
    decoding,
    defaults,
    deletion,
    dynamic,
    forms,
    managing,
    modelled,
    patching,
    rbac,
    reading,
    reviews,
    services,
    stored,
    strategy,
    subresources,
    validation,
    validation_containers,
    validation_warnings,
)
from kubelab.apiserver.pending import Pending, Write
from kubelab.apiserver.routes import VERBS, Route
from kubelab.sim.kernel import timestamp

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

# Kinds for which a PUT to a name that is not there creates the object.
MADE_BY_UPDATE = ("Lease", "Event", "Endpoints", "EndpointSlice", "RuntimeClass", "Role",
                  "ClusterRole", "RoleBinding", "ClusterRoleBinding")  # fmt: skip
CUSTOM_PATCHES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH)
TERMINATING = "create not allowed while custom resource definition is terminating"
# Subresources that lead to a node.
CONNECTING = ("log", "exec", "attach", "portforward", "proxy")
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def needed(route: Route) -> tuple[str, ...]:
    """Directories whose caches a request needs beside its own kind's."""
    if route.subresource in CONNECTING:
        return ("/registry/pods/", "/registry/minions/", "/registry/endpointslices/")
    if route.verb in ("update", "patch") and not route.subresource:
        # Either may make an object that is not there.
        return (*admission.NEEDED, "/registry/pods/")
    if route.verb in ("create", "delete"):
        if route.subresource == "eviction":
            return (*admission.NEEDED, "/registry/poddisruptionbudgets/")
        return admission.NEEDED
    return ()


def home(route: Route) -> str:
    """The directory of what a request is about; empty for what is answered and never kept."""
    return "/registry/pods/" if route.kind.kind == "Binding" else route.kind.prefix


def write(server: APIServer, pending: Pending) -> Write | Response | None:
    """Dispatches every verb that changes something."""
    route = pending.route
    decoding.check_size(pending.request)
    # What is only answered, and never kept, is no row of a Table.
    forms.check(pending.request, forms.FORMS if home(route) else ("",))
    if route.subresource:
        allowed = kinds.subresource(route.kind, route.subresource).verbs
        # What stands behind a proxy is asked in any way of HTTP.
        if VERBS.get(pending.request.method) not in allowed and route.subresource != "proxy":
            raise errors.method_not_allowed()
        special = subresources.HANDLERS.get((route.kind.kind, route.subresource))
        special = special or subresources.HANDLERS.get(("*", route.subresource))
        if special is not None:
            if route.subresource in CONNECTING[1:]:
                dynamic.judge(server, pending, route.kind, "CONNECT", None, None)
            return special(server, pending)
    if route.kind.kind in reviews.HANDLERS and route.verb == "create":
        return reviews.answer(server, pending)
    if not route.kind.stored:
        return subresources.unstored(server, pending)
    if not route.verb or (not route.subresource and route.verb not in route.kind.verbs):
        raise errors.method_not_allowed()
    pending.passes("authorization")
    decoding.check_options(pending.request)
    return WRITERS[route.verb](server, pending)


def present(server: APIServer, pending: Pending, status: int, body: Any) -> Response:
    """An object as the client asked for it: its version, perhaps as a Table."""
    return reading.present(server, pending, status, body)


# Create.


def create(server: APIServer, pending: Pending) -> Write:
    """POST to a collection."""
    route, kind = pending.route, pending.route.kind
    if route.name or (kind.namespaced and not route.namespace):
        raise errors.method_not_allowed()
    if isinstance(kind, CustomKind) and kind.terminating:
        raise errors.failure(405, TERMINATING, "MethodNotAllowed", {})
    obj = decoding.placed(pending, decoding.from_body(pending))
    obj = _named(server, obj)
    obj = convert.to_stored(kind, obj)
    return created(server, pending, obj)


def _named(server: APIServer, obj: Obj) -> Obj:
    metadata = obj.get("metadata") or EMPTY
    if not metadata.get("name") and metadata.get("generateName"):
        prefix = metadata["generateName"][:58]
        metadata = merged(metadata, name=prefix + server.chance.suffix())
    return with_(obj, ("metadata",), metadata)  # type: ignore[no-any-return]


def created(server: APIServer, pending: Pending, obj: Obj, managers: Arr | None = None) -> Write:
    """From a decoded object in its stored version to what is written.

    `managers` are the managedFields where an apply has made them already.
    """
    route = pending.route
    kind = convert.stored_kind(route.kind)
    if obj["metadata"].get("resourceVersion"):
        raise errors.failure(500, "resourceVersion should not be set on objects to be created")
    obj = defaults.apply_defaults(kind, obj)
    if managers is None:
        managers = managing.updated(server, pending, kind, EMPTY, obj)
    rbac.check_escalation(server, pending.request, kind, obj)
    made = route._replace(verb="create")
    obj, ran = admission.admit(server, made, obj, pending.request.user)
    pending.passed(ran)
    wished = dynamic.mutated(server, pending, kind, "CREATE", obj, None)
    if wished is not obj:
        # What was changed is looked at once more.
        obj, _ = admission.admit(server, made, wished, pending.request.user)
    metadata = merged(
        obj["metadata"],
        uid=server.chance.uid(),
        creationTimestamp=timestamp(server.now),
        resourceVersion=None,
        deletionTimestamp=None,
        deletionGracePeriodSeconds=None,
        selfLink=None,
        managedFields=managers or None,
    )
    who = authentication.user_info(pending.request)
    obj = strategy.prepare_create(kind, merged(obj, metadata=metadata), who)
    problems = validation.validate_create(kind, obj)
    if not server.allow_privileged:
        problems = [*validation_containers.privileged(kind, obj), *problems]
    extra: tuple[tuple[str, Obj | None], ...] = ()
    if kind.kind == "Service" and not problems:
        obj, problems, extra = _allocate(server, obj, None)
    if problems:
        raise errors.invalid(kind, name_of(obj), problems)
    pending.passes("validation", "every field may be stored")
    dynamic.judge(server, pending, kind, "CREATE", obj, None)
    admission.verify(server, pending, obj, creates=True)
    for text in (*validation_warnings.warnings(kind, obj), *modelled.warnings(kind, obj)):
        pending.warn(text)
    key = stored.path(kind, route.namespace, name_of(obj))
    return Write(name_of(obj), key, convert.at_rest(kind, obj), 0, obj, 201, extra)


def _allocate(
    server: APIServer, service: Obj, old: Obj | None
) -> tuple[Obj, list[Any], tuple[tuple[str, Obj | None], ...]]:
    """Addresses and ports for a Service, and the IPAddress objects written along with it."""
    held = services.taken(server.caches["/registry/services/specs/"].all())
    service, problems = services.allocate(service, old, held, server.chance, server.service_cidrs)
    before, after = services.addresses_of(old), services.addresses_of(service)
    extra: list[tuple[str, Obj | None]] = [
        (f"/registry/ipaddresses/{gone}", None) for gone in before if gone not in after
    ]
    for new in after:
        if new not in before:
            address = services.address_object(new, service)
            metadata = merged(
                address["metadata"],
                uid=server.chance.uid(),
                creationTimestamp=timestamp(server.now),
            )
            extra.append((f"/registry/ipaddresses/{new}", merged(address, metadata=metadata)))
    return service, problems, tuple(extra)


# The object as it is now.


def current(server: APIServer, pending: Pending) -> tuple[Obj, int]:
    """The object and its revision: etcd's if we have asked, else the cache's. Raises 404."""
    route = pending.route
    if not pending.fresh:
        known = server.cached(route.kind.prefix, route.key)
        if known is None:
            # The refusal is checked against etcd before it is given.
            pending.current = (EMPTY, 0)
        else:
            revision = int(known["metadata"]["resourceVersion"])
            pending.current = (known, revision)
    if pending.current is None or not pending.current[1]:
        raise errors.not_found(route.kind, route.name)
    return pending.current


def update(server: APIServer, pending: Pending) -> Write | Response:
    """PUT of a whole object."""
    kind = pending.route.kind
    if not pending.route.name:
        raise errors.method_not_allowed()
    obj = decoding.from_body(pending)
    decoding.check_named(pending, obj)
    obj = decoding.placed(pending, obj)
    try:
        old, revision = current(server, pending)
    except errors.ApiError:
        if pending.fresh and kind.kind in MADE_BY_UPDATE and not pending.route.subresource:
            return created(server, pending, convert.to_stored(kind, obj))
        raise
    obj = convert.to_stored(kind, obj)
    return changed(server, pending, old, obj, revision)


def patched(server: APIServer, pending: Pending) -> Write | Response:
    """PATCH: the patch is laid over the object as it is now, as often as that takes."""
    route, kind = pending.route, pending.route.kind
    if not route.name:
        raise errors.method_not_allowed()
    media = decoding.header(pending.request, "Content-Type").partition(";")[0].strip()
    if media not in PATCHES:
        raise errors.unsupported_patch_type()
    if isinstance(kind, CustomKind) and media not in CUSTOM_PATCHES:
        raise errors.unsupported_media_type(", ".join(CUSTOM_PATCHES))
    if media == APPLY_PATCH:
        return managing.apply(server, pending)
    change = patching.read(pending.request, media)
    old, revision = current(server, pending)
    shown = convert.from_stored(kind, old)
    shown = merged(shown, apiVersion=kind.api_version, kind=kind.kind)
    new = patching.laid_over(shown, change, media, kind)
    level = pending.request.query.get("fieldValidation") or "Warn"
    patching.check(kind, shown, new, change, media, level)
    decoding.check_named(pending, new)
    obj = decoding.placed(pending, decoding.decode(pending, new))
    if get(obj, "metadata", "resourceVersion") == get(shown, "metadata", "resourceVersion"):
        obj = without(obj, ("metadata", "resourceVersion"))
    obj = convert.to_stored(kind, obj)
    obj = with_(obj, ("metadata", "name"), route.name)
    return changed(server, pending, old, obj, revision, unconditional=True)


def changed(
    server: APIServer,
    pending: Pending,
    old: Obj,
    new: Obj,
    revision: int,
    *,
    unconditional: bool = False,
    door: str | None = None,
    managers: Arr | None = None,
) -> Write | Response:
    """From the old and the wished object to what is written.

    `door` is the subresource that managedFields name; `managers` are the managedFields where an
    apply has made them already.
    """
    route = pending.route
    kind = convert.stored_kind(route.kind)
    before = without(old, ("metadata", "resourceVersion"))
    if isinstance(kind, CustomKind):
        old = convert.from_stored(kind, old)
        _check_versioned(kind, new, unconditional)
    _check_preconditions(kind, old, new, revision, patch=unconditional)
    if not unconditional or new["metadata"].get("resourceVersion"):
        asked = new["metadata"].get("resourceVersion")
    else:
        asked = str(revision)
    new = defaults.apply_defaults(kind, new)
    if managers is None:
        managers = managing.updated(server, pending, kind, old, new, door)
    new = strategy.prepare_update(kind, old, new, route.subresource, timestamp(server.now))
    if managers != get(new, "metadata", "managedFields", default=NOTHING):
        metadata = merged(new["metadata"], managedFields=managers or None)
        new = merged(new, metadata=metadata)
    rbac.check_escalation(server, pending.request, kind, new)
    new, ran = admission.admit(server, route, new, pending.request.user)
    pending.passed(ran)
    new = dynamic.mutated(server, pending, kind, "UPDATE", new, old)
    judged = with_(new, ("metadata", "resourceVersion"), asked) if asked else new
    problems = _uid_problems(old, new)
    problems += validation.validate_update(kind, old, judged, route.subresource)
    extra: tuple[tuple[str, Obj | None], ...] = ()
    if kind.kind == "Service" and not route.subresource and not problems:
        new, problems, extra = _allocate(server, new, old)
    if problems:
        raise errors.invalid(kind, route.name, problems)
    pending.passes("validation", "every changed field may be stored")
    dynamic.judge(server, pending, kind, "UPDATE", new, old)
    admission.verify(server, pending, new, creates=False)
    for text in validation_warnings.warnings(kind, new):
        pending.warn(text)
    new = without(new, ("metadata", "resourceVersion"))
    rests = convert.at_rest(kind, new)
    key = stored.path(kind, route.namespace, route.name)
    if _is_over(kind, new):
        return Write(route.name, key, None, revision, new, 200, deletion.released(kind, old))
    if rests == before:
        return _unchanged(server, pending, old)
    return Write(route.name, key, rests, revision, new, 200, extra)


def _uid_problems(old: Obj, new: Obj) -> list[fielderrors.FieldError]:
    """Another UID is told twice: by the generic registry, and by the kind's own strategy."""
    uid = new["metadata"].get("uid")
    if uid == uid_of(old):
        return []
    return [fielderrors.wrong("metadata.uid", uid, "field is immutable")] * 2


def _check_versioned(kind: CustomKind, new: Obj, patch: bool) -> None:
    """A custom resource is not overwritten without the version that was read."""
    if not patch and not get(new, "metadata", "resourceVersion"):
        problem = fielderrors.wrong(
            "metadata.resourceVersion", 0, "must be specified for an update"
        )
        raise errors.invalid_named(kind.plural, kind.group, name_of(new), [problem])


def _check_preconditions(kind: Kind, old: Obj, new: Obj, revision: int, *, patch: bool) -> None:
    asked = new["metadata"].get("resourceVersion")
    uid = new["metadata"].get("uid")
    if asked and not asked.isdigit():
        raise errors.failure(500, f'strconv.ParseUint: parsing "{asked}": invalid syntax')
    if uid and uid != uid_of(old) and not patch:
        key = stored.path(kind, get(old, "metadata", "namespace", default=""), name_of(old))
        raise errors.conflict(
            kind,
            name_of(old),
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, "
            f"UID in object meta: {uid_of(old)}",
        )
    if asked and asked != str(revision):
        raise errors.conflict(kind, name_of(old))


def _unchanged(server: APIServer, pending: Pending, old: Obj) -> Response:
    """A write that changes nothing is not written: the resourceVersion stays."""
    pending.gates.append("nothing to change")
    return present(server, pending, 200, old)


def _is_over(kind: Kind, obj: Obj) -> bool:
    """Whether an object that was to be deleted has nothing left that holds it."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if kind.kind == "Namespace" and get(obj, "spec", "finalizers"):
        return False
    return not metadata.get("deletionGracePeriodSeconds")


WRITERS = {
    "create": create,
    "update": update,
    "patch": patched,
    "delete": deletion.delete,
    "deletecollection": deletion.delete_collection,
}
