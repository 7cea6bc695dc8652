"""PodTopologySpread: spread the pods of a kind evenly over zones, nodes or other places.

A constraint counts the pods that its selector matches in each place (the nodes that share a value
of the topology key). Filter (DoNotSchedule): count here + 1 (if the pod counts itself) − the
smallest count of any place must not exceed maxSkew; with fewer places than minDomains the smallest
count is 0. Score (ScheduleAnyway): Σ count·ln(places + 2) + maxSkew − 1, rounded; the fewer the
better: 100·(max + min − raw) // max.

A pod without constraints gets the defaults: the built-in ones spread the pods of a Service or
ReplicaSet over nodes (maxSkew 3) and zones (maxSkew 5) as a preference.

In Kubernetes: pkg/scheduler/framework/plugins/podtopologyspread.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import NamedTuple

from kubelab.api.objects import EMPTY, Obj
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.defaultspread import default_selector
from kubelab.scheduler.framework import (
    MAX_SCORE,
    SKIP,
    Cycle,
    Handle,
    Plugin,
    Status,
    unresolvable,
    unschedulable,
)
from kubelab.scheduler.matching import HARD_EFFECTS, selects, untolerated
from kubelab.scheduler.plugins import nodeaffinity
from kubelab.scheduler.podinfo import PodInfo, SpreadConstraint, spread_constraint
from kubelab.scheduler.wakeups import ClusterEvent

REASON = "node(s) didn't match pod topology spread constraints"
REASON_LABEL = REASON + " (missing required label)"
HOSTNAME = "kubernetes.io/hostname"
SYSTEM_DEFAULTS = (
    Obj(maxSkew=3, topologyKey=HOSTNAME, whenUnsatisfiable="ScheduleAnyway"),
    Obj(maxSkew=5, topologyKey="topology.kubernetes.io/zone", whenUnsatisfiable="ScheduleAnyway"),
)


class Spread(NamedTuple):
    """What the filter needs: for each constraint the count in each place.

    The dicts are never changed; `with_pod` makes new ones.
    """

    constraints: tuple[SpreadConstraint, ...]
    counts: tuple[dict[str, int], ...]
    lowest: tuple[int, ...]
    counts_itself: tuple[bool, ...]


class SoftSpread(NamedTuple):
    """What the score needs: for each constraint the key, the count in each place, its weight and
    what is added for each node; and the nodes left out."""

    rows: tuple[tuple[str, dict[str, int], float, int], ...]
    ignored: dict[str, None]


def has_keys(node: NodeInfo, constraints: Sequence[SpreadConstraint]) -> bool:
    """Whether the node has a value for every topology key."""
    labels = node.labels
    return all(constraint.topology_key in labels for constraint in constraints)


def counts_here(pod: PodInfo, constraint: SpreadConstraint, node: NodeInfo) -> bool:
    """Whether a node is a place at all, by the constraint's policies."""
    if constraint.honor_affinity and not nodeaffinity.matches(pod, node):
        return False
    return not constraint.honor_taints or not untolerated(
        pod.tolerations, node.taints, HARD_EFFECTS
    )


def matching_pods(namespace: str, constraint: SpreadConstraint, node: NodeInfo) -> int:
    """How many pods on a node the constraint counts."""
    selector = constraint.selector
    if not selector:
        return 0
    return sum(
        1
        for pod in node.pods
        if pod.namespace == namespace and not pod.terminating and selects(selector, pod.labels)
    )


def lowest_count(constraint: SpreadConstraint, counts: dict[str, int]) -> int:
    """The smallest count of any place, or 0 while there are too few places."""
    if len(counts) < constraint.min_domains:
        return 0
    return min(counts.values(), default=0)


