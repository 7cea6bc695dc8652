"""The arithmetic of a rollout: how large each ReplicaSet of a Deployment is to be next.

Pure functions over a Deployment and its ReplicaSets. What must hold at every moment: the
ReplicaSets together wish for at most `replicas + maxSurge` pods, and a step down never leaves
fewer than `replicas - maxUnavailable` available. A percentage of maxSurge is rounded up, of
maxUnavailable down.

In Kubernetes: pkg/controller/deployment/rolling.go, sync.go (scale) and util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kubelab.api.objects import Obj, annotations_of, get, labels_of, name_of, without
from kubelab.sim.kernel import parse_timestamp

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


class Step(NamedTuple):
    """One ReplicaSet is to have another size."""

    name: str
    before: int
    after: int

    @property
    def up(self) -> bool:
        """Whether it grows."""
        return self.after > self.before


def wished(obj: Obj) -> int:
    """spec.replicas."""
    replicas = obj["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def available(replicaset: Obj) -> int:
    """status.availableReplicas."""
    return int(get(replicaset, "status", "availableReplicas", default=0))


def scaled(value: Any, total: int, *, up: bool) -> int:
    """A number, or a percentage of `total` rounded up or down."""
    if isinstance(value, str) and value.endswith("%"):
        product = int(value[:-1]) * total
        return -(-product // 100) if up else product // 100
    return int(value or 0)


def is_rolling(deployment: Obj) -> bool:
    """Whether the strategy is RollingUpdate."""
    return bool(get(deployment, "spec", "strategy", "type", default="") == "RollingUpdate")


def bounds(deployment: Obj) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers; never both 0."""
    replicas = wished(deployment)
    if not is_rolling(deployment):
        return 0, 0
    rule = get(deployment, "spec", "strategy", "rollingUpdate", default={})
    surge = scaled(rule.get("maxSurge"), replicas, up=True)
    unavailable = scaled(rule.get("maxUnavailable"), replicas, up=False)
    if not surge and not unavailable:
        unavailable = 1
    return surge, min(unavailable, replicas)


def total(replicasets: Iterable[Obj]) -> int:
    """How many pods these wish for together."""
    return sum(wished(item) for item in replicasets)


def by_age(replicasets: Iterable[Obj]) -> list[Obj]:
    """The oldest first."""
    return sorted(
        replicasets,
        key=lambda item: (parse_timestamp(item["metadata"]["creationTimestamp"]), name_of(item)),
    )


def active(replicasets: Iterable[Obj]) -> list[Obj]:
    """Those that wish for a pod."""
    return [item for item in replicasets if wished(item) > 0]


def same_template(replicaset: Obj, deployment: Obj) -> bool:
    """Whether a ReplicaSet makes the pods that the Deployment wants."""
    path = ("metadata", "labels", HASH_LABEL)
    mine = without(replicaset["spec"]["template"], path)
    return bool(mine == without(deployment["spec"]["template"], path))


def find_new(deployment: Obj, replicasets: Sequence[Obj]) -> Obj | None:
    """The ReplicaSet of the Deployment's template: the oldest, should there be several."""
    for item in by_age(replicasets):
        if same_template(item, deployment):
            return item
    return None


def revision_of(obj: Obj) -> int:
    """The revision annotation, 0 where there is none."""
    text = annotations_of(obj).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def new_size(deployment: Obj, replicasets: Sequence[Obj], current: int) -> int:
    """How large the new ReplicaSet may be now."""
    wish = wished(deployment)
    if not is_rolling(deployment):
        return wish
    room = wish + bounds(deployment)[0] - total(replicasets)
    if room <= 0:
        return current
    return current + min(room, wish - current)


def grow_new(deployment: Obj, replicasets: Sequence[Obj], new: Obj) -> Step | None:
    """The step of the new ReplicaSet: down to the wish at once, or up as far as there is room."""
    current, wish = wished(new), wished(deployment)
    if current == wish:
        return None
    size = wish if current > wish else new_size(deployment, replicasets, current)
    return Step(name_of(new), current, size) if size != current else None


