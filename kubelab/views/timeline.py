"""The timeline view: what led to what?

A lane for each actor, virtual time to the right, events as marks. The event looked at, all that led
to it and all that followed from it are drawn with their causes as arcs; the other events stay pale,
and are counted where there are many. Quiet stretches are folded and say how long they were. The
events can be kept to those about one object, of one actor or with one verb.

In Kubernetes: nothing like it; the audit log, Events and each component's log hold pieces of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.sim.kernel import Event
from kubelab.views import score, sweeps
from kubelab.views.causes import WINDOW, followers, since
from kubelab.views.cluster import is_stop as cluster_stop
from kubelab.views.cursor import Cursor
from kubelab.views.desk import desk_of
from kubelab.views.palette import actor_of, label_of
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, plural

# So many causes are drawn, and at least so many effects: as many as have room.
CAUSES, SOME = 100, 12
ACTORS = ("apiserver", "etcd", "controller-manager", "scheduler", "kubelet", "runtime",
          "kube-proxy", "coredns", "faults")  # fmt: skip


def show(
    cluster: Any,
    about: str | None = None,
    *,
    actor: str | None = None,
    verb: str | None = None,
    by: str = "decision",
    play: bool = False,
    projector: bool = False,
) -> View:
    """Events in lanes; `about` keeps to an object's name, `actor` to a component, `verb` to one."""
    return View(
        cluster,
        KIND,
        {"about": about, "actor": actor, "verb": verb},
        by=by,
        play=play,
        projector=projector,
    )


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops."""
    about, actor, verb = options.get("about"), options.get("actor"), options.get("verb")
    name = about.rpartition("/")[2] if about else ""

    def is_stop(event: Event) -> bool:
        if actor and not event.target.startswith(actor):
            return False
        if verb and event.verb != verb:
            return False
        if name and not _is_about(event, name):
            return False
        return cluster_stop(event, by, options)

    return is_stop


def _is_about(event: Event, name: str) -> bool:
    detail = event.detail
    said = [str(detail.get(field, "")) for field in ("key", "name", "pod", "about")]
    return any(name == text.rpartition("/")[2] for text in said)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: the lanes, the marks, the relatives of the event looked at."""
    trace = cluster.trace
    focus = _centre(cluster, cursor)
    before = [event.id for event in cluster.why(focus)] if focus else []
    after = followers(trace, focus, cursor.event) if focus else []
    chain = [*before[-CAUSES:], *after[: max(CAUSES - len(before), SOME)]]
    test = matters(cluster, "decision", options)
    first = max(cursor.event - WINDOW, 0)
    others = [
        trace[index].id
        for index in range(first, cursor.event)
        if test(trace[index]) and trace[index].id not in chain
    ]
    shown = sorted({*chain, *others[-max(66 - len(chain), 20) :]})
    start = trace[0].ns if len(trace) else 0
    related = set(chain)
    marks = [_mark(trace[number - 1], start, number in related, focus) for number in shown]
    return {
        "revision": cluster.at(event=cursor.event).revision,
        "focus": focus,
        "about": options.get("about") or "",
        "marks": marks,
        "arcs": [
            [trace[number - 1].cause, number]
            for number in chain
            if trace[number - 1].cause in related
        ],
        "earlier": max(len(before) - CAUSES, 0),
        "followed": [number for number in after if number <= cursor.event],
        "sentences": [
            {"event": number, "clock": since(trace[number - 1].ns - start),
             "text": cluster.tell(trace[number - 1])}
            for number in before[-8:]
        ],
    }  # fmt: skip


def _centre(cluster: Any, cursor: Cursor) -> int:
    """The event that is looked at: one that was selected, else the one of the step."""
    selected = desk_of(cluster).selection
    if selected is not None and selected[0] == "event" and int(selected[1]) <= cursor.event:
        return int(selected[1])
    return cursor.focus


def _mark(event: Event, start: int, related: bool, focus: int) -> dict[str, Any]:
    target = "you" if event.target == "faults" else event.target
    return {
        "event": event.id,
        "ns": event.ns - start,
        "actor": actor_of(target),
        "who": label_of(event.target),
        "verb": event.verb.replace("_", " "),
        "related": related,
        "here": event.id == focus,
    }


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    marks = data["marks"]
    related = sum(mark["related"] for mark in marks)
    alt = f"{plural(len(marks), 'event')} in {plural(len({m['actor'] for m in marks}), 'lane')}"
    alt += f", {related} of them causes or effects of the one looked at." if marks else "."
    rows = tuple(
        (str(mark["event"]), since(mark["ns"]), mark["who"], mark["verb"])
        for mark in marks
        if mark["related"]
    )
    chain = tuple((row["clock"], row["text"]) for row in data["sentences"])
    tables = (
        Table("Causes and effects", ("event", "time", "who", "verb"), rows),
        Table("The last causes in words", ("time", "what"), chain),
    )
    return Words(alt=alt, tables=tuple(table for table in tables if table.rows))


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"timeline · {data['about'] or 'all that was decided'}"


def inputs(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Filters by object, actor and verb."""
    return [
        {"type": "text", "name": "about", "label": "Only about", "value": options["about"] or ""},
        {"type": "choice", "name": "actor", "label": "only by", "value": options["actor"] or "all",
         "options": ["all", *ACTORS]},
        {"type": "text", "name": "verb", "label": "only the verb", "value": options["verb"] or ""},
    ]  # fmt: skip


def use(view: View, name: str, value: str) -> View:
    """Filters the events."""
    if name not in ("about", "actor", "verb"):
        raise ValueError(f"the timeline has no input {name!r}")
    return view.change(**{name: None if value in ("", "all") else value.strip()})


KIND = Kind(
    "timeline", title, frame, score.draw, words, matters, inputs=inputs, use=use,
    sweep=sweeps.DELAY,
)  # fmt: skip
