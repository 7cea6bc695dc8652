"""The contract of a view, and the view itself: a cursor over a cluster, without any page.

A kind of view is three pure functions and two questions. `frame(cluster, cursor, options)` says
what there is to see as plain data, `draw(frame)` makes the picture, `words(frame)` says the same in
words (sentence, alt text, tables). `matters(cluster, by, options)` makes the test for which events
are stops, and `parts(cluster, event, options)` in how many parts one is told. All else is here,
once: stepping, going back, the chain of causes, the scrubber, the still form; `stage.py` puts it
into a page.

Step goes to the next stop and moves the cluster on when there is none yet; Back, First, Now and a
jump move the viewer alone.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kubelab.sim.kernel import Event
from kubelab.views import causes, still
from kubelab.views.cursor import Cursor, Stops, is_settled
from kubelab.views.desk import desk_of, lock_of
from kubelab.views.facts import facts_of
from kubelab.views.picture import Picture, differing
from kubelab.views.words import Words

LADDER = ("message", "decision", "outcome")

STEP_EVENTS = 50_000


@dataclass(frozen=True)
class Kind:
    """What makes one kind of view: see the module's docstring."""

    name: str
    title: Callable[[dict[str, Any]], str]
    frame: Callable[[Any, Cursor, dict[str, Any]], dict[str, Any]]
    draw: Callable[[dict[str, Any]], Picture]
    words: Callable[[dict[str, Any]], Words]
    matters: Callable[[Any, str, dict[str, Any]], Callable[[Event], bool]]
    parts: Callable[[Any, Event, dict[str, Any]], int] | None = None
    # A button of the view's own: its label, and what it does to the cluster.
    action: tuple[str, Callable[[Any, dict[str, Any]], None]] | None = None


