"""Own drawings: shape says what a thing is, pattern says how it is, a ring says it just changed.

A pod is a circle, an owner a house, a Service a diamond, a component a pill, and so on; inside each
stands kubectl's short name. A state is a pattern that also works without colour: ready is filled,
waiting is dashed and hollow with a clock, working is half filled, failed has a thick hatched edge
and a cross, leaving is dotted, unknown is cross-hatched with a question mark, stopped is hollow
with the power sign. Colour is left to the actor (see `palette.py`), so a thing at rest is grey.

In Kubernetes: the short names are those of `kubectl api-resources`.
"""

from __future__ import annotations

from math import sqrt

from kubelab.views.picture import line, measure, number, path, placed, rect, text

SHORT = {
    "Pod": "po",
    "Deployment": "deploy",
    "ReplicaSet": "rs",
    "StatefulSet": "sts",
    "DaemonSet": "ds",
    "Job": "job",
    "CronJob": "cj",
    "ReplicationController": "rc",
    "Service": "svc",
    "EndpointSlice": "eps",
    "Endpoints": "ep",
    "ConfigMap": "cm",
    "Secret": "secret",
    "Node": "no",
    "Namespace": "ns",
    "Lease": "lease",
    "PersistentVolume": "pv",
    "PersistentVolumeClaim": "pvc",
    "ServiceAccount": "sa",
}

STATES = ("ready", "waiting", "working", "failed", "leaving", "unknown", "stopped")

_OWNERS = (
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
)
_DASH = {"waiting": "4 3", "leaving": "1.5 3"}


def outline(kind: str, r: float) -> str:
    """The outline of a kind's shape, centred, as the d of a path."""
    n = number
    if kind == "Pod":
        return f"M{n(-r)} 0A{n(r)} {n(r)} 0 1 1 {n(r)} 0A{n(r)} {n(r)} 0 1 1 {n(-r)} 0Z"
    if kind in _OWNERS:
        return f"M{n(-r)} {n(r)}V{n(-r / 3)}L0 {n(-r)}L{n(r)} {n(-r / 3)}V{n(r)}Z"
    if kind in ("Service", "EndpointSlice", "Endpoints"):
        d = f"M0 {n(-r)}L{n(r * 1.25)} 0L0 {n(r)}L{n(-r * 1.25)} 0Z"
        if kind != "Service":
            d = (
                f"M0 {n(-r)}L{n(r * 1.25)} 0L0 {n(r)}L{n(-r * 0.8)} {n(r * 0.35)}"
                f"L{n(-r * 0.5)} 0L{n(-r * 0.8)} {n(-r * 0.35)}Z"
            )
        return d
    if kind in ("PersistentVolume", "PersistentVolumeClaim"):
        top = n(-r * 0.7)
        return (
            f"M{n(-r)} {top}A{n(r)} {n(r * 0.3)} 0 0 1 {n(r)} {top}V{n(r * 0.7)}"
            f"A{n(r)} {n(r * 0.3)} 0 0 1 {n(-r)} {n(r * 0.7)}Z"
        )
    if kind in ("ConfigMap", "Secret"):
        fold = n(r * 0.35)
        return f"M{n(-r * 0.8)} {n(-r)}H{fold}L{n(r * 0.8)} {n(-r * 0.5)}V{n(r)}H{n(-r * 0.8)}Z"
    cut = r * 0.42
    return (
        f"M{n(-cut)} {n(-r)}H{n(cut)}L{n(r)} {n(-cut)}V{n(cut)}L{n(cut)} {n(r)}"
        f"H{n(-cut)}L{n(-r)} {n(cut)}V{n(-cut)}Z"
    )


