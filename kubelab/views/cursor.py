"""Where a viewer stands in a cluster's past, and the stops on the way.

A cursor says which moment is drawn (just after `event`), which event the sentence is about
(`focus`), and how much of it is shown (`part`: some events, such as a scheduling decision, are told
in several parts). Moving a cursor never moves the cluster. The stops of a view are the events that
matter to it; they are found once, as the trace grows, and found anew when the cluster was rewound.

In Kubernetes: nothing like it; a real cluster has no past to look at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable
from typing import Any, NamedTuple

from kubelab.sim.kernel import SECOND, Event

# Step looks for the next stop so far: where only periodic timers are due within the quiet time,
# nothing here happens by itself.
QUIET_NS = 60 * SECOND


class Cursor(NamedTuple):
    """The moment after `event`, told from `focus` (0: nothing yet), `part` of it shown."""

    event: int
    focus: int
    part: int = 0


class Stops:
    """The ids of the events that matter to one view at one rung of its ladder.

    `make` makes the question "does this event matter?", which is asked of all events in order, so
    that it may remember earlier ones; after a rewind it is made anew.
    """

    def __init__(self, make: Callable[[], Callable[[Event], bool]]) -> None:
        self.make = make
        self.matters = make()
        self.ids: list[int] = []
        # Where a learner stood when the cluster was moved on: Back comes by here again.
        self.marks: list[int] = []
        self.seen = 0
        self.newest: Event | None = None

    def update(self, trace: Any) -> None:
        """Looks at the events that came since the last time."""
        size = len(trace)
        if self.seen > size or (self.seen and trace[self.seen - 1] != self.newest):
            self.ids, self.marks, self.seen = [], [], 0
            self.matters = self.make()
        matters = self.matters
        for index in range(self.seen, size):
            event = trace[index]
            if matters(event):
                self.ids.append(event.id)
        self.seen = size
        self.newest = trace[size - 1] if size else None

    def mark(self, event: int) -> None:
        """Remembers a place that is no stop by itself."""
        if event not in self.marks:
            insort(self.marks, event)

    def next(self, after: int) -> int | None:
        """The first stop after an event; marks are passed by, they tell nothing new."""
        at = bisect_right(self.ids, after)
        return self.ids[at] if at < len(self.ids) else None

    def previous(self, before: int) -> int | None:
        """The last stop or mark before an event."""
        found = [ids[at - 1] for ids in (self.ids, self.marks) if (at := bisect_left(ids, before))]
        return max(found) if found else None

    def told(self, event: int) -> int:
        """The event to tell about at a moment: the last stop up to then, or 0."""
        at = bisect_right(self.ids, event)
        return self.ids[at - 1] if at else 0

    def position(self, event: int) -> int:
        """How many stops lie up to this moment."""
        return bisect_right(self.ids, event)


def is_settled(cluster: Any) -> bool:
    """Whether only periodic timers are due soon, as `settle` sees it."""
    busy = cluster.world.idle_until()
    return busy is None or busy > cluster.world.now + QUIET_NS
