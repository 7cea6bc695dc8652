"""NodeResourcesFit: what the pod asks for must be free on the node; and how full it would be.

Filter: one more pod must be allowed, and for each resource request ≤ allocatable − requested, where
requested is the sum of the requests (not of the use) of the pods there. A request above allocatable
itself can never be met: then evicting pods does not help.

Score, with req = what is asked for on the node with this pod (a container that names no cpu or
memory counts 100m and 200Mi) and cap = allocatable, for each resource of the strategy:
LeastAllocated (cap − req)·100 // cap, MostAllocated req·100 // cap, RequestedToCapacityRatio the
value at req·100 // cap of a line through given points; then the weighted mean.

In Kubernetes: pkg/scheduler/framework/plugins/noderesources (fit.go, least_allocated.go,
most_allocated.go, requested_to_capacity_ratio.go).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import (
    MAX_SCORE,
    UNRESOLVABLE,
    UNSCHEDULABLE,
    Cycle,
    Handle,
    Plugin,
    Status,
)
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.resources import NONE, Resources
from kubelab.scheduler.wakeups import ClusterEvent

LEAST = "LeastAllocated"
MOST = "MostAllocated"
RATIO = "RequestedToCapacityRatio"
BASIC = ("cpu", "memory", "ephemeral-storage")


def is_extended(resource: str) -> bool:
    """Whether a resource belongs to somebody's own domain, as devices do."""
    native = "/" not in resource or "kubernetes.io/" in resource
    return not native and not resource.startswith("requests.")


