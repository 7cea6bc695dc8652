"""The body of a request: from what was sent to an object of the kind that the path names.

In Kubernetes: k8s.io/apimachinery/pkg/runtime/serializer and
k8s.io/apiserver/pkg/endpoints/handlers. Left out: CBOR, which no client sends unless told to.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kubelab.api import bodies, errors, fielderrors, kinds, manifests
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import EMPTY, Obj, freeze, get, merged, thaw, with_
from kubelab.api.protobuf import wire
from kubelab.api.rest import Request
from kubelab.apiserver import schema_check
from kubelab.apiserver.pending import Pending

ACCEPTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
LONGEST_MANAGER_BYTES = 128
LARGEST_BODY_BYTES = 3 * 1024 * 1024
# Where Go's decoder looks first for what a body is.
HEADER = (
    'into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)
VALIDATION = ("Ignore", "Warn", "Strict")


def header(request: Request, name: str) -> str:
    """A header's value whatever the case of its name, or the empty string."""
    for key, value in request.headers.items():
        if key.lower() == name.lower():
            return str(value)
    return ""


def tree(request: Request) -> Any:
    """The body as JSON values; raises 400 or 415 for what is none."""
    body = request.body
    if isinstance(body, (dict, list)) or body is None:
        return freeze(body)
    media = header(request, "Content-Type").partition(";")[0].strip().lower()
    if media == wire.MEDIA_TYPE:
        try:
            return freeze(wire.read(body if isinstance(body, bytes) else b""))
        except wire.WireError as error:
            raise errors.bad_request(str(error)) from None
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    if media in ("", "application/json") or media.endswith("+json"):
        try:
            return freeze(bodies.read(text)[0])
        except bodies.BodyError as error:
            raise errors.bad_request(
                f"couldn't get version/kind; json parse error: {error}"
            ) from None
    if media in ("application/yaml", "application/apply-patch+yaml"):
        try:
            documents = manifests.documents(text)
        except ValueError as error:
            raise errors.bad_request(f"error decoding YAML: {error}") from None
        try:
            return freeze(documents[0]) if documents else None
        except RecursionError:
            why = "error converting YAML to JSON: yaml: anchor contains itself"
            raise errors.bad_request(f"error decoding YAML: {why}") from None
    raise errors.unsupported_media_type(ACCEPTED)


def check_options(request: Request) -> None:
    """Refuses values of the query that a write cannot have."""
    option = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}.get(
        request.method, "DeleteOptions"
    )
    level, dry = request.query.get("fieldValidation"), request.query.get("dryRun")
    problem = None
    if level and level not in VALIDATION:
        problem = fielderrors.unsupported("fieldValidation", level, ("", *sorted(VALIDATION)))
    if dry is not None and dry != "All":
        problem = fielderrors.unsupported("dryRun", [dry], ("All",))
    problem = problem or _manager_problem(request)
    if problem is not None:
        raise errors.invalid_named(option, "meta.k8s.io", "", [problem])


def _manager_problem(request: Request) -> Any:
    """What is wrong with who says to manage the fields that a write gives."""
    manager, force = request.query.get("fieldManager"), request.query.get("force")
    applies = request.method == "PATCH" and "apply-patch" in header(request, "Content-Type")
    if applies and not manager:
        return fielderrors.required("fieldManager", "is required for apply patch")
    if request.method == "PATCH" and force is not None and not applies:
        return fielderrors.not_allowed("force", "may not be specified for non-apply patch")
    if manager and len(manager.encode()) > LONGEST_MANAGER_BYTES:
        return fielderrors.too_long("fieldManager", LONGEST_MANAGER_BYTES)
    return None


def from_body(pending: Pending) -> Obj:
    """The object in the body of a create or update. Raises ApiError."""
    request, kind = pending.request, pending.route.kind
    body: Any = request.body
    twice: list[str] = []
    media = header(request, "Content-Type").partition(";")[0].strip().lower()
    text = None
    if media in ("", "application/json") or media.endswith("+json"):
        if body is None or isinstance(body, (bytes, str)):
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
            try:
                body, twice = bodies.read(text)
            except bodies.BodyError as error:
                shown = bodies.summary(text)
                raise errors.unrecognized(kind.kind, str(error), shown) from None
    elif media == "application/yaml" and isinstance(body, (bytes, str)):
        body = _from_yaml(body, kind)
    else:
        body = tree(request)
    if body is None:
        body = EMPTY
    if not isinstance(body, dict):
        said = {list: "array", str: "string", bool: "bool"}.get(type(thaw(body)), "number")
        shown = bodies.summary(text or json.dumps(body, separators=(",", ":")))
        raise errors.unrecognized(kind.kind, f"json: cannot unmarshal {said} {HEADER}", shown)
    return decode(pending, freeze(body), twice=twice)