class View:
    """One view of one cluster. Everything a button does can also be called."""

    def __init__(
        self, cluster: Any, kind: Kind, options: dict[str, Any], *, by: str = "message"
    ) -> None:
        if by not in LADDER:
            raise ValueError(f"by={by!r}: choose one of message, decision, outcome")
        self.cluster = cluster
        self.kind = kind
        self.options = options
        self.by = by
        self.alert = ""
        self.live: Any = None
        # A what-if beside this view, and the view that this one is a what-if of.
        self.twin: View | None = None
        self.origin: View | None = None
        self._stops: dict[str, Stops] = {}
        self.desk = desk_of(cluster)
        self.cursor = Cursor(0, 0)
        with lock_of(cluster):
            self.desk.join(self)
            self.follow(self.desk.event)

    # Moving.

    def step(self, n: int = 1) -> View:
        """Goes to the next event that matters here, moving the cluster on if need be."""
        return self._move(self._step, n)

    def back(self, n: int = 1) -> View:
        """Goes to the event before; the cluster stays as it is."""
        return self._move(self._back, n)

    def first(self) -> View:
        """Goes to the first event that matters here."""
        return self._move(self._first)

    def mine(self) -> View:
        """Goes back to the last thing that the user did before the moment shown."""
        return self._move(self._mine)

    def now(self) -> View:
        """Comes back to the present."""
        return self._move(self._now)

    def jump(self, event: int) -> View:
        """Goes to any event of the trace."""
        return self._move(self._jump, 1, event)

    def scrub(self, event: int) -> View:
        """Goes to one of the stops."""
        return self._move(self._stand, 1, event)

    def run(self, seconds: float) -> View:
        """Moves the cluster on by so many virtual seconds."""
        return self._move(self._run, 1, seconds)

    def settle(self) -> View:
        """Moves the cluster on until only periodic timers are left."""
        return self._move(self._settle)

    def fork(self) -> View:
        """A what-if: the same view of an independent copy of the cluster, from here on."""
        with lock_of(self.cluster):
            copy = self.cluster.fork()
            if self.is_past:
                copy.rewind(self.cursor.event)
            self.twin = View(copy, self.kind, dict(self.options), by=self.by)
            self.twin.origin = self
            return self.twin

    def rewind(self) -> View:
        """Goes back with the cluster to the moment shown; what came later never happened."""
        with lock_of(self.cluster):
            self.cluster.rewind(self.cursor.event)
        return self.now()

    def act(self) -> View:
        """Does what the view's own button says."""
        return self._move(self._act)

    def climb(self, by: str) -> View:
        """Changes the rung of the ladder: message, decision or outcome."""
        if by not in LADDER:
            raise ValueError(f"{by!r}: choose one of message, decision, outcome")
        self.by = by
        self.desk.refresh()
        return self

    def select(self, kind: str, name: str) -> View:
        """Selects a thing in all views of the cluster; an empty kind selects nothing."""
        self.desk.selection = (kind, name) if kind else None
        self.desk.refresh()
        return self

    def _move(self, how: Callable[..., None], times: int = 1, *args: Any) -> View:
        with lock_of(self.cluster):
            self.alert = ""
            self._anchor()
            for _ in range(times):
                how(*args)
            at_end = self.cursor.event >= len(self.cluster.trace)
            self.desk.event = None if at_end else self.cursor.event
            self.desk.moved(self)
        return self

    def _step(self) -> None:
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
        if self.by == "outcome":
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
        for _ in range(STEP_EVENTS):
            if is_settled(cluster):
                return None
            events = cluster.step(1)
            stops.update(cluster.trace)
            if events and stops.ids and stops.ids[-1] == events[-1].id:
                return int(events[-1].id)
        return None

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
        if self.desk.event is None and self.cursor.event != len(self.cluster.trace):
            self.follow(None)

    @property
    def stops(self) -> Stops:
        """The stops of the present rung, up to date."""
        stops = self._stops.get(self.by)
        if stops is None:
            kind, options, by = self.kind, self.options, self.by
            stops = Stops(lambda: kind.matters(self.cluster, by, options))
            self._stops[self.by] = stops
        stops.update(self.cluster.trace)
        return stops

    def parts(self, event: int) -> int:
        """In how many parts an event is told."""
        if not event or self.kind.parts is None:
            return 1
        return max(self.kind.parts(self.cluster, self.cluster.trace[event - 1], self.options), 1)

    # Seeing.

    @property
    def frame(self) -> dict[str, Any]:
        """What there is to see at the cursor, as plain data."""
        with lock_of(self.cluster):
            self._anchor()
            return self.kind.frame(self.cluster, self.cursor, self.options)

    def picture(self) -> Picture:
        """The drawing at the cursor."""
        return self.kind.draw(self.frame)

    def state(self) -> dict[str, Any]:
        """Everything that a page or a still shows: the frame's picture and words, and the stage."""
        with lock_of(self.cluster):
            frame = self.frame
            picture = self.kind.draw(frame)
            words = self.kind.words(frame)
            picture.alt = words.alt
            head = self._head(frame, words)
            if self.origin is not None:
                head |= {"mode": "fork", "differs": differing(self.origin.picture(), picture)}
            return {"picture": picture, "head": head, "words": words}

    def _head(self, frame: dict[str, Any], words: Words) -> dict[str, Any]:
        cluster, cursor, stops = self.cluster, self.cursor, self.stops
        size = len(cluster.trace)
        parts = self.parts(cursor.focus)
        told = causes.tell(cluster, cursor.focus, words.sentence)
        before = stops.previous(cursor.focus) if cursor.focus else None
        between = cursor.focus - (before or cursor.focus) - 1
        return {
            "kind": self.kind.name,
            "title": self.kind.title(frame),
            "clock": causes.clock(cluster, cursor),
            "revision": frame.get("revision"),
            "event": cursor.event,
            "focus": cursor.focus,
            "total": size,
            "mode": "now" if cursor.event >= size else "past",
            "part": cursor.part + 1,
            "parts": parts,
            "position": stops.position(cursor.event),
            "stops": len(stops.ids),
            "by": self.by,
            "between": max(between, 0),
            "sentence": told,
            "alt": words.alt,
            "chain": causes.chain(cluster, cursor.focus),
            "followed": causes.followed(cluster, cursor.focus, cursor.event),
            "alert": self.alert,
            "tables": [table.to_json() for table in words.tables],
            "action": self.kind.action[0] if self.kind.action else "",
            "attention": frame.get("attention"),
            "selected": facts_of(cluster, cursor.event, self.desk.selection),
        }

    def story(self) -> str:
        """The chain of causes that leads to the event shown, as numbered prose."""
        with lock_of(self.cluster):
            return causes.numbered(self.cluster, self.cursor.focus)

    @property
    def is_past(self) -> bool:
        """Whether the view looks back."""
        self._anchor()
        return self.cursor.event < len(self.cluster.trace)

    @property
    def is_stale(self) -> bool:
        """Whether the cluster has moved since the view looked last."""
        return self.desk.event is None and self.cursor.event != len(self.cluster.trace)

    @property
    def told(self) -> str:
        """The sentence of the step shown, with its time."""
        head = self.state()["head"]
        return f"{head['clock']}  {head['sentence']['text']}"

    def refresh(self) -> None:
        """Draws again where the view is shown."""
        if self.live is not None:
            self.live.refresh()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        state = self.state()
        data = {"text/plain": still.plain(state), "text/html": still.html(state)}
        if not os.environ.get("KUBELAB_STILL"):
            from kubelab.views import stage

            data |= stage.show(self)
        return data

    def __repr__(self) -> str:
        return still.plain(self.state())


def is_act(event: Event) -> bool:
    """Whether the user begins something in an event."""
    if event.target == "faults":
        return event.verb != "start"
    if event.actor != "you" or event.cause is not None:
        return False
    changes = event.verb == "ask" and event.detail.get("method") != "GET"
    return changes or event.verb == "act" or event.target.startswith("tools/")
