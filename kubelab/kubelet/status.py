"""The status of a pod: phase, conditions and container statuses, from what the node sees.

`generate` gathers what the runtime has, the waiting reasons and the probes' results, and makes the
object; the rest are pure functions. What must hold: a phase that is Succeeded or Failed never
changes again, and none of them is said before every container has really stopped.

In Kubernetes: pkg/kubelet/kubelet_pods.go (getPhase, convertToAPIContainerStatuses) and
pkg/kubelet/status/generate.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get
from kubelab.kubelet import actions, containerstatus
from kubelab.kubelet.containerstatus import Row

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

TERMINAL = ("Succeeded", "Failed")


def generate(worker: PodWorker) -> Obj:
    """The pod's status as it is now."""
    pod, kubelet, before = worker.pod, worker.kubelet, worker.writer.status
    ended = worker.ending.stopped
    regular = containerstatus.rows(worker, actions.containers(pod), init=False, ended=ended)
    initial = containerstatus.rows(worker, actions.init_containers(pod), init=True, ended=ended)
    added = actions.ephemeral_containers(pod)
    guests = containerstatus.rows(worker, added, init=False, ended=ended)
    held = before.get("phase")
    if held in TERMINAL:
        phase = held
    else:
        phase = phase_of(pod, regular, initial, ended)
        if worker.verdict is not None and (ended or worker.settled):
            phase = worker.verdict[0]
        elif phase in TERMINAL and not ended:
            phase = held or "Pending"
    sandbox = worker.sandbox
    rejected = worker.verdict is not None and sandbox is None
    status: dict[str, Any] = {
        "observedGeneration": get(pod, "metadata", "generation", default=1),
        "phase": phase,
    }
    if not rejected:
        status["conditions"] = conditions(worker, phase, regular, initial)
    if worker.verdict is not None and phase in TERMINAL:
        status["reason"], status["message"] = worker.verdict[1], worker.verdict[2]
    elif held in TERMINAL:
        for field in ("reason", "message"):
            if before.get(field):
                status[field] = before[field]
    if not rejected:
        status["hostIP"] = kubelet.address
        status["hostIPs"] = [{"ip": address} for address in kubelet.addresses]
    if sandbox is not None:
        status["podIP"], status["podIPs"] = sandbox.ip, [{"ip": ip} for ip in sandbox.ips]
    elif before.get("podIP"):
        status["podIP"], status["podIPs"] = before["podIP"], before["podIPs"]
    status["startTime"] = worker.started_at
    status["qosClass"] = get(pod, "status", "qosClass", default=None) or qos_class(pod)
    if not rejected:
        if initial:
            status["initContainerStatuses"] = [row.body for row in initial]
        status["containerStatuses"] = sorted((row.body for row in regular), key=_name)
        if guests:
            status["ephemeralContainerStatuses"] = [
                {
                    key: item
                    for key, item in {**row.body, "ready": False}.items()
                    if key != "started"
                }
                for row in guests
            ]
    return freeze(status)  # type: ignore[no-any-return]


def _name(body: dict[str, Any]) -> str:
    return str(body["name"])


