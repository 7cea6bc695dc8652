"""The pages of pods and of everything that makes pods.

In Kubernetes: k8s.io/kubectl/pkg/describe/describe.go.
"""

from __future__ import annotations

from typing import Any

from kubelab.api import kinds, selectors
from kubelab.api.durations import human
from kubelab.api.objects import (
    Obj,
    annotations_of,
    controller_of,
    get,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from kubelab.kubectl.describe_template import (
    containers,
    resources,
    spread,
    template,
    tolerations,
    volumes,
)
from kubelab.kubectl.page import NONE, Page, boolean, labels_text, selector_text, when, words
from kubelab.kubectl.session import Session
from kubelab.sim.kernel import parse_timestamp

POD = kinds.named("v1/Pod")
REPLICA_SET = kinds.named("apps/v1/ReplicaSet")


def _spec(obj: Obj, *path: str, default: Any = None) -> Any:
    return get(obj, "spec", *path, default=default)


def _status(obj: Obj, *path: str, default: Any = 0) -> Any:
    return get(obj, "status", *path, default=default)


def _pod(session: Session, page: Page, pod: Obj, events: Any) -> None:
    page.head(pod)
    for title, field in (
        ("Priority", "priority"), ("Priority Class Name", "priorityClassName"),
        ("Runtime Class Name", "runtimeClassName"), ("Service Account", "serviceAccountName"),
    ):  # fmt: skip
        value = _spec(pod, field)
        if value is not None and value != "":
            page.write(0, f"{title}:\t{value}")
    node = _spec(pod, "nodeName")
    host = _status(pod, "hostIP", default="")
    page.write(0, f"Node:\t{node}/{host}" if node else f"Node:\t{NONE}")
    if _status(pod, "startTime", default=None):
        page.write(0, f"Start Time:\t{when(pod['status']['startTime'])}")
    page.marks(pod)
    _pod_status(page, pod)
    rows = [f"IP:\t{row['ip']}" for row in _status(pod, "podIPs", default=())]
    page.write(0, "IPs:" if rows else f"IPs:\t{NONE}")
    for row in rows:
        page.write(1, row)
    page.owner(pod)
    if _status(pod, "nominatedNodeName", default=None):
        page.write(0, f"NominatedNodeName:\t{pod['status']['nominatedNodeName']}")
    if _spec(pod, "resources"):
        page.write(0, "Resources:")
        resources(page, pod["spec"]["resources"], 1)
    for title, field in (
        ("Init Containers", "initContainers"), ("Containers", "containers"),
        ("Ephemeral Containers", "ephemeralContainers"),
    ):  # fmt: skip
        if _spec(pod, field) or field == "containers":
            statuses = _status(pod, f"{field[:-1]}Statuses", default=())
            containers(page, title, _spec(pod, field), statuses, pod, "")
    _conditions(page, pod)
    volumes(page, _spec(pod, "volumes"), "")
    page.write(0, f"QoS Class:\t{_status(pod, 'qosClass', default='')}")
    page.labels("Node-Selectors", _spec(pod, "nodeSelector"))
    tolerations(page, _spec(pod, "tolerations"))
    spread(page, _spec(pod, "topologySpreadConstraints"))
    page.events(events)


def _pod_status(page: Page, pod: Obj) -> None:
    deleted, phase = pod["metadata"].get("deletionTimestamp"), _status(pod, "phase", default="")
    if deleted and phase not in ("Failed", "Succeeded"):
        page.write(0, f"Status:\tTerminating (lasts {page.ago(deleted)})")
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 0)
        page.write(0, f"Termination Grace Period:\t{grace}s")
    else:
        page.write(0, f"Status:\t{phase}")
    for title, field in (("Reason", "reason"), ("Message", "message")):
        if _status(pod, field, default=""):
            page.write(0, f"{title}:\t{pod['status'][field]}")
    profile = _spec(pod, "securityContext", "seccompProfile")
    if profile:
        page.write(0, f"SeccompProfile:\t{profile['type']}")
    page.write(0, f"IP:\t{_status(pod, 'podIP', default='')}")


