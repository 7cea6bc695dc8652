"""The status of one container, from the runtime's records and the kubelet's waiting reasons.

A container that is to be started again and has to wait shows `waiting` with the reason, and how it
ended in `lastState`; between its end and the next pass it shows `terminated`. Probes decide whether
it is started and ready.

In Kubernetes: pkg/kubelet/kubelet_pods.go (convertToAPIContainerStatuses).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kubelab.api.objects import EMPTY, NOTHING, Obj, get
from kubelab.kubelet import actions
from kubelab.runtime.cri import CREATED, EXITED, RUNNING, ContainerStatus
from kubelab.sim.kernel import timestamp

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

LOST = "The container could not be located when the pod was terminated"


class Row(NamedTuple):
    """A container's status as JSON, and what phase and conditions are decided on."""

    name: str
    sidecar: bool
    state: str
    exit_code: int
    last_exit: int | None
    started: bool
    ready: bool
    body: dict[str, Any]


def rows(worker: PodWorker, containers: list[Obj], *, init: bool, ended: bool) -> list[Row]:
    """The status of each container, in the order of the manifest."""
    by_name: dict[str, list[ContainerStatus]] = {}
    for record in worker.records():
        by_name.setdefault(record.name, []).append(record)
    default = "ContainerCreating"
    if actions.init_containers(worker.pod):
        default = "PodInitializing"
    return [
        _row(worker, container, by_name.get(container["name"], []), default, init, ended)
        for container in containers
    ]


def _row(
    worker: PodWorker,
    container: Obj,
    records: list[ContainerStatus],
    default: str,
    init: bool,
    ended: bool,
) -> Row:
    name = container["name"]
    waiting = worker.waiting.get(name)
    newest = records[-1] if records else None
    older = _last_exited(records[:-1])
    state: dict[str, Any]
    last: dict[str, Any] = {}
    prober = worker.kubelet.prober
    started = ready = False
    exit_code, last_exit = 0, None
    if newest is not None and newest.state == RUNNING:
        kind, state = "running", {"running": {"startedAt": timestamp(newest.started_ns)}}
        started = prober.started(worker.uid, newest)
        plain = init and not actions.is_sidecar(container)
        ready = started and not plain and prober.ready(worker.uid, newest)
    elif newest is not None and newest.state == EXITED and (waiting is None or ended):
        kind, state = "terminated", terminated(worker, container, newest)
        exit_code = newest.exit_code
        ready = init and not actions.is_sidecar(container) and exit_code == 0
    elif ended and worker.initialized():
        kind = "terminated"
        state = {
            "terminated": {
                "exitCode": 137, "reason": "ContainerStatusUnknown", "message": LOST,
                "startedAt": None, "finishedAt": None,
            }
        }  # fmt: skip
        exit_code = 137
    else:
        kind = "waiting"
        reason, message = waiting or (default, "")
        state = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        older = newest if newest is not None and newest.state == EXITED else older
    if (older is not None and older is not newest) or kind == "waiting":
        if older is not None:
            last, last_exit = terminated(worker, container, older), older.exit_code
    body = _body(worker, container, newest, state, last, started, ready)
    sidecar = init and actions.is_sidecar(container)
    return Row(name, sidecar, kind, exit_code, last_exit, started, ready, body)


def _last_exited(records: list[ContainerStatus]) -> ContainerStatus | None:
    for record in reversed(records):
        if record.state == EXITED:
            return record
    return None


def terminated(worker: PodWorker, container: Obj, record: ContainerStatus) -> dict[str, Any]:
    """How a container has ended."""
    message = record.message
    policy = container.get("terminationMessagePolicy", "File")
    if not message and policy == "FallbackToLogsOnError" and record.exit_code:
        message = record.log_tail
    started = timestamp(record.started_ns)
    body: dict[str, Any] = {"exitCode": record.exit_code, "reason": record.reason}
    if message:
        body["message"] = message
    body["startedAt"] = started
    body["finishedAt"] = timestamp(record.finished_ns)
    body["containerID"] = worker.kubelet.runtime.prefix + record.id
    return {"terminated": body}


def _body(
    worker: PodWorker,
    container: Obj,
    newest: ContainerStatus | None,
    state: dict[str, Any],
    last: dict[str, Any],
    started: bool,
    ready: bool,
) -> dict[str, Any]:
    attempt = newest.attempt if newest is not None else worker.restarts_before(container["name"])
    body: dict[str, Any] = {
        "name": container["name"],
        "state": state,
        "lastState": last,
        "ready": ready,
        "restartCount": attempt,
        "image": newest.image if newest is not None else container["image"],
        "imageID": newest.image_id if newest is not None and newest.state != CREATED else "",
    }
    if newest is not None:
        body["containerID"] = worker.kubelet.runtime.prefix + newest.id
    body["started"] = started
    granted, resources = worker.resizing.of(container)
    requests = get(granted, "requests", default=EMPTY)
    if requests:
        body["allocatedResources"] = requests
    if resources and newest is not None:
        body["resources"] = resources
    elif newest is not None:
        body["resources"] = {}
    if container.get("volumeMounts"):
        body["volumeMounts"] = [_mount(mount) for mount in container["volumeMounts"]]
    if newest is not None and newest.state == RUNNING:
        body["user"] = {"linux": _user(worker.pod, container)}
    return body


def _mount(mount: Obj) -> dict[str, Any]:
    out = {"name": mount["name"], "mountPath": mount["mountPath"]}
    if mount.get("readOnly"):
        out |= {"readOnly": True, "recursiveReadOnly": "Disabled"}
    return out


def _user(pod: Obj, container: Obj) -> dict[str, Any]:
    own = get(container, "securityContext", default=EMPTY)
    general = get(pod, "spec", "securityContext", default=EMPTY)
    uid = own.get("runAsUser", general.get("runAsUser", 0))
    gid = own.get("runAsGroup", general.get("runAsGroup", 0))
    groups = [gid, *get(general, "supplementalGroups", default=NOTHING)]
    if "fsGroup" in general:
        groups.append(general["fsGroup"])
    return {"uid": uid, "gid": gid, "supplementalGroups": list(dict.fromkeys(groups))}
