"""The binding cycle: what happens between the choice of a node and the pod being bound to it.

The chosen pod is assumed already, so the next pod's cycle may begin. A Permit plugin may make the
pod wait, with its place kept, until it is allowed or the plugin's patience ends. PreBind prepares
(volumes are bound here, which may take a while), then Bind asks the API server to bind the pod. If
any of it fails, the pod no longer counts on the node and goes back to the queue.

In Kubernetes: pkg/scheduler/schedule_one.go (bindingCycle, handleBindingCycleError).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api import kinds
from kubelab.api.objects import get
from kubelab.api.rest import Response, url
from kubelab.scheduler import wakeups
from kubelab.scheduler.asking import PluginError, ask, warn
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.decision import fit_error
from kubelab.scheduler.framework import WAIT, Cycle, Status, Write, unschedulable
from kubelab.scheduler.podinfo import PodInfo
from kubelab.scheduler.queue import Queued
from kubelab.scheduler.wakeups import ClusterEvent

if TYPE_CHECKING:
    from kubelab.scheduler.scheduler import Scheduler


LONGEST_PERMIT_SECONDS = 15 * 60


def duration(seconds: float) -> str:
    """A time as Go writes it: `5s`, `1m30s`, `500ms`."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:g}m{rest:g}s" if minutes else f"{rest:g}s"


class Binding:
    """A pod on its way to its node."""

    __slots__ = (
        "events", "failed", "node", "open", "permits", "pod", "queued", "timer", "waits_for",
        "writes",
    )  # fmt: skip

    def __init__(self, queued: Queued, pod: PodInfo, node: str) -> None:
        self.queued = queued
        self.pod = pod
        self.node = node
        # Requests of PreBind that are not answered yet, and claims that are not bound yet.
        self.open = 0
        self.failed = ""
        self.waits_for: tuple[str, ...] = ()
        self.writes: tuple[Write, ...] = ()
        # Permit plugins that have not allowed the pod yet, each with the timer of its patience.
        self.permits: dict[str, int] = {}
        # What happened in the cluster meanwhile; it counts if the pod is refused after all.
        self.events: list[ClusterEvent] = []
        self.timer: int | None = None


