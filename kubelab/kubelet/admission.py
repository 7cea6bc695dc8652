"""Whether a node takes a pod: the checks that a kubelet makes before anything else.

The scheduler has checked the same, unless somebody wrote spec.nodeName by hand or the node has
filled up meanwhile. A pod that is refused is Failed for good; its controller makes another.

In Kubernetes: pkg/kubelet/lifecycle/predicate.go. Left out: preemption for critical pods, devices,
topology, operating systems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, freeze, get, name_of
from kubelab.api.selectors import Requirement
from kubelab.kubelet import actions, eviction, nodestatus, shutdown, status

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker


def requests(pod: Obj) -> dict[str, int]:
    """What a pod asks for: cpu in thousandths, all else in whole units."""
    total: dict[str, int] = {}
    for container in actions.containers(pod):
        _add(total, container)
    sidecars: dict[str, int] = {}
    largest: dict[str, int] = {}
    for container in actions.init_containers(pod):
        if actions.is_sidecar(container):
            _add(total, container)
            _add(sidecars, container)
            _raise(largest, sidecars)
        else:
            own = dict(sidecars)
            _add(own, container)
            _raise(largest, own)
    _raise(total, largest)
    for name, amount in get(pod, "spec", "overhead", default=EMPTY).items():
        total[name] = total.get(name, 0) + number(name, amount)
    return total


def number(name: str, amount: str) -> int:
    """A quantity as the check counts it."""
    return quantity.milli_value(amount) if name == "cpu" else quantity.value(amount)


def _add(total: dict[str, int], container: Obj) -> None:
    for name, amount in get(container, "resources", "requests", default=EMPTY).items():
        total[name] = total.get(name, 0) + number(name, amount)


def _raise(total: dict[str, int], other: dict[str, int]) -> None:
    for name, amount in other.items():
        total[name] = max(total.get(name, 0), amount)


def check(worker: PodWorker) -> tuple[str, str] | None:
    """The reason and message of a refusal, or None."""
    kubelet, pod = worker.kubelet, worker.pod
    node = kubelet.node.node or kubelet.manifest
    others = [
        other
        for other in kubelet.workers.values()
        if other is not worker and not other.settled and not other.ending.finished
    ]
    allocatable = get(node, "status", "allocatable", default=None) or nodestatus.CAPACITY
    if kubelet.shutdown.begun:
        return shutdown.REFUSAL
    refusal = _pressed(pod, kubelet.eviction.pressures())
    refusal = refusal or too_little(worker, allocatable)
    refusal = refusal or _affinity(pod, node) or _ports(pod, [other.pod for other in others])
    refusal = refusal or _taints(pod, node)
    return refusal


def too_little(worker: PodWorker, allocatable: Obj) -> tuple[str, str] | None:
    """What the node has too little of for a pod, beside what the others were granted."""
    others = [
        other.resizing.pod
        for other in worker.kubelet.workers.values()
        if other is not worker and not other.settled and not other.ending.finished
    ]
    return _resources(worker.pod, others, allocatable)


def _pressed(pod: Obj, pressures: tuple[str, ...]) -> tuple[str, str] | None:
    """A node that is short of something takes critical pods; of memory, all that ask for some."""
    if not pressures or eviction.is_critical(pod):
        return None
    if pressures == ("MemoryPressure",):
        taint = freeze({"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"})
        tolerations = get(pod, "spec", "tolerations", default=NOTHING)
        if status.qos_class(pod) != "BestEffort" or any(_tolerates(t, taint) for t in tolerations):
            return None
    return "Evicted", f"The node had condition: [{', '.join(pressures)}]. "


def _resources(pod: Obj, others: list[Obj], allocatable: Obj) -> tuple[str, str] | None:
    limit = number("pods", allocatable.get("pods", "110"))
    if len(others) + 1 > limit:
        return "OutOfpods", _too_much("pods", 1, len(others), limit)
    wanted = requests(pod)
    if not wanted:
        return None
    used: dict[str, int] = {}
    for other in others:
        for name, amount in requests(other).items():
            used[name] = used.get(name, 0) + amount
    for name, amount in sorted(wanted.items()):
        if name not in allocatable and name not in ("cpu", "memory", "ephemeral-storage"):
            continue
        capacity = number(name, allocatable.get(name, "0"))
        if amount and amount + used.get(name, 0) > capacity:
            return f"OutOf{name}", _too_much(name, amount, used.get(name, 0), capacity)
    return None


def _too_much(name: str, requested: int, used: int, capacity: int) -> str:
    return (
        f"Node didn't have enough resource: {name}, requested: {requested}, used: {used}, "
        f"capacity: {capacity}"
    )


def _affinity(pod: Obj, node: Obj) -> tuple[str, str] | None:
    message = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    labels = get(node, "metadata", "labels", default=EMPTY)
    for key, value in get(pod, "spec", "nodeSelector", default=EMPTY).items():
        if labels.get(key) != value:
            return "NodeAffinity", message
    required = get(
        pod, "spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if required is None:
        return None
    for term in get(required, "nodeSelectorTerms", default=NOTHING):
        rules = [(rule, labels) for rule in term.get("matchExpressions") or ()]
        names = {"metadata.name": name_of(node)}
        rules += [(rule, names) for rule in term.get("matchFields") or ()]
        if rules and all(
            Requirement(rule["key"], rule["operator"], tuple(rule.get("values") or ())).matches(
                held
            )
            for rule, held in rules
        ):
            return None
    return "NodeAffinity", message


def host_ports(pod: Obj) -> list[tuple[str, int]]:
    """The ports of the node that a pod wants for itself."""
    return [
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in [*actions.init_containers(pod), *actions.containers(pod)]
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]


def _ports(pod: Obj, others: list[Obj]) -> tuple[str, str] | None:
    wanted = host_ports(pod)
    if not wanted:
        return None
    taken = {port: None for other in others for port in host_ports(other)}
    if any(port in taken for port in wanted):
        message = "node(s) didn't have free ports for the requested pod ports"
        return "NodePorts", f"Predicate NodePorts failed: {message}"
    return None


def _taints(pod: Obj, node: Obj) -> tuple[str, str] | None:
    tolerations = get(pod, "spec", "tolerations", default=NOTHING)
    for taint in get(node, "spec", "taints", default=NOTHING):
        if taint["effect"] == "NoExecute" and not any(_tolerates(t, taint) for t in tolerations):
            key, value = taint["key"], taint.get("value", "")
            message = f"node(s) had untolerated taint(s) {{{key}: {value}}}"
            return "TaintToleration", f"Predicate TaintToleration failed: {message}"
    return None


def _tolerates(toleration: Obj, taint: Obj) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return True
    return bool(toleration.get("value", "") == taint.get("value", ""))
