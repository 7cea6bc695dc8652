"""The end of a pod: its containers, its sandbox, its volumes, and at last its object.

It begins when the pod is deleted, when its containers have ended for good, when its deadline is
over, or when the API server no longer has it. Regular containers stop at the same time, then
sidecars in reverse order, all within one grace period. When nothing runs any more the last status
is written; a deleted pod's object is then deleted by us, with no grace left.

In Kubernetes: SyncTerminatingPod and SyncTerminatedPod of pkg/kubelet/kubelet.go, and the deletion
by pkg/kubelet/status/status_manager.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.objects import name_of, namespace_of
from kubelab.api.rest import Response
from kubelab.kubelet import actions
from kubelab.runtime.cri import RUNNING, Answer, ContainerStatus
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

RETRY_SECONDS = 10.0


class Ending:
    """How far the end of a pod has come."""

    def __init__(self, worker: PodWorker) -> None:
        self.worker = worker
        self.begun = False
        # All containers have stopped; the sandbox is stopped too.
        self.stopped = False
        self.finished = False
        # The API server no longer has the object.
        self.object_gone = False
        self.deleting = False
        self.due_ns = 0
        self.stopping_sandbox = False

    def begin(self, why: str, grace_seconds: int = 0) -> None:
        """From here on nothing of the pod is started any more."""
        worker = self.worker
        kubelet = worker.kubelet
        self.begun = True
        worker.epoch += 1
        worker.busy = False
        for timer in (worker.timer, worker.deadline_timer, worker.mounting.timer):
            kubelet.cancel(timer)
        kubelet.note(pod=worker.key, ends=why, grace_seconds=grace_seconds)
        kubelet.prober.end(worker.uid)
        self.due_ns = kubelet.now + grace_seconds * SECOND
        for record in self._running():
            worker.stopping.announce(record, f"Stopping container {record.name}")
        self.step()

    def resume(self) -> None:
        """The pod was over before this kubelet started: its status is not touched again."""
        worker = self.worker
        self.begun = worker.settled = True
        if self._running():
            self.begin("the pod is over")
            return
        self.stopped = self.finished = True
        self.written()

    def _running(self) -> list[ContainerStatus]:
        return [record for record in self.worker.records() if record.state == RUNNING]

    def _in_turn(self, running: list[ContainerStatus]) -> list[ContainerStatus]:
        """The containers that are to stop now: sidecars wait for all others, then one by one."""
        pod = self.worker.pod
        names = [item["name"] for item in actions.init_containers(pod) if actions.is_sidecar(item)]
        others = [record for record in running if record.name not in names]
        if others:
            return others
        by_name = {record.name: record for record in running}
        return [by_name[name] for name in reversed(names) if name in by_name][:1]

    def step(self, *_: Any) -> None:
        """Does what is to be done next."""
        worker = self.worker
        if self.stopped:
            self.written()
            return
        running = self._running()
        if running:
            left = (self.due_ns - worker.kubelet.now) // SECOND
            for record in self._in_turn(running):
                if record.id not in worker.stopping.stops:
                    worker.stopping.proceed(record, max(left, 0), "ending.step")
            return
        sandbox = worker.sandbox
        if sandbox is not None and sandbox.ready:
            if not self.stopping_sandbox:
                self.stopping_sandbox = True
                worker.kubelet.cri(worker, "ending.unplugged", "stop_pod_sandbox", sandbox.id)
            return
        self.unplugged(Answer(True))

    def unplugged(self, answer: Answer) -> None:
        """The sandbox is stopped, its address given back: what is left is to say so."""
        worker = self.worker
        if self.stopped:
            return
        self.stopped = self.finished = True
        worker.settled = True
        worker.kubelet.promote()
        worker.kubelet.prober.remove(worker.uid)
        worker.mounting.unmount()
        if self.object_gone:
            self.clean()
            return
        worker.report()
        self.written()

    def deleted(self, grace_seconds: int) -> None:
        """The pod is deleted (again), perhaps with less time."""
        worker = self.worker
        due = worker.kubelet.now + grace_seconds * SECOND
        if not self.stopped:
            if due < self.due_ns:
                self.due_ns = due
                worker.stopping.shorten(grace_seconds)
            return
        self.written()

    def written(self) -> None:
        """The last status is written: a deleted pod's object can go."""
        worker = self.worker
        wished = worker.pod["metadata"].get("deletionTimestamp")
        if not self.stopped or self.deleting or self.object_gone or not wished:
            return
        if worker.writer.busy:
            return
        self.deleting = True
        self.delete()

    def delete(self) -> None:
        """The last request: the object goes at once, if it is still the same pod."""
        worker = self.worker
        uid = worker.kubelet.static.uid_in_api(worker)
        if not uid:
            self.object_gone = True
            self.clean()
            return
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}}
        worker.kubelet.delete(
            "v1/Pod", namespace_of(worker.pod), name_of(worker.pod), body=options,
            reply="worker_answer", context=(worker.uid, "ending.object_deleted"),
        )  # fmt: skip

    def object_deleted(self, response: Response) -> None:
        """The object is gone, or somebody else's by now; no answer is tried again."""
        if response.status in (200, 202, 404, 409):
            self.object_gone = True
            self.clean()
        else:
            self.deleting = False
            kubelet = self.worker.kubelet
            kubelet.after(RETRY_SECONDS, "wake", self.worker.uid, "delete", background=True)

    def clean(self) -> None:
        """Nothing remembers the pod any more: its containers are removed."""
        worker = self.worker
        kubelet = worker.kubelet
        calls = [("remove_container", record.id) for record in worker.records()]
        for sandbox in kubelet.runtime.sandboxes_of(worker.uid):
            # Stopped once more, as nobody remembers whether it was.
            calls += [("stop_pod_sandbox", sandbox.id), ("remove_pod_sandbox", sandbox.id)]
        for verb, id_ in calls:
            kubelet.send(kubelet.runtime.name, verb, kubelet.name, 0, id_)
        kubelet.forget(worker)