class Binder:
    """All binding cycles under way, by pod."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.under_way: dict[str, Binding] = {}
        # Those of them that wait for something before the binding is asked for.
        self.patient: dict[str, Binding] = {}

    def begin(self, queued: Queued, pod: PodInfo, node: NodeInfo, cycle: Cycle) -> None:
        """Reserve and Permit, in the same event as the choice; then PreBind begins."""
        binding = self.under_way[pod.key] = Binding(queued, pod, node.name)
        writes: list[Write] = []
        waits_for: list[str] = []
        quiet = True
        try:
            for point in ("reserve", "permit"):
                for plugin, _ in cycle.profile.at(point):
                    status = ask(plugin, point, cycle, node)
                    if not isinstance(status, Status):
                        continue
                    if point == "permit" and status.code == WAIT:
                        self._ask_to_wait(binding, plugin.name, status.detail["seconds"])
                        continue
                    self._rejected(binding, status._replace(plugin=plugin.name), point, quiet=True)
                    return
            quiet = False
            for plugin, _ in cycle.profile.at("preBind"):
                needed = ask(plugin, "pre_bind", cycle, node)
                if needed:
                    writes += needed[0]
                    waits_for += needed[1]
        except PluginError as error:
            warn(error)
            self.fail(binding, str(error), quiet=quiet)
            return
        binding.writes, binding.waits_for = tuple(writes), tuple(waits_for)
        if writes or waits_for or binding.permits:
            self.patient[pod.key] = binding
            self._announce(pod, node.name)
        if not binding.permits:
            self._prepare(binding)

    def _announce(self, pod: PodInfo, node: str) -> None:
        """Whoever else looks for a node is told that this one is as good as taken."""
        scheduler, status = self.scheduler, {"nominatedNodeName": node}
        current = scheduler.lister.get("v1/Pod", pod.key)
        if get(current, "status", "nominatedNodeName") != node:
            scheduler.patch("v1/Pod", pod.namespace, pod.name, {"status": status}, "status")

    def _ask_to_wait(self, binding: Binding, plugin: str, seconds: float) -> None:
        scheduler, key = self.scheduler, binding.pod.key
        seconds = min(seconds, LONGEST_PERMIT_SECONDS)
        binding.permits[plugin] = scheduler.after(
            seconds, "permit_overdue", key, plugin, seconds, background=True
        )
        scheduler.note(pod=key, waits_for=plugin, seconds=seconds)

    def allow(self, key: str, plugin: str) -> None:
        """A Permit plugin lets the pod go on; it does when all have."""
        binding = self.under_way.get(key)
        timer = binding.permits.pop(plugin, None) if binding is not None else None
        if binding is None or timer is None:
            raise LookupError(f"pod {key} does not wait for a permit of {plugin!r}")
        self.scheduler.cancel(timer)
        if not binding.permits:
            self._prepare(binding)

    def reject(self, key: str, plugin: str, message: str) -> None:
        """A Permit plugin refuses a pod that waits for it."""
        binding = self.under_way.get(key)
        if binding is None or plugin not in binding.permits:
            raise LookupError(f"pod {key} does not wait for a permit of {plugin!r}")
        self._rejected(binding, unschedulable(message)._replace(plugin=plugin), "permit")

    def permit_overdue(self, key: str, plugin: str, seconds: float) -> None:
        """Nobody allowed the pod in time."""
        binding = self.under_way.get(key)
        if binding is not None and plugin in binding.permits:
            text = f"rejected due to timeout after waiting {duration(seconds)} at plugin {plugin}"
            self.reject(key, plugin, text)

    def take_back(self, key: str, by: str) -> bool:
        """Ends the way of a pod that must make room, if its binding has not been asked for yet.

        The pod is not deleted then: it goes back to the queue as after an error.
        """
        binding = self.patient.get(key)
        if binding is None:
            return False
        text = "waiting on permit for pod: preempted" if binding.permits else f"preempted by {by}"
        self.scheduler.note(taken_back=key)
        self.fail(binding, text, told=False)
        return True

    def unwanted(self, key: str) -> None:
        """A pod that waits for a permit is being deleted: nobody needs to allow it any more."""
        binding = self.patient.get(key)
        if binding is not None and binding.permits:
            self._rejected(binding, unschedulable("removed"), "permit", quiet=True)

    def remember(self, event: ClusterEvent) -> None:
        """Keeps an event for the pods that wait, in case they are refused."""
        for binding in self.patient.values():
            binding.events.append(event)

    def _prepare(self, binding: Binding) -> None:
        scheduler, pod = self.scheduler, binding.pod
        if not binding.writes and not binding.waits_for:
            self._bind(binding)
            return
        scheduler.note(binds=[f"{write.kind} {write.name}" for write in binding.writes])
        for write in binding.writes:
            binding.open += 1
            scheduler.patch(
                write.kind, write.namespace, write.name, write.patch,
                reply="binder.prepared", context=(pod.key,),
            )  # fmt: skip
        binding.timer = scheduler.after(
            scheduler.settings.bind_timeout_seconds, "volumes_overdue", pod.key, background=True
        )

    def prepared(self, response: Response, key: str) -> None:
        """A volume or claim was written."""
        binding = self.under_way.get(key)
        if binding is None:
            return
        binding.open -= 1
        if not response.ok:
            binding.failed = response.message
        if not binding.open and binding.failed:
            self.fail(binding, f'running PreBind plugin "VolumeBinding": {binding.failed}')
            return
        self.check(key)

    def check(self, key: str) -> None:
        """Binds the pod once nothing is open and all its claims are bound."""
        binding = self.under_way.get(key)
        if binding is None or binding.open or binding.permits:
            return
        lister = self.scheduler.lister
        for claim in binding.waits_for:
            obj = lister.get("v1/PersistentVolumeClaim", claim)
            if obj is None or obj.get("status", {}).get("phase") != "Bound":
                return
        self._bind(binding)

    def claim_changed(self) -> None:
        """A claim has changed: pods that wait for it may go on."""
        for key in list(self.patient):
            if self.patient[key].waits_for:
                self.check(key)

    def overdue(self, key: str) -> None:
        """The claims were not bound in time."""
        binding = self.under_way.get(key)
        if binding is not None:
            text = "binding volumes: context deadline exceeded"
            self.fail(binding, f'running PreBind plugin "VolumeBinding": {text}')

    def _bind(self, binding: Binding) -> None:
        scheduler, pod = self.scheduler, binding.pod
        scheduler.cancel(binding.timer)
        self.patient.pop(pod.key, None)
        binding.timer, binding.waits_for = None, ()
        plugin = scheduler.profiles[pod.scheduler_name].at("bind")[0][0]
        try:
            body = ask(plugin, "bind", pod, binding.node)
        except PluginError as error:
            warn(error)
            self.fail(binding, str(error))
            return
        path = url(kinds.named("v1/Pod"), pod.namespace, pod.name, "binding")
        scheduler.request("POST", path, body=body, reply="binder.bound", context=(pod.key,))

    def bound(self, response: Response, key: str) -> None:
        """The API server's answer to the binding."""
        binding = self.under_way.get(key)
        if binding is None:
            return
        if not response.ok:
            self.fail(binding, f'running Bind plugin "DefaultBinder": {response.message}')
            return
        del self.under_way[key]
        scheduler = self.scheduler
        scheduler.note(bound=key, node=binding.node)
        text = f"Successfully assigned {key} to {binding.node}"
        scheduler.record(binding.pod, "Normal", "Scheduled", text, "Binding")
        for plugin, _ in scheduler.profiles[binding.pod.scheduler_name].at("postBind"):
            try:
                ask(plugin, "post_bind", binding.pod, binding.node)
            except PluginError as error:
                warn(error)

    def _rejected(
        self, binding: Binding, status: Status, point: str, *, quiet: bool = False
    ) -> None:
        """Refused at Reserve or Permit: counted like a refusal by one node."""
        if not status.rejected:
            text = f'running {point.title()} plugin "{status.plugin}": {status.message}'
            self.fail(binding, text, quiet=quiet)
            return
        message = fit_error(1, [status])
        self.fail(binding, message, (status.plugin,), "Unschedulable", quiet=quiet)

    def fail(
        self,
        binding: Binding,
        message: str,
        refused_by: tuple[str, ...] = (),
        reason: str = "SchedulerError",
        *,
        quiet: bool = False,
        told: bool = True,
    ) -> None:
        """Undoes the choice.

        That a place has become free is an event for the pods that wait, unless it was taken and
        given back in one and the same cycle (`quiet`). The event being handled is about this pod,
        unless it makes room for another one (not `told`).
        """
        scheduler, key = self.scheduler, binding.pod.key
        self.under_way.pop(key, None)
        self.patient.pop(key, None)
        for timer in (binding.timer, *binding.permits.values()):
            scheduler.cancel(timer)
        if told:
            scheduler.note(pod=key, failed=message)
        scheduler.history.take_back(key, message)
        assumed = scheduler.handle.assumed_volumes
        for volume in [name for name, pod in assumed.items() if pod == key]:
            del assumed[volume]
        gone = scheduler.cache.forget(key)
        if gone is not None and not quiet:
            scheduler.wake(ClusterEvent(wakeups.ASSIGNED_POD, wakeups.DELETE, gone, None))
        scheduler.fail(binding.queued, refused_by, reason, message, "")
        if refused_by and scheduler.queue.recheck(key, binding.events, scheduler.now):
            scheduler.turn()

    def drop(self, key: str) -> None:
        """The pod is gone."""
        binding = self.under_way.pop(key, None)
        self.patient.pop(key, None)
        if binding is not None:
            for timer in (binding.timer, *binding.permits.values()):
                self.scheduler.cancel(timer)
