"""The world handles one event at a time, in order, each with its cause."""

from __future__ import annotations

from itertools import pairwise

from kubelab.sim.kernel import SECOND, micro_timestamp, parse_timestamp, timestamp
from tests.sim.worlds import pair


def test_events_are_ordered_and_know_their_cause() -> None:
    """A ball thrown back and forth is a chain of causes, one latency apart."""
    history = pair()
    history.inject("a", "hit", 3)
    history.run(1)
    events = [event for event in history.world.trace if event.verb == "hit"]
    assert [(e.actor, e.target, e.detail["number"]) for e in events] == [
        ("you", "a", 3), ("a", "b", 2), ("b", "a", 1), ("a", "b", 0),
    ]  # fmt: skip
    assert [e.cause for e in events] == [None, *(e.id for e in events[:-1])]
    assert [b.ns - a.ns for a, b in pairwise(events)] == [1_000_000] * 3


def test_timers_fire_in_order_and_can_be_cancelled() -> None:
    """Of three timers the cancelled one never fires; the others come by time, then by order."""
    history = pair()
    a = history.world.components["a"]
    a.after(2, "hit", 0)
    gone = a.after(1, "hit", 0)
    a.after(1, "hit", 0)
    a.cancel(gone)
    history.run(5)
    times = [e.ns - history.world.epoch for e in history.world.trace if e.verb == "hit"]
    assert times == [1 * SECOND, 2 * SECOND]


def test_a_message_to_a_stopped_component_is_refused() -> None:
    """The sender of a message to a stopped process hears of it, and the stopped one does not."""
    history = pair()
    history.world.halt("b")
    history.inject("a", "hit", 1)
    history.run(1)
    assert history.world.components["a"].lost == [("b", "hit", (0,), "refused")]
    refused = [event for event in history.world.trace if event.target == "b"][-1]
    assert refused.detail == {"refused": True}


def test_a_message_into_a_cut_is_lost_and_given_up() -> None:
    """A cut link swallows a message; the sender gives up after the time-out, not before."""
    history = pair()
    history.world.links.partition(["a"], ["b"])
    history.inject("a", "hit", 1)
    history.run(9.9)
    assert history.world.components["a"].lost == []
    history.run(1)
    assert history.world.components["a"].lost == [("b", "hit", (0,), "timeout")]


def test_timers_of_an_earlier_life_are_void() -> None:
    """A restarted process starts with empty memory, and its old timers never reach it."""
    history = pair()
    a = history.world.components["a"]
    a.after(1, "hit", 0)
    history.world.halt("a")
    history.world.begin("a")
    history.run(3)
    assert a.starts == 2
    assert a.seen == []


def test_nobody_waits_for_a_void_timer() -> None:
    """A run ends at its time, also where a timer of an earlier life lay before the next event."""
    history = pair()
    world = history.world
    world.components["a"].after(1, "hit", 0)
    world.halt("a")
    world.begin("a")
    world.components["b"].after(5, "hit", 0)
    history.run(3)
    assert "hit" not in [event.verb for event in world.trace]
    assert world.now - world.epoch == 3 * SECOND


def test_settle_waits_for_work_and_not_for_periodic_timers() -> None:
    """Periodic timers alone are a settled world; work that follows from them is waited for."""
    history = pair()
    history.world.components["a"].after(0, "tick", 0.3, background=True)
    history.inject("a", "hit", 5)
    assert history.settle(100)
    assert history.world.now - history.world.epoch < 1 * SECOND
    assert not history.world.work


def test_settle_does_not_wait_for_what_is_far_away() -> None:
    """A timer an hour away is no reason to wait; one within a minute is."""
    history = pair()
    history.world.components["a"].after(3600, "hit", 0)
    history.world.components["a"].after(30, "hit", 0)
    assert history.settle(300)
    assert history.world.now - history.world.epoch == 30 * SECOND


def test_settle_gives_up_at_its_time_out() -> None:
    """A world that never rests is left at the time-out, and settle says so."""
    history = pair()
    history.inject("a", "hit", 10**9)
    assert not history.settle(2)
    assert history.world.now - history.world.epoch == 2 * SECOND


def test_slow_links_keep_the_order_of_their_messages() -> None:
    """A link that becomes faster does not let a later message overtake an earlier one."""
    history = pair()
    links = history.world.links
    links.set_latency("a", "b", 5 * SECOND)
    history.inject("a", "hit", 1)
    history.run(0.1)
    links.set_latency("a", "b", SECOND // 1000)
    history.world.components["a"].neighbour = "b"
    history.inject("a", "hit", 1)
    history.run(10)
    times = [e.ns for e in history.world.trace if e.target == "b" and e.verb == "hit"]
    assert times == sorted(times)
    assert times[0] - history.world.epoch == 5 * SECOND


def test_times_are_written_and_read() -> None:
    """Timestamps have Kubernetes' two forms and are read back, offsets too."""
    ns = parse_timestamp("2026-01-01T00:00:01.500000Z")
    assert timestamp(ns) == "2026-01-01T00:00:01Z"
    assert micro_timestamp(ns) == "2026-01-01T00:00:01.500000Z"
    assert parse_timestamp("2026-01-01T01:00:01.5+01:00") == ns
