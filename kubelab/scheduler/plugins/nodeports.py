"""NodePorts: a port of the node can be given away only once.

Two wishes clash if port and protocol are the same, and the host addresses are equal or either is
0.0.0.0, which stands for all of them.

In Kubernetes: pkg/scheduler/framework/plugins/nodeports and framework.HostPortInfo.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from kubelab.api.objects import Obj
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import SKIP, Cycle, Handle, Plugin, Status, unschedulable
from kubelab.scheduler.podinfo import HostPort, PodInfo
from kubelab.scheduler.wakeups import ClusterEvent

REASON = "node(s) didn't have free ports for the requested pod ports"
ANY = "0.0.0.0"


def clash(wanted: Iterable[HostPort], used: Iterable[HostPort]) -> HostPort | None:
    """The first wanted port that is taken."""
    for address, protocol, port in wanted:
        for other, other_protocol, other_port in used:
            same = port == other_port and protocol == other_protocol
            if same and (address == other or ANY in (address, other)):
                return (address, protocol, port)
    return None


class NodePorts(Plugin):
    """Host ports."""

    name = "NodePorts"
    events = (wakeups.NODE_ADDED, (wakeups.ASSIGNED_POD, wakeups.DELETE))

    def pre_filter(self, cycle: Cycle) -> Status | None:
        return None if cycle.pod.ports else SKIP

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        taken = clash(cycle.pod.ports, node.ports) if node.ports else None
        return unschedulable(REASON, detail=Obj(port=taken[2])) if taken else None

    def local_filter(self, cycle: Cycle) -> Hashable:
        return cycle.pod.ports

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        if event.resource == wakeups.NODE:
            return True
        return clash(pod.ports, event.old.ports) is not None
