"""What the volume controllers ask of claims, volumes and storage classes.

In Kubernetes: k8s.io/component-helpers/storage/volume and pkg/controller/volume/persistentvolume
(index.go). Left out: volume attributes classes.
"""

from __future__ import annotations

from collections.abc import Iterable

from kubelab.api import quantity
from kubelab.api.objects import (
    EMPTY,
    NOTHING,
    Obj,
    annotations_of,
    get,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from kubelab.api.selectors import compile_selector

CLAIM, VOLUME = "v1/PersistentVolumeClaim", "v1/PersistentVolume"
CLASS = "storage.k8s.io/v1/StorageClass"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
BOUND_BY_US = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
OLD_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def class_of(obj: Obj) -> str:
    """The storage class that a claim or volume names; empty for none."""
    old = annotations_of(obj).get(OLD_CLASS)
    return str(old if old is not None else get(obj, "spec", "storageClassName", default=""))


def default_class(classes: Iterable[Obj]) -> Obj | None:
    """The class of claims that name none: the newest of those marked so."""
    marked = [item for item in classes if annotations_of(item).get(DEFAULT_CLASS) == "true"]
    marked.sort(key=name_of)
    return max(marked, key=lambda item: item["metadata"]["creationTimestamp"], default=None)


def waits_for_consumer(storage_class: Obj | None) -> bool:
    """Whether claims of a class are bound only when a pod that uses them gets a node."""
    return (storage_class or EMPTY).get("volumeBindingMode") == "WaitForFirstConsumer"


def phase_of(obj: Obj) -> str:
    """status.phase of a claim or volume."""
    return str(get(obj, "status", "phase", default="Pending"))


def requested(claim: Obj) -> int:
    """The bytes that a claim asks for."""
    return quantity.value(get(claim, "spec", "resources", "requests", "storage", default="0"))


def capacity(volume: Obj) -> int:
    """The bytes of a volume."""
    return quantity.value(get(volume, "spec", "capacity", "storage", default="0"))


def claim_ref(claim: Obj) -> Obj:
    """The reference by which a volume names its claim."""
    return Obj({
        "kind": "PersistentVolumeClaim", "apiVersion": "v1",
        "namespace": namespace_of(claim), "name": name_of(claim), "uid": uid_of(claim),
        "resourceVersion": get(claim, "metadata", "resourceVersion", default=""),
    })  # fmt: skip


def is_for(volume: Obj, claim: Obj) -> bool:
    """Whether a volume is bound, or promised, to a claim."""
    ref = get(volume, "spec", "claimRef", default=EMPTY)
    same = ref.get("name") == name_of(claim) and ref.get("namespace") == namespace_of(claim)
    return bool(same and ref.get("uid") in (None, "", uid_of(claim)))


def misfit(volume: Obj, claim: Obj) -> str:
    """Why a volume that was asked for by name cannot serve a claim; empty if it can."""
    if capacity(volume) < requested(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _mode(volume) != _mode(claim):
        return "incompatible volumeMode"
    if not _has_modes(volume, claim):
        return "incompatible accessMode"
    return ""


def _mode(obj: Obj) -> str:
    return str(get(obj, "spec", "volumeMode", default="Filesystem"))


def _has_modes(volume: Obj, claim: Obj) -> bool:
    offered = get(volume, "spec", "accessModes", default=NOTHING)
    return all(mode in offered for mode in get(claim, "spec", "accessModes", default=NOTHING))


def best_match(claim: Obj, volumes: Iterable[Obj], *, delayed: bool) -> Obj | None:
    """The smallest volume that fits a claim; one that was promised to it comes first.

    Of a claim that waits for its pod (`delayed`) only a promised one is looked for.
    """
    selector = compile_selector(get(claim, "spec", "selector"))
    fitting = []
    for volume in volumes:
        if capacity(volume) < requested(claim) or _mode(volume) != _mode(claim):
            continue
        if volume["metadata"].get("deletionTimestamp"):
            continue
        if get(volume, "spec", "claimRef"):
            if is_for(volume, claim):
                return volume
            continue
        if delayed or phase_of(volume) != "Available" or class_of(volume) != class_of(claim):
            continue
        if get(claim, "spec", "selector") and not selector.matches(labels_of(volume)):
            continue
        if _has_modes(volume, claim):
            fitting.append(volume)
    return min(
        fitting,
        key=lambda item: (len(item["spec"].get("accessModes") or ()), capacity(item)),
        default=None,
    )
