"""The time lapse: a long quiet stretch of time passes without its heartbeats being played.

A cluster in which nothing happens is busy all the same: heartbeats, probes, looks. A day of a
hundred nodes has ten million such events, which nobody reads. So a long run passes over turns of
timers that would find what they found before. A component says of a timer of its own that it is
such a `Routine`, and how long; a turn may be passed over only if the one before it was played
after the last event that was more than routine. Time then goes on where the next other event is
due. What is passed over is told by one event, `lapse` of the component `clock`.

What must hold: timers keep their rhythm, so that later events have the times that they would have
had; nothing passes while a component is stopped, a link is cut or a message is on its way; the last
minute of a run is played, so that the times of heartbeats are as always for whoever looks then.
Less is counted than would have been: revisions of the store, lines of a log.

In Kubernetes: nothing like it; simulators of its kind call it fast-forward.
"""

from __future__ import annotations

from heapq import heapify
from typing import Any

from kubelab.sim.kernel import SECOND, Component, Event, Routine, World, timestamp

NAME = "clock"
# So much is played at the end of a run, and at least so much must be gained.
PLAYED_NS = 60 * SECOND
WORTH_NS = 5 * SECOND
# How soon another try is worth its cost.
PAUSE_NS = SECOND
FAR_NS = 1 << 63


def install(world: World) -> None:
    """Gives a world its clock."""
    if NAME not in world.components:
        clock = Clock(NAME)
        clock.world, clock.stopped = world, False
        world.components[NAME] = clock


def horizon(world: World, until: int) -> int:
    """The time before which nothing but routine is due, at most `until`."""
    if world.links.groups or any(part.stopped for part in world.components.values()):
        return world.now
    if world.work:
        until = min(until, world.work[0][0])
    for entry in world.periodic:
        if entry[0] < until and entry[1] not in world.cancelled:
            until = min(until, _must_be_played(world, entry))
    return until


def _must_be_played(world: World, entry: tuple[Any, ...]) -> int:
    """The time of the first turn of a timer that may not be passed over."""
    due: int = entry[0]
    routine = _routine(world, entry)
    if routine is None:
        return due
    return FAR_NS if routine.ends_ns is None else _turn(due, routine, routine.ends_ns)


def _routine(world: World, entry: tuple[Any, ...]) -> Routine | None:
    due, _, _, target, verb, args, _, incarnation = entry
    component = world.components.get(target)
    if incarnation is None or component is None or component.incarnation != incarnation:
        return None
    routine = component.routine(verb, args)
    if routine is None or routine.free or due - routine.period_ns >= world.stirred:
        return routine
    return None


def _turn(due: int, routine: Routine, until: int) -> int:
    """The first turn of a timer at or after `until`."""
    return due + max(0, -(-(until - due) // routine.period_ns)) * routine.period_ns


class Clock(Component):
    """Moves the timers of a world on."""

    # So many turns of timers have been passed over.
    turns = 0

    def lapse(self, until: int) -> None:
        """All turns of routine timers before `until` are passed over."""
        world = self.world
        passed: dict[str, int] = {}
        moved = []
        for entry in world.periodic:
            due = entry[0]
            if due < until and entry[1] not in world.cancelled:
                routine = _routine(world, entry)
                assert routine is not None, entry[3:6]
                # What is free need not come in the moment that is played next, either.
                later = _turn(due, routine, until + PAUSE_NS * routine.free)
                turns = (later - due) // routine.period_ns
                passed[entry[4]] = passed.get(entry[4], 0) + turns
                world.components[entry[3]].passed(entry[4], entry[5], turns, later)
                entry = (later, *entry[1:])
            moved.append(entry)
        world.periodic[:] = moved
        heapify(world.periodic)
        self.turns += sum(passed.values())
        # That time passes is no news for anybody.
        world.background = True
        self.note(
            until=timestamp(until), seconds=(until - self.now) // SECOND,
            passed=dict(sorted(passed.items())),
        )  # fmt: skip

    @staticmethod
    def tell(event: Event) -> str:
        count = sum(event.detail.get("passed", {}).values())
        return (
            f"Time passes over {count} heartbeats, probes and looks until "
            f"{event.detail.get('until', 'now')} because nothing else is due before."
        )