def shrink_old(deployment: Obj, old: Sequence[Obj], new: Obj) -> list[Step]:
    """The steps of the old ReplicaSets: first pods that are not available, then the oldest."""
    old = active(old)
    minimum = wished(deployment) - bounds(deployment)[1]
    room = total(old) + wished(new) - minimum - (wished(new) - available(new))
    if room <= 0 or not old:
        return []
    steps = []
    for item in by_age(old):
        idle = min(room, wished(item) - available(item))
        if idle > 0:
            steps.append(Step(name_of(item), wished(item), wished(item) - idle))
            room -= idle
    if steps:
        return steps
    spare = sum(available(item) for item in (*old, new)) - minimum
    for item in by_age(old):
        down = min(wished(item), spare)
        if down > 0:
            steps.append(Step(name_of(item), wished(item), wished(item) - down))
            spare -= down
    return steps


def is_scaling(deployment: Obj, replicasets: Iterable[Obj]) -> bool:
    """Whether the Deployment's own size has changed since its ReplicaSets were last sized."""
    return any(
        annotations_of(item).get(DESIRED, str(wished(deployment))) != str(wished(deployment))
        for item in active(replicasets)
    )


def is_saturated(deployment: Obj, new: Obj | None) -> bool:
    """Whether the new ReplicaSet alone is all that is wished."""
    wish = wished(deployment)
    return (
        new is not None
        and wished(new) == available(new) == wish
        and (annotations_of(new).get(DESIRED) == str(wish))
    )


def only_one(new: Obj | None, old: Sequence[Obj]) -> Obj | None:
    """The one ReplicaSet that has pods, or the newest if none has; None while several have."""
    everything = [*old, new] if new is not None else list(old)
    running = active(everything)
    if len(running) > 1 or not everything:
        return None
    if running:
        return running[0]
    return new if new is not None else by_age(old)[-1]


def proportional(deployment: Obj, old: Sequence[Obj], new: Obj | None) -> list[Step]:
    """Sizes after the Deployment's size changed in mid-rollout: each grows by its share.

    What rounding leaves over goes to the largest (the newest of equals when growing, the oldest
    when shrinking). A step that changes nothing is listed too: its annotations do change.
    """
    everything = active([*old, new] if new is not None else old)
    wish = wished(deployment)
    allowed = wish + bounds(deployment)[0] if wish > 0 else 0
    change = allowed - total(everything)
    ordered = by_age(everything)
    if change > 0:
        ordered.reverse()
    ordered.sort(key=wished, reverse=True)
    sizes: dict[str, int] = {}
    added = 0
    for item in ordered:
        share = _share(deployment, item, change - added) if change else 0
        sizes[name_of(item)] = wished(item) + share
        added += share
    if ordered and change:
        first = name_of(ordered[0])
        sizes[first] = max(0, sizes[first] + change - added)
    return [Step(name_of(item), wished(item), sizes[name_of(item)]) for item in ordered]


def _share(deployment: Obj, item: Obj, left: int) -> int:
    """A ReplicaSet's share of a change, by its size against the whole before the change."""
    wish, size = wished(deployment), wished(item)
    if not wish:
        return -size
    before = int(annotations_of(item).get(MAXIMUM, "0"))
    before = before or get(deployment, "status", "replicas", default=0)
    if not before or not left:
        return 0
    fraction = size * (wish + bounds(deployment)[0]) / before
    share = int(fraction + 0.5) - size
    return min(share, left) if left > 0 else max(share, left)


def outdated(deployment: Obj, old: Sequence[Obj]) -> list[Obj]:
    """The old ReplicaSets beyond the history limit that have no pods left: they may go."""
    limit = deployment["spec"].get("revisionHistoryLimit")
    candidates = sorted(
        (item for item in old if not item["metadata"].get("deletionTimestamp")), key=revision_of
    )
    if limit is None or len(candidates) <= limit:
        return []
    return [
        item
        for item in candidates[: len(candidates) - limit]
        if not wished(item)
        and not get(item, "status", "replicas", default=0)
        and item["metadata"].get("generation", 0)
        <= get(item, "status", "observedGeneration", default=0)
    ]


def hash_of(replicaset: Obj) -> str:
    """The pod-template-hash of a ReplicaSet."""
    return str(labels_of(replicaset).get(HASH_LABEL, ""))
