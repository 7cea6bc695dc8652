"""NodeName: a pod that names its node fits nowhere else.

A pod that is created with `spec.nodeName` never reaches the queue, so this filter speaks only in
what-ifs.

In Kubernetes: pkg/scheduler/framework/plugins/nodename.
"""

from __future__ import annotations

from collections.abc import Hashable

from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import Cycle, Plugin, Status, unresolvable

REASON = "node(s) didn't match the requested node name"


class NodeName(Plugin):
    """The node that the pod names."""

    name = "NodeName"
    events = (wakeups.NODE_ADDED,)

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        wanted = cycle.pod.node
        return unresolvable(REASON) if wanted and wanted != node.name else None

    def local_filter(self, cycle: Cycle) -> Hashable:
        return cycle.pod.node
