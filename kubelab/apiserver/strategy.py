"""What each kind does to an object before it is created or changed.

Every kind goes one way (`registry.py`); here is what differs: which fields a client may not set, what
the server fills in that depends on the moment (a Job's selector, a pod's first status), when the
generation grows, and which kinds have a grace period when deleted.

In Kubernetes: pkg/registry/*/*/strategy.go, and k8s.io/apiserver/pkg/registry/rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api import quantity
from kubelab.api.kinds import Kind
from kubelab.api.objects import (
    EMPTY,
    NOTHING,
    Obj,
    freeze,
    get,
    merged,
    name_of,
    uid_of,
    with_,
    without,
)

# Kinds whose spec does not count generations.
UNCOUNTED = ("ConfigMap", "Secret", "Event", "Lease", "Endpoints", "ServiceAccount", "Namespace",
             "Node", "PersistentVolume", "PersistentVolumeClaim", "ResourceQuota", "LimitRange",
             "Service", "StorageClass", "CSINode", "CSIDriver", "CSIStorageCapacity",
             "VolumeAttachment", "PodTemplate", "RuntimeClass", "Role", "ClusterRole",
             "RoleBinding", "ClusterRoleBinding", "ControllerRevision",
             "HorizontalPodAutoscaler", "CertificateSigningRequest", "ServiceCIDR",
             "IPAddress", "VolumeAttributesClass")  # fmt: skip
# Kinds without a spec that nevertheless count one.
COUNTED_AT_CREATION = ("EndpointSlice", "PriorityClass")
# Kinds whose deletion orphans what they own unless the request says otherwise.
ORPHANING = (("batch", "Job"), ("", "ReplicationController"))


def prepare_create(kind: Kind, obj: Obj) -> Obj:
    """The object as it enters validation: status emptied, generated fields filled in."""
    if "status" in kind.subresources and kind.kind not in ("Node", "Namespace"):
        obj = without(obj, ("status",))
    generation = 1 if counts_generation(kind) or kind.kind in COUNTED_AT_CREATION else None
    obj = with_(obj, ("metadata",), merged(obj["metadata"], generation=generation))
    hook = CREATE.get((kind.group, kind.kind))
    return hook(obj) if hook else obj


def prepare_update(kind: Kind, old: Obj, new: Obj, subresource: str) -> Obj:
    """The object as it enters validation: what the client may not change is taken from `old`."""
    metadata, before = new["metadata"], old["metadata"]
    kept = {field: before.get(field) for field in ("uid", "creationTimestamp", "selfLink", "generation")}
    kept["deletionTimestamp"] = before.get("deletionTimestamp")
    kept["deletionGracePeriodSeconds"] = before.get("deletionGracePeriodSeconds")
    new = with_(new, ("metadata",), merged(metadata, **kept))
    if subresource == "status":
        status = new.get("status")
        new = merged(old, metadata=_status_metadata(kind, old, new), status=status)
    elif "status" in kind.subresources:
        new = merged(new, status=old.get("status"))
    hook = UPDATE.get((kind.group, kind.kind))
    if hook and not subresource:
        new = hook(old, new)
    if counts_generation(kind) and not subresource and _wish(kind, old) != _wish(kind, new):
        generation = get(old, "metadata", "generation", default=0) + 1
        new = with_(new, ("metadata", "generation"), generation)
    return new


def _status_metadata(kind: Kind, old: Obj, new: Obj) -> Obj:
    """A status write keeps the metadata; labels and annotations of some kinds may change with it."""
    metadata = merged(old["metadata"], resourceVersion=new["metadata"].get("resourceVersion"))
    if kind.kind in ("Pod", "Node", "Namespace", "PersistentVolumeClaim", "Service", "Ingress"):
        for field in ("labels", "annotations"):
            metadata = merged(metadata, **{field: new["metadata"].get(field)})
    if "finalizers" in new["metadata"] or "finalizers" in old["metadata"]:
        metadata = merged(metadata, finalizers=new["metadata"].get("finalizers"))
    return metadata


def counts_generation(kind: Kind) -> bool:
    """Whether metadata.generation grows with the wish."""
    return kind.kind not in UNCOUNTED and kind.kind not in COUNTED_AT_CREATION


def _wish(kind: Kind, obj: Obj) -> Any:
    """The part of an object whose change makes a new generation."""
    if "spec" in obj:
        return obj["spec"]
    return without(without(obj, ("metadata",)), ("status",))


def grace_seconds(kind: Kind, obj: Obj, asked: int | None) -> int:
    """Seconds between the wish to delete and the deletion: none but for pods that run somewhere."""
    if kind.kind != "Pod":
        return 0
    if asked is None:
        asked = get(obj, "spec", "terminationGracePeriodSeconds", default=30)
    over = get(obj, "status", "phase") in ("Succeeded", "Failed")
    if not get(obj, "spec", "nodeName") or over:
        return 0
    return max(asked, 1) if asked < 0 else asked


# Pods.


def qos_class(spec: Any) -> str:
    """Guaranteed, Burstable or BestEffort, by the requests and limits of all containers.

    In Kubernetes: pkg/apis/core/v1/helper/qos.
    """
    guaranteed, named = True, False
    for container in (*get(spec, "initContainers", default=()), *get(spec, "containers", default=())):
        resources = container.get("resources") or EMPTY
        limits, requests = resources.get("limits") or EMPTY, resources.get("requests") or EMPTY
        for resource in ("cpu", "memory"):
            wanted = quantity.parse(requests.get(resource, "0"))
            limit = quantity.parse(limits.get(resource, "0"))
            named = named or bool(wanted) or bool(limit)
            guaranteed = guaranteed and bool(limit) and (wanted == limit or resource not in requests)
    if not named:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _create_pod(obj: Obj) -> Obj:
    status: dict[str, Any] = {"phase": "Pending", "qosClass": qos_class(obj.get("spec"))}
    if get(obj, "spec", "schedulingGates"):
        status["conditions"] = [{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "lastProbeTime": None, "lastTransitionTime": None,
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]  # fmt: skip
    return merged(obj, status=freeze(status))


# Namespaces.


def _create_namespace(obj: Obj) -> Obj:
    obj = with_(obj, ("metadata", "labels", "kubernetes.io/metadata.name"), name_of(obj))
    finalizers = list(get(obj, "spec", "finalizers", default=NOTHING))
    if "kubernetes" not in finalizers:
        obj = with_(obj, ("spec", "finalizers"), [*finalizers, "kubernetes"])
    return merged(obj, status={"phase": "Active"})


def _update_namespace(old: Obj, new: Obj) -> Obj:
    new = with_(new, ("spec", "finalizers"), get(old, "spec", "finalizers", default=NOTHING))
    return merged(new, status=old.get("status"))


# Jobs: the selector that finds a Job's pods is made from its UID.


def _create_job(obj: Obj) -> Obj:
    if get(obj, "spec", "manualSelector"):
        return obj
    uid, name = uid_of(obj), name_of(obj)
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = ("spec", "template", "metadata", "labels")
    obj = with_(obj, template, {**get(obj, *template, default=EMPTY), **labels})
    selector = ("spec", "selector", "matchLabels")
    own = {"batch.kubernetes.io/controller-uid": uid}
    return with_(obj, selector, {**get(obj, *selector, default=EMPTY), **own})


# Nodes, volumes, claims and definitions begin with a phase.


def _phase(phase: str) -> Callable[[Obj], Obj]:
    def hook(obj: Obj) -> Obj:
        return merged(obj, status={"phase": phase})

    return hook


def _create_node(obj: Obj) -> Obj:
    """A new node is not ready until its conditions say so (admission TaintNodesByCondition)."""
    taints = get(obj, "spec", "taints", default=NOTHING)
    key = "node.kubernetes.io/not-ready"
    if any(taint.get("key") == key and taint.get("effect") == "NoSchedule" for taint in taints):
        return obj
    return with_(obj, ("spec", "taints"), [*taints, {"key": key, "effect": "NoSchedule"}])


def _create_budget(obj: Obj) -> Obj:
    status = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0}
    return merged(obj, status=status)


CREATE: dict[tuple[str, str], Callable[[Obj], Obj]] = {
    ("", "Pod"): _create_pod,
    ("", "Namespace"): _create_namespace,
    ("", "Node"): _create_node,
    ("", "PersistentVolume"): _phase("Pending"),
    ("", "PersistentVolumeClaim"): _phase("Pending"),
    ("batch", "Job"): _create_job,
    ("policy", "PodDisruptionBudget"): _create_budget,
}
UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Obj]] = {
    ("", "Namespace"): _update_namespace,
}
