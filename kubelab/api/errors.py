"""Every way in which the API refuses: a Status, and the exception that carries it.

    ApiError
      400 bad_request, wrong_name, wrong_namespace,
          undecodable, unrecognized                      BadRequest
      401 unauthorized                                   Unauthorized
      403 forbidden, forbidden_path                      Forbidden
          namespace_terminating                          Forbidden, cause NamespaceTerminating
      404 not_found, not_found_named, no_resource        NotFound
      405 method_not_allowed                             MethodNotAllowed
      406 not_acceptable                                 NotAcceptable
      409 already_exists                                 AlreadyExists
          conflict, modified, precondition_failed        Conflict
      410 expired                                        Expired
      413 too_large                                      RequestEntityTooLarge
      415 unsupported_media_type                         UnsupportedMediaType
      422 invalid                                        Invalid, one cause for each FieldError
          unprocessable                                  Invalid, without causes
      429 too_many_requests                              TooManyRequests
      500 internal_error                                 InternalError
          failure                                        no reason at all
      503 unavailable                                    ServiceUnavailable
      504 timeout, too_large_resource_version            Timeout

Within the world a failure travels as its Status; it becomes an exception only inside the handler of
one request and again in the call of the user. Messages are Kubernetes' own, to the letter.

In Kubernetes: k8s.io/apimachinery/pkg/api/errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api.fielderrors import FieldError as FieldError
from kubelab.api.kinds import Kind
from kubelab.sim.tree import EMPTY, Obj, freeze

MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)
JSON_MEDIA = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
STREAM_MEDIA = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"


class ApiError(Exception):
    """A request was refused; `status` is the Status object, `code` the HTTP code."""

    def __init__(self, status: Obj) -> None:
        super().__init__(str(status.get("message", "")))
        self.status = status
        self.code = int(status.get("code", 500))

    @property
    def reason(self) -> str:
        """The reason in one word, or the empty string."""
        return str(self.status.get("reason", ""))

    def __reduce__(self) -> Any:
        return ApiError, (self.status,)


# From here on: each function makes the error for one reason.


def failure(
    code: int, message: str, reason: str = "", details: dict[str, Any] | None = None
) -> ApiError:
    """A Status of Failure; `details` is left out where it is None."""
    status: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": EMPTY,
        "status": "Failure",
        "message": message,
    }
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = details
    status["code"] = code
    return ApiError(freeze(status))


def _about(plural: str, group: str, name: str, **more: Any) -> dict[str, Any]:
    """Details that name a resource; what is empty is left out."""
    details = {"name": name, "group": group, "kind": plural, **more}
    return {key: value for key, value in details.items() if value}


def _resource(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def bad_request(message: str) -> ApiError:
    """400: the request cannot be understood."""
    return failure(400, message, "BadRequest")


def wrong_name(in_body: str, in_path: str) -> ApiError:
    """400: body and path name different objects."""
    return bad_request(
        f"the name of the object ({in_body}) does not match the name on the URL ({in_path})"
    )


def wrong_namespace() -> ApiError:
    """400: body and path name different namespaces."""
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request"
    )


def undecodable(kind: str, version: str, wanted: str, why: str) -> ApiError:
    """400: the body is no object of the wanted kind."""
    return bad_request(f'{kind} in version "{version}" cannot be handled as a {wanted}: {why}')


def unrecognized(wanted: str, why: str, body: str) -> ApiError:
    """400: the body does not even say what it is; `body` is its summary."""
    return bad_request(
        f"the object provided is unrecognized (must be of type {wanted}): "
        f"couldn't get version/kind; json parse error: {why} ({body})"
    )


def unauthorized() -> ApiError:
    """401: who asks is not known."""
    return failure(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[Obj] = ()) -> ApiError:
    """403: the request is understood and not allowed."""
    return forbidden_named(kind.plural, kind.group, name, why, causes)


def forbidden_named(
    plural: str, group: str, name: str, why: str, causes: Sequence[Obj] = ()
) -> ApiError:
    """403 for a resource that may be no kind of the table."""
    quoted = f' "{name}"' if name else ""
    message = f"{_resource(plural, group)}{quoted} is forbidden: {why}"
    return failure(403, message, "Forbidden", _about(plural, group, name, causes=list(causes)))


def forbidden_path(user: str, verb: str, path: str) -> ApiError:
    """403 for a path that is no resource."""
    message = f'forbidden: User "{user}" cannot {verb} path "{path}"'
    return failure(403, message, "Forbidden", {})


def namespace_terminating(kind: Kind, name: str, namespace: str) -> ApiError:
    """403: nothing is made in a namespace that is being deleted."""
    cause = Obj(
        reason="NamespaceTerminating",
        message=f"namespace {namespace} is being terminated",
        field="metadata.namespace",
    )
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    return forbidden(kind, name, why, [cause])


def not_found(kind: Kind, name: str) -> ApiError:
    """404: there is no such object."""
    return not_found_named(kind.plural, kind.group, name)


def not_found_named(plural: str, group: str, name: str) -> ApiError:
    """404 for a resource given by plural and group."""
    message = f'{_resource(plural, group)} "{name}" not found'
    return failure(404, message, "NotFound", _about(plural, group, name))


def no_resource() -> ApiError:
    """404: the group is served, the resource is not one of it."""
    message = "the server could not find the requested resource"
    return failure(404, message, "NotFound", {})


def method_not_allowed() -> ApiError:
    """405: the resource has no such verb."""
    message = "the server does not allow this method on the requested resource"
    return failure(405, message, "MethodNotAllowed", {})


def not_acceptable(available: str = "") -> ApiError:
    """406: the answer cannot be given in any form that is asked for."""
    forms = available or f"{JSON_MEDIA}, {STREAM_MEDIA}"
    message = f"406: Not Acceptable\n\nAvailable representations: {forms}"
    return failure(406, message, "NotAcceptable", {})


def not_acceptable_stream() -> ApiError:
    """406 for a watch."""
    message = f"only the following media types are accepted: {JSON_MEDIA}"
    return failure(406, message, "NotAcceptable")


def already_exists(kind: Kind, name: str) -> ApiError:
    """409: the name is taken."""
    message = f'{kind.resource} "{name}" already exists'
    return failure(409, message, "AlreadyExists", _about(kind.plural, kind.group, name))


def conflict(kind: Kind, name: str, why: str = MODIFIED, *, subresource: str = "") -> ApiError:
    """409: somebody else was there first; by default, the object was changed since it was read."""
    plural = f"{kind.plural}/{subresource}" if subresource else kind.plural
    resource = _resource(plural, kind.group)
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return failure(409, message, "Conflict", _about(plural, kind.group, name))


def precondition_failed(kind: Kind, name: str, field: str, given: str, held: str) -> ApiError:
    """409: a delete names a UID or ResourceVersion that the object does not have.

    Here the details name the kind, not the resource.
    """
    then = (
        "The object might have been deleted and then recreated"
        if field == "UID"
        else "The object might have been modified"
    )
    why = (
        f"the {field} in the precondition ({given}) does not match "
        f"the {field} in record ({held}). {then}"
    )
    message = f'Operation cannot be fulfilled on {kind.group_kind} "{name}": {why}'
    return failure(409, message, "Conflict", _about(kind.kind, kind.group, name))


def expired(message: str, continue_token: str = "") -> ApiError:
    """410: the revision asked for is no longer there."""
    error = failure(410, message, "Expired")
    if not continue_token:
        return error
    return ApiError(Obj({**error.status, "metadata": Obj({"continue": continue_token})}))


def too_old(asked: int, oldest: int) -> ApiError:
    """410 for a watch that begins before what is still known."""
    return expired(f"too old resource version: {asked} ({oldest})")


def too_large(limit_bytes: int = 3 * 1024 * 1024) -> ApiError:
    """413: the body is too long."""
    message = f"Request entity too large: limit is {limit_bytes}"
    return failure(413, message, "RequestEntityTooLarge", {})


def unsupported_media_type(accepted: str = JSON_MEDIA) -> ApiError:
    """415: the body is in a form that is not understood."""
    message = (
        "the body of the request was in an unknown format - "
        f"accepted media types include: {accepted}"
    )
    return failure(415, message, "UnsupportedMediaType")


def unsupported_patch_type() -> ApiError:
    """415 for a patch whose content type is none of the four."""
    return failure(415, "415: Unsupported Media Type", "UnsupportedMediaType", {})


def invalid(kind: Kind, name: str, causes: Sequence[FieldError]) -> ApiError:
    """422: the object is understood, but breaks rules; each cause names a field."""
    return invalid_named(kind.kind, kind.group, name, causes)


def invalid_named(kind: str, group: str, name: str, causes: Sequence[FieldError]) -> ApiError:
    """422 for a kind given by name (`PatchOptions`), or for none."""
    texts = list(dict.fromkeys(str(cause) for cause in causes))
    said = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    message = f'{_resource(kind, group)} "{name}" is invalid: {said}'
    details = _about(kind, group, name, causes=[cause.cause for cause in causes])
    return failure(422, message, "Invalid", details)


def unprocessable() -> ApiError:
    """422 without causes: a JSON patch does not fit the object."""
    message = "the server rejected our request due to an error in our request"
    return failure(422, message, "Invalid", {})


def too_many_requests(
    message: str, *, retry_after: int = 0, causes: Sequence[Obj] = ()
) -> ApiError:
    """429: not now (an eviction that a disruption budget forbids)."""
    details: dict[str, Any] = {}
    if causes:
        details["causes"] = list(causes)
    if retry_after:
        details["retryAfterSeconds"] = retry_after
    return failure(429, message, "TooManyRequests", details)


def internal_error(message: str) -> ApiError:
    """500: something that should not happen."""
    details = {"causes": [{"message": message}]}
    return failure(500, f"Internal error occurred: {message}", "InternalError", details)


def unavailable(message: str) -> ApiError:
    """503: the server cannot work now."""
    return failure(503, message, "ServiceUnavailable")


def timeout(message: str, *, retry_after: int = 0) -> ApiError:
    """504: the work was not done in time."""
    details = {"retryAfterSeconds": retry_after} if retry_after else {}
    return failure(504, f"Timeout: {message}", "Timeout", details)


def too_large_resource_version(asked: int, current: int) -> ApiError:
    """504: a revision of the future is asked for."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return failure(504, message, "Timeout", {"causes": [cause], "retryAfterSeconds": 1})
