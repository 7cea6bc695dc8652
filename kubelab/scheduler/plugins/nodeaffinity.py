"""NodeAffinity: which nodes a pod wants, by their labels and names.

Filter: every pair of `nodeSelector` and at least one term of the required node affinity must match;
an empty term matches nothing. Score: the sum of the weights of the preferred terms that match,
scaled so that the best node gets 100. The profile may add an affinity of its own (`addedAffinity`).
A pod whose required terms all name nodes is only ever compared with those nodes.

In Kubernetes: pkg/scheduler/framework/plugins/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from kubelab.api.objects import EMPTY, Obj
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import (
    SKIP,
    Cycle,
    Handle,
    Plugin,
    Status,
    normalize,
    unresolvable,
)
from kubelab.scheduler.matching import any_term, node_term, node_terms, term_matches
from kubelab.scheduler.podinfo import PREFERRED, REQUIRED, PodInfo
from kubelab.scheduler.wakeups import ClusterEvent

REASON = "node(s) didn't match Pod's node affinity/selector"
REASON_ENFORCED = "node(s) didn't match scheduler-enforced node affinity"
REASON_CONFLICT = "pod affinity terms conflict"


def matches(pod: PodInfo, node: NodeInfo) -> bool:
    """Whether a node has what the pod's selector and required affinity ask for."""
    labels = node.labels
    for key, value in pod.node_selector:
        if labels.get(key) != value:
            return False
    return pod.node_terms is None or any_term(pod.node_terms, labels, node.name)


class NodeAffinity(Plugin):
    """Node selectors and node affinity."""

    name = "NodeAffinity"
    events = (
        wakeups.NODE_ADDED,
        (wakeups.NODE, wakeups.LABEL),
    )

    def __init__(self, args: Obj = EMPTY) -> None:
        super().__init__(args)
        added = args.get("addedAffinity") or EMPTY
        self.enforced = node_terms(added.get(REQUIRED))
        self.added = tuple(
            (item["weight"], node_term(item["preference"])) for item in added.get(PREFERRED) or ()
        )

    def pre_filter(self, cycle: Cycle) -> Status | tuple[str, ...] | None:
        pod = cycle.pod
        if pod.node_terms is None:
            return None if pod.node_selector or self.enforced is not None else SKIP
        names: dict[str, None] = {}
        for term in pod.node_terms:
            wanted = [
                field.values
                for field in term.fields
                if field.key == "metadata.name" and field.operator == "In"
            ]
            if not wanted:
                return None
            for name in wanted[0]:
                if all(name in values for values in wanted):
                    names[name] = None
        if names:
            return tuple(sorted(names))
        return unresolvable(REASON_CONFLICT) if pod.node_terms else None

    def filter(self, cycle: Cycle, node: NodeInfo) -> Status | None:
        enforced = self.enforced
        if enforced is not None and not any_term(enforced, node.labels, node.name):
            return unresolvable(REASON_ENFORCED)
        if matches(cycle.pod, node):
            return None
        for key, value in cycle.pod.node_selector:
            if node.labels.get(key) != value:
                has = node.labels.get(key)
                return unresolvable(REASON, detail=Obj(key=key, wants=value, has=has))
        return unresolvable(REASON)

    def local_filter(self, cycle: Cycle) -> Hashable:
        return (cycle.pod.node_selector, cycle.pod.node_terms)

    def pre_score(self, cycle: Cycle, nodes: Sequence[NodeInfo]) -> Status | None:
        return None if cycle.pod.preferred_nodes or self.added else SKIP

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        wishes = cycle.pod.preferred_nodes + self.added
        return sum(weight for weight, term in wishes if term_matches(term, node.labels, node.name))

    def local_score(self, cycle: Cycle) -> Hashable:
        return cycle.pod.preferred_nodes

    def normalize(self, cycle: Cycle, nodes: Sequence[NodeInfo], raw: list[int]) -> list[int]:
        return normalize(raw)

    def hint(self, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
        enforced = self.enforced
        if enforced is not None and not any_term(enforced, event.new.labels, event.new.name):
            return False
        if not matches(pod, event.new):
            return False
        return event.old is None or not matches(pod, event.old)
