"""One container from running to ended: Killing event, preStop hook, SIGTERM, in time SIGKILL.

The hook's time is taken out of the grace period, of which 2 seconds always remain. A hook that
takes too long is given up; one that fails is told of, and the container stops all the same.

In Kubernetes: pkg/kubelet/kuberuntime/kuberuntime_container.go (killContainer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.api.objects import get
from kubelab.kubelet import actions, hooks
from kubelab.runtime.cri import Answer, ContainerStatus
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

SHORTEST_NS = 2 * SECOND


class Stop(NamedTuple):
    """A container that is being stopped: by when it must end, and who is told then."""

    container_id: str
    name: str
    due_ns: int
    reply: str
    hooked: bool


class Stopping:
    """The containers of a pod that are being stopped."""

    def __init__(self, worker: PodWorker) -> None:
        self.worker = worker
        self.stops: dict[str, Stop] = {}
        self.shortest_ns = SHORTEST_NS

    def grace(self, cause: str | None) -> int:
        """The seconds a container has to end; a probe may give less than the pod."""
        worker = self.worker
        seconds = get(worker.pod, "spec", "terminationGracePeriodSeconds", default=30)
        return int(seconds)

    def restart(self, action: actions.Action) -> None:
        """Kills a container that must not run on; the pass goes on afterwards."""
        worker = self.worker
        record = worker.newest()[action.name]
        found = actions.find(worker.pod, action.name)
        seconds = self.grace(None)
        if found is not None and action.cause in ("liveness", "startup"):
            probe = found[0].get(f"{action.cause}Probe") or {}
            seconds = int(probe.get("terminationGracePeriodSeconds") or seconds)
        # The pass restarts it at once: what counts for its back-off is an older end, if any.
        self.begin(record, action.why, seconds, "stopping.restarted")

    def restarted(self, *_: Any) -> None:
        """The container that had to go is gone."""
        worker = self.worker
        worker.progressed()
        if actions.all_done(worker.state()):
            worker.report()
            worker.begin_end("its containers have ended")
            return
        worker.advance()

    def begin(self, record: ContainerStatus, why: str, grace_seconds: int, reply: str) -> None:
        """Stops a container; `reply()` of the worker is called when it has ended."""
        self.announce(record, why)
        self.proceed(record, grace_seconds, reply)

    def announce(self, record: ContainerStatus, why: str) -> None:
        """The Killing event."""
        found = actions.find(self.worker.pod, record.name)
        self.worker.event("Normal", "Killing", why, found[1] if found else "")

    def proceed(self, record: ContainerStatus, grace_seconds: int, reply: str) -> None:
        """The hook, if there is one and there is time; then the signal."""
        worker = self.worker
        now = worker.kubelet.now
        due = now + grace_seconds * SECOND
        found = actions.find(worker.pod, record.name)
        hook = get(found[0], "lifecycle", "preStop") if found else None
        self.stops[record.id] = Stop(record.id, record.name, due, reply, hook is not None)
        if hook is None or found is None or grace_seconds <= 0:
            self._signal(record.id)
            return
        context = (record.id,)
        hooks.run(worker, hook, found[0], record, "stopping.hooked", context)
        worker.kubelet.after(
            grace_seconds, "hook_over", worker.uid, worker.epoch, "stopping.hook_late", context
        )

    def hooked(self, answer: Answer, container_id: str) -> None:
        """The preStop hook has ended."""
        stop = self.stops.get(container_id)
        if stop is None or not stop.hooked:
            return
        if not hooks.succeeded(answer):
            found = actions.find(self.worker.pod, stop.name)
            text = "PreStopHook failed"
            self.worker.event("Warning", "FailedPreStopHook", text, found[1] if found else "")
        self._signal(container_id)

    def hook_late(self, answer: Answer, container_id: str) -> None:
        """The preStop hook takes longer than the grace period: it is given up."""
        stop = self.stops.get(container_id)
        if stop is not None and stop.hooked:
            self._signal(container_id)

    def _signal(self, container_id: str) -> None:
        """StopContainer with what remains of the grace period."""
        worker = self.worker
        stop = self.stops[container_id] = self.stops[container_id]._replace(hooked=False)
        rest = max(stop.due_ns - worker.kubelet.now, self.shortest_ns)
        worker.kubelet.note(container=stop.name, grace_seconds=rest / SECOND)
        worker.kubelet.cri(
            worker, "stopping.stopped", "stop_container", container_id, rest / SECOND,
            context=(container_id,),
        )  # fmt: skip

    def shorten(self, grace_seconds: int) -> None:
        """A later wish leaves less time."""
        due = self.worker.kubelet.now + grace_seconds * SECOND
        for stop in list(self.stops.values()):
            if due < stop.due_ns:
                self.stops[stop.container_id] = stop._replace(due_ns=due)
                if not stop.hooked or due <= self.worker.kubelet.now:
                    self._signal(stop.container_id)

    def stopped(self, answer: Answer, container_id: str) -> None:
        """The container has ended."""
        stop = self.stops.pop(container_id, None)
        if stop is not None:
            self.worker.method(stop.reply)()
