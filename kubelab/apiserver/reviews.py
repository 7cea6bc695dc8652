"""Reviews: questions about who one is and what one may do. They are answered, and not kept.

In Kubernetes: pkg/registry/authentication and pkg/registry/authorization.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kubelab.api import errors, fielderrors
from kubelab.api.objects import EMPTY, Arr, Obj, get, merged
from kubelab.api.rest import Response
from kubelab.apiserver import authentication, decoding, rbac, tokens
from kubelab.apiserver.pending import Pending
from kubelab.sim.kernel import timestamp

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer


def answer(server: APIServer, pending: Pending) -> Response:
    """POST of a review."""
    kind = pending.route.kind
    body = decoding.decode(pending, decoding.tree(pending.request))
    body = merged(body, metadata=body.get("metadata") or EMPTY)
    return Response(201, EMPTY, HANDLERS[kind.kind](server, pending, body))


def _self_subject(server: APIServer, pending: Pending, body: Obj) -> Obj:
    info = authentication.user_info(pending.request)
    metadata = merged(body["metadata"], creationTimestamp=timestamp(server.now))
    return merged(body, metadata=metadata, status=Obj(userInfo=info))


def _token(server: APIServer, pending: Pending, body: Obj) -> Obj:
    if not get(body, "spec", "token"):
        raise errors.bad_request("token is required for TokenReview in authentication")
    return tokens.review(server, body)


def _ask(spec: Obj) -> rbac.Ask:
    wanted, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if wanted:
        return rbac.Ask(
            wanted.get("verb", ""), wanted.get("group", ""), wanted.get("resource", ""),
            wanted.get("subresource", ""), wanted.get("namespace", ""), wanted.get("name", ""),
        )  # fmt: skip
    path = path or EMPTY
    return rbac.Ask(path.get("verb", ""), path=path.get("path", ""))


def _access(server: APIServer, pending: Pending, body: Obj) -> Obj:
    kind, spec = pending.route.kind, body.get("spec") or EMPTY
    mine = kind.kind == "SelfSubjectAccessReview"
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    problems = []
    if resource and path:
        why = "cannot be specified in combination with resourceAttributes"
        problems.append(fielderrors.wrong("spec.nonResourceAttributes", dict(path), why))
    elif not resource and not path:
        why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        problems.append(fielderrors.wrong("spec.resourceAttributes", None, why))
    if not mine and not spec.get("user") and not spec.get("groups"):
        problems.append(
            fielderrors.wrong("spec.user", "", "at least one of user or group must be specified")
        )
    if kind.kind == "LocalSubjectAccessReview" and resource:
        if resource.get("namespace", "") != pending.route.namespace:
            raise errors.bad_request(
                f"spec.resourceAttributes.namespace must match namespace: {pending.route.namespace}"
            )
    if problems:
        raise errors.invalid_named(kind.kind, kind.group, "", problems)
    user = pending.request.user if mine else spec.get("user", "")
    groups = pending.request.groups if mine else tuple(spec.get("groups") or ())
    allowed, reason = rbac.allows(server, user, groups, _ask(spec))
    status = {"allowed": allowed}
    if reason and reason != rbac.MASTERS:
        status["reason"] = reason  # type: ignore[assignment]
    server.note(reviewed=user, allowed=allowed)
    return merged(body, status=Obj(status))


def _rules(server: APIServer, pending: Pending, body: Obj) -> Obj:
    namespace = get(body, "spec", "namespace") or ""
    if not namespace:
        raise errors.bad_request("no namespace on request")
    request = pending.request
    given: list[Obj] = []
    for _, rules in rbac.grants(server, request.user, request.groups, namespace):
        given += rules
    resources = [_trimmed(rule, "apiGroups", "resources", "resourceNames")
                 for rule in given if rule.get("resources")]  # fmt: skip
    paths_ = [_trimmed(rule, "nonResourceURLs") for rule in given if rule.get("nonResourceURLs")]
    status = Obj(resourceRules=Arr(resources), nonResourceRules=Arr(paths_), incomplete=False)
    # As the real server does: the answer does not repeat the question.
    return merged(body, spec=EMPTY, status=status)


def _trimmed(rule: Obj, *fields: str) -> Obj:
    return Obj({name: rule[name] for name in ("verbs", *fields) if rule.get(name)})


HANDLERS: dict[str, Callable[[Any, Pending, Obj], Obj]] = {
    "SelfSubjectReview": _self_subject,
    "TokenReview": _token,
    "SelfSubjectAccessReview": _access,
    "SubjectAccessReview": _access,
    "LocalSubjectAccessReview": _access,
    "SelfSubjectRulesReview": _rules,
}
