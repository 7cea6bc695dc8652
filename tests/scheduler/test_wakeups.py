"""What wakes a pod that fits nowhere: for each plugin the changes that may help, and others.

In each case a pod waits because of one plugin; then one object appears, changes or goes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from kubelab.api.objects import Obj, freeze
from tests.scheduler import whole
from tests.scheduler.lab import HOSTNAME, ZONE, Scene, changed, node, pod
from tests.scheduler.test_volumes import claim, storage_class, uses, volume

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
TAINT = [("k", "", "NoSchedule")]
OTHER_TAINT = [("k", "", "NoSchedule"), ("l", "", "NoSchedule")]
TOLERATION = {"key": "k", "operator": "Exists"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
MARKED = {"example.com/x": "y"}


class Gone(NamedTuple):
    """An object that goes."""

    plural: str
    key: str


class Case(NamedTuple):
    """Who refused the pod, what there is, the pod, the change, and whether it is tried again."""

    plugin: str
    given: list[Obj]
    pod: Obj
    change: Obj | Gone
    woken: bool


def waiting(**spec: Any) -> Obj:
    return pod("p", **spec)


def labelled(name: str, on: str, **labels: str) -> Obj:
    return pod(name, on, labels=labels)


def near(kind: str, app: str = "x", key: str = HOSTNAME) -> dict[str, Any]:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {"affinity": {kind: {REQUIRED: [term]}}}


def on_port(number: int) -> dict[str, Any]:
    ports = [{"containerPort": 80, "hostPort": number}]
    return {"containers": [{"name": "c", "image": "i", "ports": ports}]}


def spread(key: str = ZONE, **more: Any) -> dict[str, Any]:
    selector = {"matchLabels": {"app": "x"}}
    constraint = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
                  "labelSelector": selector, **more}  # fmt: skip
    return {"topologySpreadConstraints": [constraint]}


def zoned(name: str, zone: str, **more: Any) -> Obj:
    return node(name, labels={ZONE: zone, **more.pop("labels", {})}, **more)


CLOSED = node("a", unschedulable=True)
TAINTED = node("a", taints=TAINT)
PLAIN = node("a")
ONE_CPU = node("a", "1")
TWO_CPU = waiting(requests={"cpu": "2"})
FULL = [node("a", "2"), pod("u", "a", {"cpu": "2"}), pod("v", "a")]
ALONE = [PLAIN, labelled("u", "a", app="x")]
# Zone 1 has a pod too many and zone 2 no room.
SKEWED = [
    zoned("a", "1"), zoned("b", "2", taints=TAINT),
    labelled("u", "a", app="x"), labelled("v", "a", app="y"),
]  # fmt: skip
SPREAD = pod("p", labels={"app": "x"}, **spread())

CASES = [
    Case("NodeUnschedulable", [CLOSED], waiting(), node("b", labels=MARKED), True),
    Case("NodeUnschedulable", [CLOSED], waiting(), node("b", unschedulable=True), False),
    Case("NodeUnschedulable", [CLOSED], waiting(), PLAIN, True),
    Case("NodeUnschedulable", [CLOSED], waiting(), node("a", "9", unschedulable=True), False),
    Case("NodeUnschedulable", [CLOSED], waiting(), waiting(tolerations=[CORDON]), True),
    Case("NodeUnschedulable", [CLOSED], waiting(), waiting(tolerations=[TOLERATION]), False),
    Case("TaintToleration", [TAINTED], waiting(), PLAIN, True),
    Case("TaintToleration", [TAINTED], waiting(), node("a", taints=OTHER_TAINT), False),
    Case("TaintToleration", [TAINTED], waiting(), node("b", taints=TAINT), False),
    Case("TaintToleration", [TAINTED], waiting(), node("b"), True),
    Case("TaintToleration", [TAINTED], waiting(), node("a", "9", taints=TAINT), False),
    Case("TaintToleration", [TAINTED], waiting(), waiting(tolerations=[CORDON]), True),
    Case("NodeAffinity", [PLAIN], waiting(nodeSelector=MARKED), node("a", labels=MARKED), True),
    Case("NodeAffinity", [PLAIN], waiting(nodeSelector=MARKED), node("b", labels=MARKED), True),
    Case("NodeAffinity", [PLAIN], waiting(nodeSelector=MARKED), node("b"), False),
    Case("NodeAffinity", [PLAIN], waiting(nodeSelector=MARKED), node("a", labels={"e": ""}), False),
    # It has asked for new nodes and not for taints, so it hears of all taints unasked.
    Case("NodeAffinity", [PLAIN], waiting(nodeSelector=MARKED), TAINTED, True),
    Case("NodePorts", [PLAIN, pod("u", "a", **on_port(80))], waiting(**on_port(80)),
         Gone("pods", "default/u"), True),
    Case("NodePorts", [PLAIN, pod("u", "a", **on_port(80)), pod("v", "a", **on_port(81))],
         waiting(**on_port(80)), Gone("pods", "default/v"), False),
    Case("NodePorts", [PLAIN, pod("u", "a", **on_port(80))], waiting(**on_port(80)), node("b"),
         True),
    Case("NodeResourcesFit", FULL, TWO_CPU, Gone("pods", "default/u"), True),
    # Any pod that goes may make room, also one that asked for nothing.
    Case("NodeResourcesFit", FULL, TWO_CPU, Gone("pods", "default/v"), True),
    Case("NodeResourcesFit", FULL, TWO_CPU, pod("u", "a", {"cpu": "1"}), True),
    Case("NodeResourcesFit", FULL, TWO_CPU, pod("w", "a"), False),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, node("b", "2"), True),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, node("b", "1"), False),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, node("a", "2"), True),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, node("a", "1", "9Gi"), False),
    Case("NodeResourcesFit", FULL, TWO_CPU, node("a", "2", "9Gi"), False),
    Case("NodeResourcesFit", FULL, TWO_CPU, node("a", "2", pods=111), True),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, node("a", "1", labels=MARKED), False),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, node("a", "1", taints=TAINT), True),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, waiting(requests={"cpu": "1"}), True),
    Case("NodeResourcesFit", [ONE_CPU], TWO_CPU, waiting(requests={"cpu": "3"}), False),
    Case("NodeResourcesFit", [node("a", "1", unschedulable=True), node("b", "1")], TWO_CPU,
         node("a", "1"), True),
    Case("PodTopologySpread", SKEWED, SPREAD, Gone("pods", "default/u"), True),
    Case("PodTopologySpread", SKEWED, SPREAD, Gone("pods", "default/v"), False),
    Case("PodTopologySpread", SKEWED, SPREAD, labelled("w", "b", app="x"), True),
    Case("PodTopologySpread", SKEWED, SPREAD, labelled("w", "b", app="y"), False),
    Case("PodTopologySpread", SKEWED, SPREAD, pod("w", "b", labels={"app": "x"}, namespace="n"),
         False),
    Case("PodTopologySpread", SKEWED, SPREAD, labelled("u", "a", app="y"), True),
    Case("PodTopologySpread", SKEWED, SPREAD, labelled("u", "a", app="x", more=""), False),
    Case("PodTopologySpread", SKEWED, SPREAD, pod("p", labels={"app": "y"}, **spread()), True),
    Case("PodTopologySpread", SKEWED, SPREAD, node("c", taints=TAINT), False),
    Case("PodTopologySpread", SKEWED, SPREAD, zoned("c", "3"), True),
    Case("PodTopologySpread", SKEWED, SPREAD, zoned("a", "3"), True),
    Case("PodTopologySpread", SKEWED, SPREAD, zoned("a", "1", labels=MARKED), False),
    Case("PodTopologySpread", SKEWED, SPREAD, zoned("b", "2"), True),
    Case("PodTopologySpread", SKEWED, SPREAD, Gone("nodes", "b"), True),
    Case("InterPodAffinity", [PLAIN], waiting(**near("podAffinity")), labelled("u", "a", app="x"),
         True),
    Case("InterPodAffinity", [PLAIN], waiting(**near("podAffinity")), labelled("u", "a", app="y"),
         False),
    Case("InterPodAffinity", [PLAIN, labelled("u", "a", app="y")], waiting(**near("podAffinity")),
         labelled("u", "a", app="x"), True),
    Case("InterPodAffinity", ALONE, waiting(**near("podAntiAffinity")), Gone("pods", "default/u"),
         True),
    Case("InterPodAffinity", ALONE, waiting(**near("podAntiAffinity")),
         labelled("u", "a", app="y"), True),
    Case("InterPodAffinity", ALONE, waiting(**near("podAntiAffinity")),
         labelled("u", "a", app="x", more=""), False),
    Case("InterPodAffinity", ALONE, waiting(**near("podAntiAffinity")), node("b"), True),
    Case("InterPodAffinity", [PLAIN, pod("u", "a", **near("podAntiAffinity"))],
         pod("p", labels={"app": "x"}), Gone("pods", "default/u"), True),
    Case("InterPodAffinity", [PLAIN], waiting(**near("podAffinity", key=ZONE)), zoned("a", "1"),
         True),
    Case("InterPodAffinity", [PLAIN], waiting(**near("podAffinity", key=ZONE)), node("b"), False),
    Case("VolumeRestrictions", [PLAIN], waiting(volumes=[uses("d")]), claim("d", volume="pv"),
         True),
    Case("VolumeRestrictions", [PLAIN], waiting(volumes=[uses("d")]), claim("e", volume="pv"),
         False),
    Case("VolumeBinding", [PLAIN, claim("d"), storage_class("Immediate")],
         waiting(volumes=[uses("d")]), claim("d", volume="pv"), True),
    Case("VolumeBinding", [PLAIN, claim("d"), storage_class("Immediate")],
         waiting(volumes=[uses("d")]), claim("e"), False),
    Case("VolumeBinding", [PLAIN, claim("d"), storage_class("WaitForFirstConsumer")],
         waiting(volumes=[uses("d")]), volume("pv"), True),
    Case("VolumeBinding", [PLAIN, claim("d"), storage_class("WaitForFirstConsumer")],
         waiting(volumes=[uses("d")]), node("a", labels=MARKED), True),
    Case("VolumeBinding", [PLAIN, claim("d"), storage_class("WaitForFirstConsumer")],
         waiting(volumes=[uses("d")]), node("a", "9"), False),
    Case("VolumeZone", [zoned("a", "1"), claim("d", volume="pv"), volume("pv", labels={ZONE: "2"})],
         waiting(volumes=[uses("d")]), zoned("b", "2"), True),
    Case("VolumeZone", [zoned("a", "1"), claim("d", volume="pv"), volume("pv", labels={ZONE: "2"})],
         waiting(volumes=[uses("d")]), volume("pv", labels={ZONE: "1"}), True),
    Case("VolumeZone", [zoned("a", "1"), claim("d", volume="pv"), volume("pv", labels={ZONE: "2"})],
         waiting(volumes=[uses("d")]), volume("pv", labels={ZONE: "2", **MARKED}), False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.plugin)
def test_what_wakes(case: Case) -> None:
    """A pod is tried again after a change that may help with what refused it, and only then."""
    scene = Scene(*case.given, case.pod)
    decision = scene.scheduler.explain("default/p")
    assert decision is not None
    assert case.plugin in decision.refused_by
    before = scene.scheduler.attempts
    if isinstance(case.change, Gone):
        scene.remove(case.change.plural, case.change.key)
    else:
        scene.put(case.change)
    assert (scene.scheduler.attempts > before) is case.woken


def test_one_of_several_is_enough() -> None:
    """Refused by two plugins on two nodes, a pod is tried again for the sake of either."""
    given = [node("a", "1"), node("b", taints=TAINT)]
    for change in (node("a", "2"), node("b")):
        scene = Scene(*given, TWO_CPU)
        before = scene.scheduler.attempts
        scene.put(change)
        assert scene.scheduler.attempts == before + 1
        assert scene.node_of("p") is not None


def test_what_only_other_plugins_care_about() -> None:
    """A pod whose only fault is its size is not tried for a label or an image."""
    scene = Scene(ONE_CPU, TWO_CPU)
    before = scene.scheduler.attempts
    scene.put(node("a", "1", labels=MARKED), node("a", "1", labels=MARKED, images={"i": 1}))
    scene.put(changed(ONE_CPU, ("status", "conditions"), freeze([{"type": "Ready"}])))
    assert scene.scheduler.attempts == before


def test_over_a_whole_cluster() -> None:
    """With kubectl: a label, a deletion, an uncordoned node and a taint taken away each let in the
    pods that they help; a label that helps nobody wakes nobody."""
    made = whole.cluster(
        [
            whole.node("a", "2"),
            whole.node("b", "1", taints=TAINT),
            whole.node("c", "4", unschedulable=True),
        ],
        whole.pod("u", "a", {"cpu": "2"}),
    )
    made.apply([
        whole.pod("big", requests={"cpu": "2"}), whole.pod("bigger", requests={"cpu": "3"}),
        whole.pod("choosy", nodeSelector={"disk": "ssd"}),
    ])  # fmt: skip
    made.settle()

    def stands() -> dict[str, str]:
        pods = {name: made.get("Pod", name) for name in ("big", "bigger", "choosy")}
        return {name: pod["spec"].get("nodeName", "") for name, pod in pods.items()}

    def attempts() -> int:
        return sum(event.verb == "schedule_one" for event in made.trace)

    for command, tries, placed in (
        ("label node a color=red", 0, {}),
        ("label node b disk=ssd", 1, {}),
        ("delete pod u", 2, {"big": "a"}),
        ("uncordon c", None, {"big": "a", "bigger": "c"}),
        ("taint node b k-", 1, {"big": "a", "bigger": "c", "choosy": "b"}),
    ):
        before = attempts()
        made.kubectl(command)
        made.settle()
        assert stands() == {"big": "", "bigger": "", "choosy": "", **placed}, command
        assert tries is None or attempts() - before == tries, command
