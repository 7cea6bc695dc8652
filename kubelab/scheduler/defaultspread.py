"""Which pods belong together by default: those of the same Services and the same owner.

In Kubernetes: pkg/scheduler/framework/plugins/helper/spread.go (DefaultSelector).
"""

from __future__ import annotations

from kubelab.api.objects import controller_of, get
from kubelab.scheduler.framework import Lister
from kubelab.scheduler.matching import Requirement, label_selector, pairs, selects
from kubelab.scheduler.podinfo import PodInfo

# Controllers whose selector counts, by apiVersion without its version.
OWNERS = {
    ("", "ReplicationController"): "v1/ReplicationController",
    ("apps", "ReplicaSet"): "apps/v1/ReplicaSet",
    ("apps", "StatefulSet"): "apps/v1/StatefulSet",
}


def default_selector(lister: Lister, pod: PodInfo) -> tuple[Requirement, ...]:
    """The merged selectors of the Services that select the pod, and that of its controller."""
    merged: dict[str, str] = {}
    for service in lister.list("v1/Service", pod.namespace):
        selector = get(service, "spec", "selector")
        if selector and selects(pairs(selector), pod.labels):
            merged.update(selector)
    owner = controller_of(pod.obj)
    if owner is None:
        return pairs(merged)
    group = owner["apiVersion"].rpartition("/")[0]
    kind = OWNERS.get((group, owner["kind"]))
    found = lister.get(kind, f"{pod.namespace}/{owner['name']}") if kind else None
    if found is None:
        return pairs(merged)
    selector = get(found, "spec", "selector")
    if kind == "v1/ReplicationController":
        return pairs({**merged, **(selector or {})})
    return pairs(merged) + (label_selector(selector) or ())
