"""The rows of workloads: pods and everything that makes pods.

In Kubernetes: pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.durations import human, since
from kubelab.api.objects import Obj, controller_of, get, name_of
from kubelab.apiserver import tables_pods
from kubelab.apiserver.tables_cells import (
    NONE,
    UNSET,
    age,
    containers,
    labels_text,
    selector_text,
)
from kubelab.sim.kernel import parse_timestamp

REPLICAS = "Name!, Desired#, Current#, Ready#, Age, Containers+, Images+, Selector+"


def _status(obj: Obj, field: str) -> Any:
    return get(obj, "status", field, default=0)


def _spec(obj: Obj, *path: str, default: Any = None) -> Any:
    return get(obj, "spec", *path, default=default)


def _deployment(obj: Obj, now_ns: int) -> list[Any]:
    wished = _spec(obj, "replicas", default=0)
    return [
        name_of(obj), f"{_status(obj, 'readyReplicas')}/{wished}", _status(obj, "updatedReplicas"),
        _status(obj, "availableReplicas"), age(obj, now_ns), *containers(_spec(obj, "template")),
        selector_text(_spec(obj, "selector")),
    ]  # fmt: skip


def _replicas(obj: Obj, now_ns: int) -> list[Any]:
    return [
        name_of(obj), _spec(obj, "replicas", default=0), _status(obj, "replicas"),
        _status(obj, "readyReplicas"), age(obj, now_ns), *containers(_spec(obj, "template")),
    ]  # fmt: skip


def _replica_set(obj: Obj, now_ns: int) -> list[Any]:
    return [*_replicas(obj, now_ns), selector_text(_spec(obj, "selector"))]


def _replication_controller(obj: Obj, now_ns: int) -> list[Any]:
    return [*_replicas(obj, now_ns), labels_text(_spec(obj, "selector"))]


def _stateful_set(obj: Obj, now_ns: int) -> list[Any]:
    wished = _spec(obj, "replicas", default=0)
    return [
        name_of(obj), f"{_status(obj, 'readyReplicas')}/{wished}", age(obj, now_ns),
        *containers(_spec(obj, "template")),
    ]  # fmt: skip


def _daemon_set(obj: Obj, now_ns: int) -> list[Any]:
    counts = (
        "desiredNumberScheduled", "currentNumberScheduled", "numberReady",
        "updatedNumberScheduled", "numberAvailable",
    )  # fmt: skip
    template = _spec(obj, "template")
    return [
        name_of(obj), *(_status(obj, field) for field in counts),
        labels_text(get(template, "spec", "nodeSelector")), age(obj, now_ns),
        *containers(template), selector_text(_spec(obj, "selector")),
    ]  # fmt: skip


def job_word(job: Obj) -> str:
    """The state of a job in one word."""
    true = [
        condition["type"]
        for condition in get(job, "status", "conditions", default=())
        if condition["status"] == "True"
    ]
    for word in ("Complete", "Failed"):
        if word in true:
            return word
    if get(job, "metadata", "deletionTimestamp"):
        return "Terminating"
    for type_ in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if type_ in true:
            return type_
    return "Running"


def _job(job: Obj, now_ns: int) -> list[Any]:
    done, parallelism = _status(job, "succeeded"), _spec(job, "parallelism", default=0)
    if _spec(job, "completions") is not None:
        completions = f"{done}/{_spec(job, 'completions')}"
    else:
        completions = f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"
    started, ended = (get(job, "status", field) for field in ("startTime", "completionTime"))
    lasted = ""
    if started:
        lasted = human((parse_timestamp(ended) if ended else now_ns) - parse_timestamp(started))
    return [
        name_of(job), job_word(job), completions, lasted, age(job, now_ns),
        *containers(_spec(job, "template")), selector_text(_spec(job, "selector")),
    ]  # fmt: skip


def _cron_job(obj: Obj, now_ns: int) -> list[Any]:
    suspended = _spec(obj, "suspend")
    last = get(obj, "status", "lastScheduleTime")
    job = _spec(obj, "jobTemplate", "spec")
    return [
        name_of(obj), _spec(obj, "schedule"), _spec(obj, "timeZone", default=NONE),
        UNSET if suspended is None else str(suspended), len(get(obj, "status", "active") or ()),
        since(last, now_ns) if last else NONE, age(obj, now_ns), *containers(get(job, "template")),
        selector_text(get(job, "selector")),
    ]  # fmt: skip


def _pod_template(obj: Obj, now_ns: int) -> list[Any]:
    template = obj.get("template")
    return [name_of(obj), *containers(template), labels_text(get(template, "metadata", "labels"))]


def _controller_revision(obj: Obj, now_ns: int) -> list[Any]:
    owner = controller_of(obj)
    controller = NONE
    if owner is not None:
        group = owner["apiVersion"].rpartition("/")[0]
        kind = f"{owner['kind']}.{group}" if group else owner["kind"]
        controller = f"{kind.lower()}/{owner['name']}"
    return [name_of(obj), controller, obj.get("revision", 0), age(obj, now_ns)]


def _scale(obj: Obj, now_ns: int) -> list[Any]:
    return [
        name_of(obj), _spec(obj, "replicas", default=0), _status(obj, "replicas"), age(obj, now_ns)
    ]  # fmt: skip


def _autoscaler(obj: Obj, now_ns: int) -> list[Any]:
    target = _spec(obj, "scaleTargetRef")
    least = _spec(obj, "minReplicas")
    return [
        name_of(obj), f"{target['kind']}/{target['name']}", hpa_targets(obj),
        UNSET if least is None else str(least), _spec(obj, "maxReplicas", default=0),
        _status(obj, "currentReplicas"), age(obj, now_ns),
    ]  # fmt: skip


def hpa_targets(obj: Obj) -> str:
    """What is measured against what is wished, for two metrics at most."""
    wished = _spec(obj, "targetCPUUtilizationPercentage")
    if wished is not None:
        held = get(obj, "status", "currentCPUUtilizationPercentage")
        return f"cpu: {'<unknown>' if held is None else f'{held}%'}/{wished}%"
    metrics = _spec(obj, "metrics", default=())
    if not metrics:
        return NONE
    current = get(obj, "status", "currentMetrics", default=())
    texts = [_target(metric, get(current, at)) for at, metric in enumerate(metrics)]
    text = ", ".join(texts[:2])
    return f"{text} + {len(texts) - 2} more..." if len(texts) > 2 else text


def _target(metric: Obj, status: Any) -> str:
    field = metric["type"][0].lower() + metric["type"][1:]
    part, target = metric.get(field) or {}, get(metric, field, "target", default={})
    current = get(status, field, "current", default={})
    name = f"{part['name']}: " if "name" in part else ""
    if "averageUtilization" in target:
        held = current.get("averageUtilization")
        shown = "<unknown>" if held is None else f"{held}%"
        return f"{name}{shown}/{target['averageUtilization']}%"
    averaged = "averageValue" in target
    key = "averageValue" if averaged else "value"
    mark = " (avg)" if averaged and field in ("external", "object") else ""
    return f"{name}{current.get(key, '<unknown>')}/{target.get(key)}{mark}"


ROWS: dict[str, tuple[str, Any]] = {
    "Pod": (tables_pods.COLUMNS, tables_pods.cells),
    "PodTemplate": ("Name!, Containers, Images, Pod Labels", _pod_template),
    "Deployment": (
        "Name!, Ready, Up-to-date, Available, Age, Containers+, Images+, Selector+", _deployment
    ),
    "ReplicaSet": (REPLICAS, _replica_set),
    "ReplicationController": (REPLICAS, _replication_controller),
    "StatefulSet": ("Name!, Ready, Age, Containers+, Images+", _stateful_set),
    "DaemonSet": (
        "Name!, Desired#, Current#, Ready#, Up-to-date#, Available#, Node Selector, Age, "
        "Containers+, Images+, Selector+", _daemon_set,
    ),
    "Job": (
        "Name!, Status, Completions, Duration, Age, Containers+, Images+, Selector+", _job
    ),
    "CronJob": (
        "Name!, Schedule, Timezone, Suspend?, Active#, Last Schedule, Age, Containers+, Images+, "
        "Selector+", _cron_job,
    ),
    "ControllerRevision": ("Name!, Controller, Revision, Age", _controller_revision),
    "HorizontalPodAutoscaler": (
        "Name!, Reference, Targets, MinPods, MaxPods, Replicas, Age", _autoscaler
    ),
    "Scale": ("Name, Desired#, Available#, Age", _scale),
}  # fmt: skip
