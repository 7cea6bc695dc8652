"""NodeVolumeLimits: a node can attach only so many volumes of a CSI driver.

The limit is CSINode's `allocatable.count` for the driver. Distinct volumes count: those of the pods
on the node, those still attached to it, and those that the new pod would add.

In Kubernetes: pkg/scheduler/framework/plugins/nodevolumelimits. Left out: volumes of in-tree kinds
that are migrated to CSI.
"""

from __future__ import annotations

from kubelab.api.objects import Obj, get
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import SKIP, Cycle, Handle, Lister, Plugin, Status, unschedulable
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.volumes import CLASS, PV, PVC, claims_of, class_name
from kubelab.scheduler.wakeups import ClusterEvent

REASON = "node(s) exceed max volume count"


def csi_volumes(lister: Lister, pod: PodInfo) -> dict[str, str]:
    """The pod's CSI volumes by a name that is theirs alone, each with its driver."""
    found: dict[str, str] = {}
    for ref in claims_of(pod):
        claim = lister.get(PVC, ref.key)
        if claim is None:
            continue
        volume_name = get(claim, "spec", "volumeName")
        volume = lister.get(PV, volume_name) if volume_name else None
        if volume is not None:
            source = get(volume, "spec", "csi")
            if source:
                found[f"{source['driver']}/{source['volumeHandle']}"] = source["driver"]
            continue
        # Not bound yet: the volume will be one of the driver that the class names.
        storage_class = lister.get(CLASS, class_name(claim))
        if storage_class is not None:
            driver = storage_class["provisioner"]
            found[f"{driver}/{ref.key}"] = driver
    return found


class NodeVolumeLimits(Plugin):
    """Attachment limits of CSI drivers."""

    name = "NodeVolumeLimits"
    events = (
        ("CSINode", wakeups.ADD),
        ("CSINode", wakeups.UPDATE),
        ("VolumeAttachment", wakeups.DELETE),
        ("PersistentVolumeClaim", wakeups.ADD),
        (wakeups.ASSIGNED_POD, wakeups.DELETE),
    )

    def pre_filter(self, cycle: Cycle) -> Status | None:
        return None if claims_of(cycle.pod) else SKIP

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        lister = cycle.handle.lister
        limits = self._limits(lister, node.name)
        if not limits:
            return None
        added = csi_volumes(lister, cycle.pod)
        if not added:
            return None
        present: dict[str, str] = {}
        for other in node.pods:
            if other.volumes:
                present.update(csi_volumes(lister, other))
        # What pods on the node use already is not attached once more; what is only still attached
        # counts as somebody else's.
        added = {name: driver for name, driver in added.items() if name not in present}
        for attachment in lister.list("storage.k8s.io/v1/VolumeAttachment"):
            spec = attachment["spec"]
            volume = lister.get(PV, get(spec, "source", "persistentVolumeName", default=""))
            source = get(volume, "spec", "csi") if volume else None
            if spec["nodeName"] == node.name and source:
                present[f"{source['driver']}/{source['volumeHandle']}"] = source["driver"]
        for driver, limit in limits.items():
            more = sum(1 for other in added.values() if other == driver)
            have = sum(1 for other in present.values() if other == driver)
            if more and have + more > limit:
                numbers = Obj(driver=driver, has=have, adds=more, limit=limit)
                return unschedulable(REASON, detail=numbers)
        return None

    @staticmethod
    def _limits(lister: Lister, node: str) -> dict[str, int]:
        csi_node = lister.get("storage.k8s.io/v1/CSINode", node)
        drivers = get(csi_node, "spec", "drivers", default=()) if csi_node else ()
        return {
            driver["name"]: driver["allocatable"]["count"]
            for driver in drivers
            if get(driver, "allocatable", "count") is not None
        }

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        if event.resource == "PersistentVolumeClaim":
            meta = event.new["metadata"]
            key = f"{meta['namespace']}/{meta['name']}"
            return any(ref.key == key for ref in claims_of(pod))
        if event.resource == wakeups.ASSIGNED_POD:
            return bool(claims_of(event.old))
        if event.resource == "CSINode" and event.old is not None:
            before, after = counts(event.old), counts(event.new)
            return any(count > before.get(name, 0) for name, count in after.items())
        if event.resource == "VolumeAttachment":
            return any(not ref.ephemeral for ref in claims_of(pod))
        return True


def counts(csi_node: Obj) -> dict[str, int]:
    """The limit of each driver on a node; 0 where none is named."""
    drivers = get(csi_node, "spec", "drivers", default=())
    return {one["name"]: get(one, "allocatable", "count", default=0) for one in drivers}
