"""DynamicResources: devices that a pod claims by ResourceClaims.

Claims are not modelled: a pod that has some waits for them for ever, and a pod without any passes.
The plugin stands here because its words and its place in the order show in every pod's message: it
is asked before preemption, and fails with `not found` where an earlier PreFilter had stopped the
cycle.

In Kubernetes: pkg/scheduler/framework/plugins/dynamicresources.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import (
    ERROR,
    SKIP,
    Cycle,
    Handle,
    Plugin,
    Status,
    normalize,
    unresolvable,
    unschedulable,
)
from kubelab.scheduler.podinfo import PodInfo


class DynamicResources(Plugin):
    """Resource claims."""

    name = "DynamicResources"

    def pre_enqueue(self, handle: Handle, pod: PodInfo) -> Status | None:
        claims = pod.obj["spec"].get("resourceClaims")
        if not claims:
            return None
        return unresolvable(f'resourceclaim "{claims[0]["name"]}" not found')

    def pre_filter(self, cycle: Cycle) -> Status | None:
        cycle.state[self.name] = ()
        return SKIP

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        return None

    def local_filter(self, cycle: Cycle) -> Hashable:
        return ""

    def post_filter(self, cycle: Cycle, statuses: Mapping[str, Status]) -> Status | None:
        if self.name not in cycle.state:
            return Status(ERROR, ("not found",))
        return unschedulable("no new claims to deallocate")

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        return 0

    def local_score(self, cycle: Cycle) -> Hashable:
        return ""

    def normalize(self, cycle: Cycle, nodes: Sequence[NodeInfo], raw: list[int]) -> list[int]:
        return normalize(raw)
