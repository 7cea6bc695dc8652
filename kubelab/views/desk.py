"""What all views of one cluster share: who is looking, where they look, what is selected.

Selecting a pod in one view selects it in all, and moving one view's cursor moves the others'. The
desk knows its views weakly, so that a view nobody shows any more is forgotten.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kubelab.views.view import View

_DESKS: weakref.WeakKeyDictionary[Any, Desk] = weakref.WeakKeyDictionary()


class Desk:
    """The views of one cluster. `event` None means that they look at the present."""

    def __init__(self, number: int = 1) -> None:
        # By its number a page knows which of its views look at the same cluster.
        self.number = number
        self.event: int | None = None
        self.selection: tuple[str, str] | None = None
        # Which events were faults; made by the first view that asks.
        self.faults: Any = None
        # Views in panels beside the notebook; nothing else holds them.
        self.docked: list[View] = []
        self._views: list[weakref.ref[View]] = []

    def join(self, view: View) -> None:
        """A view begins to look."""
        self._views.append(weakref.ref(view))

    def views(self) -> Iterator[View]:
        """The views that are still there, in the order in which they were made."""
        self._views = [ref for ref in self._views if ref() is not None]
        for ref in list(self._views):
            view = ref()
            if view is not None:
                yield view

    def moved(self, mover: View) -> None:
        """One view has moved: the others look at the same moment, and all are drawn again."""
        for view in self.views():
            if view is not mover and not view.pinned and not mover.pinned:
                view.follow(self.event)
                if view.game is not None:
                    view.game.begin(view)
        self.refresh()

    def undock(self) -> None:
        """Closes the panels beside the notebook."""
        for view in self.docked:
            if view.live is not None:
                view.live.close()
        self.docked.clear()

    def refresh(self) -> None:
        """Every view that is shown draws itself again."""
        for view in self.views():
            view.refresh()


def desk_of(cluster: Any) -> Desk:
    """The one desk of a cluster."""
    desk = _DESKS.get(cluster)
    if desk is None:
        taken = [other.number for other in _DESKS.values()]
        desk = _DESKS[cluster] = Desk(max(taken, default=0) + 1)
    return desk


def all_desks() -> list[Desk]:
    """The desks of all clusters that are still there."""
    return list(_DESKS.values())


def lock_of(cluster: Any) -> AbstractContextManager[Any]:
    """The cluster's lock: callbacks of a page may run on other threads than cells."""
    lock = getattr(cluster, "lock", None)
    return lock if lock is not None else nullcontext()
