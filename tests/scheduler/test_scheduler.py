"""The component against a stub server: bindings, messages, conditions, events, the queue."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

from kubelab.api.objects import Arr, Obj
from kubelab.scheduler.scheduler import Scheduler, shortened
from kubelab.sim import fork
from kubelab.sim.fork import is_atom, slots_of
from kubelab.sim.kernel import World
from tests.scheduler.lab import Scene, changed, node, pod

TAIL = "no new claims to deallocate, preemption: 0/{n} nodes are available: "


def test_binds_and_tells() -> None:
    """A pod is bound to a node that fits, with the event Scheduled."""
    scene = Scene(node("a"), pod("p", requests={"cpu": "1"}))
    assert scene.node_of("p") == "a"
    assert scene.events() == [("p", "Scheduled", "Successfully assigned default/p to a")]
    (event,) = [e for e in scene.world.trace if e.verb == "schedule_one"]
    assert Scheduler.tell(event) == (
        "Scheduler picks a for default/p because it is the only one of 1 nodes that fits."
    )


def test_one_feasible_node_has_no_scores() -> None:
    """With exactly one feasible node no scores are taken."""
    scene = Scene(node("a"), node("b", unschedulable=True), pod("p"))
    decision = scene.scheduler.explain("default/p")
    assert decision is not None
    record = decision.to_dict()
    assert (record["scores"], record["totals"], record["node"]) == ({}, {}, "a")
    assert record["filters"]["b"] == {"NodeUnschedulable": ["node(s) were unschedulable"]}


def test_record_is_unfolded() -> None:
    """The record names each plugin's raw, normalised and weighted score on each node."""
    scene = Scene(node("a"), node("b"), pod("p"))
    decision = scene.scheduler.explain("default/p")
    assert decision is not None
    record = decision.to_dict()
    assert record["scores"]["a"]["TaintToleration"] == {
        "raw": 0, "normalized": 100, "weight": 3, "weighted": 300,
    }  # fmt: skip
    assert record["filters"]["a"]["NodeResourcesFit"] == []
    assert record["totals"]["a"] == sum(
        entry["weighted"] for entry in record["scores"]["a"].values()
    )
    assert record["node"] in ("a", "b")


def test_no_nodes() -> None:
    """Without nodes the pod waits with a message of its own; a node wakes it."""
    scene = Scene(pod("p"))
    assert scene.message("p") == "no nodes available to schedule pods"
    assert scene.condition("p")["reason"] == "Unschedulable"
    scene.put(node("a"), seconds=15)
    assert scene.node_of("p") == "a"


def test_nothing_to_preempt() -> None:
    """The message counts reasons and says what preemption found, as the condition does."""
    scene = Scene(
        node("a", "1"), node("b", unschedulable=True), node("c", unschedulable=True),
        pod("u", "a", {"cpu": "1"}), pod("p", requests={"cpu": "1"}),
    )  # fmt: skip
    text = (
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable. "
        + TAIL.format(n=3)
        + "1 No preemption victims found for incoming pod, "
        "2 Preemption is not helpful for scheduling."
    )
    assert scene.message("p") == text
    condition = scene.condition("p")
    assert (condition["status"], condition["reason"]) == ("False", "Unschedulable")
    assert condition["message"] == text
    assert scene.events() == [("p", "FailedScheduling", text)]


def test_pre_filter_failure_stops_preemption() -> None:
    """A PreFilter refusal before DynamicResources' turn makes the tail `not found`."""
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    scene = Scene(node("a"), pod("p", volumes=volumes))
    assert scene.message("p") == (
        '0/1 nodes are available: persistentvolumeclaim "data" not found. not found'
    )


def test_never_preempts() -> None:
    """preemptionPolicy Never is said in the tail."""
    scene = Scene(
        node("a", "1"), pod("u", "a", {"cpu": "1"}),
        pod("p", requests={"cpu": "1"}, priority=5, preemptionPolicy="Never"),
    )  # fmt: skip
    assert scene.message("p") == (
        "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, "
        "preemption: not eligible due to preemptionPolicy=Never."
    )


def test_gates() -> None:
    """A gated pod is not tried and gets no event; when the last gate goes it is tried at once."""
    gated = pod("p", schedulingGates=[{"name": "g"}])
    scene = Scene(node("a"), gated)
    assert scene.scheduler.explain("default/p") is None
    assert scene.events() == []
    scene.put(changed(gated, ("spec", "schedulingGates"), []))
    assert scene.node_of("p") == "a"


def test_other_schedulers_pods() -> None:
    """A pod of a scheduler that has no profile here is not even queued."""
    scene = Scene(node("a"), pod("p", schedulerName="mine"))
    assert scene.scheduler.queue.pods == {}
    assert scene.node_of("p") is None


def test_deleted_pod_is_skipped() -> None:
    """A pod that is being deleted when its turn comes is dropped with an event."""
    scene = Scene(node("a"), pod("p", meta={"deletionTimestamp": "2026-01-01T00:00:00Z"}))
    assert scene.events() == [("p", "FailedScheduling", "skip schedule deleting pod: default/p")]
    assert scene.node_of("p") is None


def test_priority_first() -> None:
    """Of the waiting pods the one with the highest priority is tried first."""
    scene = Scene(
        node("a"), pod("low", priority=1), pod("high", priority=9), pod("mid", priority=5)
    )
    tried = [e.detail["pod"] for e in scene.world.trace if e.verb == "schedule_one"]
    assert tried == ["default/high", "default/mid", "default/low"]


