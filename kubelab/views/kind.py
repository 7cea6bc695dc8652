"""The contract of a view: what one kind of view is made of.

A kind is three pure functions and two questions. `frame(cluster, cursor, options)` says what there
is to see as plain data, `draw(frame)` makes the picture, `words(frame)` says the same in words
(sentence, alt text, tables). `matters(cluster, by, options)` makes the test for which events are
stops, and `parts(cluster, event, options)` in how many parts one is told. What a kind has beyond
that is optional: a button, inputs of its own, a part to play, a sweep over one number, links to
cut.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubelab.sim.kernel import Event
from kubelab.views.cursor import Cursor
from kubelab.views.picture import Picture
from kubelab.views.words import Words

if TYPE_CHECKING:
    from kubelab.views.quiz import Play
    from kubelab.views.sweep import Sweep
    from kubelab.views.view import View

LADDER = ("message", "decision", "outcome")
# The rung above: outcomes side by side, one number varied.
SWEEP = "sweep"

# Which side of a line that was drawn across the picture a place lies on.
Side = Callable[[float, float], bool]


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
    # Sliders, choices and the like, from the frame; and what using one does, in which view.
    inputs: Callable[[dict[str, Any], dict[str, Any]], list[dict[str, Any]]] | None = None
    use: Callable[[View, str, str], View] | None = None
    # What a click on a thing does besides selecting it; True if it moved the viewer.
    pick: Callable[[View, str, str], bool] | None = None
    play: Play | None = None
    sweep: Sweep | None = None
    # Which groups a line across the picture parts, given the side of each place.
    cut: Callable[[dict[str, Any], Picture, Side], tuple[list[str], list[str]]] | None = None


def rungs(kind: Kind) -> tuple[str, ...]:
    """The rungs of a kind's ladder."""
    return (*LADDER, SWEEP) if kind.sweep is not None else LADDER


def is_act(event: Event) -> bool:
    """Whether the user begins something in an event."""
    if event.target == "faults":
        return event.verb != "start"
    if event.actor != "you" or event.cause is not None:
        return False
    changes = event.verb == "ask" and event.detail.get("method") != "GET"
    return changes or event.verb == "act" or event.target.startswith("tools/")
