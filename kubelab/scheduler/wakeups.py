"""Cluster events: what may make a pod that fitted nowhere fit after all.

A pod that was refused waits until something happens that one of the plugins that refused it cares
about. An event is named by a resource and an action; `old` and `new` are the records before and
after (`NodeInfo` for nodes, `PodInfo` for pods, objects otherwise). One change of a node or pod may
be several events, or none.

In Kubernetes: pkg/scheduler/framework/events.go and the queueing hints (KEP-4247).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.podinfo import PodInfo

ADD = "Add"
DELETE = "Delete"
UPDATE = "Update"
ALLOCATABLE = "UpdateNodeAllocatable"
LABEL = "UpdateNodeLabel"
TAINT = "UpdateNodeTaint"
POD_LABEL = "UpdatePodLabel"
SCALE_DOWN = "UpdatePodScaleDown"
TOLERATION = "UpdatePodToleration"

NODE = "Node"
# A pod that is bound, as others see it; the waiting pod itself.
ASSIGNED_POD = "AssignedPod"
OWN_POD = "Pod"

NODE_ADDED = (NODE, ADD)
VOLUME_KINDS = (
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "CSINode",
    "CSIDriver",
    "CSIStorageCapacity",
    "VolumeAttachment",
)


class ClusterEvent(NamedTuple):
    """Something that changed in the cluster."""

    resource: str
    action: str
    old: Any
    new: Any

    @property
    def name(self) -> str:
        """The event in one word, as the real scheduler's log has it."""
        return f"{self.resource}/{self.action}"


def node_events(old: NodeInfo | None, new: NodeInfo) -> list[ClusterEvent]:
    """What happened to a node, as far as scheduling is concerned."""
    if old is None or old.obj is None:
        return [ClusterEvent(NODE, ADD, None, new)]
    found = []
    if old.allocatable != new.allocatable or old.max_pods != new.max_pods:
        found.append(ClusterEvent(NODE, ALLOCATABLE, old, new))
    if old.labels != new.labels:
        found.append(ClusterEvent(NODE, LABEL, old, new))
    if old.taints != new.taints or (old.unschedulable and not new.unschedulable):
        found.append(ClusterEvent(NODE, TAINT, old, new))
    return found


def pod_events(resource: str, old: PodInfo, new: PodInfo) -> list[ClusterEvent]:
    """What happened to a pod, as far as scheduling is concerned."""
    found = []
    if old.labels != new.labels:
        found.append(ClusterEvent(resource, POD_LABEL, old, new))
    if old.requests != new.requests and _less(new, old):
        found.append(ClusterEvent(resource, SCALE_DOWN, old, new))
    if resource == OWN_POD and old.tolerations != new.tolerations:
        found.append(ClusterEvent(resource, TOLERATION, old, new))
    return found


def _less(new: PodInfo, old: PodInfo) -> bool:
    """Whether the pod asks for less of anything."""
    names = [name for name, _ in old.requests.items()]
    return any(new.requests.amount(name) < old.requests.amount(name) for name in names)