class NodeResourcesFit(Plugin):
    """Requests and capacity."""

    name = "NodeResourcesFit"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.ALLOCATABLE),
        (wakeups.ASSIGNED_POD, wakeups.DELETE),
        (wakeups.ASSIGNED_POD, wakeups.SCALE_DOWN),
        (wakeups.OWN_POD, wakeups.SCALE_DOWN),
    )

    def __init__(self, args: Obj = EMPTY) -> None:
        super().__init__(args)
        strategy = args.get("scoringStrategy") or EMPTY
        self.strategy = strategy.get("type") or LEAST
        wanted = strategy.get("resources") or ({"name": "cpu"}, {"name": "memory"})
        self.resources: tuple[tuple[str, int], ...] = tuple(
            (str(item["name"]), int(item.get("weight") or 1)) for item in wanted
        )
        shape = get(strategy, "requestedToCapacityRatio", "shape", default=())
        self.shape = tuple((point["utilization"], point["score"] * 10) for point in shape)
        self.ignored = tuple(args.get("ignoredResources") or ())
        self.ignored_groups = tuple(args.get("ignoredResourceGroups") or ())

    # Filter.

    def pre_filter(self, cycle: Cycle) -> None:
        """Nothing to prepare: what the pod asks for stands in its record."""

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        pod = cycle.pod
        full = len(node.pods) + 1 > node.max_pods
        if not full and self._room(pod.requests, node):
            return None
        return self.shortage(pod, node)

    def local_filter(self, cycle: Cycle) -> Hashable:
        return cycle.pod.requests

    @staticmethod
    def _room(want: Resources, node: NodeInfo) -> bool:
        """The quick test for pods that ask for nothing unusual."""
        have, used = node.allocatable, node.requested
        return (
            not want.other
            and (not want.cpu or want.cpu <= have.cpu - used.cpu)
            and (not want.memory or want.memory <= have.memory - used.memory)
            and (not want.storage or want.storage <= have.storage - used.storage)
        )

    def shortage(self, pod: PodInfo, node: NodeInfo) -> Status | None:
        """All that the node is short of, in words and numbers."""
        reasons: list[str] = []
        numbers: dict[str, Obj] = {}
        hopeless = False
        if len(node.pods) + 1 > node.max_pods:
            reasons.append("Too many pods")
            numbers["pods"] = Obj(asks=1, free=node.max_pods - len(node.pods), of=node.max_pods)
        for name, want in pod.requests.items():
            if not want or self._is_ignored(name):
                continue
            of = node.allocatable.amount(name)
            free = of - node.requested.amount(name)
            if want > free:
                reasons.append(f"Insufficient {name}")
                numbers[name] = Obj(asks=want, free=free, of=of)
                hopeless = hopeless or want > of
        if not reasons:
            return None
        code = UNRESOLVABLE if hopeless else UNSCHEDULABLE
        return Status(code, tuple(reasons), detail=Obj(short=Obj(numbers)))

    def _is_ignored(self, resource: str) -> bool:
        if not self.ignored and not self.ignored_groups:
            return False
        group = resource.partition("/")[0]
        return is_extended(resource) and (resource in self.ignored or group in self.ignored_groups)

    # Score.

    def pre_score(self, cycle: Cycle, nodes: Sequence[NodeInfo]) -> None:
        """Nothing to prepare."""

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        added = cycle.pod.scored
        scores: list[tuple[int, int]] = []
        for name, weight in self.resources:
            cap = node.allocatable.amount(name)
            if not cap or (name not in BASIC and not added.amount(name)):
                continue
            if name == "cpu":
                used = node.nonzero_cpu
            elif name == "memory":
                used = node.nonzero_memory
            else:
                used = node.requested.amount(name)
            scores.append((self._of_resource(used + added.amount(name), cap), weight))
        if self.strategy == RATIO:
            return weighted_mean([(score, weight) for score, weight in scores if score > 0])
        weights = sum(weight for _, weight in scores)
        return sum(score * weight for score, weight in scores) // weights if weights else 0

    def local_score(self, cycle: Cycle) -> Hashable:
        return cycle.pod.scored

    def _of_resource(self, requested: int, capacity: int) -> int:
        if self.strategy == LEAST:
            return 0 if requested > capacity else (capacity - requested) * MAX_SCORE // capacity
        if self.strategy == MOST:
            return min(requested, capacity) * MAX_SCORE // capacity
        use = MAX_SCORE if requested > capacity else requested * MAX_SCORE // capacity
        return broken_line(self.shape, use)

    # Wake-ups.

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        if event.resource == wakeups.OWN_POD:
            return bool(event.new.key == pod.key)
        if event.resource == wakeups.ASSIGNED_POD:
            return event.action == wakeups.DELETE or self._frees(pod, event.old, event.new)
        node: NodeInfo = event.new
        if not self._would_fit_empty(pod, node):
            return False
        return event.old is None or self._grew(pod, event.old, node)

    @staticmethod
    def _frees(pod: PodInfo, old: PodInfo, new: PodInfo) -> bool:
        return any(
            amount and new.requests.amount(name) < old.requests.amount(name)
            for name, amount in pod.requests.items()
        )

    def _would_fit_empty(self, pod: PodInfo, node: NodeInfo) -> bool:
        empty = node._replace(pods=(), requested=NONE)
        return self.shortage(pod, empty) is None

    @staticmethod
    def _grew(pod: PodInfo, old: NodeInfo, new: NodeInfo) -> bool:
        if new.max_pods > old.max_pods:
            return True
        return any(
            amount and new.allocatable.amount(name) > old.allocatable.amount(name)
            for name, amount in pod.requests.items()
        )


def broken_line(shape: tuple[tuple[int, int], ...], x: int) -> int:
    """The value at x of the line through the points; level before the first, after the last."""
    before: tuple[int, int] | None = None
    for point in shape:
        if x <= point[0]:
            if before is None:
                return point[1]
            (x0, y0), (x1, y1) = before, point
            return y0 + truncated((y1 - y0) * (x - x0), x1 - x0)
        before = point
    return shape[-1][1]


def truncated(numerator: int, denominator: int) -> int:
    """Division that rounds toward zero; the denominator is positive."""
    quotient = abs(numerator) // denominator
    return quotient if numerator >= 0 else -quotient


def weighted_mean(scores: list[tuple[int, int]]) -> int:
    """The weighted mean, rounded half away from zero; 0 of nothing."""
    weights = sum(weight for _, weight in scores)
    if not weights:
        return 0
    total = sum(score * weight for score, weight in scores)
    return (2 * total + weights) // (2 * weights)
