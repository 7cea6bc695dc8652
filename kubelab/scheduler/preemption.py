"""Preemption: make room for an important pod by evicting less important ones from one node.

On each node where fewer pods might help, all pods of lower priority are taken away in thought; if
the pod fits then, they are put back one by one, those guarded by a disruption budget first, then
from the most to the least important, and whoever no longer fits is a victim. Of the nodes the one
is taken that hurts least. A budget makes a node less welcome, it forbids nothing.

In Kubernetes: pkg/scheduler/framework/preemption and plugins/defaultpreemption.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.filtering import Block, check, move
from kubelab.scheduler.framework import ERROR, Cycle, Lister, Status, unresolvable
from kubelab.scheduler.matching import label_selector, selects
from kubelab.scheduler.podinfo import PodInfo
from kubelab.sim.kernel import parse_timestamp

NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
BY_SCHEDULER = "PreemptionByScheduler"

# Priorities are shifted by so much when they are summed, so that fewer victims make a smaller sum.
SHIFT = 1 << 31


class Candidate(NamedTuple):
    """A node on which the pod would fit, and who would have to go: the most important first."""

    node: str
    victims: tuple[PodInfo, ...]
    violations: int


class Budget:
    """A PodDisruptionBudget while victims are counted against it."""

    def __init__(self, obj: Obj) -> None:
        self.namespace = obj["metadata"]["namespace"]
        self.selector = label_selector(get(obj, "spec", "selector"))
        self.disrupted = get(obj, "status", "disruptedPods", default=EMPTY)
        self.allowed = get(obj, "status", "disruptionsAllowed", default=0)

    def guards(self, pod: PodInfo) -> bool:
        """Whether evicting the pod uses up a disruption."""
        return bool(
            self.selector
            and self.namespace == pod.namespace
            and pod.labels
            and pod.name not in self.disrupted
            and selects(self.selector, pod.labels)
        )


def started_ns(lister: Lister, pod: PodInfo, now: int) -> int:
    """When the pod started; one that has not yet counts as starting now."""
    text = get(lister.get("v1/Pod", pod.key) or pod.obj, "status", "startTime")
    return parse_timestamp(text) if text else now


def is_being_preempted(lister: Lister, pod: PodInfo) -> bool:
    """Whether a pod is on its way out because of an earlier preemption."""
    obj = lister.get("v1/Pod", pod.key) or pod.obj
    if not get(obj, "metadata", "deletionTimestamp"):
        return False
    return any(
        item["type"] == "DisruptionTarget"
        and item["status"] == "True"
        and item.get("reason") == BY_SCHEDULER
        for item in get(obj, "status", "conditions", default=())
    )


def by_importance(cycle: Cycle, pods: Sequence[PodInfo]) -> list[PodInfo]:
    """Higher priority first, then whoever has been running longer."""
    lister, now = cycle.handle.lister, cycle.now
    return sorted(pods, key=lambda pod: (-pod.priority, started_ns(lister, pod, now)))


def violating(pods: Sequence[PodInfo], budgets: list[Budget]) -> list[PodInfo]:
    """The pods whose eviction, in this order, takes some budget below zero."""
    left = [budget.allowed for budget in budgets]
    found = []
    for pod in pods:
        broken = False
        for index, budget in enumerate(budgets):
            if budget.guards(pod):
                left[index] -= 1
                broken = broken or left[index] < 0
        if broken:
            found.append(pod)
    return found


def dry_run(
    cycle: Cycle, node: NodeInfo, blocks: list[Block], budgets: list[Budget]
) -> Candidate | Status:
    """Whom the pod would have to evict from a node, or why it would not fit even then."""
    pod = cycle.pod
    lower = [other for other in node.pods if other.priority < pod.priority]
    if not lower:
        return unresolvable(NO_VICTIMS)
    what_if = cycle.fork()
    for other in lower:
        node = move(what_if, node, other, -1)
    status = check(what_if, node, blocks)
    if status is not None:
        return status
    order = by_importance(cycle, lower)
    guarded = violating(order, budgets)
    rest = [other for other in order if other not in guarded]
    victims: list[PodInfo] = []
    violations = 0
    for other in guarded + rest:
        saved = dict(what_if.state)
        refilled = move(what_if, node, other, 1)
        if check(what_if, refilled, blocks) is None:
            node = refilled
            continue
        what_if.state = saved
        victims.append(other)
        violations += other in guarded
    if not victims:
        return Status(ERROR, (f'expected at least one victim pod on node "{node.name}"',))
    return Candidate(node.name, tuple(by_importance(cycle, victims)), violations)


def best(cycle: Cycle, candidates: list[Candidate]) -> Candidate:
    """The candidate that hurts least; each criterion only decides between those left equal."""
    lister, now = cycle.handle.lister, cycle.now

    def earliest_start(candidate: Candidate) -> int:
        top = candidate.victims[0].priority
        return min(started_ns(lister, pod, now) for pod in candidate.victims if pod.priority == top)

    criteria = (
        lambda c: c.violations,
        lambda c: c.victims[0].priority,
        lambda c: sum(pod.priority + SHIFT for pod in c.victims),
        lambda c: len(c.victims),
        lambda c: -earliest_start(c),
    )
    left = candidates
    for criterion in criteria:
        if len(left) == 1:
            break
        lowest = min(criterion(candidate) for candidate in left)
        left = [candidate for candidate in left if criterion(candidate) == lowest]
    return left[0]