def phase_of(pod: Obj, regular: list[Row], initial: list[Row], ended: bool) -> str:
    """The phase that follows from the containers."""
    policy = get(pod, "spec", "restartPolicy", default="Always")
    pending = failed = 0
    for row in initial:
        if row.sidecar:
            waiting = row.state == "waiting" and row.last_exit is None
            pending += waiting or (row.state == "running" and not row.started)
        elif row.state == "terminated":
            failed += row.exit_code != 0
        elif row.state == "waiting" and row.last_exit is not None:
            failed += row.last_exit != 0
        else:
            pending += 1
    if failed and policy == "Never":
        return "Failed"
    if ended:
        codes = [row.exit_code for row in regular]
        return "Failed" if failed or pending or any(codes) else "Succeeded"
    begun = any(row.state != "waiting" or row.last_exit is not None for row in regular)
    if (pending or failed) and not begun:
        return "Pending"
    if any(row.state == "waiting" and row.last_exit is None for row in regular):
        return "Pending"
    if any(row.state == "running" for row in regular):
        return "Running"
    codes = [row.exit_code if row.state == "terminated" else row.last_exit or 0 for row in regular]
    if policy == "Always":
        return "Running"
    if not any(codes):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def conditions(
    worker: PodWorker, phase: str, regular: list[Row], initial: list[Row]
) -> list[dict[str, Any]]:
    """The kubelet's five conditions, in Kubernetes' order."""
    pod, kubelet = worker.pod, worker.kubelet
    sandbox = worker.sandbox
    network = sandbox is not None and sandbox.ready
    rows: list[tuple[str, str, str, str]] = []
    if worker.disrupted:
        rows.append(("DisruptionTarget", "True", "TerminationByKubelet", worker.disrupted))
    rows += worker.resizing.conditions()
    rows += [
        ("PodReadyToStartContainers", "True" if network else "False", "", ""),
        ("Initialized", *_initialized(phase, regular, initial)),
    ]
    containers_ready = _containers_ready(phase, regular, initial)
    ready = containers_ready
    if containers_ready[0] == "True":
        ready = _gates(pod)
    rows.append(("Ready", *ready))
    rows.append(("ContainersReady", *containers_ready))
    rows.append(("PodScheduled", "True", "", ""))
    before = {
        row["type"]: row
        for held in (get(pod, "status", default=EMPTY), worker.writer.status)
        for row in get(held, "conditions", default=NOTHING)
    }
    out: list[dict[str, Any]] = []
    for type_, state, reason, message in rows:
        old = before.get(type_)
        same = old is not None and old["status"] == state
        changed = old.get("lastTransitionTime") if same and old is not None else None
        row: dict[str, Any] = {
            "type": type_,
            "observedGeneration": get(pod, "metadata", "generation", default=1),
            "status": state,
            "lastProbeTime": None,
            "lastTransitionTime": changed or kubelet.timestamp,
        }
        if reason:
            row["reason"] = reason
        if message:
            row["message"] = message
        out.append(row)
    return out


def _initialized(phase: str, regular: list[Row], initial: list[Row]) -> tuple[str, str, str]:
    if phase == "Succeeded":
        return "True", "PodCompleted", ""
    if any(row.state != "waiting" or row.last_exit is not None for row in regular):
        return "True", "", ""
    incomplete = [row.name for row in initial if not (row.started if row.sidecar else row.ready)]
    if incomplete:
        text = f"containers with incomplete status: [{' '.join(incomplete)}]"
        return "False", "ContainersNotInitialized", text
    return "True", "", ""


def _containers_ready(phase: str, regular: list[Row], initial: list[Row]) -> tuple[str, str, str]:
    if phase == "Succeeded":
        return "False", "PodCompleted", ""
    if phase == "Failed":
        return "False", "PodFailed", ""
    sidecars = [row for row in initial if row.sidecar]
    unready = [row.name for row in [*sidecars, *regular] if not row.ready]
    if unready:
        text = f"containers with unready status: [{' '.join(unready)}]"
        return "False", "ContainersNotReady", text
    return "True", "", ""


def _gates(pod: Obj) -> tuple[str, str, str]:
    """Whether the conditions that the pod itself demands are true."""
    held = {row["type"]: row["status"] for row in get(pod, "status", "conditions", default=())}
    problems = []
    for gate in get(pod, "spec", "readinessGates", default=NOTHING):
        name = gate["conditionType"]
        if name not in held:
            problems.append(
                f'corresponding condition of pod readiness gate "{name}" does not exist.'
            )
        elif held[name] != "True":
            problems.append(
                f'the status of pod readiness gate "{name}" is not "True", but {held[name]}'
            )
    if problems:
        return "False", "ReadinessGatesNotReady", ", ".join(problems)
    return "True", "", ""


def qos_class(pod: Obj) -> str:
    """Guaranteed, Burstable or BestEffort, by what the containers ask for."""
    seen = False
    guaranteed = True
    for container in [*actions.init_containers(pod), *actions.containers(pod)]:
        requests = get(container, "resources", "requests", default=EMPTY)
        limits = get(container, "resources", "limits", default=EMPTY)
        for name in ("cpu", "memory"):
            asked, limit = requests.get(name), limits.get(name)
            seen = seen or asked is not None or limit is not None
            if limit is None or (asked is not None and asked != limit):
                guaranteed = False
    if not seen:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
