"""Validation of the groups apps, batch and autoscaling, and of the ReplicationController.

In Kubernetes: pkg/apis/{apps,batch,autoscaling}/validation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api import selectors
from kubelab.api.fielderrors import not_allowed, required, unsupported, wrong
from kubelab.apiserver import cron_words, formats, internal_form
from kubelab.apiserver.validation_meta import (
    Errors,
    annotation_map,
    each_wrong,
    immutable,
    not_negative,
    selector,
)
from kubelab.apiserver.validation_pods import template
from kubelab.sim.tree import EMPTY, Obj, get

MISMATCH = "`selector` does not match template `labels`"
TEMPLATE = "spec.template"
_STATEFUL_UPDATE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden"
)
_STATEFUL_MUTABLE = (
    "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
)  # fmt: skip


def _selected(spec: Any, kind: str) -> Errors:
    """The selector, and the template, whose labels it must match."""
    held = spec.get("selector")
    field = "spec.selector"
    if held is None:
        yield required(field)
    else:
        yield from selector(held, field)
        if not held.get("matchLabels") and not held.get("matchExpressions"):
            yield wrong(field, held, f"empty selector is invalid for {kind}")
    operators = ("In", "NotIn", "Exists", "DoesNotExist")
    expressions = (held or EMPTY).get("matchExpressions") or ()
    if any(item.get("operator") not in operators for item in expressions):
        yield wrong(field, held, "invalid label selector")
        return
    compiled = selectors.compile_selector(held)
    pods = spec.get("template") or EMPTY
    labels = (pods.get("metadata") or EMPTY).get("labels")
    if not compiled.empty and not compiled.matches(labels):
        yield wrong(f"{TEMPLATE}.metadata.labels", labels, MISMATCH)
    yield from template(pods, TEMPLATE)
    yield from _long_lived(pods.get("spec") or EMPTY)


def _long_lived(spec: Any) -> Errors:
    """Pods of these workloads are started again and again."""
    policy = spec.get("restartPolicy")
    if policy not in (None, "Always"):
        yield unsupported(f"{TEMPLATE}.spec.restartPolicy", policy, ["Always"])
    if spec.get("activeDeadlineSeconds") is not None:
        message = "activeDeadlineSeconds in ReplicaSet is not Supported"
        yield not_allowed(f"{TEMPLATE}.spec.activeDeadlineSeconds", message)


def deployment(obj: Obj) -> Errors:
    """A Deployment."""
    spec = obj.get("spec") or EMPTY
    yield from not_negative(spec.get("replicas"), "spec.replicas")
    yield from _selected(spec, "deployment")
    yield from _strategy(spec.get("strategy") or EMPTY)
    yield from not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    yield from not_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        yield from not_negative(deadline, "spec.progressDeadlineSeconds")
        if deadline <= (spec.get("minReadySeconds") or 0):
            message = "must be greater than minReadySeconds"
            yield wrong("spec.progressDeadlineSeconds", deadline, message)


def _strategy(held: Any) -> Errors:
    kind, rolling = held.get("type"), held.get("rollingUpdate")
    field = "spec.strategy"
    if kind == "Recreate":
        if rolling is not None:
            message = "may not be specified when strategy `type` is 'Recreate'"
            yield not_allowed(f"{field}.rollingUpdate", message)
    elif kind == "RollingUpdate":
        yield from _bounds(rolling or EMPTY, f"{field}.rollingUpdate")
    elif kind is not None:
        inside = Obj({"Type": kind, "RollingUpdate": rolling})
        yield unsupported(field, inside, ["Recreate", "RollingUpdate"])


def _bounds(rolling: Any, field: str) -> Errors:
    """At least one of surge and unavailability must leave room for a step."""
    unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
    for key, value in (("maxUnavailable", unavailable), ("maxSurge", surge)):
        if value is not None:
            yield from each_wrong(f"{field}.{key}", value, formats.count_or_percent(value))
    if unavailable in (0, "0%") and surge in (0, "0%"):
        message = "may not be 0 when `maxSurge` is 0"
        yield wrong(f"{field}.maxUnavailable", unavailable, message)
    problems = formats.too_much_percent(unavailable)
    yield from each_wrong(f"{field}.maxUnavailable", unavailable, problems)


def replica_set(obj: Obj) -> Errors:
    """A ReplicaSet."""
    spec = obj.get("spec") or EMPTY
    yield from not_negative(spec.get("replicas"), "spec.replicas")
    yield from not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    yield from _selected(spec, "deployment")


def replication_controller(obj: Obj) -> Errors:
    """A ReplicationController."""
    spec = obj.get("spec") or EMPTY
    yield from not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    held = spec.get("selector")
    if not held:
        yield required("spec.selector")
    yield from not_negative(spec.get("replicas"), "spec.replicas")
    pods = spec.get("template")
    if pods is None:
        yield required(TEMPLATE)
        return
    labels = (pods.get("metadata") or EMPTY).get("labels")
    if held and not selectors.equal(held).matches(labels):
        yield wrong(f"{TEMPLATE}.metadata.labels", labels, MISMATCH)
    yield from template(pods, TEMPLATE)
    yield from _long_lived(pods.get("spec") or EMPTY)


def daemon_set(obj: Obj) -> Errors:
    """A DaemonSet."""
    spec = obj.get("spec") or EMPTY
    yield from _selected(spec, "daemonset")
    yield from not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    held = spec.get("updateStrategy") or EMPTY
    if held.get("type") == "RollingUpdate":
        yield from _daemon_bounds(held.get("rollingUpdate") or EMPTY)
    elif held.get("type") not in (None, "OnDelete"):
        yield unsupported("spec.updateStrategy", held, ["OnDelete", "RollingUpdate"])
    yield from not_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")


def _daemon_bounds(rolling: Any) -> Errors:
    field = "spec.updateStrategy.rollingUpdate"
    values = {key: rolling.get(key, 0) for key in ("maxUnavailable", "maxSurge")}
    for key, value in values.items():
        problems = formats.count_or_percent(value) + formats.too_much_percent(value)
        yield from each_wrong(f"{field}.{key}", value, problems)
    empty = (0, "0%")
    if values["maxUnavailable"] in empty and values["maxSurge"] in empty:
        message = "cannot be 0 when maxSurge is 0"
        yield required(f"{field}.maxUnavailable", message)
    elif values["maxUnavailable"] not in empty and values["maxSurge"] not in empty:
        message = "may not be set when maxUnavailable is non-zero"
        yield wrong(f"{field}.maxSurge", values["maxSurge"], message)


def stateful_set(obj: Obj) -> Errors:
    """A StatefulSet."""
    spec = obj.get("spec") or EMPTY
    policy = spec.get("podManagementPolicy")
    if policy not in (None, "OrderedReady", "Parallel"):
        message = "must be 'OrderedReady' or 'Parallel'"
        yield wrong("spec.podManagementPolicy", policy, message)
    held = spec.get("updateStrategy") or EMPTY
    if held.get("type") not in (None, "OnDelete", "RollingUpdate"):
        message = "must be 'RollingUpdate' or 'OnDelete'"
        yield wrong("spec.updateStrategy", held, message)
    partition = (held.get("rollingUpdate") or EMPTY).get("partition")
    yield from not_negative(partition, "spec.updateStrategy.rollingUpdate.partition")
    yield from not_negative(spec.get("replicas"), "spec.replicas")
    yield from not_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    yield from not_negative(get(spec, "ordinals", "start"), "spec.ordinals.start")
    name = spec.get("serviceName")
    if name:
        yield from each_wrong("spec.serviceName", name, formats.label(name))
    # A claim template is a volume to the containers, under its own name.
    claims = spec.get("volumeClaimTemplates")
    pods = spec.get("template") or EMPTY
    if claims and pods.get("spec"):
        extended = Obj({**pods["spec"], "volumeClaimTemplates": claims})
        spec = Obj({**spec, "template": Obj({**pods, "spec": extended})})
    yield from _selected(spec, "statefulset")


def job(obj: Obj) -> Errors:
    """A Job."""
    yield from job_spec(obj.get("spec") or EMPTY, "spec")


def job_spec(spec: Any, field: str) -> Errors:
    """The spec of a Job, also within a CronJob."""
    for key in (
        "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit",
        "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes",
    ):  # fmt: skip
        yield from not_negative(spec.get(key), f"{field}.{key}")
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        yield unsupported(f"{field}.completionMode", mode, ["NonIndexed", "Indexed"])
    if mode == "Indexed" and spec.get("completions") is None:
        message = "when completion mode is Indexed"
        yield required(f"{field}.completions", message)
    pods = spec.get("template") or EMPTY
    yield from template(pods, f"{field}.template")
    policy = (pods.get("spec") or EMPTY).get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        path = f"{field}.template.spec.restartPolicy"
        if policy in (None, "Always"):
            yield required(path, 'valid values: "OnFailure", "Never"')
        else:
            yield unsupported(path, policy, ["OnFailure", "Never"])
    yield from selector(spec.get("selector"), f"{field}.selector")


def cron_job(obj: Obj) -> Errors:
    """A CronJob."""
    spec = obj.get("spec") or EMPTY
    schedule = spec.get("schedule") or ""
    if not schedule:
        yield required("spec.schedule")
    elif "TZ" in schedule:
        message = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield wrong("spec.schedule", schedule, message)
    else:
        problem = cron_words.problem(schedule)
        if problem:
            yield wrong("spec.schedule", schedule, problem)
    zone = spec.get("timeZone")
    if zone is not None:
        yield from each_wrong("spec.timeZone", zone, cron_words.time_zone(zone))
    yield from not_negative(spec.get("startingDeadlineSeconds"), "spec.startingDeadlineSeconds")
    policy = spec.get("concurrencyPolicy") or ""
    if policy not in ("Allow", "Forbid", "Replace"):
        yield unsupported("spec.concurrencyPolicy", policy, ["Allow", "Forbid", "Replace"])
    inner = (spec.get("jobTemplate") or EMPTY).get("spec") or EMPTY
    yield from job_spec(inner, "spec.jobTemplate.spec")
    if inner.get("manualSelector"):
        yield unsupported("spec.jobTemplate.spec.manualSelector", True, ["nil", "false"])
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from not_negative(spec.get(key), f"spec.{key}")


# Changes.


def _then_all(look: Callable[[Obj], Errors], *fields: str) -> Callable[[Obj, Obj], Errors]:
    """A change is looked at like a new object, and some fields may not change."""

    def changed(old: Obj, new: Obj) -> Errors:
        if old.get("spec") is not new.get("spec"):
            yield from look(new)
            for field in fields:
                yield from immutable(old, new, field)

    return changed


def stateful_set_update(old: Obj, new: Obj) -> Errors:
    """A StatefulSet's identity does not change."""
    before, after = old.get("spec") or EMPTY, new.get("spec") or EMPTY
    if before is after:
        return
    yield from stateful_set(new)
    for key in {**before, **after}:
        if key not in _STATEFUL_MUTABLE and before.get(key) != after.get(key):
            yield not_allowed("spec", _STATEFUL_UPDATE)
            return


