"""The queue: order, back-off, and when a pod comes back."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.scheduler import wakeups
from kubelab.scheduler.podinfo import parse_pod
from kubelab.scheduler.profile import default_profile
from kubelab.scheduler.queue import SchedulingQueue
from kubelab.scheduler.wakeups import ClusterEvent
from kubelab.sim.kernel import SECOND
from tests.scheduler.lab import Lab, node, pod

START = 1_000 * SECOND + SECOND // 2


def queue() -> SchedulingQueue:
    """An empty queue."""
    profile = default_profile()
    return SchedulingQueue({profile.name: profile}, Lab([]).handle, 1, 10)


def info(name: str, **more: Any) -> Any:
    """A waiting pod."""
    return parse_pod(pod(name, **more))


def gone() -> ClusterEvent:
    """A pod has left its node."""
    return ClusterEvent(wakeups.ASSIGNED_POD, wakeups.DELETE, parse_pod(pod("u", "a")), None)


def popped(waiting: SchedulingQueue) -> str:
    """The name of the next pod."""
    found = waiting.pop()
    assert found is not None
    return str(found.pod.name)


def test_order() -> None:
    """Higher priority first, then first come first served, also at the very same time."""
    waiting = queue()
    for name, priority in (("a", 0), ("b", 5), ("c", 5), ("d", 9), ("e", 0)):
        waiting.add(info(name, priority=priority), START)
    assert [popped(waiting) for _ in range(5)] == ["d", "b", "c", "a", "e"]
    assert waiting.pop() is None


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (50, 10)]
)
def test_back_off_doubles(failures: int, seconds: int) -> None:
    """1 s, 2, 4, 8, then 10 for ever; the end is cut down to a whole second."""
    waiting = queue()
    waiting.add(info("p"), START)
    for _ in range(failures):
        found = waiting.pop()
        assert found is not None
        waiting.failed(found, ("NodeResourcesFit",), START)
        waiting.activate("default/p", START)
    assert waiting.pods["default/p"].backoff_ns == START // SECOND * SECOND + seconds * SECOND


def test_current_second_still_backs_off() -> None:
    """A pod whose back-off ends in the current second still backs off."""
    waiting = queue()
    waiting.add(info("p"), START)
    found = waiting.pop()
    assert found is not None
    waiting.failed(found, ("NodeResourcesFit",), START)
    end = found.backoff_ns
    assert waiting.backs_off(found, end + SECOND - 1)
    assert not waiting.backs_off(found, end + SECOND)


def refused(*names: str) -> SchedulingQueue:
    """A queue with pods that NodeResourcesFit refused."""
    waiting = queue()
    for name in names:
        waiting.add(info(name, requests={"cpu": "1"}), START)
    for _ in names:
        found = waiting.pop()
        assert found is not None
        waiting.failed(found, ("NodeResourcesFit",), START)
    return waiting


def test_woken_pod_backs_off_but_idle_queue_takes_it() -> None:
    """A woken pod goes through its back-off, unless there is nothing else to do."""
    waiting = refused("p")
    assert waiting.pop() is None
    assert waiting.wake(gone(), START) == ["default/p"]
    assert waiting.pods["default/p"].where == "backoff"
    waiting.add(info("fresh"), START)
    assert [popped(waiting), popped(waiting)] == ["fresh", "p"]


def test_errors_wait_out_their_back_off() -> None:
    """A pod that failed by an error is not taken before its back-off is over."""
    waiting = queue()
    waiting.add(info("p"), START)
    found = waiting.pop()
    assert found is not None
    waiting.failed(found, (), START)
    assert waiting.pop() is None
    due = waiting.next_backoff_ns()
    assert due is not None
    assert waiting.flush(due - 1) == 0
    assert waiting.flush(due) == 1
    assert popped(waiting) == "p"


def test_five_minutes() -> None:
    """A refused pod that nothing wakes comes back after more than five minutes."""
    waiting = refused("p")
    assert waiting.flush(START + 300 * SECOND) == 0
    assert waiting.flush(START + 301 * SECOND) == 1


def test_only_the_refusing_plugins_are_asked() -> None:
    """An event that only another plugin cares about wakes nobody."""
    waiting = refused("p")
    lab = Lab([node("a", labels={"x": "1"})])
    changed = ClusterEvent(wakeups.NODE, wakeups.LABEL, lab.info("a"), lab.info("a"))
    assert waiting.wake(changed, START) == []


def test_removed_pods_are_forgotten() -> None:
    """A pod that is gone is in no part of the queue."""
    waiting = refused("p", "q")
    waiting.add(info("r"), START)
    for name in "pqr":
        waiting.remove(f"default/{name}")
    assert (waiting.pop(), waiting.pods, waiting.unschedulable) == (None, {}, {})
    assert waiting.listening == {}


def test_woken_in_the_order_of_waiting() -> None:
    """Pods that different plugins refused are woken in the order in which they began to wait."""
    waiting = queue()
    for name in "abcd":
        waiting.add(info(name, requests={"cpu": "1"}), START)
    for plugin in ("NodePorts", "NodeResourcesFit", "NodeAffinity", "NodeResourcesFit"):
        found = waiting.pop()
        assert found is not None
        waiting.failed(found, (plugin, "NodeResourcesFit"), START)
    assert waiting.wake(gone(), START) == [f"default/{name}" for name in "abcd"]


def test_only_pods_that_may_be_helped_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an event costs does not grow with the pods that wait for other things, or are gated."""
    waiting = refused("p")
    for number in range(50):
        waiting.add(info(f"g{number}", schedulingGates=[{"name": "g"}]), START)
        waiting.add(info(f"n{number}"), START)
        found = waiting.pop()
        assert found is not None
        waiting.failed(found, ("NodeAffinity",), START)
    looked: list[str] = []
    judge = SchedulingQueue._wakes

    def counted(self: Any, queued: Any, *more: Any) -> bool:
        looked.append(queued.pod.name)
        return judge(self, queued, *more)

    monkeypatch.setattr(SchedulingQueue, "_wakes", counted)
    assert waiting.wake(gone(), START) == ["default/p"]
    assert looked == ["p"]


def test_gates() -> None:
    """A gated pod is not ready; an update that takes the last gate away makes it so."""
    waiting = queue()
    assert not waiting.add(info("p", schedulingGates=[{"name": "g"}]), START)
    assert waiting.pods["default/p"].gate == "SchedulingGates"
    assert waiting.wake(gone(), START) == []
    assert not waiting.flush(START + 1000 * SECOND)
    assert waiting.update(info("p"), [], START)
    assert popped(waiting) == "p"
