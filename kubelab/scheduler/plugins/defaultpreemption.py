"""DefaultPreemption: where no node is left, look for one from which less important pods can go.

It speaks at PostFilter: a node is nominated and victims are named, or it says for each node why
evicting pods would not help. While the victims of a pod are still being deleted, the pod is kept
out of the queue (PreEnqueue).

In Kubernetes: pkg/scheduler/framework/plugins/defaultpreemption.
"""

from __future__ import annotations

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.scheduler import wakeups
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.cycle import Outcome
from kubelab.scheduler.decision import fit_error
from kubelab.scheduler.filtering import compile_filters
from kubelab.scheduler.framework import (
    ERROR,
    UNRESOLVABLE,
    UNSCHEDULABLE,
    Cycle,
    Handle,
    Plugin,
    Status,
    unresolvable,
    unschedulable,
)
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.postfilter import Nomination
from kubelab.scheduler.preemption import (
    NOT_HELPFUL,
    Budget,
    Candidate,
    best,
    dry_run,
    is_being_preempted,
)

NEVER = "not eligible due to preemptionPolicy=Never."
TERMINATING = "not eligible due to a terminating pod on the nominated node."
GATED = "waiting for the preemption for this pod to be finished"


class DefaultPreemption(Plugin):
    """Eviction of pods of lower priority."""

    name = "DefaultPreemption"
    events = ((wakeups.ASSIGNED_POD, wakeups.DELETE),)

    def __init__(self, args: Obj = EMPTY) -> None:
        super().__init__(args)
        self.percentage = args.get("minCandidateNodesPercentage", 10)
        self.absolute = args.get("minCandidateNodesAbsolute", 100)

    def pre_enqueue(self, handle: Handle, pod: PodInfo) -> Status | None:
        return unresolvable(GATED) if pod.uid in handle.preempting else None

    def post_filter(self, cycle: Cycle, outcome: Outcome) -> Nomination:
        statuses = outcome.statuses()
        refusal = self._not_eligible(cycle, outcome, statuses)
        if refusal:
            return Nomination(None, status=unschedulable(f"preemption: {refusal}"))
        absent = outcome.pre_filter or outcome.absent
        code_of_absent = absent.code if absent else UNRESOLVABLE
        potential = [
            node
            for node in cycle.nodes
            if (statuses[node.name].code if node.name in statuses else code_of_absent)
            == UNSCHEDULABLE
        ]
        candidates, failures = self._candidates(cycle, potential)
        wrong = next((status for status in failures if status.code == ERROR), None)
        if not candidates and wrong is not None:
            return Nomination(None, status=Status(ERROR, (f"preemption: {wrong.message}",)))
        if not candidates:
            total = len(cycle.nodes)
            text = fit_error(
                total, failures, absent=unresolvable(NOT_HELPFUL),
                absent_count=total - len(failures),
            )  # fmt: skip
            return Nomination("", status=unschedulable(f"preemption: {text}"))
        chosen = best(cycle, candidates)
        return Nomination(chosen.node, chosen.victims)

    def _not_eligible(
        self, cycle: Cycle, outcome: Outcome, statuses: dict[str, Status]
    ) -> str | None:
        pod = cycle.pod
        if get(pod.obj, "spec", "preemptionPolicy") == "Never":
            return NEVER
        name = cycle.handle.nominator.node_of.get(pod.key)
        node = cycle.handle.cache.get(name) if name else None
        if node is None:
            return None
        status = statuses.get(node.name) or outcome.pre_filter or outcome.absent
        if status is not None and status.code == UNRESOLVABLE:
            return None
        lister = cycle.handle.lister
        for other in node.pods:
            if other.priority < pod.priority and is_being_preempted(lister, other):
                return TERMINATING
        return None

    def _candidates(
        self, cycle: Cycle, potential: list[NodeInfo]
    ) -> tuple[list[Candidate], list[Status]]:
        """Dry runs from a drawn place on, until there are candidates enough."""
        total = len(potential)
        if not total:
            return [], []
        wanted = min(total, max(self.absolute, total * self.percentage // 100))
        start = cycle.draw(total)
        budgets = [Budget(obj) for obj in cycle.handle.lister.list("policy/v1/PodDisruptionBudget")]
        blocks = compile_filters(cycle)
        good: list[Candidate] = []
        violating: list[Candidate] = []
        failures: list[Status] = []
        for node in potential[start:] + potential[:start]:
            result = dry_run(cycle, node, blocks, budgets)
            if isinstance(result, Status):
                failures.append(result)
            else:
                (violating if result.violations else good).append(result)
            if good and len(good) + len(violating) >= wanted:
                break
        return good + violating, failures