def job_update(old: Obj, new: Obj) -> Errors:
    """A Job's pods do not change under way."""
    before, after = old.get("spec") or EMPTY, new.get("spec") or EMPTY
    if before is after:
        return
    yield from job(new)
    if after.get("completionMode") != "Indexed":
        yield from immutable(old, new, "spec.completions")
    yield from immutable(old, new, "spec.selector")
    waiting = before.get("suspend") and get(old, "status", "startTime") is None
    held, wished = before.get("template") or EMPTY, after.get("template") or EMPTY
    if held != wished and not (waiting and _same_work(held, wished)):
        shown = internal_form.pod_spec(wished.get("spec") or EMPTY)
        yield wrong("spec.template.spec", shown, formats.IMMUTABLE)
    for key in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy"):
        yield from immutable(old, new, f"spec.{key}")


def _same_work(one: Any, other: Any) -> bool:
    """Whether two templates differ only in where and with what their pods run."""
    spec, twin = dict(one.get("spec") or ()), dict(other.get("spec") or ())
    for key in ("nodeSelector", "affinity", "tolerations", "schedulingGates"):
        spec.pop(key, None)
        twin.pop(key, None)
    for part in (spec, twin):
        for key in ("containers", "initContainers"):
            part[key] = [{**item, "resources": None} for item in part.get(key) or ()]
    return spec == twin


def deployment_update(old: Obj, new: Obj) -> Errors:
    """A Deployment that is to be changed: its annotations, where revisions stand, too."""
    yield from annotation_map(get(new, "metadata", "annotations"), "metadata.annotations")
    yield from _then_all(deployment, "spec.selector")(old, new)


CREATE: dict[tuple[str, str], Callable[[Obj], Errors]] = {
    ("", "ReplicationController"): replication_controller,
    ("apps", "DaemonSet"): daemon_set,
    ("apps", "Deployment"): deployment,
    ("apps", "ReplicaSet"): replica_set,
    ("apps", "StatefulSet"): stateful_set,
    ("batch", "CronJob"): cron_job,
    ("batch", "Job"): job,
}
UPDATE: dict[tuple[str, str], Callable[[Obj, Obj], Errors]] = {
    ("", "ReplicationController"): _then_all(replication_controller),
    ("apps", "DaemonSet"): _then_all(daemon_set, "spec.selector"),
    ("apps", "Deployment"): deployment_update,
    ("apps", "ReplicaSet"): _then_all(replica_set, "spec.selector"),
    ("apps", "StatefulSet"): stateful_set_update,
    ("batch", "CronJob"): _then_all(cron_job),
    ("batch", "Job"): job_update,
}
