"""Taints that follow a node's conditions, and how many nodes may be emptied at a time.

Pure functions. A condition that speaks against a node makes a NoSchedule taint. A node that is not
ready or unreachable also gets a NoExecute taint, which drives its pods away, but not every such
node at once: if most of a zone is gone, the fault is likelier the network's than the nodes', so
evictions slow down, and where all zones are gone entirely they stop.

In Kubernetes: pkg/controller/nodelifecycle/node_lifecycle_controller.go and pkg/util/taints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubelab.api.objects import EMPTY, NOTHING, Obj, get, labels_of
from kubelab.controllers import conditions

NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"
CORDONED = "node.kubernetes.io/unschedulable"
# Condition and status, and the taint that they make.
BY_CONDITION = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): "node.kubernetes.io/memory-pressure",
    ("DiskPressure", "True"): "node.kubernetes.io/disk-pressure",
    ("PIDPressure", "True"): "node.kubernetes.io/pid-pressure",
    ("NetworkUnavailable", "True"): "node.kubernetes.io/network-unavailable",
}
OURS = (*BY_CONDITION.values(), CORDONED)

NORMAL, PARTIAL, FULL = "Normal", "PartialDisruption", "FullDisruption"
UNHEALTHY_SHARE = 0.55
LARGE_ZONE = 50
RATE_PER_SECOND, SLOW_RATE_PER_SECOND = 0.1, 0.01


def ready_status(node: Obj) -> str:
    """The status of the condition Ready; Unknown where there is none."""
    condition = conditions.find(conditions.of(node), "Ready") or EMPTY
    return str(condition.get("status", "Unknown"))


def taints_of(node: Obj) -> Sequence[Obj]:
    """spec.taints."""
    return get(node, "spec", "taints", default=NOTHING)  # type: ignore[no-any-return]


def has_taint(node: Obj, key: str, effect: str) -> bool:
    """Whether a node has a taint."""
    return any(item["key"] == key and item["effect"] == effect for item in taints_of(node))


def no_schedule_keys(node: Obj) -> list[str]:
    """The NoSchedule taints that a node's conditions and its cordon ask for."""
    keys = []
    for item in conditions.of(node):
        key = BY_CONDITION.get((item["type"], item["status"]))
        if key:
            keys.append(key)
    if get(node, "spec", "unschedulable"):
        keys.append(CORDONED)
    return keys


def no_execute_key(node: Obj) -> str:
    """The NoExecute taint that a node's condition Ready asks for, or none."""
    if conditions.find(conditions.of(node), "Ready") is None:
        return ""
    return {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready_status(node), "")


def wanted_taints(node: Obj, *, evict: bool, now: str) -> list[Obj]:
    """All taints that a node is to have; `evict` allows a NoExecute taint that it has not yet."""
    drive = no_execute_key(node)
    drives = any(has_taint(node, key, "NoExecute") for key in (NOT_READY, UNREACHABLE))
    wanted = [(key, "NoSchedule") for key in no_schedule_keys(node)]
    if drive and (drives or evict):
        wanted.append((drive, "NoExecute"))
    kept = []
    for item in taints_of(node):
        pair = (item["key"], item["effect"])
        mine = item["key"] in OURS and (
            item["effect"] == "NoSchedule"
            or (item["effect"] == "NoExecute" and item["key"] in (NOT_READY, UNREACHABLE))
        )
        if pair in wanted or not mine:
            kept.append(item)
            if pair in wanted:
                wanted.remove(pair)
    new = [Obj({"key": key, "effect": effect, "timeAdded": now}) for key, effect in wanted]
    return kept + new


def zone_of(node: Obj) -> str:
    """Region and zone of a node, by its labels."""
    labels = labels_of(node)
    region = labels.get("topology.kubernetes.io/region", "")
    return f"{region}:{labels.get('topology.kubernetes.io/zone', '')}"


def zone_state(nodes: Iterable[Obj]) -> str:
    """How bad it is in a zone."""
    statuses = [ready_status(node) for node in nodes]
    bad = sum(status != "True" for status in statuses)
    if bad and bad == len(statuses):
        return FULL
    if bad > 2 and bad >= UNHEALTHY_SHARE * len(statuses):
        return PARTIAL
    return NORMAL


def eviction_rate(state: str, size: int) -> float:
    """How many nodes of a zone may get a NoExecute taint in a second."""
    if state != PARTIAL:
        return RATE_PER_SECOND
    return SLOW_RATE_PER_SECOND if size > LARGE_ZONE else 0.0
