"""Waiting at Permit: a pod keeps its place until it is allowed, refused, or nobody answers."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import with_
from kubelab.scheduler.binding import duration
from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.framework import Cycle, Plugin, unschedulable, wait
from kubelab.scheduler.scheduler import Scheduler
from tests.scheduler.lab import Scene, node, pod


class Doorman(Plugin):
    """Makes every pod wait for ten seconds."""

    name = "Doorman"
    events = (("Node", "Add"),)

    def permit(self, cycle: Cycle, node: NodeInfo) -> Any:
        return wait(10)


def scene(*more: Any) -> Scene:
    """A node of one cpu, a pod that waits for the doorman."""
    found = Scene(node("a", "1"), *more)
    found.world.inject("scheduler", "add_plugin", (Doorman, 1))
    found.run(0.1)
    found.put(pod("p", requests={"cpu": "1"}))
    return found


def tell(found: Scene, verb: str, *args: Any) -> None:
    """Something for the scheduler to do."""
    found.world.inject("scheduler", verb, args)
    found.run(0.5)


def test_a_waiting_pod_keeps_its_place() -> None:
    """It is assumed and nominated, not bound; another pod finds the node full."""
    found = scene()
    found.put(pod("q", requests={"cpu": "1"}))
    assert found.node_of("p") is None
    assert found.get("default/p")["status"]["nominatedNodeName"] == "a"
    assert "1 Insufficient cpu" in found.message("q")


def test_allowed() -> None:
    """A pod that is allowed is bound."""
    found = scene()
    tell(found, "allow", "default/p", "Doorman")
    assert found.node_of("p") == "a"
    found.run(20)
    assert found.events()[-1] == ("p", "Scheduled", "Successfully assigned default/p to a")


def test_refused() -> None:
    """A pod that is refused gives its place back; the words are counted over one node."""
    found = scene()
    tell(found, "reject", "default/p", "Doorman", "not today")
    assert found.condition("p")["message"] == "0/1 nodes are available: 1 not today."
    assert found.condition("p")["reason"] == "Unschedulable"
    assert found.scheduler.queue.pods["default/p"].refused_by == ("Doorman",)


def test_too_late() -> None:
    """After the plugin's time the pod is refused in the real scheduler's words."""
    found = scene()
    found.run(11)
    assert found.condition("p")["message"] == (
        "0/1 nodes are available: 1 rejected due to timeout after waiting 10s at plugin Doorman."
    )
    assert found.scheduler.cache.pods == {}


def test_what_happened_meanwhile_counts() -> None:
    """An event that came while the pod waited wakes it as soon as it is refused."""
    found = scene()
    found.put(node("b"))
    tries = found.scheduler.attempts
    tell(found, "reject", "default/p", "Doorman", "not today")
    assert found.scheduler.attempts == tries + 1


def test_deleted_while_waiting() -> None:
    """A pod that is deleted waits no longer, and holds no place."""
    found = scene()
    found.remove("pods", "default/p")
    found.run(20)
    assert found.scheduler.binder.under_way == {}
    assert found.scheduler.cache.pods == {}


def test_nobody_waits() -> None:
    """Allowing a pod that does not wait is an error that names it."""
    found = scene()
    with pytest.raises(LookupError, match="pod default/x does not wait"):
        found.scheduler.binder.allow("default/x", "Doorman")


@pytest.mark.parametrize(
    ("seconds", "text"), [(10, "10s"), (90, "1m30s"), (0.5, "500ms"), (900, "15m0s")]
)
def test_durations(seconds: float, text: str) -> None:
    """Times are written as Go writes them."""
    assert duration(seconds) == text


class Refuser(Plugin):
    """Says no at the door."""

    name = "Refuser"

    def permit(self, cycle: Cycle, node: NodeInfo) -> Any:
        return unschedulable("not today") if cycle.pod.name == "p" else None


def test_refused_in_its_own_cycle() -> None:
    """A place that was taken and given back in one cycle is no news for the pods that wait."""
    found = Scene(node("a", "1"), pod("q", requests={"cpu": "2"}))
    found.world.inject("scheduler", "add_plugin", (Refuser, 1))
    found.run(20)
    before = found.scheduler.attempts
    found.put(pod("p", requests={"cpu": "1"}))
    assert found.message("p") == "0/1 nodes are available: 1 not today."
    assert found.condition("p")["reason"] == "Unschedulable"
    assert found.scheduler.attempts == before + 1


def test_a_waiting_pod_makes_room() -> None:
    """A more important pod takes the place of one that still waits; nothing is deleted."""
    found = scene()
    found.put(pod("boss", requests={"cpu": "1"}, priority=9), seconds=0.3)
    assert found.get("default/boss")["status"]["nominatedNodeName"] == "a"
    text = "Preempted by pod uid-boss on node a (in kube-scheduler memory)."
    assert ("p", "Preempted", text) in found.events()
    assert not [r for r in found.server.asked if r.method == "DELETE"]
    assert found.condition("p")["message"].startswith("waiting on permit for pod: preempted")
    assert found.condition("p")["reason"] == "SchedulerError"


def sentences(found: Scene, verb: str) -> list[str]:
    """What is told of the scheduler's events of a verb."""
    return [
        Scheduler.tell(event)
        for event in found.world.trace
        if event.target == "scheduler" and event.verb == verb
    ]


def test_told() -> None:
    """Waiting, being let go on, and time running out are told in words."""
    found = scene()
    assert sentences(found, "schedule_one") == [
        "Scheduler keeps a for default/p and waits up to 10 s, because Doorman has not allowed "
        "it yet."
    ]
    tell(found, "allow", "default/p", "Doorman")
    assert sentences(found, "allow") == ["Scheduler binds default/p because Doorman lets it go on."]
    late = scene()
    late.run(10)
    assert sentences(late, "permit_overdue") == [
        "Scheduler gives up the place of default/p: 0/1 nodes are available: 1 rejected due to "
        "timeout after waiting 10s at plugin Doorman."
    ]


def test_told_of_making_room() -> None:
    """The cycle of a pod that takes a waiting pod's place is told as its own."""
    found = scene()
    found.put(pod("boss", requests={"cpu": "1"}, priority=9), seconds=0.3)
    (told,) = [one for one in sentences(found, "schedule_one") if "makes room" in one]
    assert (
        told == "Scheduler makes room for default/boss on a: it evicts default/p of lower priority."
    )


def test_terminating_while_waiting() -> None:
    """A pod that is to go need not be allowed: its place is free at once, for others too."""
    found = scene()
    found.put(pod("q", requests={"cpu": "1"}))
    leaving = with_(
        found.get("default/p"), ("metadata", "deletionTimestamp"), "2025-01-01T00:00:00Z"
    )
    found.put(leaving)
    assert found.condition("p")["message"] == "0/1 nodes are available: 1 removed."
    assert list(found.scheduler.binder.under_way) == ["default/q"]
