"""The controllers view: what is wished, what is seen, what is done?

One lane for each loop of the controller manager, all with the same three boxes: WISH, SEEN, ACT. A
step is one turn of one loop; the gap between wish and world is written as a sum. Loops that found
nothing to do of late are folded. While the manager is stopped its lanes are hollow, and the view
itself goes on counting the gap from the objects, and says so.

In Kubernetes: kube-controller-manager logs such turns at verbosity 4 and more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.api.objects import get
from kubelab.controllers.sentences import ACTORS, IDLE
from kubelab.sim.kernel import Event
from kubelab.views import lanes
from kubelab.views.cluster import stopped_at
from kubelab.views.cursor import Cursor
from kubelab.views.view import Kind, View
from kubelab.views.words import Table, Words, plural

MANAGER = "controller-manager"
# Lanes drawn at most, and so many events back a loop's last turn is looked for.
LANES = 9
LOOK_BACK = 20_000
# Kinds whose wish is a number of pods that they own, a Deployment by its ReplicaSets.
COUNTED = ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController")


def show(
    cluster: Any,
    controller: str | None = None,
    *,
    by: str = "decision",
    play: bool = False,
    projector: bool = False,
) -> View:
    """The loops of the controller manager; `controller` keeps to one of them."""
    if controller is not None and controller not in ACTORS:
        raise ValueError(f"controller {controller!r}: there are {', '.join(sorted(ACTORS))}")
    return View(cluster, KIND, {"controller": controller}, by=by, play=play, projector=projector)


def is_turn(event: Event, options: dict[str, Any]) -> bool:
    """Whether an event is a turn of a loop that this view shows."""
    detail = event.detail
    if event.target != MANAGER or event.verb != "sync" or not detail.get("controller"):
        return False
    return options.get("controller") in (None, detail["controller"])


def is_stop(event: Event, by: str, options: dict[str, Any]) -> bool:
    """By message every turn, by decision the turns that act, and faults of the manager."""
    if event.target == "faults" and event.verb in ("halt", "begin"):
        named = [*(event.detail.get("stopped") or ()), *(event.detail.get("started") or ())]
        return MANAGER in named
    if not is_turn(event, options):
        return False
    return by == "message" or event.detail.get("act", IDLE) != IDLE


def matters(cluster: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops."""
    return lambda event: is_stop(event, by, options)


def frame(cluster: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: the last turn of each loop, and where wish and world differ."""
    trace = cluster.trace
    moment = cluster.at(event=cursor.event)
    latest: dict[str, dict[str, Any]] = {}
    for index in range(cursor.event - 1, max(cursor.event - LOOK_BACK, 0) - 1, -1):
        event = trace[index]
        if not is_turn(event, options):
            continue
        name = event.detail["controller"]
        if name not in latest:
            latest[name] = _turn(event)
        row = latest[name]
        row["turns"] += 1
        row["acted"] = max(row["acted"], event.id if event.detail.get("act", IDLE) != IDLE else 0)
    focus = trace[cursor.focus - 1] if cursor.focus else None
    if focus is not None and is_turn(focus, options):
        row = latest.setdefault(focus.detail["controller"], _turn(focus))
        latest[row["name"]] = {**_turn(focus), "turns": row["turns"], "acted": row["acted"]}
    chosen = sorted(latest.values(), key=lambda row: (-row["acted"], -row["event"]))
    chosen = [row for row in chosen if row["acted"] or row["event"] == cursor.focus][:LANES]
    order = list(ACTORS)
    chosen.sort(key=lambda row: order.index(row["name"]) if row["name"] in order else len(order))
    return {
        "revision": moment.revision,
        "focus": cursor.focus,
        "controller": options.get("controller") or "",
        "stopped": MANAGER in stopped_at(cluster, cursor.event),
        "lanes": chosen,
        "idle": max(len(ACTORS) - len(chosen), 0),
        "gaps": _gaps(moment),
    }


def _turn(event: Event) -> dict[str, Any]:
    detail = event.detail
    wish, seen = detail.get("wish"), detail.get("seen")
    act = str(detail.get("act", IDLE))
    difference = wish - seen if isinstance(wish, int) and isinstance(seen, int) else None
    return {
        "name": detail["controller"],
        "label": ACTORS.get(detail["controller"], detail["controller"]),
        "key": str(detail.get("key", "")),
        "wish": "" if wish is None else str(wish),
        "seen": "" if seen is None else str(seen),
        "sum": "" if difference is None else f"{wish} − {seen} = {difference}",
        "act": "" if act == IDLE else act,
        "event": event.id,
        "turns": 0,
        "acted": 0,
    }


def _gaps(moment: Any) -> list[dict[str, Any]]:
    """Where the world differs from the wish, counted from the objects by the view."""
    pods: dict[str, int] = {}
    for pod in moment.list("Pod"):
        if pod["metadata"].get("deletionTimestamp"):
            continue
        for owner in pod["metadata"].get("ownerReferences") or ():
            if owner.get("controller"):
                pods[owner["uid"]] = pods.get(owner["uid"], 0) + 1
    for child in moment.list("ReplicaSet"):
        for owner in child["metadata"].get("ownerReferences") or ():
            if owner.get("controller"):
                below = pods.get(child["metadata"].get("uid", ""), 0)
                pods[owner["uid"]] = pods.get(owner["uid"], 0) + below
    out = []
    for kind in COUNTED:
        for obj in moment.list(kind):
            metadata = obj["metadata"]
            wish = int(get(obj, "spec", "replicas", default=1))
            seen = pods.get(metadata.get("uid", ""), 0)
            if wish != seen:
                name = f"{metadata.get('namespace', '')}/{metadata['name']}"
                out.append({"kind": kind, "name": name, "wish": wish, "seen": seen})
    return out


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables."""
    alt = f"{plural(len(data['lanes']), 'control loop')} with something done, {data['idle']} idle."
    if data["stopped"]:
        alt += " The controller manager is stopped."
    for row in data["gaps"][:3]:
        alt += f" {row['kind']} {row['name']}: wish {row['wish']}, there are {row['seen']}."
    turns = tuple(
        (row["label"], row["key"], row["wish"], row["seen"], row["act"] or "nothing to do")
        for row in data["lanes"]
    )
    gaps = tuple(
        (f"{row['kind']} {row['name']}", str(row["wish"]), str(row["seen"])) for row in data["gaps"]
    )
    tables = (
        Table("Last turn of each loop", ("loop", "object", "wish", "seen", "act"), turns),
        Table("Gaps counted by the view", ("object", "wish", "pods"), gaps),
    )
    return Words(alt=alt, tables=tuple(table for table in tables if table.rows))


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return f"controllers · {ACTORS.get(data['controller'], 'all loops')}"


KIND = Kind("controllers", title, frame, lanes.draw, words, matters)
