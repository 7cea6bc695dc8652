"""The view itself: one kind of picture of one cluster, for a viewer who can move.

Everything a button does can also be called: stepping and going back (`walk.py`), forking, cutting,
guessing, changing the view's own inputs. What is to be seen at the cursor comes from the view's
kind (`kind.py`); `head.py` adds what every view says beside its picture, `stage.py` puts it into a
page, `still.py` gives the form for where no kernel runs.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

import os
from typing import Any

from kubelab.views import causes, head, still
from kubelab.views.cursor import Cursor
from kubelab.views.desk import desk_of, lock_of
from kubelab.views.kind import LADDER, SWEEP, Kind, is_act, rungs
from kubelab.views.picture import Picture, differing
from kubelab.views.quiz import WHO, Game
from kubelab.views.walk import Walk

__all__ = ["LADDER", "Kind", "View", "is_act"]


class View(Walk):
    """One view of one cluster. Everything a button does can also be called."""

    def __init__(
        self,
        cluster: Any,
        kind: Kind,
        options: dict[str, Any],
        *,
        by: str = "message",
        play: bool = False,
        projector: bool = False,
    ) -> None:
        check_rung(kind, by)
        self.cluster = cluster
        self.kind = kind
        self.options = options
        self.by = by
        self.alert = ""
        self.live: Any = None
        self.projector = projector
        self.pinned = False
        # A what-if beside this view, and the view that this one is a what-if of.
        self.twin: View | None = None
        self.origin: View | None = None
        self.game = Game(kind.play or WHO) if play else None
        self._stops = {}
        self._swept: tuple[Any, dict[str, Any]] | None = None
        self.desk = desk_of(cluster)
        self.cursor = Cursor(0, 0)
        with lock_of(cluster):
            self.desk.join(self)
            self.follow(self.desk.event)
            if self.game is not None:
                self.game.begin(self)

    def fork(self) -> View:
        """A what-if: the same view of an independent copy of the cluster, from here on."""
        with lock_of(self.cluster):
            copy = self.cluster.fork()
            if self.is_past:
                copy.rewind(self.cursor.event)
            by = LADDER[0] if self.by == SWEEP else self.by
            self.twin = View(copy, self.kind, dict(self.options), by=by)
            self.twin.origin = self
            return self.twin

    def rewind(self) -> View:
        """Goes back with the cluster to the moment shown; what came later never happened."""
        with lock_of(self.cluster):
            self.cluster.rewind(self.cursor.event)
        return self.now()

    def climb(self, by: str) -> View:
        """Changes the rung of the ladder: message, decision, outcome, and sweep where it is."""
        check_rung(self.kind, by)
        self.by = by
        if self.game is not None:
            self.game.begin(self)
        self.desk.refresh()
        return self

    def select(self, kind: str, name: str) -> View:
        """Selects a thing in all views of the cluster; an empty kind selects nothing."""
        with lock_of(self.cluster):
            self.desk.selection = (kind, name) if kind else None
            picked = self.kind.pick is not None and bool(kind) and self.kind.pick(self, kind, name)
            if not picked:
                self.desk.refresh()
        return self

    def pin(self, pinned: bool | None = None) -> View:
        """Keeps this view where it is while the others move; without an argument the opposite."""
        self.pinned = not self.pinned if pinned is None else pinned
        if not self.pinned:
            self.follow(self.desk.event)
        self.refresh()
        return self

    def guess(self, answer: str, sure: int = 1) -> View:
        """The learner's answer to the open question; Step then shows how it is."""
        if self.game is None:
            raise ValueError("this view is not played; make it with play=True")
        self.game.commit(answer, sure)
        self.alert = ""
        self.refresh()
        return self

    def use(self, name: str, value: str = "") -> View:
        """Uses one of the view's own inputs; returns the view in which it took effect."""
        if self.kind.use is None:
            raise ValueError(f"{self.kind.name} has no inputs of its own")
        with lock_of(self.cluster):
            self.alert = ""
            where = self.kind.use(self, name, value)
            where.refresh()
        return where

    def descend(self, value: str) -> View:
        """From the sweep down to one of its runs, as a what-if."""
        if self.kind.sweep is None or self.by != SWEEP:
            raise ValueError("this view does not stand on the rung sweep")
        with lock_of(self.cluster):
            return self.kind.sweep.descend(self, value)

    def change(self, **options: Any) -> View:
        """Looks at something else: other options of the same kind of view."""
        self.options = {**self.options, **options}
        self._stops = {}
        self.follow(self.desk.event)
        return self

    # Seeing.

    @property
    def frame(self) -> dict[str, Any]:
        """What there is to see at the cursor, as plain data."""
        with lock_of(self.cluster):
            self._anchor()
            if self.by == SWEEP and self.kind.sweep is not None:
                return self._sweep()
            return self.kind.frame(self.cluster, self.cursor, self.options)

    def _sweep(self) -> dict[str, Any]:
        """The outcomes side by side; they are worked out once for each moment."""
        assert self.kind.sweep is not None
        place = (self.cursor.event, len(self.cluster.trace), repr(sorted(self.options.items())))
        if self._swept is None or self._swept[0] != place:
            self._swept = place, self.kind.sweep.frame(self)
        return self._swept[1]

    def picture(self) -> Picture:
        """The drawing at the cursor."""
        return self._shown(self.frame)[0]

    def _shown(self, frame: dict[str, Any]) -> tuple[Picture, Any]:
        sweep = self.kind.sweep if self.by == SWEEP else None
        if sweep is not None:
            return sweep.draw(frame), sweep.words(frame)
        return self.kind.draw(frame), self.kind.words(frame)

    def state(self) -> dict[str, Any]:
        """Everything that a page or a still shows: the frame's picture and words, and the stage."""
        with lock_of(self.cluster):
            frame = self.frame
            picture, words = self._shown(frame)
            picture.alt = words.alt
            top = head.of(self, frame, words)
            if self.origin is not None:
                top |= {"mode": "fork", "differs": differing(self.origin.picture(), picture)}
            return {"picture": picture, "head": top, "words": words}

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
        moved = self.cursor.event != len(self.cluster.trace)
        return self.desk.event is None and not self.pinned and moved

    @property
    def told(self) -> str:
        """The sentence of the step shown, with its time."""
        top = self.state()["head"]
        return f"{top['clock']}  {top['sentence']['text']}"

    def refresh(self) -> None:
        """Draws again where the view is shown."""
        if self.live is not None:
            self.live.refresh()

    def dock(self) -> View:
        """Shows the view in a panel beside the notebook; it stays there while you scroll."""
        from kubelab.views import stage

        stage.dock(self)
        return self

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        state = self.state()
        data = {"text/plain": still.plain(state), "text/html": still.html(state)}
        if not os.environ.get("KUBELAB_STILL"):
            from kubelab.views import stage

            data |= stage.show(self)
        return data

    def __repr__(self) -> str:
        return still.plain(self.state())


def check_rung(kind: Kind, by: str) -> None:
    """Raises ValueError for a rung that the kind of view has not."""
    known = rungs(kind)
    if by not in known:
        raise ValueError(f"by={by!r}: choose one of {', '.join(known)}")
