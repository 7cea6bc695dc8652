"""What each kind does to an object before it is created or changed.

Every kind goes one way (`registry.py`); here is what differs: which fields a client may not set,
what the server fills in that depends on the moment (a Job's selector, a pod's first status), when
the generation grows, and which kinds have a grace period when deleted.

In Kubernetes: pkg/registry/*/*/strategy.go, and k8s.io/apiserver/pkg/registry/rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api import quantity
from kubelab.api.kinds import CustomKind, Kind
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
from kubelab.apiserver import customresources, podselectors, resizing

# Kinds whose spec does not count generations.
UNCOUNTED = ("ConfigMap", "Secret", "Event", "Lease", "Endpoints", "ServiceAccount", "Namespace",
             "Node", "PersistentVolume", "PersistentVolumeClaim", "ResourceQuota", "LimitRange",
             "Service", "StorageClass", "CSINode", "CSIDriver", "CSIStorageCapacity",
             "VolumeAttachment", "RuntimeClass", "Role", "ClusterRole",
             "RoleBinding", "ClusterRoleBinding", "ControllerRevision",
             "HorizontalPodAutoscaler", "CertificateSigningRequest", "ServiceCIDR",
             "IPAddress", "VolumeAttributesClass", "APIService", "ResourceClaim",
             "ResourceClaimTemplate")  # fmt: skip
# Kinds without a spec that nevertheless count one.
COUNTED_AT_CREATION = ("EndpointSlice", "PriorityClass", "PodTemplate")
# Kinds whose deletion orphans what they own unless the request says otherwise.
ORPHANING = (("batch", "Job"), ("", "ReplicationController"))


def prepare_create(kind: Kind, obj: Obj, who: Obj) -> Obj:
    """The object as it enters validation: its first status, generated fields filled in."""
    if isinstance(kind, CustomKind):
        obj = without(obj, ("status",)) if kind.has_status else obj
        return with_(obj, ("metadata", "generation"), 1)  # type: ignore[no-any-return]
    first = FIRST_STATUS.get((kind.group, kind.kind))
    if first is not None:
        obj = merged(obj, status=first)
    elif "status" in kind.subresources and kind.kind not in ("Node", "Namespace"):
        obj = without(obj, ("status",))
    generation = 1 if counts_generation(kind) or kind.kind in COUNTED_AT_CREATION else None
    obj = with_(obj, ("metadata",), merged(obj["metadata"], generation=generation))
    hook = CREATE.get((kind.group, kind.kind))
    return hook(obj, who) if hook else obj


def prepare_update(kind: Kind, old: Obj, new: Obj, subresource: str, now: str = "") -> Obj:
    """The object as it enters validation: what the client may not change is taken from `old`."""
    metadata, before = new["metadata"], old["metadata"]
    kept = {field: before.get(field) for field in ("creationTimestamp", "selfLink", "generation")}
    # A UID that was asked for is judged by validation; left out, it is the old one.
    kept["uid"] = metadata.get("uid") or before.get("uid")
    kept["deletionTimestamp"] = before.get("deletionTimestamp")
    kept["deletionGracePeriodSeconds"] = before.get("deletionGracePeriodSeconds")
    new = with_(new, ("metadata",), merged(metadata, **kept))
    if isinstance(kind, CustomKind):
        return customresources.prepare_update(kind, old, new, subresource)
    if subresource == "approval":
        new = merged(old, metadata=metadata, status=_approved(old, new, now))
    elif subresource == "resize":
        new = resizing.prepared(old, new)
    elif subresource == "status":
        status = new.get("status")
        new = merged(old, metadata=_status_metadata(kind, old, new), status=status)
    elif "status" in kind.subresources:
        new = merged(new, status=old.get("status"))
    hook = UPDATE.get((kind.group, kind.kind))
    if hook and not subresource:
        new = hook(old, new)
    counts = counts_generation(kind) or kind.kind == "EndpointSlice"
    if counts and not subresource and _wish(kind, old) != _wish(kind, new):
        generation = get(old, "metadata", "generation", default=0) + 1
        new = with_(new, ("metadata", "generation"), generation)
    return new


def _approved(old: Obj, new: Obj, now: str) -> Obj:
    """The door `approval` changes the conditions of a signing request, and notes when."""
    held = {c.get("type"): c for c in get(old, "status", "conditions", default=NOTHING)}
    rows = []
    for row in get(new, "status", "conditions", default=NOTHING):
        before = held.get(row.get("type"))
        if before is None or before != row:
            moved = row.get("lastTransitionTime") or now
            updated = row.get("lastUpdateTime") or now
            row = merged(row, lastUpdateTime=updated, lastTransitionTime=moved)
        rows.append(row)
    return merged(old.get("status") or EMPTY, conditions=rows or None)


def _status_metadata(kind: Kind, old: Obj, new: Obj) -> Obj:
    """A status write keeps who an object is; its annotations, labels and finalizers may change.

    A Deployment's labels may not: its controller notes the revision in an annotation this way.
    """
    given = new["metadata"]
    metadata = merged(old["metadata"], resourceVersion=given.get("resourceVersion"))
    fields = ("annotations", "finalizers", "labels")
    for field in fields[:2] if kind.kind == "Deployment" else fields:
        metadata = merged(metadata, **{field: given.get(field)})
    return metadata


def counts_generation(kind: Kind) -> bool:
    """Whether metadata.generation grows with the wish."""
    return kind.kind not in UNCOUNTED and kind.kind not in COUNTED_AT_CREATION


def _wish(kind: Kind, obj: Obj) -> Any:
    """The part of an object whose change makes a new generation."""
    if kind.kind == "Deployment":
        return obj.get("spec"), get(obj, "metadata", "annotations", default=EMPTY)
    if kind.kind == "EndpointSlice":
        return obj.get("endpoints"), obj.get("ports"), get(obj, "metadata", "labels")
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

    Where the pod as a whole has requests or limits, those decide.
    In Kubernetes: pkg/apis/core/v1/helper/qos.
    """
    whole = get(spec, "resources", default=EMPTY)
    if whole.get("limits") or whole.get("requests"):
        judged = [whole]
    else:
        containers = (
            *(get(spec, "initContainers", default=())),
            *get(spec, "containers", default=()),
        )
        judged = [container.get("resources") or EMPTY for container in containers]
    guaranteed, named = True, False
    for resources in judged:
        limits, requests = resources.get("limits") or EMPTY, resources.get("requests") or EMPTY
        for resource in ("cpu", "memory"):
            wanted = quantity.parse(requests.get(resource, "0"))
            limit = quantity.parse(limits.get(resource, "0"))
            named = named or bool(wanted) or bool(limit)
            guaranteed = (
                guaranteed and bool(limit) and (wanted == limit or resource not in requests)
            )
    if not named:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _create_pod(obj: Obj, who: Obj) -> Obj:
    obj = podselectors.folded(obj)
    status: dict[str, Any] = {"phase": "Pending", "qosClass": qos_class(obj.get("spec"))}
    if get(obj, "spec", "schedulingGates"):
        status["conditions"] = [{
            "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
            "lastProbeTime": None, "lastTransitionTime": obj["metadata"]["creationTimestamp"],
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]  # fmt: skip
    return merged(obj, status=freeze(status))


def _create_namespace(obj: Obj, who: Obj) -> Obj:
    obj = with_(obj, ("metadata", "labels", "kubernetes.io/metadata.name"), name_of(obj))
    finalizers = list(get(obj, "spec", "finalizers", default=NOTHING))
    if "kubernetes" not in finalizers:
        obj = with_(obj, ("spec", "finalizers"), [*finalizers, "kubernetes"])
    return merged(obj, status={"phase": "Active"})


def _update_namespace(old: Obj, new: Obj) -> Obj:
    new = with_(new, ("spec", "finalizers"), get(old, "spec", "finalizers", default=NOTHING))
    return merged(new, status=old.get("status"))


def _create_job(obj: Obj, who: Obj) -> Obj:
    """The selector that finds a Job's pods is made from its UID."""
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
    before = get(obj, *template, default=EMPTY)
    obj = with_(obj, template, {**before, **labels})
    # A Job without labels of its own shares those of its template.
    if get(obj, "metadata", "labels", default=EMPTY) == before:
        obj = with_(obj, ("metadata", "labels"), {**before, **labels})
    selector = ("spec", "selector", "matchLabels")
    own = {"batch.kubernetes.io/controller-uid": uid}
    made: Obj = with_(obj, selector, {**get(obj, *selector, default=EMPTY), **own})
    return made


TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"


def _create_daemonset(obj: Obj, who: Obj) -> Obj:
    made: Obj = with_(obj, ("metadata", "annotations", TEMPLATE_GENERATION), "1")
    return made


def _update_daemonset(old: Obj, new: Obj) -> Obj:
    """The template's own count grows with each change of it, whatever a client says."""
    count = int(get(old, "metadata", "annotations", TEMPLATE_GENERATION, default="1"))
    if get(old, "spec", "template") != get(new, "spec", "template"):
        count += 1
    made: Obj = with_(new, ("metadata", "annotations", TEMPLATE_GENERATION), str(count))
    return made


def _create_node(obj: Obj, who: Obj) -> Obj:
    """A new node is not ready until its conditions say so (admission TaintNodesByCondition)."""
    taints = get(obj, "spec", "taints", default=NOTHING)
    key = "node.kubernetes.io/not-ready"
    if any(taint.get("key") == key and taint.get("effect") == "NoSchedule" for taint in taints):
        return obj
    made: Obj = with_(obj, ("spec", "taints"), [*taints, {"key": key, "effect": "NoSchedule"}])
    return made


def _protected(obj: Obj, finalizer: str) -> Obj:
    """With the finalizer that keeps a volume or claim while it is in use."""
    held = get(obj, "metadata", "finalizers", default=NOTHING)
    if finalizer in held:
        return obj
    return with_(obj, ("metadata", "finalizers"), [*held, finalizer])  # type: ignore[no-any-return]


def _create_claim(obj: Obj, who: Obj) -> Obj:
    return _protected(obj, "kubernetes.io/pvc-protection")


def _create_volume(obj: Obj, who: Obj) -> Obj:
    obj = _protected(obj, "kubernetes.io/pv-protection")
    moment = obj["metadata"]["creationTimestamp"]
    return with_(obj, ("status", "lastPhaseTransitionTime"), moment)  # type: ignore[no-any-return]


def _create_attributes_class(obj: Obj, who: Obj) -> Obj:
    return _protected(obj, "kubernetes.io/vac-protection")


def _create_signing_request(obj: Obj, who: Obj) -> Obj:
    """Who asks is what the server knows, not what the request says."""
    asked = {field: who.get(field) for field in ("username", "uid", "groups", "extra")}
    made: Obj = with_(obj, ("spec",), merged(obj.get("spec") or EMPTY, **asked))
    return made


def _create_definition(obj: Obj, who: Obj) -> Obj:
    stored = [v["name"] for v in get(obj, "spec", "versions", default=()) if v.get("storage")]
    return with_(obj, ("status", "storedVersions"), stored)  # type: ignore[no-any-return]


def _update_definition(old: Obj, new: Obj) -> Obj:
    """A version that becomes the stored one is remembered as such."""
    held = list(get(new, "status", "storedVersions", default=NOTHING))
    fresh = [v["name"] for v in get(new, "spec", "versions", default=()) if v.get("storage")]
    more = [name for name in fresh if name not in held]
    if not more:
        return new
    return with_(new, ("status", "storedVersions"), [*held, *more])  # type: ignore[no-any-return]


_ADDRESS = freeze({"loadBalancer": {}})
# The status that a new object of a kind has, whatever the client says.
FIRST_STATUS: dict[tuple[str, str], Obj] = {
    ("", "Service"): _ADDRESS,
    ("networking.k8s.io", "Ingress"): _ADDRESS,
    ("", "ReplicationController"): Obj(replicas=0),
    ("", "ResourceQuota"): EMPTY,
    ("", "PersistentVolume"): Obj(phase="Pending"),
    ("", "PersistentVolumeClaim"): Obj(phase="Pending"),
    ("apps", "Deployment"): EMPTY,
    ("apps", "ReplicaSet"): Obj(replicas=0),
    ("apps", "StatefulSet"): Obj(replicas=0, availableReplicas=0),
    ("apps", "DaemonSet"): Obj(
        currentNumberScheduled=0, numberMisscheduled=0, desiredNumberScheduled=0, numberReady=0
    ),
    ("batch", "Job"): EMPTY,
    ("batch", "CronJob"): EMPTY,
    ("autoscaling", "HorizontalPodAutoscaler"): Obj(desiredReplicas=0, currentMetrics=None),
    ("policy", "PodDisruptionBudget"): Obj(
        currentHealthy=0, desiredHealthy=0, disruptionsAllowed=0, expectedPods=0
    ),
    ("storage.k8s.io", "VolumeAttachment"): Obj(attached=False),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): freeze(
        {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []}
    ),
    ("apiregistration.k8s.io", "APIService"): EMPTY,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): EMPTY,
    ("certificates.k8s.io", "CertificateSigningRequest"): EMPTY,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): EMPTY,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): EMPTY,
    ("resource.k8s.io", "ResourceClaim"): EMPTY,
    ("networking.k8s.io", "ServiceCIDR"): EMPTY,
}
CREATE: dict[tuple[str, str], Callable[[Obj, Obj], Obj]] = {
    ("", "Pod"): _create_pod,
    ("", "Namespace"): _create_namespace,
    ("", "Node"): _create_node,
    ("", "PersistentVolume"): _create_volume,
    ("", "PersistentVolumeClaim"): _create_claim,
    ("storage.k8s.io", "VolumeAttributesClass"): _create_attributes_class,
    ("apps", "DaemonSet"): _create_daemonset,
    ("batch", "Job"): _create_job,
    ("certificates.k8s.io", "CertificateSigningRequest"): _create_signing_request,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _create_definition,
}
UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Obj]] = {
    ("", "Namespace"): _update_namespace,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _update_definition,
    ("apps", "DaemonSet"): _update_daemonset,
}
