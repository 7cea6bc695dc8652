"""Claims, volumes and storage classes, as the volume plugins read them.

In Kubernetes: k8s.io/component-helpers/storage/volume and pkg/scheduler/framework/plugins/
volumebinding/binder.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import Lister
from kubelab.scheduler.matching import any_term, label_selector, node_terms, selects
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.resources import amount_of

PVC = "v1/PersistentVolumeClaim"
PV = "v1/PersistentVolume"
CLASS = "storage.k8s.io/v1/StorageClass"
BIND_COMPLETED = "pv.kubernetes.io/bind-completed"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
NO_PROVISIONER = "kubernetes.io/no-provisioner"
READ_WRITE_ONCE_POD = "ReadWriteOncePod"


class ClaimRef(NamedTuple):
    """A pod's use of a claim; an ephemeral volume's claim is named after pod and volume."""

    key: str
    name: str
    ephemeral: bool


def claims_of(pod: PodInfo) -> list[ClaimRef]:
    """The claims that a pod's volumes use."""
    found = []
    for volume in pod.volumes:
        claim = volume.get("persistentVolumeClaim")
        if claim:
            name = claim["claimName"]
            found.append(ClaimRef(f"{pod.namespace}/{name}", name, False))
        elif volume.get("ephemeral"):
            name = f"{pod.name}-{volume['name']}"
            found.append(ClaimRef(f"{pod.namespace}/{name}", name, True))
    return found


def class_name(obj: Obj) -> str:
    """The storage class that a claim or volume names."""
    old = get(obj, "metadata", "annotations", BETA_CLASS)
    return str(old if old is not None else get(obj, "spec", "storageClassName", default=""))


def is_bound(claim: Obj) -> bool:
    """Whether claim and volume have been tied together for good."""
    annotations = get(claim, "metadata", "annotations", default=EMPTY)
    return bool(get(claim, "spec", "volumeName")) and BIND_COMPLETED in annotations


def waits_for_consumer(lister: Lister, claim: Obj) -> bool:
    """Whether the claim is bound only when a pod that uses it gets a node."""
    storage_class = lister.get(CLASS, class_name(claim))
    mode = (storage_class or EMPTY).get("volumeBindingMode")
    return mode == "WaitForFirstConsumer"


def requested(claim: Obj) -> int:
    """The size that a claim asks for, in bytes."""
    return amount_of("storage", get(claim, "spec", "resources", "requests", "storage", default=0))


def capacity(volume: Obj) -> int:
    """The size of a volume, in bytes."""
    return amount_of("storage", get(volume, "spec", "capacity", "storage", default=0))


def fits_node(volume: Obj, node: NodeInfo) -> bool:
    """Whether a volume can be used on a node, by its node affinity."""
    terms = node_terms(get(volume, "spec", "nodeAffinity", "required"))
    return terms is None or any_term(terms, node.labels, node.name)


def allowed_on(storage_class: Obj, node: NodeInfo) -> bool:
    """Whether the class makes volumes for the node's place."""
    terms = storage_class.get("allowedTopologies")
    if not terms:
        return True
    wanted = [term.get("matchLabelExpressions") for term in terms]
    return any(
        all(node.labels.get(item["key"]) in item["values"] for item in expressions)
        for expressions in wanted
        if expressions
    )


def matching_volume(
    claim: Obj, volumes: Iterable[Obj], node: NodeInfo, taken: dict[str, str]
) -> Obj | None:
    """The smallest volume that a claim which waits for its pod may be bound to on the node.

    A volume that was made for just this claim is the only one, whether or not it fits the node.
    """
    size, wanted = requested(claim), get(claim, "spec", default=EMPTY)
    selector = label_selector(wanted.get("selector"))
    best: Obj | None = None
    for volume in volumes:
        spec, meta = volume["spec"], volume["metadata"]
        reserved = spec.get("claimRef")
        if meta["name"] in taken or meta.get("deletionTimestamp") or capacity(volume) < size:
            continue
        if (reserved and not is_for(reserved, claim)) or not _alike(spec, wanted):
            continue
        if class_name(volume) != class_name(claim):
            continue
        if reserved:
            return volume if fits_node(volume, node) else None
        if get(volume, "status", "phase") != "Available" or not fits_node(volume, node):
            continue
        if selector is not None and not selects(selector, meta.get("labels") or EMPTY):
            continue
        if not all(one in spec.get("accessModes", ()) for one in wanted.get("accessModes") or ()):
            continue
        if best is None or capacity(volume) < capacity(best):
            best = volume
    return best


def is_for(reserved: Obj, claim: Obj) -> bool:
    """Whether a volume's `claimRef` names the claim, and this very one if it names a UID."""
    own = claim["metadata"]
    same = all(reserved.get(field) == own[field] for field in ("name", "namespace"))
    return same and reserved.get("uid") in (None, "", own.get("uid"))


def _alike(spec: Obj, wanted: Obj) -> bool:
    """Whether a volume is of the kind that is wanted: a file system or a bare disk, and of the same
    class of attributes."""
    modes = [one.get("volumeMode") or "Filesystem" for one in (spec, wanted)]
    attributes = [one.get("volumeAttributesClassName") or "" for one in (spec, wanted)]
    return modes[0] == modes[1] and attributes[0] == attributes[1]


def owned_by_pod(claim: Obj, pod: PodInfo) -> bool:
    """Whether an ephemeral volume's claim was made for just this pod."""
    owners = get(claim, "metadata", "ownerReferences", default=())
    return any(owner.get("controller") and owner.get("uid") == pod.uid for owner in owners)