def _conditions(page: Page, pod: Obj) -> None:
    held = {c["type"]: c["status"] for c in _status(pod, "conditions", default=())}
    gates = _spec(pod, "readinessGates", default=())
    if gates:
        page.write(0, "Readiness Gates:\n  Type\tStatus")
        for gate in gates:
            page.write(1, f"{gate['conditionType']} \t{held.get(gate['conditionType'], NONE)} ")
    if held:
        page.write(0, "Conditions:\n  Type\tStatus")
        for type_, status in held.items():
            page.write(1, f"{type_} \t{status} ")


# Controllers.


def pods_status(session: Session, obj: Obj) -> str:
    """How many pods of a controller are in which phase."""
    held = _spec(obj, "selector")
    selector = (
        selectors.equal(held) if obj["kind"] == "ReplicationController"
        else selectors.compile_selector(held)
    )  # fmt: skip
    counts = dict.fromkeys(("Running", "Pending", "Succeeded", "Failed"), 0)
    for pod in session.list(POD, namespace_of(obj), str(selector)):
        owner = controller_of(pod)
        if owner is not None and owner["uid"] == uid_of(obj):
            phase = _status(pod, "phase", default="Pending")
            counts[phase] = counts.get(phase, 0) + 1
    return (
        f"{counts['Running']} Running / {counts['Pending']} Waiting / "
        f"{counts['Succeeded']} Succeeded / {counts['Failed']} Failed"
    )


def _reasons(page: Page, obj: Obj) -> None:
    conditions = _status(obj, "conditions", default=())
    if conditions:
        page.write(0, "Conditions:\n  Type\tStatus\tReason")
        page.write(1, "----\t------\t------")
        for row in conditions:
            page.write(1, f"{row['type']} \t{row['status']}\t{row.get('reason', '')}")


