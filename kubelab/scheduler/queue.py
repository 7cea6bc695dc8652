"""The scheduling queue: which pod is tried next, and when a failed one is tried again.

*Active* pods wait for their cycle, ordered by QueueSort. *Unschedulable* ones were refused and wait
for a cluster event that one of the refusing plugins wants to hear of, or for five minutes to pass;
gated pods are among them. *Back-off* holds pods that were woken before their back-off was over:
1 s after the first failure, 2, 4, 8, then 10, and its end is cut down to a whole second. If no pod
is active, one that backs off is taken all the same, unless it failed by an error.

A pod's cycle is one event here, so no cluster event can fall into it; the notes that the real queue
keeps of events in between are not needed.

In Kubernetes: pkg/scheduler/backend/queue.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from kubelab.scheduler.asking import PluginError, ask, warn
from kubelab.scheduler.framework import Handle, Plugin
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.profile import Profile
from kubelab.scheduler.wakeups import ClusterEvent
from kubelab.sim.kernel import SECOND

ACTIVE = "active"
BACKOFF = "backoff"
UNSCHEDULABLE = "unschedulable"

# PreEnqueue plugins that look only at the pod itself.
OPENED_BY_UPDATE = ("SchedulingGates", "DynamicResources")

# Stands for the plugins of a pod that none in particular refused: every event may wake it.
ANYTHING = ""

# A pod that nothing has woken is tried again after so long; looked at every FLUSH_SECONDS.
LONGEST_WAIT_NS = 300 * SECOND
FLUSH_SECONDS = 30


class Queued:
    """A pod in the queue, or in its cycle, with its history."""

    __slots__ = (
        "attempts",
        "backoff_ns",
        "errors",
        "failed_ns",
        "gate",
        "heard_by",
        "number",
        "pod",
        "refusals",
        "refused_by",
        "since_ns",
        "where",
    )  # fmt: skip

    def __init__(self, pod: PodInfo, now: int) -> None:
        self.pod = pod
        self.since_ns = now
        self.failed_ns = 0
        self.attempts = 0
        # Failures that plugins refused, and errors in a row: each counts its own back-off.
        self.refusals = 0
        self.errors = 0
        self.backoff_ns = 0
        self.refused_by: tuple[str, ...] = ()
        # The PreEnqueue plugin that keeps the pod out.
        self.gate = ""
        # The plugins under whose names it waits for events.
        self.heard_by: tuple[str, ...] = ()
        self.where = ""
        self.number = 0


class SchedulingQueue:
    """Waiting pods. Its methods answer with the pods that became ready; timers are the owner's."""

    def __init__(
        self, profiles: dict[str, Profile], handle: Handle, initial_seconds: int, max_seconds: int
    ) -> None:
        self.profiles = profiles
        self.handle = handle
        self.initial_seconds = initial_seconds
        self.max_seconds = max_seconds
        self.pods: dict[str, Queued] = {}
        self.unschedulable: dict[str, None] = {}
        # Those of them that events may wake, by the plugin that must hear of the event.
        self.listening: dict[str, dict[str, None]] = {}
        # Heaps of (order, number, key); an entry counts while the pod still has that number.
        self.active: list[tuple[Any, int, str]] = []
        self.backoff: list[tuple[Any, int, str]] = []
        self.last_number = 0
        first = next(iter(profiles.values()))
        self.sorter: Any = first.at("queueSort")[0][0]

    # In and out.

    def add(self, pod: PodInfo, now: int) -> bool:
        """A new pod; True if it is ready to be tried."""
        queued = self.pods[pod.key] = Queued(pod, now)
        return self._activate(queued)

    def update(self, pod: PodInfo, events: list[ClusterEvent], now: int) -> bool:
        """A waiting pod has changed (`events` says how); True if it is ready now."""
        queued = self.pods.get(pod.key)
        if queued is None:
            return self.add(pod, now)
        queued.pod = pod
        if queued.where != UNSCHEDULABLE:
            return False
        if queued.gate in OPENED_BY_UPDATE:
            return self._activate(queued)
        if any(self._wakes(queued, event) for event in events):
            return self._requeue(queued, now)
        return False

    def recheck(self, key: str, events: list[ClusterEvent], now: int) -> bool:
        """A pod was refused late: what happened since its cycle may have been what it waits for."""
        queued = self.pods.get(key)
        if queued is None or queued.where != UNSCHEDULABLE or queued.gate:
            return False
        return any(self._wakes(queued, event) for event in events) and self._requeue(queued, now)

    def remove(self, key: str) -> None:
        """The pod is gone or bound."""
        queued = self.pods.pop(key, None)
        if queued is not None:
            self._leave(queued)

    def pop(self) -> Queued | None:
        """The next pod to try; it stays known until `remove` or `failed`."""
        queued = self._take(self.active, ACTIVE, errors=True)
        if queued is None:
            queued = self._take(self.backoff, BACKOFF, errors=False)
        if queued is not None:
            queued.where = ""
            queued.attempts += 1
        return queued

    def failed(self, queued: Queued, refused_by: tuple[str, ...], now: int) -> None:
        """A cycle has failed: refused by plugins, or by an error if there are none."""
        queued.refused_by = refused_by
        queued.since_ns = queued.failed_ns = now
        if refused_by:
            queued.refusals += 1
            queued.errors = 0
            self.pods[queued.pod.key] = queued
            queued.backoff_ns = self._backoff_end(queued.refusals, now)
            self._wait(queued)
        else:
            queued.errors += 1
            self.pods[queued.pod.key] = queued
            queued.backoff_ns = self._backoff_end(queued.errors, now)
            self._place(queued, BACKOFF)

    # Waking.

    def wake(self, event: ClusterEvent, now: int, highest: int | None = None) -> list[str]:
        """Moves the pods that the event may help; answers with those that can be tried.

        With `highest`, pods of a higher priority are left where they are.
        """
        woken: list[str] = []
        interested = {
            name: profile.hinting((event.resource, event.action))
            for name, profile in self.profiles.items()
        }
        if not any(interested.values()):
            return woken
        for queued in self._listening(interested):
            if highest is not None and queued.pod.priority > highest:
                continue
            if self._wakes(queued, event, interested):
                self._requeue(queued, now)
                if queued.where in (ACTIVE, BACKOFF):
                    woken.append(queued.pod.key)
        return woken

    def _listening(self, interested: dict[str, tuple[str, ...]]) -> list[Queued]:
        """The pods that one of these plugins refused, and those that nobody in particular did; in
        the order in which they began to wait."""
        names = dict.fromkeys(name for several in interested.values() for name in several)
        keys = [key for name in (ANYTHING, *names) for key in self.listening.get(name, ())]
        found = [self.pods[key] for key in dict.fromkeys(keys)]
        return sorted(found, key=lambda queued: queued.number)

    def activate(self, key: str, now: int) -> bool:
        """Lets a pod in whatever it waits for."""
        queued = self.pods.get(key)
        return queued is not None and queued.where == UNSCHEDULABLE and self._activate(queued)

    def flush(self, now: int) -> int:
        """Lets in the pods whose back-off is over, and those that have waited too long."""
        count = 0
        while (queued := self._first_backing_off()) is not None:
            if self.backs_off(queued, now):
                break
            heappop(self.backoff)
            count += self._activate(queued)
        for key in list(self.unschedulable):
            queued = self.pods[key]
            if not queued.gate and now - queued.since_ns > LONGEST_WAIT_NS:
                self._requeue(queued, now)
                count += queued.where in (ACTIVE, BACKOFF)
        return count

    def next_backoff_ns(self) -> int | None:
        """When the first back-off will be over (the second after the one in which it ends)."""
        queued = self._first_backing_off()
        return queued.backoff_ns + SECOND if queued is not None else None

    def _first_backing_off(self) -> Queued | None:
        """The pod at the head of the back-off heap; entries that no longer count are dropped."""
        while self.backoff:
            _, number, key = self.backoff[0]
            queued = self.pods.get(key)
            if queued is not None and queued.number == number and queued.where == BACKOFF:
                return queued
            heappop(self.backoff)
        return None

    def backs_off(self, queued: Queued, now: int) -> bool:
        """Whether a pod still backs off: also in the whole second in which its time ends."""
        return queued.backoff_ns >= now // SECOND * SECOND

    # Inside.

    def _backoff_end(self, count: int, now: int) -> int:
        doublings = min(count - 1, 32)
        seconds = min(self.initial_seconds << doublings, self.max_seconds)
        return (now + seconds * SECOND) // SECOND * SECOND

    def _wakes(
        self,
        queued: Queued,
        event: ClusterEvent,
        interested: dict[str, tuple[str, ...]] | None = None,
    ) -> bool:
        profile = self.profiles[queued.pod.scheduler_name]
        kind = (event.resource, event.action)
        names = interested[profile.name] if interested else profile.hinting(kind)
        for name in queued.refused_by:
            if name in names and _hint(profile, name, self.handle, queued.pod, event):
                return True
        return not queued.refused_by

    def _requeue(self, queued: Queued, now: int) -> bool:
        """Out of the unschedulable pods: to the back-off, or straight to the active ones."""
        if not self.backs_off(queued, now):
            return self._activate(queued)
        if self._gated(queued):
            return False
        self._place(queued, BACKOFF)
        return True

    def _activate(self, queued: Queued) -> bool:
        if self._gated(queued):
            return False
        self._place(queued, ACTIVE)
        return True

    def _gated(self, queued: Queued) -> bool:
        """Asks PreEnqueue; a gated pod waits among the unschedulable ones."""
        queued.gate = ""
        for plugin, _ in self.profiles[queued.pod.scheduler_name].at("preEnqueue"):
            if _keeps_out(plugin, self.handle, queued.pod):
                queued.gate = plugin.name
                self._wait(queued)
                return True
        return False

    def _wait(self, queued: Queued) -> None:
        self._leave(queued)
        key = queued.pod.key
        queued.where = UNSCHEDULABLE
        self.last_number += 1
        queued.number = self.last_number
        self.unschedulable[key] = None
        if queued.gate not in OPENED_BY_UPDATE:
            queued.heard_by = tuple(dict.fromkeys(queued.refused_by)) or (ANYTHING,)
            for name in queued.heard_by:
                self.listening.setdefault(name, {})[key] = None

    def _place(self, queued: Queued, where: str) -> None:
        self._leave(queued)
        self.last_number += 1
        queued.where, queued.number = where, self.last_number
        order = self.sorter.sort_key(queued.pod, queued.since_ns)
        if where == ACTIVE:
            heappush(self.active, (order, queued.number, queued.pod.key))
        else:
            heappush(self.backoff, ((queued.backoff_ns, order), queued.number, queued.pod.key))

    def _leave(self, queued: Queued) -> None:
        key = queued.pod.key
        self.unschedulable.pop(key, None)
        for name in queued.heard_by:
            waiting = self.listening[name]
            waiting.pop(key, None)
            if not waiting:
                del self.listening[name]
        queued.heard_by = ()
        queued.where = ""

    def _take(self, heap: list[tuple[Any, int, str]], where: str, *, errors: bool) -> Queued | None:
        passed_over = []
        found = None
        while heap and found is None:
            entry = heappop(heap)
            queued = self.pods.get(entry[2])
            if queued is None or queued.number != entry[1] or queued.where != where:
                continue
            if not errors and not queued.refused_by:
                passed_over.append(entry)
                continue
            found = queued
        for entry in passed_over:
            heappush(heap, entry)
        return found


def _hint(profile: Profile, name: str, handle: Handle, pod: PodInfo, event: ClusterEvent) -> bool:
    """Whether a plugin wants the pod tried; what it hears of without having asked, it believes."""
    plugin: Plugin = profile.plugins[name]
    if (event.resource, event.action) not in plugin.events:
        return True
    try:
        return bool(ask(plugin, "hint", handle, pod, event))
    except PluginError as error:
        # As the real scheduler does: a hint that fails must not leave the pod waiting for ever.
        warn(error)
        return True


def _keeps_out(plugin: Plugin, handle: Handle, pod: PodInfo) -> bool:
    """Whether a PreEnqueue plugin rejects a pod; one that fails rejects it too."""
    try:
        return ask(plugin, "pre_enqueue", handle, pod) is not None
    except PluginError as error:
        warn(error)
        return True
