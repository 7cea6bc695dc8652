"""How the timeline is drawn: lanes of actors, marks of events, arcs from cause to effect.

Every mark has a place of its own to the right of the one before, so that nothing hides anything;
the axis below says the time, and where nothing happened for long a gap is drawn instead. Where more
marks are to be shown than fit, those that are neither cause nor effect are counted in bins.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from kubelab.views.picture import Picture, line, number, path, rect, text

LANES = ("you", "api", "etcd", "controllers", "scheduler", "kubelet", "proxy", "dns")
NAMES = {
    "you": "you", "api": "API server", "etcd": "etcd", "controllers": "controllers",
    "scheduler": "scheduler", "kubelet": "kubelets", "proxy": "kube-proxy", "dns": "DNS",
}  # fmt: skip
LEFT, RIGHT, TOP, LANE = 110.0, 946.0, 26.0, 27.0
GAP, WIDEST, NARROWEST = 34.0, 26.0, 11.0
QUIET_NS = 2_000_000_000
R = 5.0


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    bottom = TOP + LANE * len(LANES)
    picture = Picture(height=bottom + 46)
    for at, lane in enumerate(LANES):
        y = TOP + LANE * at
        body = text(0, 4, NAMES[lane], size=13)
        body += rect(-14, -5, 9, 9, fill=lane, stroke="ink", radius=5)
        body += line(92, 0, RIGHT - 18, 0, stroke="line", width=1)
        picture.add(f"lane/{lane}", 22, y, body)
    if not data["marks"]:
        hint = "Nothing was decided yet. Apply something, then press Step."
        picture.add("hint", LEFT + 10, TOP + 60, text(0, 0, hint, size=16))
        return picture
    places = _places(picture, data["marks"], bottom)
    _arcs(picture, data, places)
    for mark in data["marks"]:
        if mark["event"] in places:
            _mark(picture, mark, places[mark["event"]])
    said = "grey stripe: a quiet stretch, folded, and how long it was"
    picture.add("fold", RIGHT, 12, text(0, 0, said, size=12, fill="muted", anchor="end"))
    if data["earlier"]:
        said = f"… {data['earlier']} earlier causes"
        picture.add("earlier", LEFT, 12, text(0, 0, said, size=12, fill="muted"))
    return picture


def _places(
    picture: Picture, marks: list[dict[str, Any]], bottom: float
) -> dict[int, tuple[float, float]]:
    """Where each mark stands: in order, with folded gaps; the oldest pale ones fall out."""
    room = RIGHT - LEFT
    most = int(room / (NARROWEST * 0.6)) - 8
    spare = len(marks) - most
    kept = []
    for mark in marks:
        if spare > 0 and not mark["related"]:
            spare -= 1
            continue
        kept.append(mark)
    kept = kept[-most:]
    gaps = [b["ns"] - a["ns"] > QUIET_NS for a, b in pairwise(kept)]
    step = (room - GAP * sum(gaps) - 20) / max(len(kept), 1)
    step = min(max(step, NARROWEST * 0.6), WIDEST)
    x, out = LEFT + 12, {}
    labelled = 0.0
    for at, mark in enumerate(kept):
        if at and gaps[at - 1]:
            x = _gap(picture, mark["event"], x, bottom, mark["ns"] - kept[at - 1]["ns"])
            labelled = x + 24
        if x >= labelled:
            body = line(0, -8, 0, -2, stroke="muted", width=1)
            body += text(0, 12, _clock(mark["ns"]), size=12, fill="muted")
            picture.add(f"time/{mark['event']}", x, bottom, body)
            labelled = x + 84
        out[mark["event"]] = (x, TOP + LANE * LANES.index(mark["actor"]))
        x += step
    return out


def _gap(picture: Picture, event: int, x: float, bottom: float, ns: int) -> float:
    """A quiet stretch, folded; returns where it ends."""
    seconds = ns // 1_000_000_000
    words = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
    body = rect(-2, 0, GAP - 8, bottom - TOP - 8, fill="soft", radius=3)
    body += line(4, 0, 4, bottom - TOP - 8, stroke="muted", dash="2 3")
    body += line(18, 0, 18, bottom - TOP - 8, stroke="muted", dash="2 3")
    body += text(11, bottom - TOP + 42, words, size=12, fill="muted", anchor="middle")
    picture.add(f"gap/{event}", x, TOP - 8, body)
    return x + GAP


def _clock(ns: int) -> str:
    seconds = ns / 1_000_000_000
    return f"{int(seconds // 60):02d}:{seconds % 60:06.3f}"


def _arcs(picture: Picture, data: dict[str, Any], places: dict[int, tuple[float, float]]) -> None:
    body = ""
    for cause, effect in data["arcs"]:
        if cause in places and effect in places:
            (x1, y1), (x2, y2) = places[cause], places[effect]
            after = cause >= data["focus"] > 0
            middle = number((x1 + x2) / 2)
            d = f"M{number(x1)} {number(y1)}C{middle} {number(y1)} {middle} {number(y2)} "
            d += f"{number(x2)} {number(y2)}"
            body += path(d, stroke="ink", width=1.5, dash="4 3" if after else "")
    if body:
        picture.add("arcs", 0, 0, body)


def _mark(picture: Picture, mark: dict[str, Any], place: tuple[float, float]) -> None:
    here, related = mark["here"], mark["related"]
    r = R if related else 3
    circle = f"M{-r} 0A{r} {r} 0 1 1 {r} 0A{r} {r} 0 1 1 {-r} 0Z"
    body = path("M-9 0A9 9 0 1 1 9 0A9 9 0 1 1 -9 0Z", stroke="ink", width=3) if here else ""
    if related:
        body += path(circle, fill=mark["actor"], stroke="ink", width=1.5)
    else:
        body += path(circle, fill="fill", stroke="muted", width=1)
    picture.add(
        f"mark/{mark['event']}", *place, body, kind="event", name=str(mark["event"]),
        actor=mark["actor"], event=mark["event"], ring=here,
        state="ready" if related else "waiting", label=f"{mark['who']}: {mark['verb']}",
    )  # fmt: skip
