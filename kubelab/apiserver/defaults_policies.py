"""Defaults of what governs others: networking, RBAC, admission, priorities, definitions.

In Kubernetes: pkg/apis/{networking,rbac,admissionregistration,scheduling,flowcontrol,resource}/
*/defaults.go and apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.apiserver.defaults_core import in_spec, plain
from kubelab.apiserver.defaults_pods import PROTOCOL
from kubelab.apiserver.filling import each, filled, put, within
from kubelab.sim.tree import EMPTY, Arr, Obj, freeze

RBAC = "rbac.authorization.k8s.io"
RBAC_GROUP = Obj({"apiGroup": RBAC})
WEBHOOK = freeze({
    "failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {},
    "objectSelector": {}, "timeoutSeconds": 10,
})  # fmt: skip
MATCH = freeze({"namespaceSelector": {}, "objectSelector": {}, "matchPolicy": "Equivalent"})
LIMITED = freeze({"nominalConcurrencyShares": 30, "lendablePercent": 0})
QUEUING = freeze({"queues": 64, "handSize": 8, "queueLengthLimit": 50})
PORT_443 = Obj({"port": 443})
EXACT = freeze({"allocationMode": "ExactCount"})


def network_policy(spec: Any) -> Any:
    """The spec of a NetworkPolicy: it is about egress only if it says so."""
    for field in ("ingress", "egress"):
        spec = each(
            spec, field, lambda rule: each(rule, "ports", lambda port: filled(port, PROTOCOL))
        )
    if not spec.get("policyTypes"):
        types = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
        spec = put(spec, "policyTypes", Arr(types))
    return filled(spec, Obj({"podSelector": EMPTY}))


def role_binding(obj: Obj) -> Obj:
    """A RoleBinding or ClusterRoleBinding."""
    obj = within(obj, "roleRef", lambda ref: filled(ref, RBAC_GROUP))
    return each(obj, "subjects", _subject)  # type: ignore[no-any-return]


def _subject(subject: Any) -> Any:
    return filled(subject, RBAC_GROUP) if subject.get("kind") in ("User", "Group") else subject


def webhooks(**more: Any) -> Callable[[Obj], Obj]:
    """A configuration of webhooks."""
    defaults = Obj({**WEBHOOK, **more})

    def one(webhook: Any) -> Any:
        webhook = each(filled(webhook, defaults), "rules", _rule)
        return within(
            webhook,
            "clientConfig",
            lambda client: within(client, "service", lambda held: filled(held, PORT_443)),
        )

    return lambda obj: each(obj, "webhooks", one)


def _rule(rule: Any) -> Any:
    return filled(rule, Obj({"scope": "*"}))


def _match(match: Any) -> Any:
    match = filled(match, MATCH)
    return each(each(match, "resourceRules", _rule), "excludeResourceRules", _rule)


def admission_policy(spec: Any) -> Any:
    """The spec of a ValidatingAdmissionPolicy or MutatingAdmissionPolicy."""
    return within(filled(spec, Obj({"failurePolicy": "Fail"})), "matchConstraints", _match)


def definition(obj: Obj) -> Obj:
    """A CustomResourceDefinition; what it stores is known at once."""
    obj = within(obj, "spec", _definition_spec)
    versions = (obj.get("spec") or EMPTY).get("versions") or ()
    stored = Arr([version["name"] for version in versions if version.get("storage")])
    status = filled(
        obj.get("status") or EMPTY,
        freeze({"conditions": None, "acceptedNames": {"plural": "", "kind": ""}}),
    )
    if not status.get("storedVersions"):
        status = put(status, "storedVersions", stored)
    return put(obj, "status", status)  # type: ignore[no-any-return]


def _definition_spec(spec: Any) -> Any:
    spec = filled(spec, freeze({"conversion": {"strategy": "None"}, "scope": "Namespaced"}))
    names = spec.get("names") or EMPTY
    kind = str(names.get("kind") or "")
    named = filled(names, Obj({"singular": kind.lower(), "listKind": f"{kind}List"}))
    return put(spec, "names", named)


def priority_level(spec: Any) -> Any:
    """The spec of a PriorityLevelConfiguration."""
    if spec.get("type") != "Limited":
        return spec
    return within(spec, "limited", _limited)


def _limited(limited: Any) -> Any:
    limited = filled(filled(limited, LIMITED), freeze({"limitResponse": {"type": "Reject"}}))
    return within(
        limited,
        "limitResponse",
        lambda held: within(held, "queuing", lambda queuing: filled(queuing, QUEUING)),
    )


def claim_spec(spec: Any) -> Any:
    """The spec of a ResourceClaim: one device for each request."""
    return within(spec, "devices", lambda devices: each(devices, "requests", _request))


def _request(request: Any) -> Any:
    return within(request, "exactly", _exactly)


def _exactly(held: Any) -> Any:
    held = filled(held, EXACT)
    return filled(held, Obj({"count": 1})) if held["allocationMode"] == "ExactCount" else held


def _claim_template(spec: Any) -> Any:
    return within(filled(spec, Obj({"metadata": EMPTY})), "spec", claim_spec)


def _spec(change: Callable[[Any], Any]) -> Callable[[Obj], Obj]:
    return lambda obj: within(obj, "spec", change)


def _in_service(spec: Any) -> Any:
    return within(spec, "service", lambda held: filled(held, PORT_443))


def _parameters(spec: Any) -> Any:
    return within(spec, "parameters", lambda held: filled(held, Obj({"scope": "Cluster"})))


_ADMISSION = "admissionregistration.k8s.io"
_NETWORK = "networking.k8s.io"
DEFAULTS: dict[tuple[str, str], Callable[[Obj], Obj]] = {
    (_ADMISSION, "MutatingAdmissionPolicy"): _spec(admission_policy),
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): _spec(
        lambda spec: within(spec, "matchResources", _match)
    ),
    (_ADMISSION, "MutatingWebhookConfiguration"): webhooks(reinvocationPolicy="Never"),
    (_ADMISSION, "ValidatingAdmissionPolicy"): _spec(admission_policy),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): _spec(
        lambda spec: within(spec, "matchResources", _match)
    ),
    (_ADMISSION, "ValidatingWebhookConfiguration"): webhooks(),
    (_NETWORK, "Ingress"): plain(spec={}),
    (_NETWORK, "IngressClass"): _spec(_parameters),
    (_NETWORK, "NetworkPolicy"): _spec(network_policy),
    (RBAC, "ClusterRole"): plain(rules=None),
    (RBAC, "ClusterRoleBinding"): role_binding,
    (RBAC, "Role"): plain(rules=None),
    (RBAC, "RoleBinding"): role_binding,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): definition,
    ("apiregistration.k8s.io", "APIService"): _spec(_in_service),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): in_spec(matchingPrecedence=1000),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): _spec(priority_level),
    ("policy", "PodDisruptionBudget"): plain(spec={}),
    ("resource.k8s.io", "DeviceClass"): plain(spec={}),
    ("resource.k8s.io", "ResourceClaim"): _spec(claim_spec),
    ("resource.k8s.io", "ResourceClaimTemplate"): _spec(_claim_template),
    ("scheduling.k8s.io", "PriorityClass"): plain(preemptionPolicy="PreemptLowerPriority"),
}
