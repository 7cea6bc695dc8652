"""VolumeZone: a bound volume that belongs to a zone or region is used there only.

The volume's labels for zone and region are compared with the node's; a value may name several,
split at `__`. A node without any such label passes.

In Kubernetes: pkg/scheduler/framework/plugins/volumezone.
"""

from __future__ import annotations

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import REGION_LABELS, ZONE_LABELS, NodeInfo
from kubelab.scheduler.framework import SKIP, Cycle, Handle, Plugin, Status, unresolvable
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.volumes import CLASS, PV, PVC, claims_of, class_name
from kubelab.scheduler.wakeups import ClusterEvent

REASON = "node(s) had no available volume zone"
LABELS = (*ZONE_LABELS, *REGION_LABELS)
# The old labels and what they are called now.
RENAMED = {ZONE_LABELS[1]: ZONE_LABELS[0], REGION_LABELS[1]: REGION_LABELS[0]}


class VolumeZone(Plugin):
    """Zones of bound volumes."""

    name = "VolumeZone"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.LABEL),
        ("StorageClass", wakeups.ADD),
        ("PersistentVolumeClaim", wakeups.ADD),
        ("PersistentVolumeClaim", wakeups.UPDATE),
        ("PersistentVolume", wakeups.ADD),
        ("PersistentVolume", wakeups.UPDATE),
    )

    def pre_filter(self, cycle: Cycle) -> Status | None:
        lister = cycle.handle.lister
        zones: list[tuple[str, tuple[str, ...]]] = []
        for ref in claims_of(cycle.pod):
            if ref.ephemeral:
                continue
            claim = lister.get(PVC, ref.key)
            if claim is None:
                return unresolvable(f'persistentvolumeclaim "{ref.name}" not found')
            volume_name = get(claim, "spec", "volumeName")
            if not volume_name:
                problem = self._unbound(cycle.handle, claim)
                if problem:
                    return unresolvable(problem)
                continue
            volume = lister.get(PV, volume_name)
            if volume is None:
                return unresolvable(f'persistentvolume "{volume_name}" not found')
            zones += self._zones(volume)
        if not zones:
            return SKIP
        cycle.state[self.name] = tuple(zones)
        return None

    @staticmethod
    def _unbound(handle: Handle, claim: Obj) -> str:
        name = class_name(claim)
        if not name:
            return "PersistentVolumeClaim had no pv name and storageClass name"
        storage_class = handle.lister.get(CLASS, name)
        if storage_class is None:
            return f'storageclass.storage.k8s.io "{name}" not found'
        if not storage_class.get("volumeBindingMode"):
            return f'VolumeBindingMode not set for StorageClass "{name}"'
        if storage_class["volumeBindingMode"] == "WaitForFirstConsumer":
            return ""
        return "PersistentVolume had no name"

    @staticmethod
    def _zones(volume: Obj) -> list[tuple[str, tuple[str, ...]]]:
        labels = get(volume, "metadata", "labels", default=EMPTY)
        return [(key, tuple(labels[key].split("__"))) for key in LABELS if key in labels]

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        if not any(key in node.labels for key in LABELS):
            return None
        for key, values in cycle.state[self.name]:
            found = node.labels.get(key, node.labels.get(RENAMED.get(key, "")))
            if found not in values:
                return unresolvable(REASON, detail=Obj(key=key, wants="__".join(values)))
        return None

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        if event.resource == "StorageClass":
            return bool(event.new.get("volumeBindingMode") == "WaitForFirstConsumer")
        if event.resource == "PersistentVolumeClaim":
            meta = event.new["metadata"]
            key = f"{meta['namespace']}/{meta['name']}"
            return any(ref.key == key for ref in claims_of(pod))
        if event.resource == "PersistentVolume" and event.old is not None:
            return self._zones(event.old) != self._zones(event.new)
        return True
