"""VolumeRestrictions: disks that only one pod, or one node, may use.

A GCE disk, ISCSI target or RBD image is shared only if both uses are read-only; an AWS volume
never. A claim with access mode ReadWriteOncePod belongs to one pod in the whole cluster.

In Kubernetes: pkg/scheduler/framework/plugins/volumerestrictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kubelab.api.objects import Obj, get
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import (
    SKIP,
    Cycle,
    Handle,
    Plugin,
    Status,
    unresolvable,
    unschedulable,
)
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.volumes import PVC, READ_WRITE_ONCE_POD, claims_of
from kubelab.scheduler.wakeups import ClusterEvent

REASON_DISK = "node(s) had no available disk"
REASON_ONE_POD = (
    "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode "
    "already in-use by another pod"
)
DISKS = ("gcePersistentDisk", "awsElasticBlockStore", "iscsi", "rbd")


def same_disk(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two volumes are the same disk and cannot be used side by side."""
    for source in DISKS:
        mine, theirs = one.get(source), other.get(source)
        if not mine or not theirs:
            continue
        read_only = bool(mine.get("readOnly") and theirs.get("readOnly"))
        if source == "awsElasticBlockStore":
            return bool(mine["volumeID"] == theirs["volumeID"])
        if source == "gcePersistentDisk":
            return mine["pdName"] == theirs["pdName"] and not read_only
        if source == "iscsi":
            return mine["iqn"] == theirs["iqn"] and not read_only
        shared = any(one in theirs.get("monitors", ()) for one in mine.get("monitors", ()))
        same = (mine.get("pool") or "rbd", mine["image"]) == (
            theirs.get("pool") or "rbd",
            theirs["image"],
        )
        return shared and same and not read_only
    return False


class VolumeRestrictions(Plugin):
    """Disks and claims with a single user."""

    name = "VolumeRestrictions"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.ASSIGNED_POD, wakeups.DELETE),
        ("PersistentVolumeClaim", wakeups.ADD),
    )

    def pre_filter(self, cycle: Cycle) -> Status | None:
        pod = cycle.pod
        if not pod.volumes:
            return SKIP
        exclusive = []
        for ref in claims_of(pod):
            if ref.ephemeral:
                continue
            claim = cycle.handle.lister.get(PVC, ref.key)
            if claim is None:
                return unresolvable(f'persistentvolumeclaim "{ref.name}" not found')
            if READ_WRITE_ONCE_POD in get(claim, "spec", "accessModes", default=()):
                exclusive.append(ref.key)
        used: dict[str, None] = {}
        if exclusive:
            for node in cycle.nodes:
                for other in node.pods:
                    used.update(dict.fromkeys(_used(other, exclusive)))
        uses = len(used)
        disks = any(volume.get(source) for volume in pod.volumes for source in DISKS)
        if not disks and not uses:
            return SKIP
        cycle.state[self.name] = (tuple(exclusive), uses)
        return None

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        for volume in cycle.pod.volumes:
            for other in node.pods:
                if any(same_disk(volume, theirs) for theirs in other.volumes):
                    return unschedulable(REASON_DISK, detail=Obj(used_by=other.key))
        exclusive, uses = cycle.state[self.name]
        return unschedulable(REASON_ONE_POD, detail=Obj(claim=exclusive[0])) if uses > 0 else None

    def with_pod(self, cycle: Cycle, state: Any, pod: PodInfo, node: NodeInfo, sign: int) -> Any:
        exclusive, uses = state
        return (exclusive, uses + sign * len(_used(pod, exclusive)))

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        own = {ref.key for ref in claims_of(pod)}
        if event.resource == "PersistentVolumeClaim":
            meta = event.new["metadata"]
            return f"{meta['namespace']}/{meta['name']}" in own
        if event.resource == wakeups.ASSIGNED_POD:
            if any(ref.key in own for ref in claims_of(event.old)):
                return True
            return any(same_disk(a, b) for a in pod.volumes for b in event.old.volumes)
        return True


def _used(pod: PodInfo, claims: Any) -> list[str]:
    """Those of the claims that a pod uses."""
    if not pod.volumes:
        return []
    return [ref.key for ref in claims_of(pod) if ref.key in claims and not ref.ephemeral]
