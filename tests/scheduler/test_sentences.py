"""What the scheduler's events tell: sentences, details, and the closest miss."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj
from kubelab.scheduler.miss import amount, closest_miss
from kubelab.scheduler.scheduler import Scheduler
from tests.scheduler.lab import HOSTNAME, Lab, Scene, node, pod

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def told(scene: Scene, verb: str = "schedule_one") -> list[str]:
    """The sentences on the scheduler's events of a verb."""
    return [
        Scheduler.tell(event)
        for event in scene.world.trace
        if event.target == "scheduler" and event.verb == verb
    ]


def details(scene: Scene) -> list[Obj]:
    """The details of all cycles."""
    return [event.detail for event in scene.world.trace if event.verb == "schedule_one"]


def test_points_and_gap() -> None:
    """Two nodes with different totals: the points, and the plugin that makes most of the gap."""
    scene = Scene(node("a"), node("b"), pod("u", "b", {"cpu": "3", "memory": "4Gi"}))
    scene.put(pod("p", requests={"cpu": "1", "memory": "1Gi"}))
    (sentence,) = told(scene)
    assert sentence.startswith("Scheduler picks a for default/p: ")
    assert sentence.endswith("most of the gap is NodeResourcesFit.")


def test_equals() -> None:
    """Equal totals are settled by a draw, and said so."""
    scene = Scene(node("a"), node("b"), pod("p"))
    assert told(scene)[0].endswith("the draw decides between equals.")


def test_no_node() -> None:
    """A refused pod: the counted reasons, and that it will be looked at again."""
    scene = Scene(node("a", "1"), pod("p", requests={"cpu": "2"}))
    assert told(scene) == [
        "Scheduler finds no node for default/p: 1 Insufficient cpu; "
        "it will look again when a node, a pod or the pod itself changes."
    ]


@pytest.mark.parametrize(
    ("obstacle", "spec", "kinds", "words"),
    [
        (node("a"), {"nodeSelector": {"x": "y"}}, ("Node",), "a node changes"),
        (node("a", unschedulable=True), {}, ("Node", "Pod"), "a node or the pod itself changes"),
        (
            node("a"),
            {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]},
            ("Node", "AssignedPod", "PersistentVolumeClaim"),
            "a node, a pod or a volume changes",
        ),
    ],
)
def test_what_will_wake(obstacle: Obj, spec: Any, kinds: tuple[str, ...], words: str) -> None:
    """A refused pod's cycle says which kinds of objects may have it looked at again."""
    scene = Scene(obstacle, pod("p", **spec))
    assert tuple(details(scene)[0]["wakes"]) == kinds
    assert told(scene)[0].endswith(f"; it will look again when {words}.")


def test_preemption() -> None:
    """Making room names the node and who goes."""
    scene = Scene(
        node("a", "2"), pod("u", "a", {"cpu": "2"}), pod("p", requests={"cpu": "2"}, priority=9)
    )
    assert told(scene)[0] == (
        "Scheduler makes room for default/p on a: it evicts default/u of lower priority."
    )


def test_waking() -> None:
    """A cluster event that wakes pods names the pods and the event."""
    scene = Scene(node("a", "1"), pod("p", requests={"cpu": "2"}))
    scene.put(node("b", "4"))
    assert "Scheduler puts default/p back in its queue because of Node/Add on b." in told(
        scene, "watched"
    )


def test_all_sentences_are_short() -> None:
    """No sentence has more than 30 words, and all end with a full stop."""
    scene = Scene(node("a", "2"), pod("u", "a", {"cpu": "2"}), pod("v", requests={"cpu": "1"}))
    scene.put(pod("p", requests={"cpu": "2"}, priority=9), seconds=20)
    scene.put(node("b"), seconds=400)
    for event in scene.world.trace:
        if event.target == "scheduler":
            sentence = Scheduler.tell(event)
            assert len(sentence.split()) <= 30, sentence
            assert sentence.endswith(".")


def test_detail_of_a_large_cluster_is_small() -> None:
    """Of many nodes the best, the first refused ones and counts are kept, not all."""
    nodes = [node(f"n{index:03}") for index in range(60)]
    nodes += [node(f"x{index:03}", unschedulable=True) for index in range(60)]
    scene = Scene(*nodes, pod("p"))
    (detail,) = details(scene)
    assert (detail["total"], detail["feasible"]) == (120, 60)
    assert detail["refused"] == {"NodeUnschedulable": 60}
    assert (len(detail["rejected"]), len(detail["totals"])) == (5, 5)


def miss(lab: Lab, incoming: Obj, name: str = "a") -> str:
    """The closest miss on a node."""
    status = dict(lab.decide(incoming).verdicts)[name]
    assert status is not None
    return closest_miss(status)


class TestClosestMiss:
    def test_cpu(self) -> None:
        """A pod of 3 cpu where 2 of 4 are free lacks 1; where there are only 2, a larger node."""
        lab = Lab([node("a", "4"), node("b", "2")], [pod("u", "a", {"cpu": "2"})])
        incoming = pod("p", requests={"cpu": "3"})
        assert miss(lab, incoming) == "1 more free cpu"
        assert miss(lab, incoming, "b") == "a node of 3 cpu"

    def test_others(self) -> None:
        """Each filter names the change: a toleration, a label, uncordoning, a free place."""
        there = pod("u", "a", labels={"app": "x"})
        term = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": HOSTNAME}
        tainted = Lab([node("a", taints=[("k", "v", "NoSchedule")])])
        assert miss(tainted, pod("p")) == "a toleration of k=v:NoSchedule"
        assert miss(Lab([node("a", unschedulable=True)]), pod("p")) == "the node uncordoned"
        assert miss(Lab([node("a")]), pod("p", nodeSelector={"disk": "ssd"})) == (
            "the node label disk=ssd"
        )
        anti = {"podAntiAffinity": {REQUIRED: [term]}}
        assert miss(Lab([node("a")], [there]), pod("p", affinity=anti)) == (
            f"no such pod where {HOSTNAME}=a"
        )
        spread: dict[str, Any] = {**term, "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
        incoming = pod("p", labels={"app": "x"}, topologySpreadConstraints=[spread])
        assert miss(Lab([node("a"), node("b")], [there]), incoming) == (
            f"1 pod fewer where {HOSTNAME} is a"
        )

    @pytest.mark.parametrize(
        ("resource", "number", "words"),
        [("cpu", 1500, "1500m"), ("cpu", 2000, "2"), ("memory", 3 << 30, "3Gi"), ("x/y", 4, "4")],
    )
    def test_amounts(self, resource: str, number: int, words: str) -> None:
        """Amounts are written as in manifests."""
        assert amount(resource, number) == words
