"""Validation of what governs others: autoscaling, disruption, RBAC, priorities, definitions.

In Kubernetes: pkg/apis/{autoscaling,policy,rbac,storage,scheduling,coordination}/validation and
apiextensions-apiserver/pkg/apis/apiextensions/validation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.fielderrors import not_allowed, required, unsupported, wrong
from kubelab.apiserver import formats
from kubelab.apiserver.validation_meta import Errors, each_wrong, not_negative, selector
from kubelab.sim.tree import EMPTY, Obj

HIGHEST_USER_PRIORITY = 1_000_000_000
SYSTEM_PRIORITIES = ("system-node-critical", "system-cluster-critical")
RBAC = "rbac.authorization.k8s.io"
_METRICS = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "External": "external",
}


def autoscaler(obj: Obj) -> Errors:
    """A HorizontalPodAutoscaler."""
    spec = obj.get("spec") or EMPTY
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    metrics = spec.get("metrics") or ()
    if low is not None and low < 1:
        yield wrong("spec.minReplicas", low, "must be greater than or equal to 1")
    if high < 1:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    if low is not None and high < low:
        message = "must be greater than or equal to `minReplicas`"
        yield wrong("spec.maxReplicas", high, message)
    target = spec.get("scaleTargetRef") or EMPTY
    for key in ("kind", "name"):
        if not target.get(key):
            yield required(f"spec.scaleTargetRef.{key}")
        else:
            problems = formats.path_segment(target[key])
            yield from each_wrong(f"spec.scaleTargetRef.{key}", target[key], problems)
    for at, metric in enumerate(metrics):
        yield from _metric(metric, f"spec.metrics[{at}]")
    if low == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        message = (
            "must specify at least one Object or External metric to support scaling to zero "
            "replicas"
        )
        yield not_allowed("spec.metrics", message)


def _metric(metric: Any, path: str) -> Errors:
    kind = metric.get("type") or ""
    if not kind:
        yield required(f"{path}.type", "must specify a metric source type")
        return
    if kind not in _METRICS:
        yield unsupported(f"{path}.type", kind, sorted(_METRICS))
        return
    source = metric.get(_METRICS[kind])
    inner = f"{path}.{_METRICS[kind]}"
    if source is None:
        message = "must populate information for the given metric source"
        yield required(inner, message)
        return
    if kind in ("Resource", "ContainerResource") and not source.get("name"):
        yield required(f"{inner}.name", "must specify a resource name")
    yield from _target(source.get("target") or EMPTY, f"{inner}.target")


def _target(target: Any, path: str) -> Errors:
    kind = target.get("type") or ""
    if not kind:
        yield required(f"{path}.type", "must specify a metric target type")
    if kind not in ("Utilization", "Value", "AverageValue"):
        message = "must be either Utilization, Value, or AverageValue"
        yield wrong(f"{path}.type", kind, message)
    percent, amount = target.get("averageUtilization"), target.get("averageValue")
    if percent is not None and percent < 1:
        yield wrong(f"{path}.averageUtilization", percent, "must be greater than 0")
    if percent is None and amount is None and target.get("value") is None:
        message = "must set either a target raw value or a target utilization"
        yield required(f"{path}.averageUtilization", message)
    elif percent is not None and amount is not None:
        message = "may not set both a target raw value and a target utilization"
        yield not_allowed(f"{path}.averageValue", message)


def disruption_budget(obj: Obj) -> Errors:
    """A PodDisruptionBudget."""
    spec = obj.get("spec") or EMPTY
    low, high = spec.get("minAvailable"), spec.get("maxUnavailable")
    if low is not None and high is not None:
        inside = Obj({
            "MinAvailable": low, "Selector": spec.get("selector"), "MaxUnavailable": high,
            "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy"),
        })  # fmt: skip
        yield wrong("spec", inside, "minAvailable and maxUnavailable cannot be both set")
    for key, value in (("minAvailable", low), ("maxUnavailable", high)):
        if value is not None:
            problems = formats.count_or_percent(value) + formats.too_much_percent(value)
            yield from each_wrong(f"spec.{key}", value, problems)
    yield from selector(spec.get("selector"), "spec.selector")


def role(obj: Obj) -> Errors:
    """A Role or ClusterRole."""
    namespaced = obj.get("kind") == "Role"
    for at, rule in enumerate(obj.get("rules") or ()):
        path = f"rules[{at}]"
        if not rule.get("verbs"):
            yield required(f"{path}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            if namespaced:
                message = "namespaced rules cannot apply to non-resource URLs"
                yield wrong(f"{path}.nonResourceURLs", rule["nonResourceURLs"], message)
            continue
        if not rule.get("apiGroups"):
            message = "resource rules must supply at least one api group"
            yield required(f"{path}.apiGroups", message)
        if not rule.get("resources"):
            message = "resource rules must supply at least one resource"
            yield required(f"{path}.resources", message)


def role_binding(obj: Obj) -> Errors:
    """A RoleBinding or ClusterRoleBinding."""
    ref = obj.get("roleRef") or EMPTY
    if ref.get("apiGroup") != RBAC:
        yield unsupported("roleRef.apiGroup", ref.get("apiGroup") or "", [RBAC])
    allowed = ["Role", "ClusterRole"] if obj.get("kind") == "RoleBinding" else ["ClusterRole"]
    kind, name = ref.get("kind") or "", ref.get("name") or ""
    if kind not in allowed:
        yield unsupported("roleRef.kind", kind, allowed)
    if not name:
        yield required("roleRef.name")
    for at, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{at}]", obj)


def _subject(subject: Any, path: str, obj: Obj) -> Errors:
    name, kind = subject.get("name") or "", subject.get("kind") or ""
    if not name:
        yield required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from each_wrong(f"{path}.name", name, formats.subdomain(name))
        if obj.get("kind") == "ClusterRoleBinding" and not subject.get("namespace"):
            yield required(f"{path}.namespace")
    elif kind not in ("User", "Group"):
        yield unsupported(f"{path}.kind", kind, ["ServiceAccount", "User", "Group"])


def role_binding_update(old: Obj, new: Obj) -> Errors:
    """A binding stays with its role."""
    yield from role_binding(new)
    ref = new.get("roleRef") or EMPTY
    if old.get("roleRef") != ref:
        inside = Obj({
            "APIGroup": ref.get("apiGroup", ""), "Kind": ref.get("kind", ""),
            "Name": ref.get("name", ""),
        })  # fmt: skip
        yield wrong("roleRef", inside, "cannot change roleRef")


def storage_class(obj: Obj) -> Errors:
    """A StorageClass."""
    if not obj.get("provisioner"):
        yield required("provisioner")
    if obj.get("reclaimPolicy") not in (None, "Delete", "Retain"):
        yield unsupported("reclaimPolicy", obj["reclaimPolicy"], ["Delete", "Retain"])
    if obj.get("volumeBindingMode") not in (None, "Immediate", "WaitForFirstConsumer"):
        allowed = ["Immediate", "WaitForFirstConsumer"]
        yield unsupported("volumeBindingMode", obj["volumeBindingMode"], allowed)


def storage_class_update(old: Obj, new: Obj) -> Errors:
    """Hardly anything of a StorageClass changes."""
    for key in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if old.get(key) != new.get(key):
            yield not_allowed(key, f"updates to {key} are forbidden.")


def priority_class(obj: Obj) -> Errors:
    """A PriorityClass."""
    name, value = (obj.get("metadata") or EMPTY).get("name") or "", obj.get("value") or 0
    if name.startswith("system-") and name not in SYSTEM_PRIORITIES:
        message = (
            "priority class names with 'system-' prefix are reserved for system use only. "
            f"error: {name} is not a known system priority class"
        )
        yield not_allowed("metadata.name", message)
    elif value > HIGHEST_USER_PRIORITY and name not in SYSTEM_PRIORITIES:
        message = f"maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"
        yield not_allowed("value", message)
    if obj.get("preemptionPolicy") not in (None, "Never", "PreemptLowerPriority"):
        allowed = ["Never", "PreemptLowerPriority"]
        yield unsupported("preemptionPolicy", obj["preemptionPolicy"], allowed)


def priority_class_update(old: Obj, new: Obj) -> Errors:
    """A PriorityClass keeps its value."""
    if (old.get("value") or 0) != (new.get("value") or 0):
        yield not_allowed("value", "may not be changed in an update.")
    if old.get("preemptionPolicy") != new.get("preemptionPolicy"):
        yield wrong("preemptionPolicy", new.get("preemptionPolicy"), formats.IMMUTABLE)


def lease(obj: Obj) -> Errors:
    """A Lease."""
    spec = obj.get("spec") or EMPTY
    seconds, changes = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if seconds is not None and seconds <= 0:
        yield wrong("spec.leaseDurationSeconds", seconds, "must be greater than 0")
    yield from not_negative(changes, "spec.leaseTransitions")


CREATE: dict[tuple[str, str], Callable[[Obj], Errors]] = {
    ("autoscaling", "HorizontalPodAutoscaler"): autoscaler,
    ("coordination.k8s.io", "Lease"): lease,
    ("policy", "PodDisruptionBudget"): disruption_budget,
    (RBAC, "ClusterRole"): role,
    (RBAC, "ClusterRoleBinding"): role_binding,
    (RBAC, "Role"): role,
    (RBAC, "RoleBinding"): role_binding,
    ("scheduling.k8s.io", "PriorityClass"): priority_class,
    ("storage.k8s.io", "StorageClass"): storage_class,
}
UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Errors]] = {
    (RBAC, "ClusterRoleBinding"): role_binding_update,
    (RBAC, "RoleBinding"): role_binding_update,
    ("scheduling.k8s.io", "PriorityClass"): priority_class_update,
    ("storage.k8s.io", "StorageClass"): storage_class_update,
}