def _from_yaml(body: bytes | str, kind: Kind) -> Any:
    """The object of a body in YAML. Raises 400 in the words of Go's reader."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    try:
        documents = manifests.documents(text)
        return freeze(documents[0]) if documents else None
    except RecursionError:
        why = "yaml: anchor contains itself"
    except ValueError as error:
        why = str(error).removeprefix("error converting YAML to JSON: ")
    shown = bodies.summary(text)
    raise errors.bad_request(
        f"the object provided is unrecognized (must be of type {kind.kind}): {why} ({shown})"
    )


def check_size(request: Request) -> None:
    """Refuses a body that is longer than the server reads."""
    body = request.body
    if isinstance(body, (bytes, str)) and len(body) > LARGEST_BODY_BYTES:
        raise errors.too_large(LARGEST_BODY_BYTES)


def check_named(pending: Pending, obj: Any) -> None:
    """What is changed must say its name."""
    if isinstance(obj, dict) and not get(obj, "metadata", "name"):
        raise errors.bad_request(
            f"the name of the object ({pending.route.name} based on URL) was undeterminable: "
            "name must be provided"
        )


def _mismatch(pending: Pending, kind: Kind, version: str, said: str, value: Any) -> None:
    """Refuses a body of another version or kind than the path says."""
    group = version.rpartition("/")[0]
    if version != kind.api_version and (said == kind.kind and group == kind.group):
        if isinstance(kind, CustomKind):
            for field in value:
                if field not in ("apiVersion", "kind", "metadata"):
                    pending.warn(f'unknown field "{field}"')
        raise errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({kind.api_version})"
        )
    short = version.rpartition("/")[2]
    why = (
        f"converting ({short}.{said}) to "
        f"({kind.group.partition('.')[0] or 'core'}.{kind.kind}): unknown conversion"
    )
    if isinstance(kind, CustomKind):
        problem = fielderrors.wrong("kind", said, f"must be {kind.kind}")
        raise errors.invalid(kind, str(get(value, "metadata", "name", default="")), [problem])
    if kinds.find(version, said) is None:
        why = (
            f'no kind "{said}" is registered for version "{version}" in scheme '
            '"k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"'
        )
    raise errors.undecodable(said, short, kind.kind, why)


def decode(
    pending: Pending, value: Any, kind: Kind | None = None, *, twice: Sequence[str] = ()
) -> Obj:
    """The object in a body, checked against its schema; unknown fields are warned of or refused."""
    route = pending.route
    kind = kind or route.kind
    if not isinstance(value, dict):
        raise errors.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            "the body is no JSON object"
            if value is not None
            else "EOF"
        )
    said = value.get("kind") or kind.kind
    version = value.get("apiVersion") or kind.api_version
    if (version, said) != (kind.api_version, kind.kind):
        _mismatch(pending, kind, str(version), str(said), value)
    head = {"apiVersion": kind.api_version, "kind": kind.kind}
    obj = Obj({**head, **value, **head})
    clean, unknown, wrong = schema_check.check(kind, obj)
    if wrong:
        raise errors.bad_request(wrong)
    unknown = [*(f'duplicate field "{path}"' for path in twice), *unknown]
    if unknown:
        _complain(pending, kind, unknown)
    return clean


def _complain(pending: Pending, kind: Kind, unknown: list[str]) -> None:
    level = pending.request.query.get("fieldValidation") or "Warn"
    if level == "Strict":
        why = f"strict decoding error: {', '.join(unknown)}"
        raise errors.undecodable(kind.kind, kind.version, kind.kind, why)
    if level == "Warn":
        for text in unknown:
            pending.warn(text)


def placed(pending: Pending, obj: Obj) -> Obj:
    """The object with the namespace and name that the path says."""
    route = pending.route
    metadata = obj.get("metadata") or EMPTY
    namespace = metadata.get("namespace") or ""
    if route.kind.namespaced:
        if namespace and namespace != route.namespace:
            raise errors.wrong_namespace()
        metadata = merged(metadata, namespace=route.namespace or None)
    elif namespace:
        raise errors.bad_request("namespace is not allowed on this type")
    if route.name and route.verb != "create":
        name = get(obj, "metadata", "name")
        if name and name != route.name:
            raise errors.wrong_name(name, route.name)
        metadata = merged(metadata, name=route.name)
    return with_(obj, ("metadata",), metadata)  # type: ignore[no-any-return]
