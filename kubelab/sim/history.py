"""A world with a past: stepping, running, settling, snapshots, rewind and fork.

Looking back never moves the world. Every so often a snapshot is taken (a copy of the world); to be
at an earlier event again, the nearest snapshot before it is copied and stepped forward. What came
from outside (a user's call, a fault) is kept in a log and is put in again at the same place, so
that the copy goes on exactly as the original did.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from kubelab.sim import fork, lapse
from kubelab.sim.kernel import SECOND, Event, World
from kubelab.sim.log import Log

# A world is settled when nothing but periodic timers is due within so long.
QUIET_NS = 60 * SECOND
# Who asks for so long a time gets a time lapse.
LONG_SECONDS = 3600
SNAPSHOTS_KEPT = 24
SNAPSHOT_EVENTS = 1000


# How much is made before Python looks for cycles that nobody holds, while a world runs.
COLLECTION = (50_000, 20, 100)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Makes Python's search for cycles rare: a world makes much, and hardly ever a cycle."""
    before = gc.get_threshold()
    gc.set_threshold(*COLLECTION)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Input(NamedTuple):
    """Something that came from outside after `position` events, at time `now`."""

    position: int
    now: int
    target: str
    verb: str
    args: tuple[Any, ...]
    cause: int | None


class History:
    """A world, what was put into it, and snapshots of its past."""

    def __init__(self, world: World) -> None:
        self.world = world
        lapse.install(world)
        self.inputs: Log[Input] = Log()
        self.snapshots: list[tuple[int, World, int]] = []
        self.next_snapshot = 0
        self.interval = SNAPSHOT_EVENTS

    # Forward.

    def inject(self, target: str, verb: str, *args: Any, cause: int | None = None) -> int:
        """Puts a message of the actor `you` into the world; returns its seq."""
        world = self.world
        if len(world.trace) >= self.next_snapshot:
            self._snapshot()
        self.inputs.append(Input(len(world.trace), world.now, target, verb, args, cause))
        return world.inject(target, verb, args, cause)

    def step(self) -> Event | None:
        """Handles one event; None if nothing is due ever again."""
        if len(self.world.trace) >= self.next_snapshot:
            self._snapshot()
        return self.world.step()

    def run(self, seconds: float, *, quick: bool | None = None) -> None:
        """Runs for so many virtual seconds: hours are `quick`, unless it is said (see `run_to`)."""
        deadline = self.world.now + round(seconds * SECOND)
        self.run_to(deadline, quick=seconds >= LONG_SECONDS if quick is None else quick)

    @seldom_collected()
    def run_to(self, deadline: int, *, quick: bool = False) -> None:
        """Runs until the given time, which it then is; `quick` passes over routine (`lapse.py`)."""
        world, retry = self.world, self.world.now
        while (due := world.next_time()) is not None and due <= deadline:
            if quick and due >= retry:
                retry = due + lapse.PAUSE_NS
                until = lapse.horizon(world, deadline - lapse.PLAYED_NS)
                if until - due >= lapse.WORTH_NS:
                    retry = until + lapse.PAUSE_NS
                    self.inject(lapse.NAME, "lapse", until)
            self.step()
        world.now = max(world.now, deadline)

    @seldom_collected()
    def run_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Runs until the condition holds, looking after each event; False at the time-out."""
        deadline = self.world.now + round(timeout * SECOND)
        while not condition():
            due = self.world.next_time()
            if due is None or due > deadline:
                self.world.now = max(self.world.now, deadline)
                return condition()
            self.step()
        return True

    @seldom_collected()
    def settle(self, timeout: float) -> bool:
        """Runs until only periodic timers are due soon; False at the time-out."""
        deadline = self.world.now + round(timeout * SECOND)
        while True:
            busy = self.world.idle_until()
            if busy is None or busy > self.world.now + QUIET_NS:
                return True
            if busy > deadline:
                self.run_to(deadline)
                return False
            self.step()

    # Back and aside.

    def fork(self) -> History:
        """An independent copy of the world from here on; the past is shared."""
        twin = History(fork.copy(self.world))
        twin.inputs = self.inputs.fork()
        twin.snapshots = list(self.snapshots)
        twin.next_snapshot, twin.interval = self.next_snapshot, self.interval
        return twin

    @seldom_collected()
    def replay(self, event_id: int) -> History:
        """The world as it was just after the event with this id, as a history of its own."""
        if not 0 <= event_id <= len(self.world.trace):
            raise ValueError(
                f"there is no event {event_id}; the trace holds events 1 to {len(self.world.trace)}"
            )
        kept = [shot for shot in self.snapshots if shot[0] <= event_id]
        position, world, number = kept[-1]
        twin = History(fork.copy(world))
        twin.snapshots = kept
        twin.next_snapshot = self.next_snapshot
        while True:
            while number < len(self.inputs) and self.inputs[number].position == position:
                if position == event_id:
                    return self._cut(twin, number)
                entry = self.inputs[number]
                twin.world.now = entry.now
                twin.world.inject(entry.target, entry.verb, entry.args, entry.cause)
                number += 1
            if position == event_id:
                return self._cut(twin, number)
            twin.world.step()
            position += 1

    def rewind(self, event_id: int) -> None:
        """Goes back to just after an event; what came later never happened."""
        past = self.replay(event_id)
        self.world, self.inputs = past.world, past.inputs
        self.snapshots, self.next_snapshot = past.snapshots, past.next_snapshot

    def _cut(self, twin: History, number: int) -> History:
        twin.inputs = Log(self.inputs[:number])
        twin.interval = self.interval
        twin.next_snapshot = twin.snapshots[-1][0] + self.interval
        return twin

    def _snapshot(self) -> None:
        world = self.world
        position = len(world.trace)
        containers: dict[int, Any] = {}
        self.snapshots.append((position, fork.copy(world, containers), len(self.inputs)))
        # A snapshot costs what there is, so it is taken as seldom as there is much.
        self.interval = max(SNAPSHOT_EVENTS, len(containers))
        self.next_snapshot = position + self.interval
        if len(self.snapshots) > SNAPSHOTS_KEPT:
            # Keep the first and the newest half; of the others every second one.
            half = SNAPSHOTS_KEPT // 2
            old, new = self.snapshots[:-half], self.snapshots[-half:]
            self.snapshots = old[::2] + new
