"""How the kubelet view is drawn: the strip of stations, container lanes with ticks, runtime calls.

A station is filled when the pod has passed it, half filled while it is at work, edged with a cross
while it is held up. A tick is a probe: upright for success, a cross for failure.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.picture import WIDTH, Picture, arrow, line, path, placed, rect, text, wrap
from kubelab.views.shapes import glyph, thing


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=200)
    pod = data["pod"].rpartition("/")[2]
    state = "stopped" if data["station"] == "gone" else "ready" if data["node"] else "waiting"
    body = thing("Pod", state, r=15) + text(26, 5, pod, size=14, bold=True, width=320)
    facts = f"{data['phase']} · address {data['address'] or 'none yet'}" if data["node"] else ""
    body += text(360, 5, facts, size=13, fill="muted")
    picture.add("pod", 28, 26, body, kind="Pod", name=data["pod"], state=state, label=f"Pod {pod}")
    if not data["node"]:
        hint = "No kubelet has heard of it: it is not bound to a node yet. Press Step."
        picture.add("hint", 20, 90, text(0, 0, hint, size=16))
        picture.height = 120
        return picture
    top = _stations(picture, data, 58)
    top = _containers(picture, data, top)
    picture.height = _calls(picture, data, top) + 8
    return picture


def _stations(picture: Picture, data: dict[str, Any], top: float) -> float:
    rows = data["stations"]
    step = (WIDTH - 16) / len(rows)
    for number, row in enumerate(rows):
        here = row["name"] == data["station"]
        wide, state = step - 16, row["state"]
        body = rect(-4, -4, wide + 8, 40, stroke="kubelet", width=4, radius=8) if here else ""
        body += rect(0, 0, wide, 32, fill="fill" if state == "ready" else "paper", radius=5,
                     stroke="alarm" if state == "failed" else "ink",
                     width=3 if state == "failed" else 1.5,
                     dash="4 3" if state in ("waiting", "stopped") else "")  # fmt: skip
        if state == "working":
            body += rect(2, 16, wide - 4, 14, fill="fill", radius=3)
        lines = wrap(row["name"], wide - 6, 12, 2)
        for at, words in enumerate(lines):
            y = 20 if len(lines) == 1 else 13 + 14 * at
            body += text(wide / 2, y, words, size=12, anchor="middle", bold=here)
        if state in ("working", "failed"):
            body += placed(wide - 2, 0, glyph(state))
        if number:
            body = arrow(-15, 16, -2, 16, stroke="ink") + body
        picture.add(
            f"station/{row['name']}", 8 + step * number + 8, top, body, kind="station",
            name=row["name"], state=state, actor="kubelet" if here else "", ring=here,
            event=row["event"] or None, label=f"{row['name']}: {state}",
        )  # fmt: skip
    top += 46
    for number, words in enumerate(wrap(data["waits"], WIDTH - 60, 13, 2)):
        said = text(0, 0, words, size=13, bold=True)
        picture.add(f"waits/{number}", 24, top + 14 + 18 * number, said)
        top += 18
    return top + 12


def _containers(picture: Picture, data: dict[str, Any], top: float) -> float:
    for row in data["containers"]:
        lanes = max(len(row["ticks"]), 1)
        height = 34 + 26 * (lanes - 1)
        body = rect(0, 0, WIDTH - 16, height, fill="soft", stroke="line", radius=5)
        body += rect(10, 7, 20, 20, fill="fill" if row["state"] == "ready" else "paper",
                     stroke="alarm" if row["state"] == "failed" else "ink", radius=2,
                     dash="4 3" if row["state"] == "waiting" else "")  # fmt: skip
        mark = glyph(row["state"])
        body += placed(30, 8, mark) if mark else ""
        body += text(44, 22, row["name"], size=13, bold=True, width=105)
        body += text(155, 22, f"restarts {row['restarts']}", size=13)
        body += text(235, 22, row["word"], size=13, width=175)
        room = 80 if row["ticks"] else 420
        body += text(415, 22, row["image"], size=12, fill="muted", width=room)
        for at, (probe, ticks) in enumerate(row["ticks"].items()):
            y = 22 + 26 * at
            body += text(500, y, probe, size=12, width=90)
            for place, tick in enumerate(ticks):
                body += placed(598 + 17 * place, y - 5, _tick(tick["good"]))
            last = ticks[-1]
            if not last["good"]:
                said = f"{last['row']} of {last['threshold']}"
                body += text(604 + 17 * len(ticks), y, said, size=12, bold=True)
        picture.add(
            f"container/{row['name']}", 8, top, body, kind="container", name=row["name"],
            state=row["state"], label=f"Container {row['name']} {row['word']}",
        )  # fmt: skip
        top += height + 6
    return top


def _tick(good: bool) -> str:
    if good:
        return path("M-5 0L-1 4L5 -5", stroke="ink", width=2)
    return path("M-5 -5L5 5M5 -5L-5 5", stroke="alarm", width=3)


def _calls(picture: Picture, data: dict[str, Any], top: float) -> float:
    if not data["calls"]:
        return top
    head = text(0, 0, "calls to the container runtime", size=13, bold=True)
    picture.add("calls", 10, top + 16, head)
    top += 24
    for number, row in enumerate(data["calls"]):
        newest = number == len(data["calls"]) - 1
        body = path("M6 4A6 6 0 1 1 6 16A6 6 0 1 1 6 4Z", fill="kubelet", stroke="ink")
        if number:
            body = line(6, -6, 6, 4, stroke="ink") + body
        name = f"{row['call']} {row['container']}".strip()
        body += text(20, 15, name, size=13, width=260, bold=newest)
        body += text(290, 15, " ▸ ".join(row["steps"]), size=12, fill="muted", width=WIDTH - 310)
        picture.add(
            f"call/{row['event']}", 10, top, body, kind="call", name=row["call"], state="ready",
            actor="kubelet", event=row["event"], ring=newest, label=name,
        )  # fmt: skip
        top += 22
    return top
