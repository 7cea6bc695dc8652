"""What controllers ask of a pod: is it active, is it ready, since when, and how many are there.

`PodCounts` keeps, for each owner, how many pods it has of each sort. It is told of every change of
every pod, so that a controller with five thousand pods learns how many are ready without looking at
five thousand pods.

In Kubernetes: pkg/api/v1/pod/util.go and pkg/controller/controller_utils.go (FilterActivePods,
ActivePodsWithRanks).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cmp_to_key
from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, labels_of, name_of, uid_of
from kubelab.client.informer import by_owner
from kubelab.sim.kernel import SECOND, parse_timestamp

READY, UNREADY, TERMINATING, OVER = "ready", "unready", "terminating", "over"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def phase_of(pod: Obj) -> str:
    """status.phase."""
    return str(get(pod, "status", "phase", default="Pending"))


def is_over(pod: Obj) -> bool:
    """Whether the pod has succeeded or failed."""
    return phase_of(pod) in ("Succeeded", "Failed")


def is_terminating(pod: Obj) -> bool:
    """Whether the pod is on its way out."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_active(pod: Obj) -> bool:
    """Whether the pod counts: neither over nor terminating."""
    return not is_terminating(pod) and not is_over(pod)


def condition(pod: Obj, type_: str) -> Obj:
    """The pod's condition of a type, or an empty object."""
    for item in get(pod, "status", "conditions", default=NOTHING):
        if item["type"] == type_:
            return item  # type: ignore[no-any-return]
    return EMPTY


def is_ready(pod: Obj) -> bool:
    """Whether the condition Ready is True."""
    return condition(pod, "Ready").get("status") == "True"


def ready_since_ns(pod: Obj) -> int:
    """When the pod became ready, or 0."""
    since = condition(pod, "Ready").get("lastTransitionTime")
    return parse_timestamp(since) if since else 0


def available_in_ns(pod: Obj, min_ready_seconds: int, now_ns: int) -> int | None:
    """How long until a pod counts as available: 0 if it does, None if it is not ready."""
    if not is_ready(pod):
        return None
    if not min_ready_seconds:
        return 0
    return max(0, ready_since_ns(pod) + min_ready_seconds * SECOND - now_ns)


class Sort(NamedTuple):
    """A sort of pod: its labels, and what it counts as."""

    labels: tuple[tuple[str, str], ...]
    state: str


def sort_of(pod: Obj) -> Sort:
    """Which sort a pod is."""
    if is_over(pod):
        state = OVER
    elif is_terminating(pod):
        state = TERMINATING
    else:
        state = READY if is_ready(pod) else UNREADY
    return Sort(tuple(sorted(labels_of(pod).items())), state)


class PodCounts:
    """How many pods of each sort each controlling owner has."""

    def __init__(self) -> None:
        self.owners: dict[str, dict[Sort, int]] = {}

    def move(self, old: Obj | None, new: Obj | None) -> tuple[str, ...]:
        """Takes note of a change; the UIDs of the owners whose counts have changed."""
        before = (by_owner(old), sort_of(old)) if old is not None else None
        after = (by_owner(new), sort_of(new)) if new is not None else None
        if before == after:
            return ()
        changed: list[str] = []
        if before and before[0]:
            counts = self.owners[before[0]]
            counts[before[1]] -= 1
            if not counts[before[1]]:
                del counts[before[1]]
                if not counts:
                    del self.owners[before[0]]
            changed.append(before[0])
        if after and after[0]:
            counts = self.owners.setdefault(after[0], {})
            counts[after[1]] = counts.get(after[1], 0) + 1
            if after[0] not in changed:
                changed.append(after[0])
        return tuple(changed)

    def of(self, uid: str) -> dict[Sort, int]:
        """An owner's pods, by sort."""
        return self.owners.get(uid) or {}

    def count(self, uid: str, *states: str) -> int:
        """How many pods of these states an owner has."""
        return sum(count for sort, count in self.of(uid).items() if sort.state in states)


def restarts_of(pod: Obj) -> int:
    """The most restarts that one of the pod's containers has had."""
    statuses = get(pod, "status", "containerStatuses", default=NOTHING)
    return max((item.get("restartCount", 0) for item in statuses), default=0)


def first_to_go(pods: Iterable[Obj], peers: Iterable[Obj], now_ns: int) -> list[Obj]:
    """The pods in the order in which a scale-down takes them.

    `peers` are the active pods of all that belongs together (the ReplicaSets of one Deployment):
    where more of them share a node, its pods go first.
    """
    crowd: dict[str, int] = {}
    for peer in peers:
        node = get(peer, "spec", "nodeName", default="")
        crowd[node] = crowd.get(node, 0) + 1

    def compare(a: Obj, b: Obj) -> int:
        ranks = _rank(a, crowd), _rank(b, crowd)
        if ranks[0] != ranks[1]:
            return -1 if ranks[0] < ranks[1] else 1
        if is_ready(a) and is_ready(b):
            since = ready_since_ns(a), ready_since_ns(b)
            if since[0] != since[1]:
                return _younger(a, b, since, now_ns)
        restarts = restarts_of(b) - restarts_of(a)
        if restarts:
            return restarts
        born = tuple(parse_timestamp(pod["metadata"]["creationTimestamp"]) for pod in (a, b))
        return _younger(a, b, born, now_ns) if born[0] != born[1] else 0

    return sorted(pods, key=cmp_to_key(compare))


def _rank(pod: Obj, crowd: dict[str, int]) -> tuple[int, ...]:
    node = get(pod, "spec", "nodeName", default="")
    return (
        1 if node else 0,
        PHASES.get(phase_of(pod), 3),
        1 if is_ready(pod) else 0,
        deletion_cost(pod),
        -crowd.get(node, 0),
    )


def deletion_cost(pod: Obj) -> int:
    """The pod's deletion cost; 0 where the annotation is missing or is no number."""
    try:
        return int(get(pod, "metadata", "annotations", DELETION_COST, default="0"))
    except ValueError:
        return 0


def _younger(a: Obj, b: Obj, since: tuple[int, ...], now_ns: int) -> int:
    """The younger goes first; of ages with the same power of two the UID decides."""
    power = [(now_ns - moment).bit_length() if now_ns > moment else 0 for moment in since]
    if power[0] != power[1]:
        return power[0] - power[1]
    return -1 if uid_of(a) < uid_of(b) else 1


def from_template(template: Obj, owner: Obj, *, name: str = "", **metadata: Any) -> Obj:
    """A pod made from an owner's template.

    With `name` the pod has that name, else one that the API server completes; further metadata
    (`labels`, `annotations`) is added to the template's.
    """
    source = template.get("metadata") or EMPTY
    made: dict[str, Any] = {
        "namespace": owner["metadata"]["namespace"],
        "generateName": f"{name_of(owner)}-",
    }
    if name:
        made["name"] = name
    for field in ("labels", "annotations"):
        values = {**(source.get(field) or EMPTY), **metadata.pop(field, EMPTY)}
        if values:
            made[field] = values
    if source.get("finalizers"):
        made["finalizers"] = source["finalizers"]
    made["ownerReferences"] = [reference_to(owner)]
    made |= metadata
    return freeze({  # type: ignore[no-any-return]
        "apiVersion": "v1", "kind": "Pod", "metadata": made, "spec": template["spec"],
    })  # fmt: skip


def reference_to(owner: Obj) -> Obj:
    """The owner reference of a controller to what it controls."""
    return Obj({
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    })  # fmt: skip
