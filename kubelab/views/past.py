"""The world as it was just after an event: what the components held in memory then.

Objects of the past come from the store (`c.at`); what a process remembers (a Raft member's log and
timers) is only in its memory, so the world is replayed from the nearest snapshot. What must hold:
the replayed world is a copy; the cluster itself never moves. The last replay is kept and stepped
on, since a viewer mostly steps forward.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

import weakref
from typing import Any

_REPLAYS: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

# A replay this far behind is stepped on; one further away is made anew.
NEAR_EVENTS = 400


def world_at(cluster: Any, event: int) -> Any:
    """The world just after an event; to be read only."""
    trace = cluster.trace
    if event >= len(trace):
        return cluster.world
    history = cluster.history
    kept = _REPLAYS.get(cluster)
    if kept is not None:
        at = len(kept.world.trace)
        same = at <= event and (not at or kept.world.trace[at - 1] == trace[at - 1])
        # What came from outside is not in the replay's future: then it is made anew.
        outside = any(at <= entry.position < event for entry in reversed(history.inputs))
        if same and event - at <= NEAR_EVENTS and not outside:
            while len(kept.world.trace) < event:
                kept.world.step()
            if kept.world.trace[event - 1] == trace[event - 1]:
                return kept.world
    kept = history.replay(event)
    _REPLAYS[cluster] = kept
    return kept.world
