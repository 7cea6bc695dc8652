"""The rows of the kinds that say who may do what, and what is let in.

In Kubernetes: pkg/printers/internalversion/printers.go; APIService's row is kube-aggregator's.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.durations import human
from kubelab.api.objects import Obj, get, name_of
from kubelab.apiserver.tables_cells import NONE, UNSET, age
from kubelab.sim.kernel import SECOND


def _spec(obj: Obj, *path: str, default: Any = "") -> Any:
    return get(obj, "spec", *path, default=default)


def _binding(obj: Obj, now_ns: int) -> list[Any]:
    subjects = obj.get("subjects") or ()

    def named(kind: str) -> str:
        return ", ".join(s["name"] for s in subjects if s["kind"] == kind)

    accounts = [
        f"{subject.get('namespace', '')}/{subject['name']}"
        for subject in subjects
        if subject["kind"] == "ServiceAccount"
    ]
    role = obj.get("roleRef") or {}
    return [
        name_of(obj), f"{role.get('kind')}/{role.get('name')}", age(obj, now_ns), named("User"),
        named("Group"), ", ".join(accounts),
    ]  # fmt: skip


def signing_word(obj: Obj) -> str:
    """How far a certificate signing request has come."""
    types = [c["type"] for c in get(obj, "status", "conditions", default=())]
    words = [type_ for type_ in ("Denied", "Approved") if type_ in types][:1] or ["Pending"]
    if "Failed" in types:
        words.append("Failed")
    if get(obj, "status", "certificate"):
        words.append("Issued")
    return ",".join(words)


def _signing(obj: Obj, now_ns: int) -> list[Any]:
    seconds = _spec(obj, "expirationSeconds", default=None)
    return [
        name_of(obj), age(obj, now_ns), _spec(obj, "signerName", default=NONE),
        _spec(obj, "username"), NONE if seconds is None else human(seconds * SECOND),
        signing_word(obj),
    ]  # fmt: skip


def _budget(obj: Obj, now_ns: int) -> list[Any]:
    return [
        name_of(obj), str(_spec(obj, "minAvailable", default="N/A")),
        str(_spec(obj, "maxUnavailable", default="N/A")),
        get(obj, "status", "disruptionsAllowed", default=0), age(obj, now_ns),
    ]  # fmt: skip


def _webhooks(obj: Obj, now_ns: int) -> list[Any]:
    return [name_of(obj), len(obj.get("webhooks") or ()), age(obj, now_ns)]


def _parameter_kind(obj: Obj) -> str:
    kind = _spec(obj, "paramKind", default=None)
    return f"{kind['apiVersion']}/{kind['kind']}" if kind else UNSET


def _validating_policy(obj: Obj, now_ns: int) -> list[Any]:
    count = len(_spec(obj, "validations") or ())
    return [name_of(obj), count, _parameter_kind(obj), age(obj, now_ns)]


def _mutating_policy(obj: Obj, now_ns: int) -> list[Any]:
    count = len(_spec(obj, "mutations") or ())
    return [name_of(obj), count, _parameter_kind(obj), age(obj, now_ns)]


def _policy_binding(obj: Obj, now_ns: int) -> list[Any]:
    ref = _spec(obj, "paramRef", default=None)
    text = UNSET
    if ref:
        name = ref.get("name") or "*"
        text = f"{ref['namespace']}/{name}" if ref.get("namespace") else f"*/{name}"
    return [name_of(obj), _spec(obj, "policyName"), text, age(obj, now_ns)]


def _api_service(obj: Obj, now_ns: int) -> list[Any]:
    service = _spec(obj, "service", default=None)
    available = "Unknown"
    for condition in get(obj, "status", "conditions", default=()):
        if condition["type"] == "Available":
            reason = f" ({condition.get('reason')})" if condition["status"] != "True" else ""
            available = condition["status"] + reason
    return [
        name_of(obj), f"{service['namespace']}/{service['name']}" if service else "Local",
        available, age(obj, now_ns),
    ]  # fmt: skip


def _flow_schema(obj: Obj, now_ns: int) -> list[Any]:
    missing = "?"
    for condition in get(obj, "status", "conditions", default=()):
        if condition["type"] == "Dangling":
            missing = condition["status"]
    return [
        name_of(obj), _spec(obj, "priorityLevelConfiguration", "name"),
        _spec(obj, "matchingPrecedence", default=0),
        _spec(obj, "distinguisherMethod", "type", default=NONE), age(obj, now_ns), missing,
    ]  # fmt: skip


def _priority_level(obj: Obj, now_ns: int) -> list[Any]:
    form = "limited" if _spec(obj, "limited", default=None) else "exempt"
    queuing = _spec(obj, "limited", "limitResponse", "queuing", default={})
    return [
        name_of(obj), _spec(obj, "type"), _spec(obj, form, "nominalConcurrencyShares", default=0),
        *(queuing.get(field, NONE) for field in ("queues", "handSize", "queueLengthLimit")),
        age(obj, now_ns),
    ]  # fmt: skip


BINDING = "Name!, Role, Age, Users+, Groups+, ServiceAccounts+"
POLICY_BINDING = "Name!, PolicyName, ParamRef, Age"
WEBHOOKS = "Name!, Webhooks#, Age"
ROWS: dict[str, tuple[str, Any]] = {
    "RoleBinding": (BINDING, _binding),
    "ClusterRoleBinding": (BINDING, _binding),
    "CertificateSigningRequest": (
        "Name!, Age, SignerName, Requestor, RequestedDuration, Condition", _signing
    ),
    "PodDisruptionBudget": (
        "Name!, Min Available, Max Unavailable, Allowed Disruptions#, Age", _budget
    ),
    "ValidatingWebhookConfiguration": (WEBHOOKS, _webhooks),
    "MutatingWebhookConfiguration": (WEBHOOKS, _webhooks),
    "ValidatingAdmissionPolicy": ("Name!, Validations#, ParamKind, Age", _validating_policy),
    "MutatingAdmissionPolicy": ("Name!, Mutations#, ParamKind, Age", _mutating_policy),
    "ValidatingAdmissionPolicyBinding": (POLICY_BINDING, _policy_binding),
    "MutatingAdmissionPolicyBinding": (POLICY_BINDING, _policy_binding),
    "APIService": ("Name!, Service, Available, Age", _api_service),
    "FlowSchema": (
        "Name!, PriorityLevel, MatchingPrecedence, DistinguisherMethod, Age, MissingPL",
        _flow_schema,
    ),
    "PriorityLevelConfiguration": (
        "Name!, Type, NominalConcurrencyShares, Queues, HandSize, QueueLengthLimit, Age",
        _priority_level,
    ),
}  # fmt: skip