def thing(
    kind: str,
    state: str = "ready",
    *,
    r: float = 16,
    ring: bool = False,
    actor: str = "ink",
    named: bool = True,
) -> str:
    """A thing of a kind in a state, centred on its origin."""
    d = outline(kind, r)
    out = path(outline(kind, r + 5), stroke=actor, width=3) if ring else ""
    if state == "ready":
        out += path(d, fill="fill")
    else:
        out += path(d, fill="paper")
    if state == "working":
        half = r * 0.86
        out += path(
            f"M{number(-half)} 0A{number(half)} {number(half)} 0 0 0 {number(half)} 0Z", fill="fill"
        )
    if state in ("failed", "unknown"):
        out += hatch(r * 0.86, crossed=state == "unknown", stroke=_edge(state))
    out += path(
        d, stroke=_edge(state), width=3 if state == "failed" else 1.5, dash=_DASH.get(state, "")
    )
    if named and r >= 13:
        short = SHORT.get(kind, kind[:5].lower())
        size = 12 if measure(short, 12) < 1.7 * r else 10
        if state in ("failed", "unknown"):
            half = measure(short, size) / 2 + 1
            out += rect(-half, -size / 2 - 2, 2 * half, size + 4, fill="paper", radius=3)
        out += text(0, size * 0.36, short, size=size, anchor="middle")
    mark = glyph(state)
    if mark and r >= 10:
        out += placed(r * 0.82, -r * 0.82, mark)
    return out


def _edge(state: str) -> str:
    return {"failed": "alarm", "unknown": "muted"}.get(state, "ink")


def hatch(r: float, *, crossed: bool, stroke: str) -> str:
    """Slanted strokes inside a circle of radius r; crossed ones for `unknown`."""
    out = ""
    for offset in (-0.6, -0.2, 0.2, 0.6):
        at = offset * r
        reach = sqrt(max(r * r - at * at, 0)) / sqrt(2)
        mid = at / sqrt(2)
        out += line(mid - reach, mid + reach, mid + reach, mid - reach, stroke=stroke, width=1)
        if crossed:
            out += line(
                mid - reach, -mid - reach, mid + reach, -mid + reach, stroke=stroke, width=1
            )
    return out


def glyph(state: str) -> str:
    """The small sign of a state, about 12 wide, centred; empty for `ready`."""
    disc = path("M-7 0A7 7 0 1 1 7 0A7 7 0 1 1 -7 0Z", fill="paper", stroke=_edge(state), width=1)
    if state == "waiting":
        return disc + path("M0 -4V0L3 2", stroke="ink", width=1.5)
    if state == "working":
        dots = "".join(rect(x - 1, -1, 2, 2, fill="ink", radius=1) for x in (-3, 0, 3))
        return disc + dots
    if state == "failed":
        return disc + path("M-3 -3L3 3M3 -3L-3 3", stroke="alarm", width=2)
    if state == "leaving":
        return disc + path("M-3 -3L3 3M3 -1V3H-1", stroke="ink", width=1.5)
    if state == "unknown":
        return disc + text(0, 4, "?", size=11, anchor="middle", bold=True)
    if state == "stopped":
        return disc + path("M0 -4.5V-0.5M-2.8 -2.6A4 4 0 1 0 2.8 -2.6", stroke="ink", width=1.5)
    return ""


def pill(
    words: str, w: float, h: float, actor: str, *, stopped: bool = False, ring: bool = False
) -> str:
    """A component: a pill in its actor's colour with its name, its corner at the origin."""
    out = rect(-4, -4, w + 8, h + 8, stroke=actor, width=3, radius=h / 2 + 4) if ring else ""
    out += rect(
        0,
        0,
        w,
        h,
        fill="paper" if stopped else actor,
        stroke="ink",
        radius=h / 2,
        dash="4 3" if stopped else "",
    )
    size = 13 if measure(words, 13, True) <= w - 14 else 12
    ink = "ink" if stopped else f"on-{actor}"
    out += text(
        w / 2,
        h / 2 + size * 0.36,
        words,
        size=size,
        fill=ink,
        anchor="middle",
        bold=True,
        width=w - 12,
    )
    if stopped:
        out += placed(w - 4, 2, glyph("stopped"))
    return out


def bar(w: float, h: float, share: float, *, fill: str = "muted") -> str:
    """A bar from the origin, filled to a share between 0 and 1."""
    share = min(max(share, 0), 1)
    out = rect(0, 0, w, h, fill="paper", radius=2)
    if share > 0:
        out += rect(0, 0, max(w * share, 1.5), h, fill=fill, radius=2)
    return out + rect(0, 0, w, h, stroke="ink", width=1, radius=2)
