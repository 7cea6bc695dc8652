"""Whether a DaemonSet's pod may run on a node: name, selector, affinity and taints.

The scheduler asks the same of every pod; a DaemonSet must know beforehand, because it makes one pod
for each node that qualifies and none for the others.

In Kubernetes: NodeShouldRunDaemonPod in pkg/controller/daemon/daemon_controller.go, and
k8s.io/component-helpers/scheduling/corev1/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kubelab.api.objects import NOTHING, Obj, get, labels_of, name_of
from kubelab.api.selectors import Requirement, equal
from kubelab.controllers.nodetaints import taints_of
from kubelab.controllers.tainteviction import tolerates

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
# Key and effect of what every daemon pod tolerates.
TOLERATED = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)
NETWORK = ("node.kubernetes.io/network-unavailable", "NoSchedule")


class Verdict(NamedTuple):
    """Whether a daemon pod should run on a node, and whether one that is there may stay."""

    run: bool
    stay: bool


def tolerations_of(spec: Obj) -> list[Obj]:
    """The tolerations of a daemon pod: its template's, and those that all have."""
    held = list(get(spec, "tolerations", default=NOTHING))
    added = [*TOLERATED, NETWORK] if spec.get("hostNetwork") else TOLERATED
    for key, effect in added:
        new = Obj({"key": key, "operator": "Exists", "effect": effect})
        same = [t for t in held if t.get("key") == key and t.get("effect") == effect]
        held = [t for t in held if t not in same] + [new] if same else [*held, new]
    return held


def _matches(term: Obj, node: Obj) -> bool:
    """Whether a node selector term holds; one without requirements never does."""
    labels, fields = labels_of(node), Obj({"metadata.name": name_of(node)})
    rows = [(item, labels) for item in term.get("matchExpressions") or ()]
    rows += [(item, fields) for item in term.get("matchFields") or ()]
    return bool(rows) and all(
        Requirement(item["key"], item["operator"], tuple(item.get("values") or ())).matches(values)
        for item, values in rows
    )


def fits_affinity(spec: Obj, node: Obj) -> bool:
    """Whether nodeSelector and required node affinity allow a node."""
    if not equal(spec.get("nodeSelector")).matches(labels_of(node)):
        return False
    required = get(spec, "affinity", "nodeAffinity", REQUIRED)
    if required is None:
        return True
    return any(_matches(term, node) for term in required.get("nodeSelectorTerms") or ())


def untolerated(taints: Sequence[Obj], tolerations: Sequence[Obj], *effects: str) -> bool:
    """Whether there is a taint of these effects that nothing tolerates."""
    return any(
        taint["effect"] in effects and not any(tolerates(t, taint) for t in tolerations)
        for taint in taints
    )


def judge(spec: Obj, node: Obj) -> Verdict:
    """Whether a DaemonSet with this pod spec wants a pod on a node."""
    if spec.get("nodeName") not in (None, "", name_of(node)):
        return Verdict(False, False)
    if not fits_affinity(spec, node):
        return Verdict(False, False)
    taints, tolerations = taints_of(node), tolerations_of(spec)
    if untolerated(taints, tolerations, "NoSchedule", "NoExecute"):
        return Verdict(False, not untolerated(taints, tolerations, "NoExecute"))
    return Verdict(True, True)


def pinned(spec: Obj, node: str) -> dict[str, Any]:
    """The spec of a daemon pod for one node: the default scheduler binds it, and only there."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    affinity = dict(spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    node_affinity[REQUIRED] = {"nodeSelectorTerms": [term]}
    affinity["nodeAffinity"] = node_affinity
    return {**spec, "affinity": affinity, "tolerations": tolerations_of(spec)}


def target_of(pod: Obj) -> str:
    """The node that a daemon pod is bound to, or is to be bound to."""
    bound = get(pod, "spec", "nodeName")
    if bound:
        return str(bound)
    terms = get(pod, "spec", "affinity", "nodeAffinity", REQUIRED, "nodeSelectorTerms", default=())
    for term in terms:
        for item in term.get("matchFields") or ():
            if item["key"] == "metadata.name" and item.get("values"):
                return str(item["values"][0])
    return ""
