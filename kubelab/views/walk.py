"""Moving a viewer: Step, Back, First, Now, a jump, a run; and when the cluster moves along.

Step goes to the next stop and moves the cluster on when there is none yet; Back, First, Now and a
jump move the viewer alone. All of it holds the cluster's lock, and the other views of the cluster
go along unless they are pinned.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from kubelab.views.cursor import QUIET_NS, Cursor, Stops, is_settled
from kubelab.views.desk import Desk, lock_of
from kubelab.views.kind import SWEEP, Kind, is_act
from kubelab.views.quiz import CHOOSE, Game

STEP_EVENTS = 50_000
# So far a copy looks for something that matters, where the cluster is at rest; and so many events
# back it is told what a lookup or a request that is under way has to do with.
AHEAD_EVENTS, RECENT_EVENTS = 1_500, 1_000
# A larger world is not copied at each press of a button.
AHEAD_COMPONENTS = 500
# `until` gives up after so much virtual time.
UNTIL_SECONDS = 600

W = TypeVar("W", bound="Walk")


class Walk:
    """The part of a `View` that moves."""

    cluster: Any
    kind: Kind
    options: dict[str, Any]
    by: str
    alert: str
    desk: Desk
    game: Game | None
    pinned: bool
    cursor: Cursor
    _stops: dict[str, Stops]

    def step(self: W, n: int = 1) -> W:
        """Goes to the next event that matters here, moving the cluster on if need be."""
        return self._move(Walk._step, n)

    def back(self: W, n: int = 1) -> W:
        """Goes to the event before; the cluster stays as it is."""
        return self._move(Walk._back, n)

    def first(self: W) -> W:
        """Goes to the first event that matters here."""
        return self._move(Walk._first)

    def mine(self: W) -> W:
        """Goes back to the last thing that the user did before the moment shown."""
        return self._move(Walk._mine)

    def now(self: W) -> W:
        """Comes back to the present."""
        return self._move(Walk._now)

    def jump(self: W, event: int) -> W:
        """Goes to any event of the trace."""
        return self._move(Walk._jump, 1, event)

    def scrub(self: W, event: int) -> W:
        """Goes to one of the stops."""
        return self._move(Walk._stand, 1, event)

    def run(self: W, seconds: float) -> W:
        """Moves the cluster on by so many virtual seconds."""
        return self._move(Walk._run, 1, seconds)

    def settle(self: W) -> W:
        """Moves the cluster on until only periodic timers are left."""
        return self._move(Walk._settle)

    def until(self: W, condition: Any) -> W:
        """Moves the cluster on until a condition holds, as `run_until` of a cluster takes it."""
        return self._move(Walk._until, 1, condition)

    def act(self: W) -> W:
        """Does what the view's own button says."""
        return self._move(Walk._act)

    def _move(self: W, how: Callable[..., None], times: int = 1, *args: Any) -> W:
        with lock_of(self.cluster):
            self.alert = ""
            self._anchor()
            for _ in range(times):
                how(self, *args)
            if self.game is not None and how is not Walk._step:
                self.game.begin(self)  # type: ignore[arg-type]
            if not self.pinned:
                at_end = self.cursor.event >= len(self.cluster.trace)
                self.desk.event = None if at_end else self.cursor.event
            self.desk.moved(self)  # type: ignore[arg-type]
        return self

    def _step(self) -> None:
        game = self.game
        if game is not None and game.is_open():
            self.alert = CHOOSE
            return
        self._forward()
        if game is not None:
            game.stepped(self)  # type: ignore[arg-type]

    def _forward(self) -> None:
        focus, part = self.cursor.focus, self.cursor.part
        if self.by == "message" and focus and part + 1 < self.parts(focus):
            self.cursor = self.cursor._replace(part=part + 1)
            return
        stops = self.stops
        found = stops.next(self.cursor.event)
        if found is not None:
            self._stand(found, fresh=True)
            return
        stops.mark(self.cursor.event)
        if not stops.ids and self.kind.action is not None:
            self.kind.action[1](self.cluster, self.options)
        if self.by in ("outcome", SWEEP):
            self._settle()
            return
        found = self._advance()
        if found:
            self._stand(found, fresh=True)
            return
        self._now()
        remedy = f"Press {self.kind.action[0]} again" if self.kind.action else "Press Run 10 s"
        self.alert = (
            "Nothing more happens here by itself: only periodic timers are left. "
            f"{remedy}, or change something in the cluster."
        )

    def _advance(self) -> int | None:
        """Moves the cluster on, event by event, to the next one that matters here."""
        cluster, stops = self.cluster, self.stops
        ahead = 0
        for _ in range(STEP_EVENTS):
            if not ahead and is_settled(cluster):
                ahead = self._look_ahead()
                if not ahead:
                    return None
            ahead = max(ahead - 1, 0)
            events = cluster.step(1)
            stops.update(cluster.trace)
            if events and stops.ids and stops.ids[-1] == events[-1].id:
                return int(events[-1].id)
        return None

    def _look_ahead(self) -> int:
        """How many events on something matters here, though only periodic timers are left.

        A probe or another try is worth waiting for, a minute of heartbeats is not: so a copy goes
        first, and the cluster follows only where that found something.
        """
        if not hasattr(self.cluster, "fork"):
            return 0
        if len(self.cluster.world.components) > AHEAD_COMPONENTS:
            return 0
        twin = self.cluster.fork()
        by = "outcome" if self.by == SWEEP else self.by
        matters = self.kind.matters(twin, by, self.options)
        before = len(twin.trace)
        for index in range(max(before - RECENT_EVENTS, 0), before):
            matters(twin.trace[index])
        until = twin.world.now + QUIET_NS
        for number in range(1, AHEAD_EVENTS + 1):
            due = twin.world.next_time()
            if due is None or due > until:
                return 0
            events = twin.step(1)
            if events and events[-1].id > before and matters(events[-1]):
                return number
        return 0

    def _back(self) -> None:
        focus, part = self.cursor.focus, self.cursor.part
        if self.by == "message" and focus and part > 0:
            self.cursor = self.cursor._replace(part=part - 1)
            return
        found = self.stops.previous(self.cursor.event)
        if found is not None and found == focus:
            # We stand somewhat after the stop told about: going there would tell the same again.
            found = self.stops.previous(found)
        if found is None:
            self.alert = "This is the first event that matters here."
        else:
            self._stand(found)

    def _first(self) -> None:
        found = self.stops.next(0)
        if found is None:
            self.alert = "Nothing that matters here has happened yet. Press Step."
        else:
            self._stand(found, fresh=True)

    def _mine(self) -> None:
        for event in range(min(self.cursor.event, len(self.cluster.trace)), 0, -1):
            if event != self.cursor.event and is_act(self.cluster.trace[event - 1]):
                self._jump(event)
                return
        self.alert = "You have done nothing before this moment."

    def _now(self) -> None:
        self.follow(None)

    def _jump(self, event: int) -> None:
        if not 1 <= event <= len(self.cluster.trace):
            raise ValueError(f"there is no event {event}")
        self.cursor = Cursor(event, event, self.parts(event) - 1)

    def _run(self, seconds: float) -> None:
        self._leave_mark()
        self.cluster.run(seconds)
        self._now()

    def _settle(self) -> None:
        self._leave_mark()
        self.cluster.settle()
        self._now()

    def _until(self, condition: Any) -> None:
        self._leave_mark()
        reached = self.cluster.run_until(condition, UNTIL_SECONDS)
        self._now()
        if not reached:
            self.alert = f"{condition} does not hold after {UNTIL_SECONDS} virtual seconds."

    def _act(self) -> None:
        if self.kind.action is None:
            return
        before = len(self.cluster.trace)
        self._leave_mark()
        self.kind.action[1](self.cluster, self.options)
        found = self.stops.next(before) or self._advance()
        if found is None:
            self._now()
        else:
            self._stand(found, fresh=True)

    def _leave_mark(self) -> None:
        self.stops.mark(len(self.cluster.trace))

    def _stand(self, event: int, *, fresh: bool = False) -> None:
        """Stands at a stop: at its first part when coming from before, else at its last."""
        focus = self.stops.told(event)
        first = fresh and focus == event and self.by == "message"
        self.cursor = Cursor(event, focus, 0 if first else self.parts(focus) - 1)

    def follow(self, event: int | None) -> None:
        """Looks at the moment at which another view looks; None is the present."""
        size = len(self.cluster.trace)
        moment = size if event is None or event > size else event
        focus = self.stops.told(moment)
        self.cursor = Cursor(moment, focus, self.parts(focus) - 1)

    def _anchor(self) -> None:
        """A cursor at a present that is over (cells moved the cluster) goes to the new one."""
        size = len(self.cluster.trace)
        if self.cursor.event > size or (
            self.desk.event is None and not self.pinned and self.cursor.event != size
        ):
            self.follow(None)

    @property
    def stops(self) -> Stops:
        """The stops of the present rung, up to date."""
        stops = self._stops.get(self.by)
        if stops is None:
            kind, options = self.kind, self.options
            by = "outcome" if self.by == SWEEP else self.by
            stops = Stops(lambda: kind.matters(self.cluster, by, options))
            self._stops[self.by] = stops
        stops.update(self.cluster.trace)
        return stops

    def parts(self, event: int) -> int:
        """In how many parts an event is told."""
        if not event or self.kind.parts is None:
            return 1
        return max(self.kind.parts(self.cluster, self.cluster.trace[event - 1], self.options), 1)
