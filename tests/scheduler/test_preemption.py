"""Preemption: who has to go, from which node, in which words, and what happens then."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, freeze, get
from tests.scheduler.lab import HOSTNAME, Scene, changed, node, pod

TAIL = "no new claims to deallocate, preemption: 0/{n} nodes are available: "


def pdb(name: str, allowed: int, **labels: str) -> Obj:
    """A disruption budget."""
    return freeze(
        {
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"selector": {"matchLabels": labels}},
            "status": {"disruptionsAllowed": allowed},
        }
    )  # fmt: skip


class TestPreemption:
    def run(self, *objects: Obj, cpu: str = "2") -> Any:
        """What is decided about a pod of priority 10 that asks for so much."""
        self.scene = Scene(*objects, pod("p", requests={"cpu": cpu}, priority=10))
        decisions = self.scene.scheduler.decisions["default/p"]
        return decisions[0]

    def test_to_the_end(self) -> None:
        """Victims are marked, deleted and told; their removal lets the pod in."""
        decision = self.run(node("a", "2"), pod("u", "a", {"cpu": "2"}))
        assert decision.victims == ("default/u",)
        assert decision.nominated_node == "a"
        assert decision.message == "0/1 nodes are available: 1 Insufficient cpu."
        victim = self.scene.get("default/u")
        (mark,) = [c for c in victim["status"]["conditions"] if c["type"] == "DisruptionTarget"]
        assert mark["reason"] == "PreemptionByScheduler"
        assert mark["message"] == (
            "default-scheduler: preempting to accommodate a higher priority pod"
        )
        assert get(self.scene.get("default/p"), "status", "nominatedNodeName") == "a"
        assert ("u", "Preempted", "Preempted by pod uid-p on node a") in self.scene.events()
        self.scene.run(10)
        assert self.scene.node_of("p") == "a"
        assert self.scene.scheduler.idle()

    def test_only_lower_priority(self) -> None:
        """Pods of equal priority are no victims."""
        decision = self.run(node("a", "2"), pod("u", "a", {"cpu": "2"}, priority=10))
        assert decision.victims == ()
        assert decision.message.endswith("1 No preemption victims found for incoming pod.")

    def test_reprieve(self) -> None:
        """Who may stay stays, the most important first."""
        decision = self.run(
            node("a", "4"),
            pod("u1", "a", {"cpu": "2"}, priority=1),
            pod("u2", "a", {"cpu": "1"}, priority=2),
            pod("u3", "a", {"cpu": "1"}, priority=3),
        )
        assert decision.victims == ("default/u1",)

    def test_budget(self) -> None:
        """A node whose victims break no budget is preferred."""
        decision = self.run(
            node("a", "2"), node("b", "2"), pdb("guard", 0, app="x"),
            pod("u1", "a", {"cpu": "2"}, labels={"app": "x"}),
            pod("u2", "b", {"cpu": "2"}, priority=5),
        )  # fmt: skip
        assert decision.nominated_node == "b"

    def test_lowest_victims(self) -> None:
        """Of two nodes the one whose most important victim matters less is taken."""
        decision = self.run(
            node("a", "2"), node("b", "2"),
            pod("u1", "a", {"cpu": "2"}, priority=5), pod("u2", "b", {"cpu": "2"}, priority=4),
        )  # fmt: skip
        assert (decision.nominated_node, decision.victims) == ("b", ("default/u2",))

    def test_smallest_sum(self) -> None:
        """Victims (5, 1) beat (5, 4)."""
        decision = self.run(
            node("a", "2"), node("b", "2"),
            pod("u1", "a", {"cpu": "1"}, priority=5), pod("u2", "a", {"cpu": "1"}, priority=4),
            pod("u3", "b", {"cpu": "1"}, priority=5), pod("u4", "b", {"cpu": "1"}, priority=1),
        )  # fmt: skip
        assert decision.nominated_node == "b"

    def test_youngest(self) -> None:
        """With all else equal, the victims that started last go."""

        def started(name: str, on: str, when: str) -> Obj:
            status = {"phase": "Running", "startTime": when}
            return pod(name, on, {"cpu": "2"}, status=status)

        decision = self.run(
            node("a", "2"), node("b", "2"),
            started("old", "a", "2025-01-01T00:00:00Z"),
            started("young", "b", "2025-06-01T00:00:00Z"),
        )  # fmt: skip
        assert decision.victims == ("default/young",)

    def test_mixed_message(self) -> None:
        """Nodes where eviction is pointless and where it does not help are counted apart."""
        decision = self.run(
            node("a", "2"), node("b", "2"), node("c", "2", unschedulable=True), node("d", "4"),
            pod("u1", "a", {"cpu": "1"}, priority=10), pod("u2", "b", {"cpu": "1"}, priority=10),
            pod("u3", "d", {"cpu": "3"}, priority=10),
            pod("u4", "d", {"cpu": "500m"}),
        )  # fmt: skip
        assert decision.message == (
            "0/4 nodes are available: 1 node(s) were unschedulable, 3 Insufficient cpu. "
            + TAIL.format(n=4)
            + "1 Insufficient cpu, 1 Preemption is not helpful for scheduling, "
            "2 No preemption victims found for incoming pod."
        )

    def test_waits_for_the_terminating(self) -> None:
        """While its victims terminate, the pod does not preempt again."""
        self.run(node("a", "2"), pod("u", "a", {"cpu": "2"}))
        other = node("z", "1", taints=[("k", "", "NoSchedule")])
        self.scene.put(other)
        bigger = changed(other, ("status", "allocatable", "cpu"), "2")
        self.scene.put(bigger)
        decision = self.scene.scheduler.explain("default/p")
        assert decision is not None
        assert decision.message.endswith(
            "preemption: not eligible due to a terminating pod on the nominated node."
        )
        assert get(self.scene.get("default/p"), "status", "nominatedNodeName") == "a"

    def test_others_respect_the_nomination(self) -> None:
        """A pod of lower priority sees the nominated pod as if it stood there already."""
        self.run(node("a", "2"), pod("u", "a", {"cpu": "2"}))
        self.scene.put(pod("q", requests={"cpu": "1"}, priority=3), seconds=20)
        assert self.scene.node_of("p") == "a"
        assert self.scene.node_of("q") is None

    def test_victims_on_their_way_out(self) -> None:
        """A victim that terminates already is left alone; its end lets the pod in."""
        gone = {"deletionTimestamp": "2025-01-01T00:00:00Z"}
        leaving = pod("u", "a", {"cpu": "2"}, meta=gone)
        decision = self.run(node("a", "2"), leaving)
        assert decision.victims == ("default/u",)
        self.scene.run(1)
        assert self.scene.scheduler.idle()
        assert not [event for event in self.scene.events() if event[1] == "Preempted"]
        assert not [one for one in self.scene.server.asked if one.method == "DELETE"]
        self.scene.remove("pods", "default/u", seconds=2)
        assert self.scene.node_of("p") == "a"


def test_nominated_to_each_others_nodes() -> None:
    """Two pods that hold each other's only node by their nominations: the first gives its own up,
    which lets the second in, and then the first."""
    scene = Scene(
        node("a", "1"), node("b", "1"),
        pod("p", requests={"cpu": "1"}, nodeSelector={HOSTNAME: "a"},
            status={"phase": "Pending", "nominatedNodeName": "b"}),
        pod("q", requests={"cpu": "1"}, nodeSelector={HOSTNAME: "b"},
            status={"phase": "Pending", "nominatedNodeName": "a"}),
        pod("other"),
    )  # fmt: skip
    scene.run(5)
    assert scene.node_of("other") is not None
    assert (scene.node_of("p"), scene.node_of("q")) == ("a", "b")


def test_nominated_to_a_node_that_is_not_there() -> None:
    """A nomination to a node that does not exist holds nobody up."""
    status = {"phase": "Pending", "nominatedNodeName": "nowhere"}
    scene = Scene(node("a", "1"), pod("p", requests={"cpu": "1"}, status=status))
    assert scene.node_of("p") == "a"
