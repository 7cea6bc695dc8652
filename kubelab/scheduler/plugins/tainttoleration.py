"""TaintToleration: a node's taints keep pods away that do not tolerate them.

Filter: a taint with effect NoSchedule or NoExecute that the pod does not tolerate rules the node
out. Score: the number of PreferNoSchedule taints that it does not tolerate; fewer is better, so the
scores are reversed: 100 − 100·n // max. Without any taints every node gets 100.

In Kubernetes: pkg/scheduler/framework/plugins/tainttoleration.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from kubelab.api.objects import Obj
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import Cycle, Handle, Plugin, Status, normalize, unresolvable
from kubelab.scheduler.matching import HARD_EFFECTS, Taint, tolerated, untolerated
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.wakeups import ClusterEvent

REASON = "node(s) had untolerated taint(s)"
SOFT = "PreferNoSchedule"


def blocking_taint(pod: PodInfo, node: NodeInfo) -> Taint | None:
    """The first taint that keeps the pod away."""
    return untolerated(pod.tolerations, node.taints, HARD_EFFECTS)


class TaintToleration(Plugin):
    """Taints and tolerations."""

    name = "TaintToleration"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.TAINT),
        (wakeups.OWN_POD, wakeups.TOLERATION),
    )

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        if not node.taints:
            return None
        taint = blocking_taint(cycle.pod, node)
        return unresolvable(REASON, detail=Obj(taint=Obj(taint._asdict()))) if taint else None

    def local_filter(self, cycle: Cycle) -> Hashable:
        return cycle.pod.tolerations

    def pre_score(self, cycle: Cycle, nodes: Sequence[NodeInfo]) -> None:
        """Nothing to prepare: the tolerations stand in the pod's record."""

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        if not node.taints:
            return 0
        soft = tuple(item for item in cycle.pod.tolerations if item.effect in ("", SOFT))
        return sum(
            1 for taint in node.taints if taint.effect == SOFT and not tolerated(soft, taint)
        )

    def local_score(self, cycle: Cycle) -> Hashable:
        return cycle.pod.tolerations

    def normalize(self, cycle: Cycle, nodes: Sequence[NodeInfo], raw: list[int]) -> list[int]:
        return normalize(raw, reverse=True)

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        if event.resource == wakeups.OWN_POD:
            return bool(event.new.key == pod.key)
        if blocking_taint(pod, event.new):
            return False
        return event.old is None or blocking_taint(pod, event.old) is not None
