"""One pod on its way: the worker that does the next thing that is missing.

A worker is level-triggered. `sync` begins a pass: the status is written, then `advance` looks at
what the pod needs (volumes, sandbox, containers) and at what the runtime has, and does the first
thing that is missing; its answer calls `advance` again. What fails is left out for the rest of the
pass and tried again after its back-off. Only one thing of a pod is under way at a time; what comes
meanwhile makes one more pass. When the pod is to end, `ending` takes over, and late answers of the
pass are void (`epoch`).

In Kubernetes: pkg/kubelet/pod_workers.go and SyncPod of pkg/kubelet/kubelet.go and
pkg/kubelet/kuberuntime/kuberuntime_manager.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.objects import EMPTY, Obj, freeze, get, key_of, name_of, namespace_of, uid_of
from kubelab.kubelet import actions, admission, status
from kubelab.kubelet.backoff import duration
from kubelab.kubelet.ending import Ending
from kubelab.kubelet.mounting import Mounting
from kubelab.kubelet.resizing import Resizing
from kubelab.kubelet.sandboxing import Sandboxing
from kubelab.kubelet.starting import Starting
from kubelab.kubelet.statuswriter import StatusWriter
from kubelab.kubelet.stopping import Stopping
from kubelab.runtime.cri import EXITED, Answer, ContainerStatus, Sandbox
from kubelab.sim.kernel import SECOND, parse_timestamp

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet

RETRY_NS = 10 * SECOND
# So many retries without a change are waited for; those that follow are mere repetition.
PATIENCE = 3
DEADLINE = "Pod was active on the node longer than the specified deadline"


class PodWorker:
    """The worker of one pod, known by its UID."""

    def __init__(self, kubelet: Kubelet, pod: Obj) -> None:
        self.kubelet = kubelet
        self.pod = pod
        self.uid = uid_of(pod)
        self.key = key_of(pod)
        self.epoch = 0
        self.busy = False
        self.again = False
        self.timer: int | None = None
        self.deadline_timer: int | None = None
        self.retry_ns: int | None = None
        self.retries = 0
        self.skipped: dict[str, None] = {}
        self.status_before: Obj = EMPTY
        self.exited_before: dict[str, ContainerStatus] = {}
        # Waiting reasons by container, as the status shows them.
        self.waiting: dict[str, tuple[str, str]] = {}
        self.backed_off: dict[str, str] = {}
        self.unreported = False
        # phase, reason and message that are decided for the pod as a whole.
        self.verdict: tuple[str, str, str] | None = None
        self.settled = False
        # Why the kubelet ends the pod before its time.
        self.disrupted = ""
        self.started_at = ""
        # Of a static pod: the UID of the object that shows it in the API server.
        self.mirror = ""
        self.network_told = False
        self.mounting = Mounting(self)
        self.sandboxing = Sandboxing(self)
        self.starting = Starting(self)
        self.resizing = Resizing(self)
        self.stopping = Stopping(self)
        self.ending = Ending(self)
        self.writer = StatusWriter(self)

    @classmethod
    def orphan(cls, kubelet: Kubelet, sandbox: Sandbox) -> PodWorker:
        """A worker for what is left of a pod that the API server no longer has."""
        config = sandbox.config
        metadata = {"name": config.name, "namespace": config.namespace, "uid": config.uid}
        names = dict.fromkeys(record.name for record in kubelet.runtime.statuses(config.uid))
        spec = {"containers": [{"name": name, "image": ""} for name in names]}
        worker = cls(
            kubelet, freeze({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
        )
        worker.ending.object_gone = True
        return worker

    # What is known.

    def method(self, path: str) -> Any:
        """The method that a reply path names."""
        part: Any = self
        for step in path.split("."):
            part = getattr(part, step)
        return part

    @property
    def host_network(self) -> bool:
        """Whether the pod has the node's own network."""
        return bool(get(self.pod, "spec", "hostNetwork", default=False))

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest sandbox of the pod."""
        boxes = self.kubelet.runtime.sandboxes_of(self.uid)
        return boxes[-1] if boxes else None

    @property
    def ip(self) -> str:
        """The pod's address; empty before the sandbox is there."""
        sandbox = self.sandbox
        return sandbox.ip if sandbox is not None else ""

    def records(self) -> list[ContainerStatus]:
        """The pod's containers in the runtime, the oldest first."""
        return self.kubelet.runtime.statuses(self.uid)

    def newest(self) -> dict[str, ContainerStatus]:
        """The newest container of each name."""
        return {record.name: record for record in self.records()}

    def restarts_before(self, name: str) -> int:
        """The restart count of a container of which the runtime knows nothing (yet)."""
        for field in ("containerStatuses", "initContainerStatuses"):
            for row in get(self.writer.status, field, default=()):
                if row["name"] == name:
                    return int(row.get("restartCount", 0))
        return 0

    def state(self) -> actions.State:
        """What the next action is decided on."""
        sandbox = self.sandbox
        newest, prober = self.newest(), self.kubelet.prober
        started = {name: prober.started(self.uid, record) for name, record in newest.items()}
        failing = {
            name: kind
            for name, record in newest.items()
            if (kind := prober.failing(self.uid, record))
        }
        sandbox_id = sandbox.id if sandbox is not None else ""
        return actions.State(self.pod, newest, sandbox_id, started, failing, self.skipped)

    def initialized(self) -> bool:
        """Whether the pod has no init containers, or came past them."""
        newest = self.newest()
        if not actions.init_containers(self.pod):
            return True
        return any(item["name"] in newest for item in actions.containers(self.pod))

    def event(self, type_: str, reason: str, message: str, field_path: str = "") -> None:
        """Records an Event about the pod, or one of its containers."""
        self.kubelet.recorder.event(self.pod, type_, reason, message, field_path=field_path)

    # What the API server says.

    def arrive(self) -> None:
        """The pod is seen for the first time (by this kubelet, since it started)."""
        held = get(self.pod, "status", default=EMPTY)
        self.started_at = held.get("startTime") or self.kubelet.timestamp
        self.writer.status = held
        if held.get("phase") in ("Succeeded", "Failed"):
            self.ending.resume()
            return
        if self.pod["metadata"].get("deletionTimestamp"):
            self.begin_end("the pod is deleted")
            return
        if self.sandbox is None:
            if (rejection := admission.check(self)) is not None:
                self.event("Warning", *rejection)
                self.verdict = ("Failed", rejection[0], f"Pod was rejected: {rejection[1]}")
                self.settled = self.ending.finished = True
                self.report()
                return
        limit = get(self.pod, "spec", "activeDeadlineSeconds")
        if limit is not None:
            due = parse_timestamp(self.started_at) + limit * SECOND - self.kubelet.now
            seconds = max(0, due) / SECOND
            self.deadline_timer = self.kubelet.after(seconds, "wake", self.uid, "deadline")
        self.sync()

    def update(self, pod: Obj) -> None:
        """The pod as it is now."""
        before, self.pod = self.pod, pod
        metadata = pod["metadata"]
        if metadata.get("deletionTimestamp"):
            if not self.ending.begun:
                self.begin_end("the pod is deleted")
            else:
                self.ending.deleted(metadata.get("deletionGracePeriodSeconds", 0))
        elif pod["spec"] != before["spec"]:
            self.sync()
        elif self._gates(pod) != self._gates(before):
            self.report()
        self.writer.reconcile(pod)

    @staticmethod
    def _gates(pod: Obj) -> Any:
        """The conditions that readiness gates look at."""
        gates = [gate["conditionType"] for gate in get(pod, "spec", "readinessGates", default=())]
        if not gates:
            return ()
        rows = get(pod, "status", "conditions", default=())
        return [(row["type"], row["status"]) for row in rows if row["type"] in gates]

    def removed(self, last: Obj) -> None:
        """The API server no longer has the pod: what is left of it ends."""
        self.ending.object_gone = True
        if not self.ending.begun:
            self.begin_end("the pod is gone", 0)
        elif self.ending.finished:
            self.ending.clean()
        else:
            self.ending.deleted(0)

    def begin_end(self, why: str, grace_seconds: int | None = None) -> None:
        """From here on the pod is taken down."""
        if grace_seconds is None:
            grace_seconds = get(self.pod, "metadata", "deletionGracePeriodSeconds")
        if grace_seconds is None:
            grace_seconds = get(self.pod, "spec", "terminationGracePeriodSeconds", default=30)
        self.ending.begin(why, int(grace_seconds or 0))

    # A pass.

    def answered(self, epoch: int, reply: str, answer: Answer, *context: Any) -> None:
        """The answer to a call of ours; a late one only tells that something has changed."""
        if epoch == self.epoch:
            self.method(reply)(answer, *context)
        elif self.ending.begun:
            self.ending.step()

    def wake(self, why: str) -> None:
        """A time to go on has come."""
        if why == "network" and not self.network_told:
            return
        self.sync()

    def sync(self) -> None:
        """Something may have changed: a pass, now or after the one under way."""
        if self.ending.begun:
            self.ending.step()
        elif self.settled:
            return
        elif self.busy:
            self.again = True
        else:
            self.begin_pass()

    def begin_pass(self) -> None:
        """Status first, then what is missing."""
        kubelet = self.kubelet
        self.busy, self.again = True, False
        kubelet.cancel(self.timer)
        self.timer, self.retry_ns, self.skipped = None, None, {}
        self.status_before = self.writer.status
        self.exited_before = {r.name: r for r in self.records() if r.state == EXITED}
        if self._too_long():
            self.event("Normal", "DeadlineExceeded", DEADLINE)
            self.verdict = ("Failed", "DeadlineExceeded", DEADLINE)
            self.begin_end("its deadline is over")
            return
        self.resizing.look()
        self.report()
        if actions.all_done(self.state()):
            self.begin_end("its containers have ended")
            return
        self.advance()

    def _too_long(self) -> bool:
        limit = get(self.pod, "spec", "activeDeadlineSeconds")
        lived_ns = self.kubelet.now - parse_timestamp(self.started_at)
        return limit is not None and bool(lived_ns >= limit * SECOND)

    def advance(self) -> None:
        """Does the first thing that is missing; ends the pass if there is none."""
        kubelet = self.kubelet
        if not self.host_network and not kubelet.node.ready:
            message = (
                "network is not ready: container runtime network not ready: NetworkReady=false "
                "reason:NetworkPluginNotReady message:Network plugin returns error: "
                "cni plugin not initialized"
            )
            if not self.network_told:
                self.event("Warning", "NetworkNotReady", message)
            self.network_told = True
            self.retry(SECOND)
            self.end_pass()
            return
        if not self.mounting.done:
            self.mounting.begin()
            return
        kubelet.prober.add(self)
        sandbox = self.sandbox
        if sandbox is None or not sandbox.ready:
            self.sandboxing.make(sandbox)
            return
        state = self.state()
        used = self.starting.images
        images = {record.name: used[record.id] for record in self.records() if used.get(record.id)}
        action = actions.next_action(state) or actions.definition_changed(state, images)
        action = action or self.resizing.action(state)
        if action is None:
            self.end_pass()
        elif action.kind == actions.KILL:
            self.stopping.restart(action)
        elif action.kind == actions.START:
            self.start_container(action.name)

    def start_container(self, name: str) -> None:
        """Starts a container, unless it must wait for its restart back-off."""
        kubelet, key = self.kubelet, f"{self.uid}/{name}"
        before = self.exited_before.get(name)
        if before is not None:
            left = kubelet.restarts.remaining_ns(key, before.finished_ns, kubelet.now)
            if left:
                self._back_off(name, before, left)
                return
            kubelet.restarts.bump(key, before.finished_ns, kubelet.now)
        sandbox, newest = self.sandbox, self.newest().get(name)
        again = newest is not None and sandbox is not None and newest.sandbox_id == sandbox.id
        if kubelet.runtime.immutable_pods and again and sandbox is not None:
            self.exited_before = {}
            self.sandboxing.renew(sandbox, name)
        else:
            self.starting.begin(name)

    def _back_off(self, name: str, before: ContainerStatus, left_ns: int) -> None:
        """The container waits; its status says so from the next pass on."""
        wait = self.kubelet.restarts.wait_seconds(f"{self.uid}/{name}")
        where = f"{name_of(self.pod)}_{namespace_of(self.pod)}({self.uid})"
        if self.backed_off.get(name) != before.id:
            self.backed_off[name] = before.id
            message = f"Back-off restarting failed container {name} in pod {where}"
            found = actions.find(self.pod, name)
            self.event("Warning", "BackOff", message, found[1] if found else "")
        text = f"back-off {duration(wait)} restarting failed container={name} pod={where}"
        self.kubelet.note(container=name, waits_seconds=wait, left_seconds=left_ns / SECOND)
        if self.waiting.get(name) != ("CrashLoopBackOff", text):
            self.waiting[name] = ("CrashLoopBackOff", text)
            left_ns = min(left_ns, SECOND)
        self.skip(name, left_ns)
        self.advance()

    def failed(self, name: str, reason: str, message: str, retry_ns: int = RETRY_NS) -> None:
        """A container could not be started: the others go on."""
        self.kubelet.note(container=name, reason=reason, message=message)
        self.waiting[name] = (reason, message)
        self.unreported = True
        self.skip(name, retry_ns)
        self.advance()

    def skip(self, name: str, retry_ns: int) -> None:
        """Leaves a container out for the rest of this pass."""
        self.skipped[name] = None
        self.retry(retry_ns)

    def retry(self, ns: int) -> None:
        """A next pass is due so long from now, at the latest."""
        self.retry_ns = ns if self.retry_ns is None else min(ns, self.retry_ns)

    def tried(self, name: str) -> None:
        """A container was started: in this pass it is not started again, whatever became of it."""
        self.skipped[name] = None

    def progressed(self) -> None:
        """Something was done that was missing: what follows is no mere repetition."""
        self.retries = 0
        self.kubelet.promote()

    def end_pass(self) -> None:
        """Nothing is left to do now."""
        self.busy = False
        if self.unreported:
            self.unreported = False
            self.report()
        if self.again:
            self.begin_pass()
        elif self.retry_ns is not None:
            self.retries += 1
            same = self.writer.status is self.status_before
            background = True if self.retries > PATIENCE and same else None
            seconds = self.retry_ns / SECOND
            self.kubelet.note(next_try_seconds=seconds)
            self.timer = self.kubelet.after(
                seconds, "wake", self.uid, "retry", background=background
            )

    def probed(self, answer: Answer, uid: str, container: str, kind: str, number: int) -> None:
        """The command of an exec probe has ended."""
        self.kubelet.prober.executed((uid, container, kind), number, answer)

    # Status.

    def report(self) -> None:
        """Works out the pod's status, and sends it if it has changed."""
        self.writer.write(status.generate(self))
