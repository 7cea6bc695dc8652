"""NodeUnschedulable: a cordoned node takes no new pods, unless they tolerate being cordoned.

`kubectl cordon` sets `spec.unschedulable`. A pod that tolerates the taint
`node.kubernetes.io/unschedulable:NoSchedule` (a DaemonSet's pods do) is let in all the same.

In Kubernetes: pkg/scheduler/framework/plugins/nodeunschedulable.
"""

from __future__ import annotations

from collections.abc import Hashable

from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import Cycle, Handle, Plugin, Status, unresolvable
from kubelab.scheduler.matching import Taint, tolerated
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.wakeups import ClusterEvent

REASON = "node(s) were unschedulable"
CORDON = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


class NodeUnschedulable(Plugin):
    """Cordoned nodes."""

    name = "NodeUnschedulable"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.TAINT),
        (wakeups.OWN_POD, wakeups.TOLERATION),
    )

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        if node.unschedulable and not tolerated(cycle.pod.tolerations, CORDON):
            return unresolvable(REASON)
        return None

    def local_filter(self, cycle: Cycle) -> Hashable:
        return cycle.pod.tolerations

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        if event.resource == wakeups.OWN_POD:
            return event.new.key == pod.key and tolerated(event.new.tolerations, CORDON)
        return not event.new.unschedulable and (event.old is None or event.old.unschedulable)
