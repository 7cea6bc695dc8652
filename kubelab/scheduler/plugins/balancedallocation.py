"""NodeResourcesBalancedAllocation: prefer nodes whose resources are used up evenly.

For each resource f = min(1, requested / allocatable); std is the spread of these fractions, half
the difference for two, the standard deviation for more; b = int((1 − std)·100). The score compares
the node after and before: 50 + (50 + b_after − b_before) // 2. So 75 says that nothing changes,
more that the pod evens the node out. Real requests count, without defaults; a pod that asks for
none of the resources is not scored.

In Kubernetes: pkg/scheduler/framework/plugins/noderesources/balanced_allocation.go.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt

from kubelab.api.objects import EMPTY, Obj
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import MAX_SCORE, SKIP, Cycle, Plugin, Status
from kubelab.scheduler.plugins.noderesourcesfit import BASIC


def balance(fractions: list[float]) -> int:
    """How even the fractions are: 100 when all are equal."""
    if len(fractions) == 2:
        std = abs((fractions[0] - fractions[1]) / 2)
    elif len(fractions) > 2:
        # Plain addition in this order: `sum` of newer Pythons rounds otherwise.
        total = squares = 0.0
        for fraction in fractions:
            total += fraction
        mean = total / len(fractions)
        for fraction in fractions:
            squares += (fraction - mean) * (fraction - mean)
        std = sqrt(squares / len(fractions))
    else:
        std = 0.0
    return int((1 - std) * MAX_SCORE)


class NodeResourcesBalancedAllocation(Plugin):
    """Even use."""

    name = "NodeResourcesBalancedAllocation"

    def __init__(self, args: Obj = EMPTY) -> None:
        super().__init__(args)
        wanted = args.get("resources") or ({"name": "cpu"}, {"name": "memory"})
        self.resources = tuple(item["name"] for item in wanted)

    def pre_score(self, cycle: Cycle, nodes: Sequence[NodeInfo]) -> Status | None:
        asked = any(cycle.pod.requests.amount(name) for name in self.resources)
        return None if asked else SKIP

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        want = cycle.pod.requests
        before: list[float] = []
        after: list[float] = []
        for name in self.resources:
            cap = node.allocatable.amount(name)
            added = want.amount(name)
            if not cap or (name not in BASIC and not added):
                continue
            used = node.requested.amount(name)
            before.append(min(1.0, used / cap))
            after.append(min(1.0, (used + added) / cap))
        return 50 + (50 + balance(after) - balance(before)) // 2

    def local_score(self, cycle: Cycle) -> Hashable:
        return cycle.pod.requests
