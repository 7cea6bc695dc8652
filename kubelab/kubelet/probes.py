"""Probes: questions to containers at fixed times, and what follows from the answers.

A probe's ticks are counted from the moment the pod was first synced, before any container runs;
ticks without a container, or within the initial delay, ask nothing. A result changes only after so
many equal outcomes in a row as its threshold says. Once a liveness or startup probe has failed, its
probe rests until there is a new container. With a startup probe, the others wait until it has
succeeded.

In Kubernetes: pkg/kubelet/prober. What is no message there is none here: an exec probe is a call of
the CRI, the others are requests from the node's own address; a request to a program of this node is
answered within the same event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.kubelet import actions, hooks
from kubelab.kubelet.verdicts import Result, judge
from kubelab.network.payloads import HttpRequest, Outcome
from kubelab.runtime.cri import RUNNING, Answer, ContainerStatus
from kubelab.runtime.process import NoAnswer, Refuse
from kubelab.runtime.programs import GRPC_HEALTH
from kubelab.sim.kernel import SECOND, Routine

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet
    from kubelab.kubelet.podworker import PodWorker

LIVENESS, READINESS, STARTUP = "liveness", "readiness", "startup"
KINDS = (STARTUP, LIVENESS, READINESS)
AGENT = (("User-Agent", "kube-probe/1.36"), ("Accept", "*/*"))
LONGEST_OUTPUT = 10 * 1024

Key = tuple[str, str, str]


class Probe:
    """One probe of one container of one pod, over all its restarts."""

    def __init__(self, spec: Obj, base_ns: int) -> None:
        self.spec = spec
        self.period_ns = int(spec.get("periodSeconds") or 10) * SECOND
        self.base_ns = base_ns
        self.container_id = ""
        self.result: bool | None = None
        self.run = 0
        self.last: str = ""
        self.on_hold = False
        self.timer: int | None = None
        self.deadline: int | None = None
        self.number = 0
        self.asking = False
        self.triggered = False
        # Whether the first outcome is something to wait for.
        self.awaited = True

    def reset(self, container_id: str, initial: bool | None) -> None:
        """A new container: nothing is known of it."""
        self.container_id = container_id
        self.result, self.run, self.last = initial, 0, ""
        self.on_hold = self.asking = self.triggered = False
        self.number += 1

    def threshold(self, outcome: str) -> int:
        """So many equal outcomes in a row change the result."""
        name = "successThreshold" if outcome == "success" else "failureThreshold"
        return int(self.spec.get(name) or (1 if outcome == "success" else 3))


class Prober:
    """All probes of one kubelet, by pod uid, container and kind."""

    def __init__(self, kubelet: Kubelet) -> None:
        self.kubelet = kubelet
        self.probes: dict[Key, Probe] = {}
        self.by_pod: dict[str, list[Key]] = {}

    # The pods.

    def add(self, worker: PodWorker) -> None:
        """Begins to count the ticks of a pod's probes."""
        if worker.uid in self.by_pod:
            return
        keys = self.by_pod[worker.uid] = []
        pod = worker.pod
        sidecars = [item for item in actions.init_containers(pod) if actions.is_sidecar(item)]
        for container in [*sidecars, *actions.containers(pod)]:
            for kind in KINDS:
                spec = container.get(f"{kind}Probe")
                if spec:
                    key = (worker.uid, container["name"], kind)
                    self.probes[key] = Probe(spec, self.kubelet.now)
                    keys.append(key)

    def end(self, uid: str) -> None:
        """The pod is being taken down: only its readiness is still asked for."""
        for key in self.by_pod.get(uid, ()):
            if key[2] != READINESS:
                self.kubelet.cancel(self.probes[key].timer)
                self.probes[key].timer = None
                self.probes[key].on_hold = True

    def remove(self, uid: str) -> None:
        """The pod is gone."""
        for key in self.by_pod.pop(uid, ()):
            probe = self.probes.pop(key)
            self.kubelet.cancel(probe.timer)
            self.kubelet.cancel(probe.deadline)

    # What the status asks.

    def started(self, uid: str, record: ContainerStatus) -> bool:
        """Whether a container is running and its startup probe, if any, has succeeded."""
        if record.state != RUNNING:
            return False
        probe = self._of(uid, record, STARTUP)
        return probe is None or probe.result is True

    def ready(self, uid: str, record: ContainerStatus) -> bool:
        """Whether a started container's readiness probe, if any, has succeeded.

        The first status with a running container asks at once, and counts the ticks anew from here.
        """
        probe = self._of(uid, record, READINESS)
        self._of(uid, record, LIVENESS)
        if probe is None:
            return True
        if probe.result is not True and not probe.triggered:
            probe.triggered = True
            probe.base_ns = self.kubelet.now
            self._schedule((uid, record.name, READINESS), probe, 0)
        return probe.result is True

    def failing(self, uid: str, record: ContainerStatus) -> str:
        """`liveness` or `startup` if such a probe of a running container has failed."""
        if record.state == RUNNING:
            for kind in (STARTUP, LIVENESS):
                probe = self._of(uid, record, kind)
                if probe is not None and probe.on_hold and probe.result is False:
                    return kind
        return ""

    def _of(self, uid: str, record: ContainerStatus, kind: str) -> Probe | None:
        """The probe of a container, made ready for it when the container is new."""
        key = (uid, record.name, kind)
        probe = self.probes.get(key)
        if probe is None:
            return None
        if probe.container_id != record.id and record.state == RUNNING:
            known = self._known(uid, record)
            initial = {LIVENESS: True, READINESS: known[0], STARTUP: known[1] or None}[kind]
            probe.reset(record.id, initial)
            probe.awaited = kind != LIVENESS or _soon(probe, record)
            self.kubelet.cancel(probe.timer)
            probe.timer = None
            if kind != READINESS:
                self._next(key, probe, record)
        return probe

    def _known(self, uid: str, record: ContainerStatus) -> tuple[bool, bool]:
        """Whether the status already says ready and started of this very container.

        So it does when the kubelet was started anew: what was ready stays so until a probe fails.
        """
        worker = self.kubelet.workers.get(uid)
        status = worker.writer.status if worker is not None else EMPTY
        for field in ("containerStatuses", "initContainerStatuses"):
            for row in get(status, field, default=()):
                if row.get("containerID", "").endswith(record.id):
                    return bool(row.get("ready")), bool(row.get("started"))
        return False, False

    # Ticks.

    def _next(self, key: Key, probe: Probe, record: ContainerStatus) -> None:
        """Sets the next tick at which there is something to ask."""
        now = self.kubelet.now
        delay = int(probe.spec.get("initialDelaySeconds") or 0) * SECOND
        earliest = max(now + 1, record.started_ns + delay)
        ticks = -(-(earliest - probe.base_ns) // probe.period_ns)
        self._schedule(key, probe, probe.base_ns + ticks * probe.period_ns - now)

    def _schedule(self, key: Key, probe: Probe, wait_ns: int) -> None:
        self.kubelet.cancel(probe.timer)
        decided = probe.result is True and probe.last != "failure"
        if key[2] == LIVENESS and not probe.last:
            decided = not probe.awaited
        if (
            key[2] == READINESS
            and probe.last == "failure"
            and probe.run >= probe.threshold("failure")
        ):
            decided = True
        probe.timer = self.kubelet.after(wait_ns / SECOND, "probe", *key, background=decided)

    def tick(self, key: Key) -> None:
        """It is time to ask, if there is somebody to ask."""
        probe = self.probes.get(key)
        uid, name, kind = key
        worker = self.kubelet.workers.get(uid)
        if probe is None or worker is None:
            return
        probe.timer = None
        record = worker.newest().get(name)
        if record is None or record.state != RUNNING or probe.on_hold:
            return
        self._of(uid, record, kind)
        startup = self.probes.get((uid, name, STARTUP))
        waits = kind != STARTUP and startup is not None and startup.result is not True
        delay = int(probe.spec.get("initialDelaySeconds") or 0) * SECOND
        self.kubelet.note(pod=worker.key, container=name, probe=kind)
        if waits or self.kubelet.now - record.started_ns < delay:
            self.kubelet.note(skipped="startup" if waits else "initial delay")
            self._next(key, probe, record)
            return
        if not probe.asking:
            self._ask(key, probe, worker, record)
        if not probe.asking:
            self._go_on(key, probe, worker)

    def _go_on(self, key: Key, probe: Probe, worker: PodWorker) -> None:
        """The next tick, unless there is nothing to ask until a new container comes."""
        record = worker.newest().get(key[1])
        running = record is not None and record.state == RUNNING
        if running and record is not None and probe.timer is None and not probe.on_hold:
            self._next(key, probe, record)

    def _ask(self, key: Key, probe: Probe, worker: PodWorker, record: ContainerStatus) -> None:
        found = actions.find(worker.pod, record.name)
        container = found[0] if found else EMPTY
        spec = probe.spec
        timeout = float(spec.get("timeoutSeconds") or 1)
        probe.number += 1
        if "exec" in spec:
            command = tuple(get(spec, "exec", "command", default=()))
            self.kubelet.note(command=" ".join(command)[:120])
            self._expect(key, probe, timeout)
            self.kubelet.cri(
                worker, "probed", "exec_sync", record.id, command, context=(*key, probe.number)
            )
            return
        action, host, port = hooks.asked(spec, worker.ip, container)
        self.kubelet.note(target=f"{host}:{port}{action.get('path') or ''}")
        payload: Any = None
        if "httpGet" in spec:
            headers = [(h["name"], h["value"]) for h in action.get("httpHeaders") or ()]
            payload = HttpRequest("GET", host, action.get("path") or "/", (*AGENT, *headers))
        elif "grpc" in spec:
            payload = GRPC_HEALTH
        self._request(key, probe, host, port, payload, timeout)

    def _request(
        self, key: Key, probe: Probe, host: str, port: int, payload: Any, timeout: float
    ) -> None:
        """A request from the node; a program of this node's runtime answers at once."""
        kubelet = self.kubelet
        kernel, runtime = kubelet.kernel, kubelet.runtime
        own = host in kernel.pods or kernel.is_own(host)
        listener = kernel.listener(host, "TCP", port) if own else None
        if own and listener is None:
            self.conclude(key, probe, Outcome(False, None, "refused"))
        elif listener is not None and listener.owner == runtime.name:
            reply = runtime.serve(listener.token, payload) if payload is not None else ""
            if reply is NoAnswer:
                self._expect(key, probe, timeout)
            elif reply is Refuse:
                self.conclude(key, probe, Outcome(False, None, "refused"))
            else:
                self.conclude(key, probe, Outcome(True, reply))
        else:
            probe.asking = True
            token = ("probe", *key, probe.number)
            kernel.open(kubelet.address, host, port, "TCP", payload, kubelet.name, token, timeout)

    def routine(self, key: Key) -> Routine | None:
        """A probe that succeeds goes on to, while the program that answers stays as it is."""
        probe, worker = self.probes.get(key), self.kubelet.workers.get(key[0])
        if probe is None or worker is None or "exec" in probe.spec:
            return None
        if probe.asking or not probe.result or probe.last != "success":
            return None
        found = actions.find(worker.pod, key[1])
        _, host, port = hooks.asked(probe.spec, worker.ip, found[0] if found else EMPTY)
        listener, runtime = self.kubelet.kernel.listener(host, "TCP", port), self.kubelet.runtime
        # Other listeners are components of the cluster: they change by events of their own.
        if listener is None or (
            listener.owner == runtime.name and not runtime.is_steady(listener.token)
        ):
            return None
        return Routine(probe.period_ns)

    def _expect(self, key: Key, probe: Probe, timeout: float) -> None:
        """No answer within the time is an outcome too."""
        probe.asking = True
        probe.deadline = self.kubelet.after(timeout, "probe_timeout", *key, probe.number)

    def timeout(self, key: Key, number: int) -> None:
        """The time for an answer is over."""
        probe = self.probes.get(key)
        self.kubelet.note(container=key[1], probe=key[2])
        if probe is not None and probe.asking and probe.number == number:
            probe.deadline = None
            if "exec" in probe.spec:
                command = " ".join(get(probe.spec, "exec", "command", default=()))
                seconds = int(probe.spec.get("timeoutSeconds") or 1)
                text = f'command timed out: "{command}" timed out after {seconds}s'
                self._settle(key, probe, Result("failure", text))
            else:
                self.conclude(key, probe, Outcome(False, None, "timeout"))

    def answered(self, token: tuple[Any, ...], outcome: Outcome) -> None:
        """The kernel has the outcome of a request."""
        _, uid, name, kind, number = token
        probe = self.probes.get((uid, name, kind))
        if probe is not None and probe.asking and probe.number == number:
            self.conclude((uid, name, kind), probe, outcome)

    def executed(self, key: Key, number: int, answer: Answer) -> None:
        """The command of an exec probe has ended."""
        probe = self.probes.get(key)
        if probe is None or not probe.asking or probe.number != number:
            return
        result = Result("unknown", answer.error)
        if answer.ok:
            code, output = answer.value[:2]
            result = Result("failure" if code else "success", output[:LONGEST_OUTPUT].strip())
        self._settle(key, probe, result)

    def conclude(self, key: Key, probe: Probe, outcome: Outcome) -> None:
        """What an answer, or none, means for a probe by request."""
        worker = self.kubelet.workers[key[0]]
        found = actions.find(worker.pod, key[1])
        self._settle(
            key, probe, judge(probe.spec, worker.ip, found[0] if found else EMPTY, outcome)
        )

    def _settle(self, key: Key, probe: Probe, result: Result) -> None:
        """Counts an outcome; a changed result is told to the pod's worker."""
        waited, probe.asking = probe.asking, False
        self.kubelet.cancel(probe.deadline)
        probe.deadline = None
        worker = self.kubelet.workers.get(key[0])
        if worker is None:
            return
        self._count(key, probe, worker, result)
        if waited and key in self.probes:
            self._go_on(key, probe, worker)

    def _count(self, key: Key, probe: Probe, worker: PodWorker, result: Result) -> None:
        """What one more outcome changes."""
        kubelet, (_, name, kind) = self.kubelet, key
        kubelet.note(pod=worker.key, container=name, probe=kind, outcome=result.outcome)
        found = actions.find(worker.pod, name)
        path = found[1] if found else ""
        if result.outcome != "success":
            text = f"{kind.capitalize()} probe failed: {result.output}"
            if result.outcome == "unknown":
                text = (
                    f"{kind.capitalize()} probe errored and resulted in unknown state: "
                    f"{result.output}"
                )
            worker.event("Warning", "Unhealthy", text, path)
        if result.outcome == "unknown":
            return
        if probe.last == result.outcome:
            probe.run += 1
        else:
            probe.last, probe.run = result.outcome, 1
        threshold = probe.threshold(result.outcome)
        kubelet.note(in_a_row=probe.run, threshold=threshold)
        if probe.run < threshold:
            return
        success = result.outcome == "success"
        changed = probe.result is not success
        probe.result = success
        if kind != READINESS and not success:
            probe.on_hold, probe.run = True, 0
            kubelet.cancel(probe.timer)
            probe.timer = None
        if changed:
            kubelet.promote()
            kubelet.note(changed=True)
            self._changed(worker, kind)

    def _changed(self, worker: PodWorker, kind: str) -> None:
        if kind == READINESS:
            if not worker.settled or worker.ending.begun:
                worker.report()
        else:
            worker.report()
            worker.sync()


def _soon(probe: Probe, record: ContainerStatus) -> bool:
    """Whether a first liveness outcome comes soon, and is not one of a loop of restarts."""
    return record.attempt == 0 and int(probe.spec.get("initialDelaySeconds") or 0) < 30
