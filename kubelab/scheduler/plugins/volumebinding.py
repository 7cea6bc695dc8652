"""VolumeBinding: a pod goes where its volumes are, or can be.

A bound claim's volume must be usable on the node. A claim whose class waits for the first consumer
takes the smallest volume that fits on the node, or one is made there; the choice is written when
the pod's node is chosen, and the pod is bound only after its claims are. A claim that should have
been bound at once, but is not, keeps the pod waiting.

In Kubernetes: pkg/scheduler/framework/plugins/volumebinding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, Obj, freeze, get
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import (
    SKIP,
    UNRESOLVABLE,
    Cycle,
    Handle,
    Lister,
    Plugin,
    Status,
    Write,
    unresolvable,
)
from kubelab.scheduler.matching import label_selector, selects
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.resources import amount_of
from kubelab.scheduler.volumes import (
    CLASS,
    NO_PROVISIONER,
    PV,
    PVC,
    SELECTED_NODE,
    allowed_on,
    claims_of,
    class_name,
    fits_node,
    is_bound,
    matching_volume,
    owned_by_pod,
    requested,
    waits_for_consumer,
)
from kubelab.scheduler.wakeups import ClusterEvent

REASON_IMMEDIATE = "pod has unbound immediate PersistentVolumeClaims"
REASON_NODE = "node(s) didn't match PersistentVolume's node affinity"
REASON_BIND = "node(s) didn't find available persistent volumes to bind"
REASON_SPACE = "node(s) did not have enough free storage"
REASON_MISSING = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"


# Kinds whose changes may help.
HEARD = tuple(kind for kind in wakeups.VOLUME_KINDS if kind != "VolumeAttachment")
# Which kinds of volumes of old a node has served by CSI drivers.
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"


class Claims(NamedTuple):
    """A pod's claims: those that are bound, and those that wait for the pod, smallest first."""

    bound: tuple[Obj, ...]
    delayed: tuple[Obj, ...]


class Plan(NamedTuple):
    """What would be done for the delayed claims on a node: volumes to bind, claims to provision."""

    bindings: tuple[tuple[Obj, Obj], ...]
    provisions: tuple[Obj, ...]


class Refused(NamedTuple):
    """Why nothing can be done on a node, and for which claim."""

    reason: str
    claim: Obj


