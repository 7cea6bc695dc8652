"""What quotas count: which kind a resource of a quota is about, and how much of it an object uses.

Admission asks before an object is stored, the quota controller counts what there is; both count the
same way.

In Kubernetes: pkg/quota/v1/evaluator/core. Left out: scopes by priority class, device requests.
"""

from __future__ import annotations

from fractions import Fraction

from kubelab.api import kinds, quantity
from kubelab.api.objects import NOTHING, Obj, get

PLAIN = {
    "pods": "v1/Pod", "services": "v1/Service", "secrets": "v1/Secret",
    "configmaps": "v1/ConfigMap", "persistentvolumeclaims": "v1/PersistentVolumeClaim",
    "replicationcontrollers": "v1/ReplicationController", "resourcequotas": "v1/ResourceQuota",
    "services.loadbalancers": "v1/Service", "services.nodeports": "v1/Service",
    "requests.storage": "v1/PersistentVolumeClaim",
}  # fmt: skip


def kind_counted(resource: str) -> str:
    """The kind whose objects a resource of a quota counts; empty if we know none."""
    if resource in PLAIN:
        return PLAIN[resource]
    if resource.startswith("count/"):
        plural, _, group = resource[6:].partition(".")
        for row in kinds.ALL:
            if row.plural == plural and row.group == group:
                return f"{row.api_version}/{row.kind}"
        return ""
    if ".storageclass.storage.k8s.io/" in resource:
        return "v1/PersistentVolumeClaim"
    return "v1/Pod"


def in_scopes(pod: Obj, scopes: list[str]) -> bool:
    """Whether a pod counts for a quota of these scopes."""
    best_effort = get(pod, "status", "qosClass") == "BestEffort"
    ends = get(pod, "spec", "activeDeadlineSeconds") is not None
    held = {
        "BestEffort": best_effort, "NotBestEffort": not best_effort,
        "Terminating": ends, "NotTerminating": not ends,
    }  # fmt: skip
    return all(held.get(scope, True) for scope in scopes)


def pod_use(pod: Obj, resource: str) -> Fraction:
    """How much of a resource a pod uses: its containers' sum, or the largest init container."""
    if resource == "pods" or resource == "count/pods":
        return Fraction(1)
    part, _, name = resource.partition(".")
    if part not in ("requests", "limits"):
        part, name = "requests", resource

    def of(field: str) -> list[Fraction]:
        return [
            quantity.parse(get(item, "resources", part, name, default="0"))
            for item in get(pod, "spec", field, default=NOTHING)
        ]

    overhead = quantity.parse(get(pod, "spec", "overhead", name, default="0"))
    return max([sum(of("containers"), Fraction(0)), *of("initContainers")]) + overhead


def use_of(obj: Obj, resource: str) -> Fraction:
    """How much of a resource an object that is no pod uses."""
    if resource == "services.loadbalancers":
        return Fraction(int(get(obj, "spec", "type") == "LoadBalancer"))
    if resource == "services.nodeports":
        ports = get(obj, "spec", "ports", default=NOTHING)
        return Fraction(sum(1 for port in ports if port.get("nodePort")))
    name, _, rest = resource.partition(".storageclass.storage.k8s.io/")
    if rest:
        if get(obj, "spec", "storageClassName") != name:
            return Fraction(0)
        resource = rest
    if resource == "requests.storage":
        asked = get(obj, "spec", "resources", "requests", "storage", default="0")
        return quantity.parse(asked)
    return Fraction(1)