class PodTopologySpread(Plugin):
    """Spreading over places."""

    name = "PodTopologySpread"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.DELETE),
        (wakeups.NODE, wakeups.LABEL),
        (wakeups.NODE, wakeups.TAINT),
        (wakeups.ASSIGNED_POD, wakeups.ADD),
        (wakeups.ASSIGNED_POD, wakeups.DELETE),
        (wakeups.ASSIGNED_POD, wakeups.POD_LABEL),
        (wakeups.OWN_POD, wakeups.POD_LABEL),
        (wakeups.OWN_POD, wakeups.TOLERATION),
    )

    def __init__(self, args: Obj = EMPTY) -> None:
        super().__init__(args)
        self.system_defaults = args.get("defaultingType", "System") == "System"
        given = args.get("defaultConstraints") or ()
        defaults = SYSTEM_DEFAULTS if self.system_defaults else tuple(given)
        self.defaults = tuple(spread_constraint(item, EMPTY) for item in defaults)

    def constraints(
        self, handle: Handle, pod: PodInfo, *, hard: bool
    ) -> tuple[SpreadConstraint, ...]:
        """The pod's own constraints of one kind, or the defaults if it has none of either."""
        if pod.constraints:
            return tuple(item for item in pod.constraints if item.hard == hard)
        chosen = tuple(item for item in self.defaults if item.hard == hard)
        if not chosen:
            return ()
        selector = default_selector(handle.lister, pod)
        return tuple(item._replace(selector=selector) for item in chosen) if selector else ()

    # Filter.

    def pre_filter(self, cycle: Cycle) -> Status | None:
        pod = cycle.pod
        constraints = self.constraints(cycle.handle, pod, hard=True)
        if not constraints:
            return SKIP
        sums = self._counted(cycle, constraints, require_keys=True)
        counts: tuple[dict[str, int], ...] = tuple(
            sums.get(index, {}) for index in range(len(constraints))
        )
        cycle.state[self.name] = Spread(
            constraints,
            counts,
            tuple(map(lowest_count, constraints, counts)),
            tuple(selects(item.selector, pod.labels) for item in constraints),
        )
        return None

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        state: Spread = cycle.state[self.name]
        for constraint, counts, lowest, itself in zip(*state, strict=True):
            value = node.labels.get(constraint.topology_key)
            if value is None:
                return unresolvable(REASON_LABEL, detail=Obj(lacks=constraint.topology_key))
            count = counts.get(value, 0)
            if count + itself - lowest > constraint.max_skew:
                numbers = Obj(
                    key=constraint.topology_key, value=value, count=count, lowest=lowest,
                    maxSkew=constraint.max_skew, itself=int(itself),
                )  # fmt: skip
                return unschedulable(REASON, detail=numbers)
        return None

    def _counted(
        self, cycle: Cycle, constraints: tuple[SpreadConstraint, ...], *, require_keys: bool
    ) -> dict[int, dict[str, int]]:
        """The matching pods of each place, by the number of the constraint."""
        pod, handle = cycle.pod, cycle.handle
        key = (
            self.name, require_keys, constraints, pod.namespace,
            pod.node_selector, pod.node_terms, pod.tolerations,
        )  # fmt: skip
        return handle.memo.tally(key, handle.cache, _count, pod, constraints, require_keys)

    def with_pod(
        self, cycle: Cycle, state: Spread, pod: PodInfo, node: NodeInfo, sign: int
    ) -> Spread:
        incoming = cycle.pod
        if pod.namespace != incoming.namespace or not has_keys(node, state.constraints):
            return state
        counts = list(state.counts)
        for index, constraint in enumerate(state.constraints):
            if selects(constraint.selector, pod.labels) and counts_here(incoming, constraint, node):
                value = node.labels[constraint.topology_key]
                counts[index] = {**counts[index], value: counts[index].get(value, 0) + sign}
        lowest = tuple(map(lowest_count, state.constraints, counts))
        return state._replace(counts=tuple(counts), lowest=lowest)

    # Score.

    def pre_score(self, cycle: Cycle, nodes: Sequence[NodeInfo]) -> Status | None:
        pod = cycle.pod
        constraints = self.constraints(cycle.handle, pod, hard=False)
        if not constraints:
            return SKIP
        require_keys = bool(pod.constraints) or not self.system_defaults
        ignored: dict[str, None] = {}
        counts: tuple[dict[str, int], ...] = tuple({} for _ in constraints)
        others = [
            (places, item.topology_key)
            for places, item in zip(counts, constraints, strict=True)
            if item.topology_key != HOSTNAME
        ]
        for node in nodes:
            if require_keys and not has_keys(node, constraints):
                ignored[node.name] = None
                continue
            for places, key in others:
                places[node.labels.get(key, "")] = 0
        keys = [item.topology_key for item in constraints]
        if others:
            sums = self._counted(cycle, constraints, require_keys=require_keys)
            for index, places in enumerate(counts):
                known = sums.get(index, {})
                places.update((value, known.get(value, 0)) for value in list(places))
        for places, item in zip(counts, constraints, strict=True):
            if item.topology_key == HOSTNAME:
                places.update(self._own_counts(cycle, item, nodes))
        scored = len(nodes) - len(ignored)
        sizes = [
            scored if key == HOSTNAME else len(places)
            for key, places in zip(keys, counts, strict=True)
        ]
        rows = tuple(
            (item.topology_key, places, log(size + 2), item.max_skew - 1)
            for item, places, size in zip(constraints, counts, sizes, strict=True)
        )
        cycle.state[self.name + "/score"] = SoftSpread(rows, ignored)
        return None

    @staticmethod
    def _own_counts(
        cycle: Cycle, constraint: SpreadConstraint, nodes: Sequence[NodeInfo]
    ) -> dict[str, int]:
        """By hostname each node is a place of its own, under its own name."""
        namespace = cycle.pod.namespace
        key = ("PodTopologySpread/own", namespace, constraint.selector)
        memo, cache = cycle.handle.memo, cycle.handle.cache
        found = memo.each(key, cache, nodes, _own_count, namespace, constraint)
        return {node.name: count for node, count in zip(nodes, found, strict=True)}

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        state: SoftSpread = cycle.state[self.name + "/score"]
        if node.name in state.ignored:
            return 0
        total, labels = 0.0, node.labels
        for key, counts, weight, more in state.rows:
            value = labels.get(key)
            if value is not None:
                total += counts[node.name if key == HOSTNAME else value] * weight + more
        return int(total + 0.5)

    def normalize(self, cycle: Cycle, nodes: Sequence[NodeInfo], raw: list[int]) -> list[int]:
        ignored = cycle.state[self.name + "/score"].ignored
        counted = [
            score for node, score in zip(nodes, raw, strict=True) if node.name not in ignored
        ]
        lowest, highest = min(counted, default=0), max(counted, default=0)
        scores = []
        for node, score in zip(nodes, raw, strict=True):
            if node.name in ignored:
                scores.append(0)
            elif highest == 0:
                scores.append(MAX_SCORE)
            else:
                scores.append(MAX_SCORE * (highest + lowest - score) // highest)
        return scores

    # Wake-ups.

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        constraints = self.constraints(handle, pod, hard=True)
        if event.resource == wakeups.NODE:
            return self._node_hint(constraints, event)
        if event.action == wakeups.TOLERATION:
            own = event.new.key == pod.key
            return own and any(item.honor_taints for item in constraints)
        known = [one for one in (event.old, event.new) if one is not None]
        if any(other.namespace != pod.namespace for other in known):
            return False
        if event.resource == wakeups.OWN_POD and event.new.key != pod.key:
            return False
        for item in constraints:
            before = event.old is not None and selects(item.selector, event.old.labels)
            after = event.new is not None and selects(item.selector, event.new.labels)
            if before != after:
                return True
        return False

    @staticmethod
    def _node_hint(constraints: tuple[SpreadConstraint, ...], event: ClusterEvent) -> bool:
        old, new = event.old, event.new
        before = old is not None and has_keys(old, constraints)
        after = new is not None and has_keys(new, constraints)
        if before != after or not after:
            return before != after
        keys = [item.topology_key for item in constraints]
        moved = any(old.labels[key] != new.labels[key] for key in keys)
        return moved or old.taints != new.taints


def _count(
    node: NodeInfo, pod: PodInfo, constraints: tuple[SpreadConstraint, ...], require_keys: bool
) -> list[tuple[int, str, int]]:
    """The matching pods on a node for each constraint by which it is a place at all."""
    if require_keys and not has_keys(node, constraints):
        return []
    return [
        (index, node.labels.get(item.topology_key, ""), matching_pods(pod.namespace, item, node))
        for index, item in enumerate(constraints)
        if counts_here(pod, item, node)
    ]


def _own_count(node: NodeInfo, namespace: str, constraint: SpreadConstraint) -> int:
    return matching_pods(namespace, constraint, node)
