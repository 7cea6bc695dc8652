"""What an admission policy or webhook is about: its rules and selectors against a request.

`Attributes` is what admission knows of a request beside the plugins' own knowledge. A rule names
operations, groups, versions and resources (`pods/exec`, `*`, `*/*`), a scope and perhaps names;
selectors look at the labels of the namespace and of the object, of which the new or the old form
may match.

In Kubernetes: k8s.io/apiserver/pkg/admission/plugin/webhook/predicates and plugin/policy/matching.
Left out: equivalent kinds of other groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.api import kinds, selectors
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.objects import EMPTY, NOTHING, Obj, labels_of, name_of
from kubelab.apiserver.authentication import user_info
from kubelab.apiserver.pending import Pending

if TYPE_CHECKING:
    from kubelab.apiserver.server import APIServer

GROUP = "admissionregistration.k8s.io"
# What governs admission is not itself governed by it, or nobody could mend a mistake in it.
EXEMPT = (
    "MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
)  # fmt: skip
SOURCES = (
    "/registry/mutatingadmissionpolicybindings/", "/registry/mutatingwebhookconfigurations/",
    "/registry/validatingadmissionpolicybindings/", "/registry/validatingwebhookconfigurations/",
)  # fmt: skip


class Attributes(NamedTuple):
    """A request as admission sees it; `operation` is CREATE, UPDATE, DELETE or CONNECT."""

    operation: str
    kind: Kind
    subresource: str
    namespace: str
    name: str
    obj: Obj | None
    old: Obj | None
    user: Obj
    dry: bool
    options: Obj = EMPTY

    @property
    def resource(self) -> str:
        """`pods`, `pods/exec`."""
        return f"{self.kind.plural}/{self.subresource}" if self.subresource else self.kind.plural


def anything(server: APIServer) -> bool:
    """Whether there is any policy or webhook at all."""
    return any(prefix in server.caches and server.caches[prefix].objects for prefix in SOURCES)


def attributes(
    pending: Pending, kind: Kind, operation: str, obj: Obj | None, old: Obj | None
) -> Attributes:
    """What admission knows of a pending request."""
    route = pending.route
    name = name_of(obj) if obj is not None and not route.name else route.name
    options = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions"}.get(operation, "DeleteOptions")
    said = {
        field: pending.request.query[field]
        for field in ("fieldManager", "fieldValidation", "dryRun")
        if pending.request.query.get(field)
    }
    return Attributes(
        operation, kind, route.subresource, route.namespace, name, obj, old,
        user_info(pending.request), pending.dry,
        Obj({"apiVersion": "meta.k8s.io/v1", "kind": options, **said}),
    )  # fmt: skip


def exempt(kind: Kind) -> bool:
    """Whether a kind is beyond the reach of policies and webhooks."""
    return kind.group == GROUP and kind.kind in EXEMPT


def matches(server: APIServer, wanted: Any, asked: Attributes, rules: str = "resourceRules") -> str:
    """The rule that makes a policy or webhook concerned with a request; empty if none does.

    `wanted` has the rules and selectors; without any rule (a binding may have none) all match.
    """
    given = wanted.get(rules) or NOTHING
    rule = next((row for row in given if _rule(row, asked)), None)
    if given and rule is None:
        return ""
    if any(_rule(row, asked) for row in wanted.get("excludeResourceRules") or NOTHING):
        return ""
    if not _in_namespace(server, wanted.get("namespaceSelector"), asked):
        return ""
    selector = wanted.get("objectSelector")
    if selector and not any(
        selectors.compile_selector(selector).matches(labels_of(obj))
        for obj in (asked.obj, asked.old)
        if obj is not None
    ):
        return ""
    return f"{asked.operation} {asked.resource}"


def _rule(rule: Any, asked: Attributes) -> bool:
    kind = asked.kind
    versions = [kind] if isinstance(kind, CustomKind) else kinds.versions(kind)
    names = rule.get("resourceNames")
    scope = rule.get("scope") or "*"
    return (
        _has(rule.get("operations"), asked.operation)
        and _has(rule.get("apiGroups"), kind.group)
        and any(_has(rule.get("apiVersions"), row.version) for row in versions)
        and any(_resource(word, asked) for word in rule.get("resources") or NOTHING)
        and scope in ("*", "Namespaced" if kind.namespaced else "Cluster")
        and (not names or asked.name in names)
    )


def _has(values: Any, wanted: str) -> bool:
    return "*" in (values or NOTHING) or wanted in (values or NOTHING)


def _resource(word: str, asked: Attributes) -> bool:
    plural, _, subresource = word.partition("/")
    return plural in ("*", asked.kind.plural) and subresource in (
        (asked.subresource, "*") if "/" in word else (asked.subresource,)
    )


def _in_namespace(server: APIServer, selector: Any, asked: Attributes) -> bool:
    if not selector:
        return True
    if asked.kind.kind == "Namespace" and not asked.kind.group:
        labelled = asked.obj if asked.obj is not None else asked.old
    elif not asked.kind.namespaced:
        return True
    else:
        labelled = server.cached("/registry/namespaces/", asked.namespace)
    return selectors.compile_selector(selector).matches(labels_of(labelled or EMPTY))
