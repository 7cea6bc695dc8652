"""The status of a Deployment: its numbers, and how far its rollout is.

Pure functions. Available says whether enough pods are up; Progressing says whether the rollout
moves: it is renewed with every bit of progress, becomes False when there was none for
`progressDeadlineSeconds` (nothing is rolled back for that), and rests at NewReplicaSetAvailable.

In Kubernetes: pkg/controller/deployment/progress.go and sync.go (calculateStatus).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubelab.api.objects import Obj, freeze, get, name_of
from kubelab.controllers import conditions
from kubelab.controllers.rolling import bounds, total, wished
from kubelab.sim.kernel import SECOND, parse_timestamp, timestamp

CREATED, FOUND, UPDATED = "NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"
COMPLETE, TIMED_OUT = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
CREATE_ERROR = "ReplicaSetCreateError"
NO_DEADLINE = (1 << 31) - 1


def new_condition(
    type_: str, status: str, reason: str, message: str, now_ns: int
) -> dict[str, Any]:
    """A condition that begins now."""
    now = timestamp(now_ns)
    return {
        "type": type_, "status": status, "lastUpdateTime": now, "lastTransitionTime": now,
        "reason": reason, "message": message,
    }  # fmt: skip


def deadline_seconds(deployment: Obj) -> int | None:
    """progressDeadlineSeconds, or None where there is none."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds in (None, NO_DEADLINE) else int(seconds)


def progressing(deployment: Obj) -> Obj | None:
    """The condition Progressing as it is stored."""
    return conditions.find(conditions.of(deployment), "Progressing")


def _sum(replicasets: Sequence[Obj], field: str) -> int:
    return sum(get(item, "status", field, default=0) for item in replicasets)


def numbers(deployment: Obj, replicasets: Sequence[Obj], new: Obj | None) -> dict[str, Any]:
    """The counts of the status."""
    up = _sum(replicasets, "availableReplicas")
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _sum(replicasets, "replicas"),
        "updatedReplicas": get(new, "status", "replicas", default=0) if new is not None else 0,
        "readyReplicas": _sum(replicasets, "readyReplicas"),
        "availableReplicas": up,
        "unavailableReplicas": max(0, total(replicasets) - up),
    }
    status: dict[str, Any] = {name: count for name, count in counts.items() if count}
    if all("terminatingReplicas" in (item.get("status") or {}) for item in replicasets):
        status["terminatingReplicas"] = _sum(replicasets, "terminatingReplicas")
    collisions = get(deployment, "status", "collisionCount")
    if collisions is not None:
        status["collisionCount"] = collisions
    return status


def _available(deployment: Obj, up: int, now_ns: int) -> dict[str, Any]:
    if up >= wished(deployment) - bounds(deployment)[1]:
        return new_condition(
            "Available", "True", "MinimumReplicasAvailable",
            "Deployment has minimum availability.", now_ns,
        )  # fmt: skip
    return new_condition(
        "Available", "False", "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.", now_ns,
    )  # fmt: skip


def calculate(deployment: Obj, replicasets: Sequence[Obj], new: Obj | None, now_ns: int) -> Obj:
    """The status without a word on progress: what a paused or scaled Deployment gets."""
    status = numbers(deployment, replicasets, new)
    up = status.get("availableReplicas", 0)
    held = conditions.put(conditions.of(deployment), _available(deployment, up, now_ns))
    return freeze({**status, "conditions": held})  # type: ignore[no-any-return]


def is_complete(deployment: Obj, status: Obj) -> bool:
    """Whether all that is wished is there, new and available, and nothing else."""
    wish = wished(deployment)
    return all(
        status.get(field, 0) == wish
        for field in ("updatedReplicas", "replicas", "availableReplicas")
    ) and status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)


def has_progressed(old: Obj, new: Obj) -> bool:
    """Whether the numbers show progress."""

    def read(status: Obj, field: str) -> int:
        return int(status.get(field, 0))

    outdated = [read(status, "replicas") - read(status, "updatedReplicas") for status in (old, new)]
    return outdated[1] < outdated[0] or any(
        read(new, field) > read(old, field)
        for field in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def is_timed_out(deployment: Obj, now_ns: int) -> bool:
    """Whether there was no progress for longer than the deadline."""
    condition, deadline = progressing(deployment), deadline_seconds(deployment)
    if condition is None or deadline is None or condition["reason"] == COMPLETE:
        return False
    if condition["reason"] == TIMED_OUT:
        return True
    return parse_timestamp(condition["lastUpdateTime"]) + deadline * SECOND < now_ns


def with_progress(deployment: Obj, replicasets: Sequence[Obj], new: Obj | None, now_ns: int) -> Obj:
    """The status of a Deployment that rolls out."""
    status = calculate(deployment, replicasets, new, now_ns)
    held = list(status["conditions"])
    deadline, current = deadline_seconds(deployment), progressing(deployment)
    who = (
        f'ReplicaSet "{name_of(new)}"' if new is not None else f'Deployment "{name_of(deployment)}"'
    )
    rests = (
        status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and current is not None
        and current["reason"] == COMPLETE
    )
    if deadline is None:
        held = conditions.drop(held, "Progressing")
    elif not rests:
        if is_complete(deployment, status):
            text = f"{who} has successfully progressed."
            held = conditions.put(
                held, new_condition("Progressing", "True", COMPLETE, text, now_ns)
            )
        elif has_progressed(deployment.get("status") or Obj(), status):
            text = f"{who} is progressing."
            fresh = new_condition("Progressing", "True", UPDATED, text, now_ns)
            if current is not None and current["status"] == "True":
                fresh["lastTransitionTime"] = current["lastTransitionTime"]
            held = [*conditions.drop(held, "Progressing"), Obj(fresh)]
        elif is_timed_out(deployment, now_ns):
            text = f"{who} has timed out progressing."
            fresh = new_condition("Progressing", "False", TIMED_OUT, text, now_ns)
            held = conditions.put(held, fresh)
    failure = _failure(replicasets, new, now_ns)
    if failure is None:
        held = conditions.drop(held, "ReplicaFailure")
    else:
        held = conditions.put(held, failure)
    return freeze({**status, "conditions": held})  # type: ignore[no-any-return]


def _failure(replicasets: Sequence[Obj], new: Obj | None, now_ns: int) -> dict[str, Any] | None:
    """The failure of the new ReplicaSet to make pods, or else that of an old one."""
    for item in ([new] if new is not None else []) + list(replicasets):
        failure = conditions.find(conditions.of(item), "ReplicaFailure")
        if failure is not None:
            made = new_condition(
                "ReplicaFailure", failure["status"], failure["reason"], failure["message"], now_ns
            )
            return {**made, "lastTransitionTime": failure["lastTransitionTime"],
                    "lastUpdateTime": failure["lastTransitionTime"]}  # fmt: skip
    return None


def stuck_in_seconds(deployment: Obj, status: Obj, now_ns: int) -> float | None:
    """How long until the rollout would count as stuck, if it were to."""
    condition, deadline = progressing(deployment), deadline_seconds(deployment)
    if condition is None or deadline is None or is_complete(deployment, status):
        return None
    if condition["reason"] == TIMED_OUT:
        return None
    left = parse_timestamp(condition["lastUpdateTime"]) + deadline * SECOND - now_ns
    return max(left, 0) / SECOND + 1
