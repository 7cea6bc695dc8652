"""The dashboard: the cluster, what is selected in it, and what led to what, under one cursor.

The cluster view stands on top, the timeline below; between them the view that answers "why?" about
the selected thing: for a pod without a node the scheduler's verdicts, for one with a node the strip
of its life, for a Service its selector and owners, for etcd its writes or its members, for the
controller manager its loops. A line above says what needs attention and leads there by one click.

In Kubernetes: dashboards show the same objects, not why they are so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.sim.kernel import Event
from kubelab.views import attention
from kubelab.views.cluster import KIND as CLUSTER
from kubelab.views.controllers import KIND as CONTROLLERS
from kubelab.views.cursor import Cursor
from kubelab.views.desk import desk_of
from kubelab.views.etcd import KIND as ETCD
from kubelab.views.facts import find, split
from kubelab.views.kubelet import KIND as KUBELET
from kubelab.views.owners import KIND as OWNERS
from kubelab.views.owners import TOPS
from kubelab.views.picture import Picture, line, text
from kubelab.views.raft import KIND as RAFT
from kubelab.views.scheduler import KIND as SCHEDULER
from kubelab.views.timeline import KIND as TIMELINE
from kubelab.views.view import Kind, View
from kubelab.views.words import Words

# So many events back the last one about the selected thing is looked for.
LOOK_BACK = 20_000


def show(
    cluster: Any, *, by: str = "decision", play: bool = False, projector: bool = False
) -> View:
    """The whole cluster under one cursor."""
    return View(cluster, KIND, {}, by=by, play=play, projector=projector)


def matters(shown: Any, by: str, options: dict[str, Any]) -> Callable[[Event], bool]:
    """The test for the view's stops: those of the cluster view."""
    return CLUSTER.matters(shown, by, options)


def frame(shown: Any, cursor: Cursor, options: dict[str, Any]) -> dict[str, Any]:
    """What there is to see: three frames and the lines of attention."""
    whole = CLUSTER.frame(shown, cursor, {})
    chosen = answer_to(shown, cursor)
    panel = None
    if chosen is not None:
        kind, wish = chosen
        focus = _last(shown, kind, wish, cursor.event)
        at = Cursor(cursor.event, focus, 999)
        panel = {"kind": kind.name, "frame": kind.frame(shown, at, wish)}
    return {
        "revision": whole["revision"],
        "cluster": whole,
        "panel": panel,
        "selected": list(desk_of(shown).selection or ()),
        "timeline": TIMELINE.frame(shown, cursor, {}),
        "attention": attention.lines(shown.at(event=cursor.event), whole),
    }


def answer_to(shown: Any, cursor: Cursor) -> tuple[Kind, dict[str, Any]] | None:
    """The view that says why the selected thing is as it is, with its options."""
    selection = desk_of(shown).selection
    if selection is None:
        return None
    kind, name = selection
    if kind == "Pod":
        pod = find(shown.at(event=cursor.event), "Pod", name)
        bound = pod is not None and bool((pod.get("spec") or {}).get("nodeName"))
        return (KUBELET if bound else SCHEDULER), {"pod": name}
    if kind == "Service" or kind in TOPS:
        return OWNERS, {"namespace": split(name)[0] or "default"}
    if kind == "component":
        return _of_process(shown, name)
    return None


def _of_process(shown: Any, name: str) -> tuple[Kind, dict[str, Any]] | None:
    if name.startswith("etcd-"):
        if "etcd-2" in shown.world.components:
            return RAFT, {"beats": False}
        return ETCD, {"prefix": "/registry/", "noise": False}
    if name == "controller-manager":
        return CONTROLLERS, {"controller": None}
    if name == "scheduler":
        return SCHEDULER, {"pod": None}
    return None


def _last(shown: Any, kind: Kind, options: dict[str, Any], event: int) -> int:
    """The last event up to a moment that matters to a kind of view, or 0."""
    test = kind.matters(shown, "decision", options)
    for index in range(event - 1, max(event - LOOK_BACK, 0) - 1, -1):
        if test(shown.trace[index]):
            return index + 1
    return 0


KINDS = {kind.name: kind for kind in (KUBELET, SCHEDULER, OWNERS, RAFT, ETCD, CONTROLLERS)}


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame: three pictures one below the other."""
    picture = Picture(height=0)
    bottom = picture.include(CLUSTER.draw(data["cluster"]), "", 0)
    panel = data["panel"]
    if panel is not None:
        kind = KINDS[panel["kind"]]
        head = f"why: {kind.title(panel['frame'])}"
        bottom = _head(picture, "why", head, bottom)
        bottom = picture.include(kind.draw(panel["frame"]), "why/", bottom)
    bottom = _head(picture, "when", "what led to the step shown, and when", bottom)
    picture.height = picture.include(TIMELINE.draw(data["timeline"]), "when/", bottom)
    return picture


def _head(picture: Picture, key: str, words: str, top: float) -> float:
    body = line(0, 0, 944, 0, stroke="line") + text(2, 20, words, size=14, bold=True)
    picture.add(f"head/{key}", 8, top + 4, body)
    return top + 34


def words(data: dict[str, Any]) -> Words:
    """Alt text and tables of all that is shown."""
    whole = CLUSTER.words(data["cluster"])
    alt = whole.alt
    said = [row["text"] for row in data["attention"]]
    if said:
        alt += f" Needs attention: {'; '.join(said)}."
    tables = list(whole.tables)
    if data["panel"] is not None:
        more = KINDS[data["panel"]["kind"]].words(data["panel"]["frame"])
        alt += f" {more.alt}"
        tables += more.tables
    return Words(alt=alt, tables=(*tables, *TIMELINE.words(data["timeline"]).tables))


def title(data: dict[str, Any]) -> str:
    """The line above the picture."""
    return CLUSTER.title(data["cluster"]).replace("cluster", "dashboard", 1)


KIND = Kind("dashboard", title, frame, draw, words, matters)
