"""What a Job's pods add up to, and when the Job is over.

Pure functions. A pod has succeeded, has failed (a deleted one counts as failed), or is active. A
Job succeeds when enough pods have; it fails when there were too many failures, when its time is
up, or when a rule of its pod failure policy says so. Indexed Jobs count indexes instead of pods.

In Kubernetes: pkg/controller/job (job_controller.go, indexed_job_utils.go, pod_failure_policy.go,
backoff_utils.go).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kubelab.api.objects import NOTHING, Obj, annotations_of, get, key_of, labels_of, uid_of
from kubelab.controllers import conditions
from kubelab.controllers.pods import (
    is_active,
    is_over,
    is_ready,
    is_terminating,
    phase_of,
    restarts_of,
)
from kubelab.sim.kernel import SECOND, parse_timestamp

FINALIZER = "batch.kubernetes.io/job-tracking"
MANAGER = "kubernetes.io/job-controller"
INDEX = "batch.kubernetes.io/job-completion-index"
BACKOFF_SECONDS, BACKOFF_LIMIT_SECONDS = 10, 600


class Ending(NamedTuple):
    """Why a Job ends."""

    success: bool
    reason: str
    message: str


COMPLETED = Ending(True, "CompletionsReached", "Reached expected number of succeeded pods")
TOO_MANY = Ending(False, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
TOO_LATE = Ending(False, "DeadlineExceeded", "Job was active longer than specified deadline")
LOST = Ending(False, "FailedIndexes", "Job has failed indexes")
TOO_MANY_LOST = Ending(
    False, "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes",
)  # fmt: skip


@dataclass
class Tally:
    """What the pods of a Job add up to; counts include what is noted but not yet booked."""

    active: list[Obj] = field(default_factory=list)
    ready: int = 0
    terminating: int = 0
    noted_succeeded: list[str] = field(default_factory=list)
    noted_failed: list[str] = field(default_factory=list)
    fresh_succeeded: list[str] = field(default_factory=list)
    fresh_failed: list[str] = field(default_factory=list)
    succeeded: int = 0
    failed: int = 0
    # Of an Indexed Job: the indexes that have succeeded, and those that have failed for good.
    done: str | None = None
    lost: str | None = None


def condition_of(type_: str, reason: str, message: str, now: str) -> dict[str, Any]:
    """A condition of a Job that is true now."""
    return {
        "type": type_, "status": "True", "lastProbeTime": now, "lastTransitionTime": now,
        "reason": reason, "message": message,
    }  # fmt: skip


def is_finished(job: Obj) -> bool:
    """Whether a Job is complete or failed."""
    return conditions.is_true(job, "Complete") or conditions.is_true(job, "Failed")


def is_indexed(job: Obj) -> bool:
    """Whether completionMode is Indexed."""
    return bool(job["spec"].get("completionMode") == "Indexed")


def index_of(pod: Obj) -> int:
    """A pod's completion index, or -1."""
    text = annotations_of(pod).get(INDEX) or labels_of(pod).get(INDEX, "")
    return int(text) if text.isdigit() else -1


def has_failed(job: Obj, pod: Obj) -> bool:
    """Whether a pod counts as failed: it ended so, or was deleted before it could succeed."""
    if phase_of(pod) == "Failed":
        return True
    if job["spec"].get("podReplacementPolicy") == "Failed":
        return False
    return is_terminating(pod) and phase_of(pod) != "Succeeded"


def tally_of(job: Obj, pods: Sequence[Obj]) -> Tally:
    """Adds up the pods of a Job."""
    tally = Tally()
    uncounted = get(job, "status", "uncountedTerminatedPods", default={})
    tally.noted_succeeded = list(uncounted.get("succeeded") or ())
    tally.noted_failed = list(uncounted.get("failed") or ())
    noted = dict.fromkeys([*tally.noted_succeeded, *tally.noted_failed])
    done = parse_indexes(get(job, "status", "completedIndexes", default=""))
    ended: list[Obj] = []
    ignored = 0
    for pod in pods:
        if is_active(pod):
            tally.active.append(pod)
            tally.ready += is_ready(pod)
        elif is_terminating(pod) and not is_over(pod):
            tally.terminating += 1
        tracked = FINALIZER in (pod["metadata"].get("finalizers") or ())
        if uid_of(pod) in noted:
            ended.append(pod)
            ignored += _is_ignored(job, pod)
            continue
        if not tracked:
            continue
        if phase_of(pod) == "Succeeded":
            tally.fresh_succeeded.append(uid_of(pod))
            ended.append(pod)
        elif has_failed(job, pod):
            tally.fresh_failed.append(uid_of(pod))
            ended.append(pod)
    tally.failed = get(job, "status", "failed", default=0) + len(tally.noted_failed) - ignored
    if is_indexed(job):
        done |= {index_of(pod): None for pod in ended if phase_of(pod) == "Succeeded"}
        done.pop(-1, None)
        tally.done = write_indexes(done)
        tally.succeeded = len(done)
        if "backoffLimitPerIndex" in job["spec"]:
            tally.lost = write_indexes(_lost(job, pods))
    else:
        tally.succeeded = get(job, "status", "succeeded", default=0) + len(tally.noted_succeeded)
    return tally