def _deployment(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.write(0, f"CreationTimestamp:\t{when(obj['metadata'].get('creationTimestamp'))}")
    page.marks(obj)
    page.write(0, f"Selector:\t{selector_text(_spec(obj, 'selector'))}")
    page.write(
        0, f"Replicas:\t{_spec(obj, 'replicas', default=0)} desired | "
        f"{_status(obj, 'updatedReplicas')} updated | {_status(obj, 'replicas')} total | "
        f"{_status(obj, 'availableReplicas')} available | "
        f"{_status(obj, 'unavailableReplicas')} unavailable",
    )  # fmt: skip
    page.write(0, f"StrategyType:\t{_spec(obj, 'strategy', 'type')}")
    page.write(0, f"MinReadySeconds:\t{_spec(obj, 'minReadySeconds', default=0)}")
    rolling = _spec(obj, "strategy", "rollingUpdate")
    if rolling:
        page.write(
            0, f"RollingUpdateStrategy:\t{rolling.get('maxUnavailable')} max unavailable, "
            f"{rolling.get('maxSurge')} max surge",
        )  # fmt: skip
    template(page, _spec(obj, "template"))
    _reasons(page, obj)
    old, new = _replica_sets(session, obj)
    page.write(0, f"OldReplicaSets:\t{', '.join(_created(rs) for rs in old) or NONE}")
    page.write(0, f"NewReplicaSet:\t{_created(new) if new else NONE}")
    page.events(events)


def _created(replica_set: Obj) -> str:
    have, wish = _status(replica_set, "replicas"), _spec(replica_set, "replicas", default=0)
    return f"{name_of(replica_set)} ({have}/{wish} replicas created)"


def _replica_sets(session: Session, deployment: Obj) -> tuple[list[Obj], Obj | None]:
    """The old replica sets that still have pods (or any), and the present one."""
    selector = str(selectors.compile_selector(_spec(deployment, "selector")))
    revision = annotations_of(deployment).get("deployment.kubernetes.io/revision")
    old, new = [], None
    for held in session.list(REPLICA_SET, namespace_of(deployment), selector):
        owner = controller_of(held)
        if owner is None or owner["uid"] != uid_of(deployment):
            continue
        if annotations_of(held).get("deployment.kubernetes.io/revision") == revision:
            new = held
        else:
            old.append(held)
    old.sort(key=lambda rs: (rs["metadata"].get("creationTimestamp", ""), name_of(rs)))
    return old, new


def _replica_set(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    held = _spec(obj, "selector")
    shown = labels_text(held) if obj["kind"] == "ReplicationController" else selector_text(held)
    page.write(0, f"Selector:\t{shown}")
    page.marks(obj)
    page.owner(obj)
    wish = _spec(obj, "replicas", default=0)
    page.write(0, f"Replicas:\t{_status(obj, 'replicas')} current / {wish} desired")
    page.write(0, f"Pods Status:\t{pods_status(session, obj)}")
    template(page, _spec(obj, "template"))
    _reasons(page, obj)
    page.events(events)


def _stateful_set(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.write(0, f"CreationTimestamp:\t{when(obj['metadata'].get('creationTimestamp'))}")
    page.write(0, f"Selector:\t{selector_text(_spec(obj, 'selector'))}")
    page.marks(obj)
    page.write(0, f"Service Name:\t{_spec(obj, 'serviceName', default='')}")
    page.write(0, f"Pod Management Policy:\t{_spec(obj, 'podManagementPolicy', default='')}")
    wish = _spec(obj, "replicas", default=0)
    page.write(0, f"Replicas:\t{wish} desired | {_status(obj, 'replicas')} total")
    page.write(0, f"Update Strategy:\t{_spec(obj, 'updateStrategy', 'type')}")
    partition = _spec(obj, "updateStrategy", "rollingUpdate", "partition")
    if partition is not None:
        page.write(1, f"Partition:\t{partition}")
    retention = _spec(obj, "persistentVolumeClaimRetentionPolicy")
    if retention:
        page.write(0, "Persistent Volume Claim Retention Policy:")
        page.write(1, f"WhenDeleted:\t{retention.get('whenDeleted')}")
        page.write(1, f"WhenScaled:\t{retention.get('whenScaled')}")
    page.write(0, f"Pods Status:\t{pods_status(session, obj)}")
    template(page, _spec(obj, "template"))
    claims = _spec(obj, "volumeClaimTemplates", default=())
    page.write(0, "Volume Claims:" + ("" if claims else f"\t{NONE}"))
    for claim in claims:
        page.write(1, f"Name:\t{name_of(claim)}")
        page.write(1, f"StorageClass:\t{_spec(claim, 'storageClassName', default='')}")
        page.labels("Labels", labels_of(claim), "  ")
        page.labels("Annotations", annotations_of(claim), "  ")
        capacity = _spec(claim, "resources", "requests", "storage", default="<default>")
        page.write(1, f"Capacity:\t{capacity}")
        page.write(1, f"Access Modes:\t{words(_spec(claim, 'accessModes'))}")
    page.events(events)


def _daemon_set(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.write(0, f"Selector:\t{selector_text(_spec(obj, 'selector'))}")
    nodes = labels_text(_spec(obj, "template", "spec", "nodeSelector"))
    page.write(0, f"Node-Selector:\t{nodes}")
    page.marks(obj)
    for title, field in (
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ):
        page.write(0, f"{title}: {_status(obj, field)}")
    page.write(0, f"Pods Status:\t{pods_status(session, obj)}")
    template(page, _spec(obj, "template"))
    page.events(events)


def _job(session: Session, page: Page, obj: Obj, events: Any) -> None:
    page.head(obj)
    page.write(0, f"Selector:\t{selectors.compile_selector(_spec(obj, 'selector'))}")
    page.marks(obj)
    page.owner(obj)
    page.write(0, f"Parallelism:\t{_spec(obj, 'parallelism')}")
    page.write(0, f"Completions:\t{_spec(obj, 'completions', default='<unset>')}")
    page.write(0, f"Completion Mode:\t{_spec(obj, 'completionMode')}")
    page.write(0, f"Suspend:\t{str(bool(_spec(obj, 'suspend'))).lower()}")
    page.write(0, f"Backoff Limit:\t{_spec(obj, 'backoffLimit')}")
    if _spec(obj, "ttlSecondsAfterFinished") is not None:
        page.write(0, f"TTL Seconds After Finished:\t{_spec(obj, 'ttlSecondsAfterFinished')}")
    started, ended = (_status(obj, f, default="") for f in ("startTime", "completionTime"))
    if started:
        page.write(0, f"Start Time:\t{when(started)}")
    if ended:
        page.write(0, f"Completed At:\t{when(ended)}")
    if started and ended:
        lasted = parse_timestamp(ended) - parse_timestamp(started)
        page.write(0, f"Duration:\t{human(lasted)}")
    if _spec(obj, "activeDeadlineSeconds") is not None:
        page.write(0, f"Active Deadline Seconds:\t{_spec(obj, 'activeDeadlineSeconds')}s")
    ready = _status(obj, "ready", default=None)
    shown = "" if ready is None else f" ({ready} Ready)"
    page.write(
        0, f"Pods Statuses:\t{_status(obj, 'active')} Active{shown} / "
        f"{_status(obj, 'succeeded')} Succeeded / {_status(obj, 'failed')} Failed",
    )  # fmt: skip
    if _spec(obj, "completionMode") == "Indexed":
        indexes = _status(obj, "completedIndexes", default="") or NONE
        page.write(0, f"Completed Indexes:\t{indexes}")
    template(page, _spec(obj, "template"))
    page.events(events)


def _cron_job(session: Session, page: Page, obj: Obj, events: Any) -> None:
    unset = "<unset>"
    page.head(obj)
    page.marks(obj)
    page.write(0, f"Schedule:\t{_spec(obj, 'schedule')}")
    page.write(0, f"Concurrency Policy:\t{_spec(obj, 'concurrencyPolicy')}")
    page.write(0, f"Suspend:\t{boolean(_spec(obj, 'suspend'))}")
    page.write(0, f"Time Zone:\t{_spec(obj, 'timeZone', default=unset)}")
    for title, field in (
        ("Successful Job History Limit", "successfulJobsHistoryLimit"),
        ("Failed Job History Limit", "failedJobsHistoryLimit"),
    ):
        page.write(0, f"{title}:\t{_spec(obj, field, default=unset)}")
    deadline = _spec(obj, "startingDeadlineSeconds")
    page.write(0, f"Starting Deadline Seconds:\t{unset if deadline is None else f'{deadline}s'}")
    job = _spec(obj, "jobTemplate", "spec")
    held = job.get("selector")
    page.write(0, f"Selector:\t{selector_text(held) if held else unset}")
    page.write(0, f"Parallelism:\t{job.get('parallelism', unset)}")
    page.write(0, f"Completions:\t{job.get('completions', unset)}")
    template(page, job["template"])
    last = _status(obj, "lastScheduleTime", default="")
    page.write(0, f"Last Schedule Time:\t{when(last) if last else unset}")
    active = ", ".join(ref["name"] for ref in _status(obj, "active", default=()))
    page.write(0, f"Active Jobs:\t{active or NONE}")
    page.events(events)


PAGES = {
    "Pod": _pod, "Deployment": _deployment, "ReplicaSet": _replica_set,
    "ReplicationController": _replica_set, "StatefulSet": _stateful_set,
    "DaemonSet": _daemon_set, "Job": _job, "CronJob": _cron_job,
}  # fmt: skip
