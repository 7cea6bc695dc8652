"""Carrying out a preemption: the victims are marked and deleted, and the others told.

Each victim first gets the condition DisruptionTarget, then it is deleted with its own grace period.
The last one goes after the others: while deletions are still being asked for, the pod they make
room for is kept out of the queue, and the disappearance of the last victim must find it waiting.
A victim that is not bound yet is only taken back, and one on its way out is left alone.

In Kubernetes: pkg/scheduler/framework/preemption/executor.go (prepareCandidateAsync).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api.objects import get
from kubelab.api.rest import Response
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.preemption import BY_SCHEDULER

if TYPE_CHECKING:
    from kubelab.scheduler.scheduler import Scheduler


# What is added to the Event of a victim that was on its way to its node only.
IN_MEMORY = " (in kube-scheduler memory)."


class Eviction:
    """One preemption under way."""

    __slots__ = ("last", "node", "open", "pod")

    def __init__(self, pod: PodInfo, node: str, last: PodInfo, others: int) -> None:
        self.pod = pod
        self.node = node
        self.last: PodInfo | None = last
        self.open = others


class Evictor:
    """All preemptions under way, by the UID of the pod that they are for."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.under_way: dict[str, Eviction] = {}

    def begin(self, pod: PodInfo, node: str, victims: tuple[PodInfo, ...]) -> None:
        """Ends the nominations that no longer hold and evicts all victims but the last."""
        scheduler = self.scheduler
        staying = [victim for victim in victims if not self._is_leaving(victim)]
        if not staying:
            # Nobody needs to be told; the pod waits until the last of them is gone.
            scheduler.handle.preempting.pop(pod.uid, None)
            return
        for other in scheduler.nominator.on(node):
            if other.priority < pod.priority:
                scheduler.nominator.remove(other.key)
                scheduler.patch(
                    "v1/Pod", other.namespace, other.name,
                    {"status": {"nominatedNodeName": None}}, "status",
                )  # fmt: skip
        *others, last = staying
        self.under_way[pod.uid] = Eviction(pod, node, last, len(others))
        for victim in others:
            self._evict(pod, victim)
        self._continue(pod.uid)

    def _continue(self, uid: str) -> None:
        eviction = self.under_way.get(uid)
        if eviction is None or eviction.open:
            return
        if eviction.last is None:
            del self.under_way[uid]
            return
        last, eviction.last, eviction.open = eviction.last, None, 1
        # From here on the pod may be tried again: it waits for this victim to disappear.
        self.scheduler.handle.preempting.pop(uid, None)
        self._evict(eviction.pod, last)

    def _is_leaving(self, victim: PodInfo) -> bool:
        current = self.scheduler.lister.get("v1/Pod", victim.key)
        return current is None or bool(get(current, "metadata", "deletionTimestamp"))

    def _evict(self, pod: PodInfo, victim: PodInfo) -> None:
        scheduler = self.scheduler
        if self._is_leaving(victim):
            self._done(pod.uid)
            return
        if scheduler.binder.take_back(victim.key, "DefaultPreemption"):
            self._record(pod.uid, victim, IN_MEMORY)
            self._done(pod.uid)
            return
        condition = {
            "type": "DisruptionTarget", "status": "True", "reason": BY_SCHEDULER,
            "message": f"{pod.scheduler_name}: preempting to accommodate a higher priority pod",
            "lastProbeTime": None, "lastTransitionTime": scheduler.timestamp,
        }  # fmt: skip
        generation = get(scheduler.lister.get("v1/Pod", victim.key), "metadata", "generation")
        if generation:
            condition["observedGeneration"] = generation
        scheduler.patch(
            "v1/Pod", victim.namespace, victim.name, {"status": {"conditions": [condition]}},
            "status", reply="evictor.marked", context=(pod.uid, victim),
        )  # fmt: skip

    def marked(self, response: Response, uid: str, victim: PodInfo) -> None:
        """The victim says why it must go; now it is deleted."""
        self.scheduler.note(victim=victim.key)
        if not response.ok and response.status != 404:
            self._failed(uid)
            return
        self.scheduler.delete(
            "v1/Pod", victim.namespace, victim.name,
            body={"preconditions": {"uid": victim.uid}},
            reply="evictor.deleted", context=(uid, victim),
        )  # fmt: skip

    def deleted(self, response: Response, uid: str, victim: PodInfo) -> None:
        """The victim is on its way out."""
        scheduler = self.scheduler
        scheduler.note(victim=victim.key)
        if not response.ok and response.status != 404:
            self._failed(uid)
            return
        if response.ok:
            self._record(uid, victim)
        self._done(uid)

    def _record(self, uid: str, victim: PodInfo, addition: str = "") -> None:
        eviction = self.under_way.get(uid)
        if eviction is not None:
            text = f"Preempted by pod {uid} on node {eviction.node}{addition}"
            self.scheduler.record(victim, "Normal", "Preempted", text, "Preempting")

    def _done(self, uid: str) -> None:
        eviction = self.under_way.get(uid)
        if eviction is not None:
            eviction.open -= 1
            self._continue(uid)

    def _failed(self, uid: str) -> None:
        """A victim could not be deleted: the pod is tried anew."""
        eviction = self.under_way.pop(uid, None)
        scheduler = self.scheduler
        scheduler.handle.preempting.pop(uid, None)
        if eviction is not None and scheduler.queue.activate(eviction.pod.key, scheduler.now):
            scheduler.turn()