def test_refused_binding() -> None:
    """If the binding is refused, the pod is forgotten and goes back with SchedulerError."""
    scene = Scene(node("a"))
    scene.server.refuse_binding = "pod p is being deleted, cannot be assigned to a host"
    scene.put(pod("p"))
    assert scene.scheduler.cache.pods == {}
    assert scene.condition("p")["reason"] == "SchedulerError"
    scene.server.refuse_binding = ""
    scene.run(3)
    assert scene.node_of("p") == "a"


def test_finished_pods_free_their_node() -> None:
    """A pod that has succeeded no longer counts, and wakes who waits for its room."""
    running = pod("u", "a", {"cpu": "3"})
    scene = Scene(node("a"), running, pod("p", requests={"cpu": "2"}))
    assert scene.node_of("p") is None
    scene.put(changed(running, ("status", "phase"), "Succeeded"))
    assert scene.node_of("p") == "a"


class TestWaking:
    def refused(self, *objects: Obj) -> Scene:
        """A pod of 2 cpu that found no room on node a."""
        return Scene(node("a", "1", pods=10), pod("p", requests={"cpu": "2"}), *objects)

    def tries(self, scene: Scene) -> int:
        return len([e for e in scene.world.trace if e.verb == "schedule_one" and e.detail["pod"]])

    @pytest.mark.parametrize(
        ("event", "woken"),
        [
            (node("b", "4"), True),
            (node("b", "1"), False),
            (node("a", "4", pods=10), True),
            (node("a", "1500m", pods=10), False),
            (node("a", "1", pods=10, labels={"x": "y"}), False),
            (node("a", "1", pods=10, taints=[("k", "", "PreferNoSchedule")]), True),
            (pod("other", "a"), False),
        ],
    )
    def test_hints(self, event: Obj, woken: bool) -> None:
        """Only what could make room wakes a pod that NodeResourcesFit refused, and new taints."""
        scene = self.refused()
        before = self.tries(scene)
        scene.put(event, seconds=2)
        assert (self.tries(scene) > before) == woken

    def test_five_minutes(self) -> None:
        """A pod that nothing has woken is tried again after more than five minutes."""
        scene = self.refused()
        scene.run(299)
        assert self.tries(scene) == 1
        scene.run(60)
        assert self.tries(scene) == 2

    def test_unrelated_plugin(self) -> None:
        """A pod refused for a taint does not care about room."""
        scene = Scene(node("a", taints=[("k", "", "NoSchedule")]), pod("u", "a"), pod("p"))
        scene.remove("pods", "default/u")
        assert self.tries(scene) == 1
        scene.put(node("a"))
        assert scene.node_of("p") == "a"


def test_long_messages_are_cut() -> None:
    """An event carries at most 1024 bytes, the last four ` ...`."""
    text = shortened("x" * 2000)
    assert (len(text), text[-5:]) == (1024, "x ...")


def test_world_can_be_copied() -> None:
    """The scheduler's whole state is plain data: a copy of the world goes on alike."""
    scene = Scene(node("a", "1"), node("b"), pod("p", requests={"cpu": "2"}), pod("q"))
    twin = fork.copy(scene.world)
    for world in (scene.world, twin):
        server: Any = world.components["apiserver-1"]
        server.put(pod("r", requests={"cpu": "1"}))
        for _ in range(30):
            world.step()
    assert list(scene.world.trace) == list(twin.trace)


def test_copies_share_nothing_changeable() -> None:
    """No dict, list or object of ours is reachable from both a world and its copy."""
    scene = Scene(
        node("a", "2", taints=[("k", "", "PreferNoSchedule")]), node("b", unschedulable=True),
        pod("u", "a", {"cpu": "2"}), pod("p", requests={"cpu": "2"}, priority=3), pod("q"),
    )  # fmt: skip
    twin = fork.copy(scene.world)
    ours: Any = scene.world.components["scheduler"]
    theirs: Any = twin.components["scheduler"]
    shared = changeable(vars(ours)).keys() & changeable(vars(theirs)).keys()
    assert shared == set()


def changeable(root: Any) -> dict[int, Any]:
    """All dicts, lists and objects with attributes under a value, looked for in tuples too."""
    found: dict[int, Any] = {}
    todo = [root]
    while todo:
        value = todo.pop()
        if isinstance(value, (str, int, float, type(None), type, Obj, Arr, World)):
            continue
        if isinstance(value, (tuple, frozenset)):
            todo += value
            continue
        if id(value) in found or callable(value):
            continue
        if is_atom(type(value)):
            continue
        found[id(value)] = value
        if isinstance(value, dict):
            todo += [*value.keys(), *value.values()]
        elif isinstance(value, (list, deque)):
            todo += value
        else:
            todo += [getattr(value, name) for name in slots_of(type(value)) if hasattr(value, name)]
            todo += vars(value).values() if hasattr(value, "__dict__") else ()
    return found


def test_replaced_pod() -> None:
    """A pod of the same name with another UID is another pod, also if the end of the first was
    missed."""
    scene = Scene(node("a"), pod("p", requests={"cpu": "1"}))
    again = pod("p", requests={"cpu": "2"}, meta={"uid": "uid-2"})
    scene.put(again)
    assert scene.node_of("p") == "a"
    assert scene.scheduler.cache.nodes["a"].requested.cpu == 2000


def test_restart() -> None:
    """A scheduler that starts anew learns everything from its lists."""
    scene = Scene(node("a", "2"), pod("p", requests={"cpu": "1"}))
    scene.world.halt("scheduler")
    scene.put(pod("q", requests={"cpu": "2"}), pod("r", requests={"cpu": "1"}))
    scene.world.begin("scheduler")
    scene.run(1)
    assert (scene.node_of("q"), scene.node_of("r")) == (None, "a")