class VolumeBinding(Plugin):
    """Claims, bound and to be bound."""

    name = "VolumeBinding"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.LABEL),
        *((kind, wakeups.ADD) for kind in HEARD if kind != "CSIDriver"),
        *((kind, wakeups.UPDATE) for kind in HEARD),
    )

    def pre_filter(self, cycle: Cycle) -> Status | None:
        lister = cycle.handle.lister
        claims = []
        for ref in claims_of(cycle.pod):
            claim = lister.get(PVC, ref.key)
            problem = self._problem(claim, ref.name, ephemeral=ref.ephemeral)
            if claim and ref.ephemeral and not problem and not owned_by_pod(claim, cycle.pod):
                owner = cycle.pod.key
                problem = f"PVC {ref.key} was not created for pod {owner} (pod is not owner)"
            if claim is None or problem:
                return unresolvable(problem)
            claims.append(claim)
        if not claims:
            return SKIP
        bound = [claim for claim in claims if is_bound(claim)]
        delayed = []
        for claim in claims:
            if is_bound(claim):
                continue
            if get(claim, "spec", "volumeName") or not waits_for_consumer(lister, claim):
                return unresolvable(REASON_IMMEDIATE)
            delayed.append(claim)
        cycle.state[self.name] = Claims(tuple(bound), tuple(sorted(delayed, key=requested)))
        return None

    @staticmethod
    def _problem(claim: Obj | None, name: str, *, ephemeral: bool) -> str:
        if claim is None:
            if ephemeral:
                return (
                    "waiting for ephemeral volume controller to create the "
                    f'persistentvolumeclaim "{name}"'
                )
            return f'persistentvolumeclaim "{name}" not found'
        if get(claim, "status", "phase") == "Lost":
            volume = get(claim, "spec", "volumeName", default="")
            return (
                f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{volume}"'
            )
        if get(claim, "metadata", "deletionTimestamp"):
            return f'persistentvolumeclaim "{name}" is being deleted'
        return ""

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        lister, claims = cycle.handle.lister, cycle.state[self.name]
        reasons = []
        missing = False
        numbers: dict[str, Any] = {}
        for claim in claims.bound:
            # The first volume that is wrong decides what is said of the bound ones.
            volume = lister.get(PV, get(claim, "spec", "volumeName"))
            missing = volume is None
            if volume is None or not fits_node(volume, node):
                numbers["volume"] = get(claim, "spec", "volumeName")
                if volume is not None:
                    reasons.append(REASON_NODE)
                break
        plan = self.plan(cycle, node)
        if isinstance(plan, Refused):
            reasons.append(plan.reason)
            numbers.update(claim=plan.claim["metadata"]["name"], size=requested(plan.claim))
        if missing:
            reasons.append(REASON_MISSING)
        return Status(UNRESOLVABLE, tuple(reasons), detail=Obj(numbers)) if reasons else None

    def plan(self, cycle: Cycle, node: NodeInfo) -> Plan | Refused:
        """What to do for the delayed claims on a node, or the reason why nothing can be done."""
        lister = cycle.handle.lister
        volumes = lister.list(PV)
        taken = dict(cycle.handle.assumed_volumes)
        bindings, provisions = [], []
        for claim in cycle.state[self.name].delayed:
            chosen = get(claim, "metadata", "annotations", SELECTED_NODE)
            if chosen:
                if chosen != node.name:
                    return Refused(REASON_BIND, claim)
                provisions.append(claim)
                continue
            volume = matching_volume(claim, volumes, node, taken)
            if volume is None:
                provisions.append(claim)
            else:
                taken[volume["metadata"]["name"]] = cycle.pod.key
                bindings.append((volume, claim))
        for claim in provisions:
            reason = _provisionable(lister, claim, node)
            if reason:
                return Refused(reason, claim)
        return Plan(tuple(bindings), tuple(provisions))

    def pre_score(self, cycle: Cycle, nodes: Sequence[NodeInfo]) -> Status | None:
        return SKIP

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        return 0

    def reserve(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        """Nobody else may take the volumes that were chosen."""
        if self.name in cycle.state:
            plan = self.plan(cycle, node)
            if isinstance(plan, Refused):
                return unresolvable(plan.reason)
            for volume, _ in plan.bindings:
                cycle.handle.assumed_volumes[volume["metadata"]["name"]] = cycle.pod.key
            cycle.state[self.name + "/plan"] = plan
        return None

    def pre_bind(self, cycle: Cycle, node: NodeInfo) -> tuple[list[Write], list[str]] | None:
        """The writes that tie volumes and claims together, and the claims to wait for."""
        plan: Plan | None = cycle.state.get(self.name + "/plan")
        if plan is None or not (plan.bindings or plan.provisions):
            return None
        writes, waits_for = [], []
        for volume, claim in plan.bindings:
            meta = claim["metadata"]
            owner = {
                "kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": meta["namespace"],
                "name": meta["name"], "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
            }  # fmt: skip
            marks = {"annotations": {"pv.kubernetes.io/bound-by-controller": "yes"}}
            patch = freeze({"metadata": marks, "spec": {"claimRef": owner}})
            writes.append(Write(PV, "", volume["metadata"]["name"], patch))
            waits_for.append(f"{meta['namespace']}/{meta['name']}")
        for claim in plan.provisions:
            meta = claim["metadata"]
            patch = freeze({"metadata": {"annotations": {SELECTED_NODE: node.name}}})
            writes.append(Write(PVC, meta["namespace"], meta["name"], patch))
            waits_for.append(f"{meta['namespace']}/{meta['name']}")
        return writes, waits_for

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        if event.resource == "PersistentVolumeClaim":
            meta = event.new["metadata"]
            key = f"{meta['namespace']}/{meta['name']}"
            return any(ref.key == key for ref in claims_of(pod))
        rule = CHANGES.get(event.resource)
        return rule is None or event.old is None or rule(event.old, event.new)


def _elsewhere(old: Obj, new: Obj) -> bool:
    """A class makes volumes in other places than before."""
    return bool(old.get("allowedTopologies") != new.get("allowedTopologies"))


def _migrates(old: Obj, new: Obj) -> bool:
    """A node has other kinds of volumes served by CSI than before."""
    before, after = (get(one, "metadata", "annotations", MIGRATED) for one in (old, new))
    return bool(before != after)


def _room_ignored(old: Obj, new: Obj) -> bool:
    """A driver's volumes are no longer held against the room that is left."""
    before, after = (get(one, "spec", "storageCapacity") for one in (old, new))
    return bool(before) and not after


def _more_room(old: Obj, new: Obj) -> bool:
    """There is room for larger volumes than before."""
    before, after = limit_of(old), limit_of(new)
    return after is not None and (before is None or after > before)


# Which change of an object may help; of other kinds every change may.
CHANGES = {
    "StorageClass": _elsewhere,
    "CSINode": _migrates,
    "CSIDriver": _room_ignored,
    "CSIStorageCapacity": _more_room,
}


def limit_of(capacity: Obj) -> int | None:
    """The largest volume that can be made from a CSIStorageCapacity, in bytes."""
    room = capacity.get("maximumVolumeSize") or capacity.get("capacity")
    return None if room is None else amount_of("storage", room)


def _provisionable(lister: Lister, claim: Obj, node: NodeInfo) -> str:
    """Why no volume can be made for a claim on a node; empty if one can."""
    storage_class = lister.get(CLASS, class_name(claim))
    if storage_class is None:
        return REASON_BIND
    provisioner = storage_class.get("provisioner") or NO_PROVISIONER
    if provisioner == NO_PROVISIONER or not allowed_on(storage_class, node):
        return REASON_BIND
    driver = lister.get("storage.k8s.io/v1/CSIDriver", provisioner)
    if not get(driver or EMPTY, "spec", "storageCapacity", default=False):
        return ""
    size = requested(claim)
    for entry in lister.list("storage.k8s.io/v1/CSIStorageCapacity"):
        if entry.get("storageClassName") != storage_class["metadata"]["name"]:
            continue
        room = limit_of(entry)
        if room is None or room < size:
            continue
        if selects(label_selector(entry.get("nodeTopology")), node.labels):
            return ""
    return REASON_SPACE