def _lost(job: Obj, pods: Iterable[Obj]) -> dict[int, None]:
    """The indexes whose pods have failed too often."""
    lost = parse_indexes(get(job, "status", "failedIndexes", default=""))
    limit = job["spec"]["backoffLimitPerIndex"]
    counts: dict[int, int] = {}
    for pod in pods:
        if has_failed(job, pod):
            counts[index_of(pod)] = counts.get(index_of(pod), 0) + 1
            rule = failure_rule(job, pod)
            if rule is not None and rule[1]["action"] == "FailIndex":
                lost[index_of(pod)] = None
    lost |= {index: None for index, count in counts.items() if count > limit and index >= 0}
    return lost


def parse_indexes(text: str) -> dict[int, None]:
    """The indexes of a text such as `0-2,4`."""
    indexes: dict[int, None] = {}
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        indexes |= dict.fromkeys(range(int(first), int(last or first) + 1))
    return indexes


def write_indexes(indexes: Iterable[int]) -> str:
    """Indexes as Kubernetes writes them: three or more in a row as a range."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and index == runs[-1][1] + 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    parts = []
    for first, last in runs:
        parts.append(
            str(first) if first == last else f"{first}{'-' if last > first + 1 else ','}{last}"
        )
    return ",".join(parts)


def missing(job: Obj, tally: Tally) -> int:
    """How many pods are to be made (or, negative, to go)."""
    parallelism = job["spec"].get("parallelism", 1)
    completions = job["spec"].get("completions")
    if completions is None:
        # A work queue: after the first success no new pod is started.
        wish = min(parallelism, len(tally.active)) if tally.succeeded else parallelism
    else:
        lost = len(parse_indexes(tally.lost or ""))
        wish = min(parallelism, max(0, completions - tally.succeeded - lost))
    count = int(wish) - len(tally.active)
    if count > 0 and job["spec"].get("podReplacementPolicy") == "Failed":
        count = max(0, count - tally.terminating)
    return count


def free_indexes(job: Obj, tally: Tally) -> list[int]:
    """The indexes that have no pod and need one, lowest first."""
    taken = parse_indexes(tally.done or "") | parse_indexes(tally.lost or "")
    taken |= {index_of(pod): None for pod in tally.active}
    return [index for index in range(job["spec"]["completions"]) if index not in taken]


def active_order(pods: Iterable[Obj]) -> list[Obj]:
    """Which active pods go first when parallelism shrinks: those that have got least far."""
    return sorted(
        pods,
        key=lambda pod: (
            bool(get(pod, "spec", "nodeName")),
            is_ready(pod),
            -len(key_of(pod)),
            key_of(pod),
        ),
    )


def judge(
    job: Obj, pods: Sequence[Obj], tally: Tally, now_ns: int
) -> tuple[Ending | None, float | None]:
    """How a Job ends, or how long until its deadline."""
    target = conditions.find(conditions.of(job), "FailureTarget")
    if target is not None:
        return Ending(False, target["reason"], target["message"]), None
    target = conditions.find(conditions.of(job), "SuccessCriteriaMet")
    if target is not None:
        return Ending(True, target["reason"], target["message"]), None
    by_policy = _failed_by_policy(job, pods)
    if by_policy is not None:
        return by_policy, None
    spec = job["spec"]
    limit = spec.get("backoffLimit", 6)
    if tally.failed > limit or _restarted_too_often(job, pods, limit):
        return TOO_MANY, None
    seconds = None
    if spec.get("activeDeadlineSeconds") is not None and get(job, "status", "startTime"):
        due = parse_timestamp(job["status"]["startTime"]) + spec["activeDeadlineSeconds"] * SECOND
        if now_ns >= due:
            return TOO_LATE, None
        seconds = (due - now_ns) / SECOND
    lost = len(parse_indexes(tally.lost or ""))
    most = spec.get("maxFailedIndexes")
    if most is not None and lost > most:
        return TOO_MANY_LOST, None
    by_policy = succeeded_by_policy(job, tally)
    if by_policy is not None:
        return by_policy, None
    completions = spec.get("completions")
    if completions is None:
        if tally.succeeded and not tally.active:
            return COMPLETED, None
    elif tally.succeeded + lost >= completions:
        return (LOST if lost else COMPLETED), None
    elif lost and most is not None and lost >= most and lost + tally.succeeded >= completions:
        return TOO_MANY_LOST, None
    return None, seconds


def _restarted_too_often(job: Obj, pods: Iterable[Obj], limit: int) -> bool:
    """Whether containers that the kubelet restarts in place have done so too often."""
    if get(job, "spec", "template", "spec", "restartPolicy") != "OnFailure":
        return False
    restarts = sum(restarts_of(pod) for pod in pods if phase_of(pod) in ("Running", "Pending"))
    return restarts > 0 if limit == 0 else restarts >= limit


def finished_at_ns(pod: Obj) -> int:
    """When a failed pod ended: when its last container did, or when it was deleted."""
    ends = [
        get(item, "state", "terminated", "finishedAt")
        for item in get(pod, "status", "containerStatuses", default=NOTHING)
    ]
    known = [parse_timestamp(end) for end in ends if end]
    if known:
        return max(known)
    moment = pod["metadata"].get("deletionTimestamp") or pod["metadata"]["creationTimestamp"]
    return parse_timestamp(moment)


def backoff_seconds(job: Obj, pods: Sequence[Obj], tally: Tally, now_ns: int) -> float:
    """How long until the next pod may be made: the more failures since a success, the longer."""
    successes = [finished_at_ns(pod) for pod in pods if phase_of(pod) == "Succeeded"]
    last_success = max(successes, default=0)
    ends = [
        finished_at_ns(pod) for pod in pods if has_failed(job, pod) and not _is_ignored(job, pod)
    ]
    failures = [end for end in ends if end >= last_success]
    if not failures:
        return 0
    pause = min(BACKOFF_SECONDS << (len(failures) - 1), BACKOFF_LIMIT_SECONDS)
    return max(0.0, (max(failures) + pause * SECOND - now_ns) / SECOND)


# The pod failure policy.


def failure_rule(job: Obj, pod: Obj) -> tuple[int, Obj, str] | None:
    """The first rule that a failed pod matches, with its number and what matched."""
    for number, rule in enumerate(get(job, "spec", "podFailurePolicy", "rules", default=())):
        if rule.get("onExitCodes"):
            text = _exit_code_match(rule["onExitCodes"], pod)
        else:
            text = _condition_match(rule.get("onPodConditions") or (), pod)
        if text:
            return number, rule, text
    return None


def _exit_code_match(rule: Obj, pod: Obj) -> str:
    name, inside = rule.get("containerName"), rule["operator"] == "In"
    for field_name in ("containerStatuses", "initContainerStatuses"):
        for item in get(pod, "status", field_name, default=NOTHING):
            code = get(item, "state", "terminated", "exitCode")
            if name not in (None, item["name"]) or not code:
                continue
            if (code in rule["values"]) == inside:
                return (
                    f"Container {item['name']} for pod {key_of(pod)} failed with exit code {code}"
                )
    return ""


def _condition_match(patterns: Iterable[Obj], pod: Obj) -> str:
    for pattern in patterns:
        for item in conditions.of(pod):
            if (item["type"], item["status"]) == (pattern["type"], pattern.get("status", "True")):
                return f"Pod {key_of(pod)} has condition {item['type']}"
    return ""


def _is_ignored(job: Obj, pod: Obj) -> bool:
    """Whether the policy says that a pod's failure does not count."""
    if phase_of(pod) != "Failed":
        return False
    rule = failure_rule(job, pod)
    return rule is not None and rule[1]["action"] == "Ignore"


def succeeded_by_policy(job: Obj, tally: Tally) -> Ending | None:
    """The end that the first rule of the success policy brings, when its indexes have succeeded."""
    done = parse_indexes(tally.done or "")
    for number, rule in enumerate(get(job, "spec", "successPolicy", "rules", default=())):
        asked = parse_indexes(rule.get("succeededIndexes") or "") or done
        enough = rule.get("succeededCount") or len(asked)
        if asked and sum(index in done for index in asked) >= enough:
            return Ending(True, "SuccessPolicy", f"Matched rules at index {number}")
    return None


def is_managed_elsewhere(job: Obj) -> bool:
    """Whether another controller than the built-in one is to see to a Job."""
    return job["spec"].get("managedBy") not in (None, "", MANAGER)


def _failed_by_policy(job: Obj, pods: Iterable[Obj]) -> Ending | None:
    for pod in pods:
        rule = failure_rule(job, pod) if phase_of(pod) == "Failed" else None
        if rule is not None and rule[1]["action"] == "FailJob":
            text = f"{rule[2]} matching FailJob rule at index {rule[0]}"
            return Ending(False, "PodFailurePolicy", text)
    return None
