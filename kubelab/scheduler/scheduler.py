"""The scheduler: takes one pod after the other off its queue and finds the node that suits it best.

It sees nodes, pods and what else its plugins need through informers; pods without a node come into
the queue. One event `schedule_one` is one pod's scheduling cycle: filter, score, choose, assume.
The binding cycle then goes on by itself with requests, while the next pod's turn has come already.
A pod that fits nowhere gets the condition PodScheduled=False with the reasons, may have less
important pods evicted, and waits for a cluster event that could help it.

In Kubernetes: pkg/scheduler (scheduler.go, schedule_one.go). Left out: extenders.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.client.events import Recorder
from kubelab.client.leaderelection import Candidate
from kubelab.client.sentences import heard
from kubelab.scheduler import config
from kubelab.scheduler.asking import PluginError, warn
from kubelab.scheduler.binding import Binder
from kubelab.scheduler.cache import Cache
from kubelab.scheduler.cycle import NO_NODES, Outcome, choose, decision_of, evaluate
from kubelab.scheduler.decision import Decision
from kubelab.scheduler.eventhandlers import KINDS, EventHandlers, InformerLister
from kubelab.scheduler.eviction import Evictor
from kubelab.scheduler.framework import Cycle, Handle
from kubelab.scheduler.history import Decisions
from kubelab.scheduler.memo import Memo
from kubelab.scheduler.nominator import Nominator
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.postfilter import make_room
from kubelab.scheduler.queue import FLUSH_SECONDS, Queued, SchedulingQueue
from kubelab.scheduler.sentences import detail_of, sentence
from kubelab.scheduler.wakeups import ClusterEvent
from kubelab.sim.kernel import SECOND, Event

REASON_REFUSED = "Unschedulable"
REASON_ERROR = "SchedulerError"
EVENT_BYTES = 1024

# Between the caches being filled and the first cycle the process becomes the leader.
START_SECONDS = 0.1


class Scheduler(Candidate):
    """The process kube-scheduler.

    With `elects` it fills its caches at once, but schedules only while it leads.
    """

    lease_name = "kube-scheduler"

    def __init__(
        self,
        name: str = "scheduler",
        servers: tuple[str, ...] = ("apiserver-1",),
        configuration: Obj | None = None,
        *,
        elects: bool = False,
        alone: bool = True,
    ) -> None:
        super().__init__(name, servers=servers, agent="kube-scheduler")
        self.elects, self.alone = elects, alone
        self.settings = config.load(configuration)

    def start(self) -> None:
        super().start()
        self.profiles = self.settings.profiles()
        self.cache = Cache()
        self.nominator = Nominator()
        self.lister = InformerLister(self)
        self.handle = Handle(self.lister, self.cache, self.nominator, Memo())
        self.queue = SchedulingQueue(
            self.profiles, self.handle, self.settings.initial_seconds, self.settings.max_seconds
        )
        self.recorders = {name: Recorder(self, name, series=True) for name in self.profiles}
        self.binder = Binder(self)
        self.evictor = Evictor(self)
        self.events = EventHandlers(self)
        self.history = Decisions()
        # Pods taken off the queue so far.
        self.attempts = 0
        self.last: Decision | None = None
        self.next_start = 0
        self.running = False
        self.begins_ns = 0
        self.backoff_timer: int | None = None
        self.flush_timer: int | None = None
        for kind in KINDS:
            self.events.watch(kind)
        if self.elects:
            self.campaign()

    def lead(self) -> None:
        self.informed("")

    def event_component(self) -> str:
        return "default-scheduler"

    def informed(self, informer: str) -> None:
        """When all caches are filled, the pods that wait already get their turns."""
        if self.running or not all(known.synced for known in self.informers.values()):
            return
        if self.elects and not self.leading:
            return
        self.running = True
        self.begins_ns = self.now + round(START_SECONDS * SECOND)
        self.note(pods=len(self.cache.pods), nodes=len(self.cache), waiting=len(self.queue.pods))
        for _ in range(len(self.queue.active)):
            self.turn()

    # What others read.

    @property
    def decisions(self) -> dict[str, tuple[Decision, ...]]:
        """The last decisions on each pod, by `namespace/name`; the newest last."""
        return self.history.by_pod

    def explain(self, key: str) -> Decision | None:
        """The last decision on a pod."""
        known = self.history.by_pod.get(key)
        return known[-1] if known else None

    @property
    def expecting(self) -> bool:
        """Whether a pod will have its turn without anything else happening in the cluster."""
        return not self.running or bool(self.queue.active or self.queue.backoff)

    def idle(self) -> bool:
        """Whether no pod is on its way to a node and no eviction is under way."""
        moving = [one for one in self.binder.under_way.values() if not one.permits]
        return not moving and not self.evictor.under_way

    @staticmethod
    def tell(event: Event) -> str:
        """One sentence on what the scheduler did."""
        return sentence(event) or heard("Scheduler", event)

    def add_plugin(self, given: type, weight: int = 1) -> None:
        """A further plugin joins every profile, from the next cycle on."""
        kind = self.settings.add_plugin(given, weight)
        self.profiles = self.queue.profiles = self.settings.profiles()
        self.note(plugin=kind.name, weight=weight)

    def add_scheduler(self, name: str, configuration: Obj | None) -> None:
        """A further scheduler process begins beside this one."""
        self.world.add(Scheduler(name, self.servers, configuration))
        self.note(scheduler=name)

    # Turns.

    def turn(self) -> None:
        """A pod became ready: a cycle follows. Each ready pod has a turn of its own, so that the
        cause of its cycle is what made it ready."""
        if self.running:
            self.after(max(0, self.begins_ns - self.now) / SECOND, "schedule_one")

    def wake(self, event: ClusterEvent, highest: int | None = None) -> None:
        """Something happened that may help pods which were refused.

        With `highest` it can only help pods of no higher priority.
        """
        self.binder.remember(event)
        woken = self.queue.wake(event, self.now, highest)
        if woken:
            self.note(event=event.name, woken=woken[:12], count=len(woken))
        for _ in woken:
            self.turn()
        # An errored pod's back-off then counts as work that is waited for, if the event does.
        self._time_backoff(background=None)

    def flush(self) -> None:
        """Back-offs are over."""
        self.backoff_timer = None
        self._flush()
        self._time_backoff(background=True)

    def flush_unschedulable(self) -> None:
        """Every 30 s: pods that nothing has woken for five minutes are tried again."""
        self.flush_timer = None
        self._flush()
        self._time_flush()

    def _flush(self) -> None:
        count = self.queue.flush(self.now)
        self.note(ready=count, waiting=len(self.queue.pods))
        for _ in range(count):
            self.turn()

    def _time_backoff(self, background: bool | None) -> None:
        due = self.queue.next_backoff_ns()
        if due is None:
            return
        self.cancel(self.backoff_timer)
        seconds = max(0, due - self.now) / SECOND
        self.backoff_timer = self.after(seconds, "flush", background=background)

    def _time_flush(self) -> None:
        if self.flush_timer is None and self.queue.unschedulable:
            self.flush_timer = self.after(FLUSH_SECONDS, "flush_unschedulable", background=True)

    def volumes_overdue(self, key: str) -> None:
        """The volumes of a pod were not bound in time."""
        self.binder.overdue(key)

    def permit_overdue(self, key: str, plugin: str, seconds: float) -> None:
        """A pod that a Permit plugin made wait was not allowed in time."""
        self.binder.permit_overdue(key, plugin, seconds)

    def allow(self, key: str, plugin: str) -> None:
        """A pod that waits for a Permit plugin may go on."""
        self.note(pod=key, allowed_by=plugin)
        self.binder.allow(key, plugin)

    def reject(self, key: str, plugin: str, message: str) -> None:
        """A pod that waits for a Permit plugin is refused."""
        self.binder.reject(key, plugin, message)

    # One pod's scheduling cycle.

    def schedule_one(self) -> None:
        """Takes the next pod off the queue and decides where it goes."""
        queued = self.queue.pop()
        if queued is None:
            self.note(pod=None)
            return
        self.attempts += 1
        pod = queued.pod
        if pod.terminating:
            self.queue.remove(pod.key)
            text = f"skip schedule deleting pod: {pod.key}"
            self.record(pod, "Warning", "FailedScheduling", text, "Scheduling")
            self.note(pod=pod.key, skipped=True)
            return
        profile = self.profiles[pod.scheduler_name]
        cycle = Cycle(pod, profile, self.handle, self.now, self.chance.below)
        if not cycle.nodes:
            self._no_node(queued, decision_of(pod, self.now, message=NO_NODES), REASON_REFUSED, "")
            return
        percentage = self.settings.share(profile)
        nominated = self.nominator.node_of.get(pod.key, "")
        try:
            outcome = evaluate(cycle, self.next_start, percentage, nominated)
            self.next_start = (self.next_start + outcome.searched) % len(cycle.nodes)
            if outcome.feasible:
                self._place(queued, cycle, outcome)
            else:
                self._refused(queued, cycle, outcome)
        except PluginError as error:
            decision = decision_of(pod, self.now, message=str(error), total=len(cycle.nodes))
            self._no_node(queued, decision, REASON_ERROR, "")
            warn(error)

    def _place(self, queued: Queued, cycle: Cycle, outcome: Outcome) -> None:
        """Chooses among the feasible nodes and hands the pod over to the binding cycle."""
        chosen = choose(outcome, self.chance.choice)
        pod = queued.pod._replace(node=chosen.name)
        decision = decision_of(pod, self.now, outcome, cycle, node=chosen.name)
        self.keep(decision, queued)
        self.cache.assume(pod)
        self.nominator.remove(pod.key)
        self.queue.remove(pod.key)
        self.promote()
        self.binder.begin(queued, pod, chosen, cycle)

    def _refused(self, queued: Queued, cycle: Cycle, outcome: Outcome) -> None:
        """No node is left: PostFilter plugins may still make room."""
        nomination, words = make_room(cycle, outcome)
        decision = decision_of(
            queued.pod,
            self.now,
            outcome,
            cycle,
            message=outcome.message(words),
            nominated_node=nomination.node or None,
            victims=tuple(victim.key for victim in nomination.victims),
        )
        if nomination.victims:
            self.handle.preempting[queued.pod.uid] = 1
        self._no_node(queued, decision, REASON_REFUSED, nomination.node)
        if nomination.victims:
            self.evictor.begin(queued.pod, str(nomination.node), nomination.victims)

    # What follows from a failure.

    def _no_node(
        self, queued: Queued, decision: Decision, reason: str, nominated: str | None
    ) -> None:
        self.keep(decision, queued)
        self.fail(queued, decision.refused_by, reason, decision.message, nominated)

    def fail(
        self,
        queued: Queued,
        refused_by: tuple[str, ...],
        reason: str,
        message: str,
        nominated: str | None = None,
    ) -> None:
        """The pod goes back to the queue, and everybody may read why.

        `nominated` is the node that was made room on, "" to end a nomination, None to leave it.
        """
        pod = queued.pod
        current = self.lister.get("v1/Pod", pod.key)
        if current is None or get(current, "metadata", "uid") != get(pod.obj, "metadata", "uid"):
            self.queue.remove(pod.key)
            return
        if get(current, "spec", "nodeName"):
            self.queue.remove(pod.key)
            return
        self.queue.failed(queued, refused_by, self.now)
        if nominated is not None:
            self.nominator.add(pod, nominated)
        self.record(pod, "Warning", "FailedScheduling", shortened(message), "Scheduling")
        self._patch_condition(current, reason, message, nominated)
        self._time_backoff(background=True)
        self._time_flush()

    def _patch_condition(self, pod: Obj, reason: str, message: str, nominated: str | None) -> None:
        """Writes PodScheduled=False, unless the pod says the same already."""
        old = next(
            (
                item
                for item in get(pod, "status", "conditions", default=())
                if item["type"] == "PodScheduled"
            ),
            None,
        )
        status: dict[str, Any] = {}
        known = old or EMPTY
        same = known.get("status") == "False"
        if not same or known.get("reason") != reason or known.get("message") != message:
            since = known.get("lastTransitionTime") if same else self.timestamp
            condition = {
                "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
                "lastProbeTime": None, "lastTransitionTime": since,
            }  # fmt: skip
            generation = get(pod, "metadata", "generation")
            if generation:
                condition["observedGeneration"] = generation
            status["conditions"] = [condition]
        if nominated is not None:
            before = get(pod, "status", "nominatedNodeName", default="")
            if nominated != before:
                status["nominatedNodeName"] = nominated or None
        if status:
            self.promote()
            meta = pod["metadata"]
            self.patch("v1/Pod", meta["namespace"], meta["name"], {"status": status}, "status")

    def record(self, pod: PodInfo, type_: str, reason: str, message: str, action: str) -> None:
        """Records an Event on a pod, in the name of its profile."""
        current = self.lister.get("v1/Pod", pod.key) or pod.obj
        name = pod.scheduler_name if pod.scheduler_name in self.recorders else ""
        recorder = self.recorders.get(name) or next(iter(self.recorders.values()))
        recorder.event(current, type_, reason, message, action=action)

    # The decision record.

    def keep(self, decision: Decision, queued: Queued) -> None:
        """Puts a decision into the record and into the event being handled."""
        self.last = decision
        self.history.add(decision)
        self.note(attempt=queued.attempts, **detail_of(decision))
        if decision.refused_by:
            profile = self.profiles[decision.scheduler]
            self.note(wakes=profile.waits_for(decision.refused_by))


def shortened(message: str) -> str:
    """A message as an Event may carry it: at most 1024 bytes."""
    data = message.encode()
    if len(data) <= EVENT_BYTES:
        return message
    return data[: EVENT_BYTES - 4].decode(errors="ignore") + " ..."
