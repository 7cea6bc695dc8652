"""How the cluster view is drawn: control plane, tray of waiting pods, nodes, and one message.

Up to 12 nodes are drawn with each pod by name; more are left to `crowd.py`. The order of nodes and
pods is that of their names, so that a thing keeps its place as long as it can.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views import crowd
from kubelab.views.crowd import Places
from kubelab.views.picture import (
    WIDTH,
    Picture,
    arrow,
    fit,
    line,
    measure,
    path,
    placed,
    rect,
    text,
)
from kubelab.views.shapes import bar, pill, thing

IN_DETAIL, AS_TILES = 12, 60
PODS_NAMED = 16
POD_ROW = 38
TRAY_Y = 86
# Between the control plane and the tray: where messages between its parts go.
LANE_Y = 67.0


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=200)
    places: Places = {}
    _control_plane(picture, data, places)
    top = _tray(picture, data, places, TRAY_Y)
    count = len(data["nodes"])
    if not count:
        hint = "There is no node yet. Press Step: the kubelets register their nodes."
        picture.add("hint", 20, top + 40, text(0, 0, hint, size=16))
        picture.height = top + 80
    elif count <= IN_DETAIL:
        picture.height = _detailed(picture, data, places, top) + 10
    elif count <= AS_TILES:
        picture.height = crowd.tiles(picture, data, places, top) + 10
    else:
        picture.height = crowd.mosaic(picture, data, places, top) + 10
    if data["message"]:
        _message(picture, data["message"], places)
    return picture


def _control_plane(picture: Picture, data: dict[str, Any], places: Places) -> None:
    parts = data["components"]
    message = data["message"] or {}
    widths = [max(measure(part["label"], 13, True) + 30, 64) for part in parts]
    gap = (WIDTH - 16 - sum(widths)) / max(len(parts) - 1, 1) if parts else 0
    gap = min(gap, 90)
    x = 8.0
    for part, width in zip(parts, widths, strict=True):
        ring = part["name"] in (message.get("to"), message.get("from"))
        picture.add(
            f"part/{part['name']}",
            x,
            14,
            pill(part["label"], width, 36, part["actor"], stopped=part["stopped"], ring=ring),
            kind="component",
            name=part["name"],
            actor=part["actor"],
            ring=ring,
            state="stopped" if part["stopped"] else "ready",
            event=message.get("event"),
            label=f"{part['label']}, {'stopped' if part['stopped'] else 'running'}",
        )
        places[part["name"]] = (x + width / 2, 32)
        x += width + gap


def _tray(picture: Picture, data: dict[str, Any], places: Places, top: float) -> float:
    tray = data["tray"]
    words = f"{len(tray)} waiting for a node" if tray else "no pod waits for a node"
    body = rect(0, 0, WIDTH - 16, 58 if tray else 26, fill="soft", stroke="line", dash="4 3")
    body += text(10, 18, words, size=12, fill="muted")
    picture.add("tray", 8, top, body)
    for number, pod in enumerate(tray[:6]):
        _pod(picture, data, places, pod, 32 + 154 * number, top + 38, 150)
    if len(tray) > 6:
        picture.add(
            "tray-rest", WIDTH - 90, top + 18, text(0, 0, f"and {len(tray) - 6} more", size=12)
        )
    return top + (58 if tray else 26) + 14


def _pod(
    picture: Picture,
    data: dict[str, Any],
    places: Places,
    pod: dict[str, Any],
    x: float,
    y: float,
    width: float,
) -> None:
    ring = data["touched"] == f"Pod {pod['name']}"
    message = data["message"] or {}
    actor = message.get("actor", "ink") if ring else "ink"
    body = thing("Pod", pod["state"], r=14, ring=ring, actor=actor)
    body += text(24, -2, pod["short"], size=12, width=width - 46)
    body += text(24, 13, pod["word"], size=12, fill="muted", width=width - 46)
    picture.add(
        f"po/{pod['name']}",
        x,
        y,
        body,
        kind="Pod",
        name=pod["name"],
        state=pod["state"],
        actor=actor if ring else "",
        ring=ring,
        event=message.get("event") if ring else None,
        label=f"Pod {pod['short']}, {pod['word']}, on {pod['node'] or 'no node yet'}",
    )
    places[f"coredns/{pod['short']}"] = places[f"pod/{pod['name']}"] = (x, y)


def _detailed(picture: Picture, data: dict[str, Any], places: Places, top: float) -> float:
    nodes = data["nodes"]
    across = len(nodes) if len(nodes) <= 3 else 3
    width = (WIDTH - 16 - 10 * (across - 1)) / across
    per_row = 2 if width < 400 else 3 if width < 700 else 5
    for start in range(0, len(nodes), across):
        row = nodes[start : start + across]
        most = max(len(node["pods"]) for node in row)
        lines = -(-min(most, PODS_NAMED) // per_row)
        height = 106 + max(lines, 1) * POD_ROW + (18 if most > PODS_NAMED else 0)
        for number, node in enumerate(row):
            x = 8 + (width + 10) * number
            _node(picture, data, places, node, x, top, width, height)
            inner = (width - 20) / per_row
            for place, pod in enumerate(node["pods"][:PODS_NAMED]):
                _pod(
                    picture,
                    data,
                    places,
                    pod,
                    x + 26 + inner * (place % per_row),
                    top + 120 + POD_ROW * (place // per_row),
                    inner,
                )
            if len(node["pods"]) > PODS_NAMED:
                rest = f"and {len(node['pods']) - PODS_NAMED} more pods"
                picture.add(
                    f"rest/{node['name']}", x + 12, top + height - 8, text(0, 0, rest, size=12)
                )
        top += height + 12
    return top


def _node(
    picture: Picture,
    data: dict[str, Any],
    places: Places,
    node: dict[str, Any],
    x: float,
    y: float,
    width: float,
    height: float,
) -> None:
    message = data["message"] or {}
    ring = data["touched"] == f"Node {node['name']}"
    edge = {"failed": "alarm", "unknown": "muted"}.get(node["state"], "ink")
    dash = "6 4" if node["state"] == "unknown" else ""
    body = (
        rect(-4, -4, width + 8, height + 8, stroke=message.get("actor", "ink"), width=3, radius=9)
        if ring
        else ""
    )
    body += rect(
        0,
        0,
        width,
        height,
        fill="paper",
        stroke=edge,
        radius=6,
        dash=dash,
        width=3 if node["state"] == "failed" else 1.5,
    )
    body += rect(0, 0, width, 28, fill="soft", stroke=edge, radius=6, dash=dash)
    mark = {"failed": "✕ ", "unknown": "? "}.get(node["state"], "")
    body += text(10, 19, node["name"], size=14, bold=True, width=width * 0.55)
    body += text(width - 10, 19, mark + node["word"], size=13, anchor="end", width=width * 0.45)
    for number, item in enumerate(node["bars"]):
        left = 10 + (width / 2 - 4) * number
        body += placed(left, 36, bar(width / 2 - 22, 8, item["share"]))
        words = f"{item['resource']} {item['text']}"
        body += text(left, 58, words, size=12, fill="muted", width=width / 2 - 18)
    picture.add(
        f"no/{node['name']}",
        x,
        y,
        body,
        kind="Node",
        name=node["name"],
        state=node["state"],
        ring=ring,
        event=message.get("event") if ring else None,
        label=f"Node {node['name']}, {node['word']}, {len(node['pods'])} pods",
    )
    places[f"node/{node['name']}"] = (x + width / 2, y + 14)
    _parts(picture, message, places, node, x, y)


def _parts(
    picture: Picture,
    message: dict[str, Any],
    places: Places,
    node: dict[str, Any],
    x: float,
    y: float,
) -> None:
    """The node's own processes; its runtime and network stand behind the kubelet's pill."""
    left = x + 10
    for part in node["parts"]:
        active = _is_part(message, part["name"], node["name"])
        wide = 92 if part["label"] == "kubelet" else 104
        picture.add(
            f"part/{part['name']}",
            left,
            y + 68,
            pill(part["label"], wide, 24, part["actor"], stopped=part["stopped"], ring=active),
            kind="component",
            name=part["name"],
            actor=part["actor"],
            ring=active,
            state="stopped" if part["stopped"] else "ready",
            label=f"{part['label']} on {node['name']}, "
            f"{'stopped' if part['stopped'] else 'running'}",
        )
        places[part["name"]] = (left + wide / 2, y + 80)
        left += wide + 10
    for helper in ("runtime", "kernel", "resolver", "tools"):
        places[f"{helper}/{node['name']}"] = places[f"kubelet/{node['name']}"]


def _is_part(message: dict[str, Any], name: str, node: str) -> bool:
    ends = (message.get("from"), message.get("to"))
    if name in ends:
        return True
    return name == f"kubelet/{node}" and any(
        end == f"{helper}/{node}"
        for end in ends
        for helper in ("runtime", "kernel", "resolver", "tools")
    )


def _message(picture: Picture, message: dict[str, Any], places: Places) -> None:
    start, end = places.get(message["from"]), places.get(message["to"])
    words = fit(f"{message['verb']} {message['about']}".strip(), 260, 13)
    if end is None and start is None:
        return
    if start is None or end is None or start == end:
        x, y = end or start or (0, 0)
        if y < TRAY_Y:
            # Below the control plane there is room for a word; on a node the ring says enough.
            body = _label(words, message["actor"], 0, 0)
            picture.add(
                "message", min(max(x, 140), WIDTH - 140), y + 30, body,
                kind="message", actor=message["actor"], event=message["event"],
            )  # fmt: skip
        return
    (x1, y1), (x2, y2) = start, end
    if y1 < TRAY_Y and y2 < TRAY_Y:
        body = _elbow(x1, x2, message["actor"], "6 4" if message["dashed"] else "")
        middle = ((x1 + x2) / 2, LANE_Y)
    else:
        body = _straight(x1, y1, x2, y2, message)
        near = abs(x2 - x1) + abs(y2 - y1) < 90
        # What a runtime does to a pod beside it needs no line; the word stands below the pod.
        body = "" if near else body
        middle = (x2, y2 + 34) if near else ((x1 + x2) / 2, (y1 + y2) / 2)
    body += _label(words, message["actor"], min(max(middle[0], 140), WIDTH - 140), middle[1])
    picture.add(
        "message", 0, 0, body, kind="message", actor=message["actor"], event=message["event"]
    )


def _straight(x1: float, y1: float, x2: float, y2: float, message: dict[str, Any]) -> str:
    """An arrow from near one end to near the other, with an edge that stands out on any ground."""
    dx, dy = x2 - x1, y2 - y1
    length = max((dx * dx + dy * dy) ** 0.5, 1)
    cut = min(22 if abs(dy) > abs(dx) else 60, length / 3)
    ax, ay = x1 + dx * cut / length, y1 + dy * cut / length
    bx, by = x2 - dx * cut / length, y2 - dy * cut / length
    dash = "6 4" if message["dashed"] else ""
    return (
        line(ax, ay, bx, by, stroke="paper", width=7)
        + arrow(ax, ay, bx, by, stroke="ink", width=5, dash=dash)
        + arrow(ax, ay, bx, by, stroke=message["actor"], width=2.5, dash=dash)
    )


def _elbow(x1: float, x2: float, actor: str, dash: str) -> str:
    """A way below the row of the control plane, so that it crosses nobody between the ends."""
    out = ""
    for stroke, width in (("ink", 5.0), (actor, 2.5)):
        d = f"M{x1:.0f} 53V{LANE_Y:.0f}H{x2:.0f}"
        out += path(d, stroke=stroke, width=width, dash=dash)
        out += arrow(x2, LANE_Y, x2, 53, stroke=stroke, width=width, dash=dash)
    return out


def _label(words: str, actor: str, x: float, y: float) -> str:
    width = measure(words, 13) + 18
    return rect(x - width / 2, y - 12, width, 24, fill=actor, stroke="ink", radius=6) + text(
        x, y + 5, words, size=13, anchor="middle", fill=f"on-{actor}"
    )
