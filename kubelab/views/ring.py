"""How the raft view is drawn: the ring of members, the scale of agreement, the logs.

An arc around a member is its timer: it runs down, and where it ends the member acts. Small dots are
the votes it has. In the logs every index has its column, so that equal places stand below each
other: solid where the member knows that a majority has the entry, dashed where not yet.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from math import cos, pi, sin
from typing import Any

from kubelab.views.picture import (
    Picture,
    arrow,
    line,
    measure,
    number,
    path,
    placed,
    rect,
    text,
)
from kubelab.views.shapes import glyph

Places = dict[str, tuple[float, float]]
CENTRE, RADIUS, SIZE = (200.0, 176.0), 118.0, 32.0
LOGS_X, CELL = 420, 40


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=360)
    places = _places(data["members"])
    _links(picture, data, places)
    for member in data["members"]:
        _member(picture, data, member, places)
    if data["message"]:
        _message(picture, data["message"], places)
    _scale(picture, data)
    bottom = _logs(picture, data, 78)
    picture.height = max(bottom + 8, 356)
    return picture


def _places(members: list[dict[str, Any]]) -> Places:
    count = max(len(members), 1)
    out: Places = {}
    for at, member in enumerate(members):
        turn = 2 * pi * at / count - pi / 2
        far = RADIUS if count > 1 else 0
        out[member["name"]] = (CENTRE[0] + far * cos(turn), CENTRE[1] + far * sin(turn))
    out["you/etcd"] = out["you"] = (34, 24)
    return out


def _links(picture: Picture, data: dict[str, Any], places: Places) -> None:
    names = [member["name"] for member in data["members"]]
    body = ""
    for at, a in enumerate(names):
        for b in names[at + 1 :]:
            (x1, y1), (x2, y2) = places[a], places[b]
            if [a, b] in data["cut"]:
                mx, my = (x1 + x2) / 2, (y1 + y2) / 2
                body += line(x1, y1, x2, y2, stroke="line", width=1, dash="2 6")
                cross = f"M{number(mx - 6)} {number(my - 6)}l12 12m0 -12l-12 12"
                body += path(cross, stroke="alarm", width=3)
            else:
                body += line(x1, y1, x2, y2, stroke="line", width=1.5)
    if body:
        picture.add("links", 0, 0, body)


def _member(picture: Picture, data: dict[str, Any], member: dict[str, Any], places: Places) -> None:
    x, y = places[member["name"]]
    role, r = member["role"], SIZE
    message = data["message"] or {}
    here = member["name"] in (message.get("from"), message.get("to"))
    circle = f"M{-r} 0A{r} {r} 0 1 1 {r} 0A{r} {r} 0 1 1 {-r} 0Z"
    leads, stopped = role == "leader", role == "stopped"
    body = path(_arc(r + 7, 1), stroke="etcd", width=3) if here else ""
    dash = "4 3" if stopped or role.endswith("candidate") else ""
    body += path(circle, fill="etcd" if leads else "paper" if stopped else "soft", stroke="ink",
                 width=3 if leads else 1.5, dash=dash)  # fmt: skip
    if member["share"]:
        body += path(_arc(r + 2.5, member["share"]), stroke="ink", width=4)
    ink = "on-etcd" if leads else "ink"
    body += text(0, -4, member["name"], size=13, anchor="middle", bold=True, fill=ink)
    body += text(0, 13, f"term {member['term']}", size=12, anchor="middle", fill=ink)
    outside = -(r + 14) if y < CENTRE[1] - 40 else r + 24
    words = role + (f" · {member['left_ms']} ms" if member["timer"] else "")
    body += rect(-measure(words, 12) / 2 - 2, outside - 12, measure(words, 12) + 4, 16,
                 fill="paper", radius=3)  # fmt: skip
    body += text(0, outside, words, size=12, anchor="middle", bold=leads)
    for at, _ in enumerate(member["votes"] if role.endswith("candidate") or leads else ()):
        body += placed(-r + 8 + 10 * at, r - 7, rect(-4, -4, 8, 8, fill="ink", radius=4))
    body += placed(r * 0.8, -r * 0.8, glyph("stopped")) if stopped else ""
    picture.add(
        f"member/{member['name']}", x, y, body, kind="component", name=member["name"],
        state="stopped" if stopped else "ready" if leads else "working", ring=here,
        actor="etcd", event=message.get("event") if here else None,
        label=f"{member['name']}, {role}, term {member['term']}, timer {member['left_ms']} ms",
    )  # fmt: skip


def _arc(r: float, share: float) -> str:
    """A part of a circle, from the top clockwise."""
    if share >= 0.999:
        return (
            f"M{number(-r)} 0A{number(r)} {number(r)} 0 1 1 {number(r)} 0"
            f"A{number(r)} {number(r)} 0 1 1 {number(-r)} 0Z"
        )
    turn = 2 * pi * share - pi / 2
    far = 1 if share > 0.5 else 0
    end = f"{number(r * cos(turn))} {number(r * sin(turn))}"
    return f"M0 {number(-r)}A{number(r)} {number(r)} 0 {far} 1 {end}"


def _message(picture: Picture, message: dict[str, Any], places: Places) -> None:
    start, end = places.get(message["from"]), places.get(message["to"])
    if end is None or start is None or start == end:
        return
    (x1, y1), (x2, y2) = start, end
    length = max(((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5, 1)
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    x1, y1, x2, y2 = x1 + 40 * ux, y1 + 40 * uy, x2 - 42 * ux, y2 - 42 * uy
    if message["lost"]:
        x2, y2 = (x1 + x2) / 2, (y1 + y2) / 2
    body = arrow(x1, y1, x2, y2, stroke="ink", width=5)
    body += arrow(x1, y1, x2, y2, stroke=message["actor"], width=2.5)
    if message["lost"]:
        cross = f"M{number(x2 - 7)} {number(y2 - 7)}l14 14m0 -14l-14 14"
        body += path(cross, stroke="alarm", width=3)
    words = message["verb"] + (": no" if message["reject"] else "")
    words = f"{words} (lost)" if message["lost"] else words
    wide = measure(words, 13) + 16
    mx = min(max((x1 + x2) / 2, wide / 2 + 4), LOGS_X - wide / 2 - 20)
    my = (y1 + y2) / 2
    body += rect(mx - wide / 2, my - 12, wide, 24, fill=message["actor"], stroke="ink", radius=6)
    body += text(mx, my + 5, words, size=13, anchor="middle", fill=f"on-{message['actor']}")
    picture.add(
        "message", 0, 0, body, kind="message", name=f"{message['from']}>{message['to']}",
        state="failed" if message["lost"] else "ready", actor=message["actor"],
        event=message["event"], label=f"{words} from {message['from']} to {message['to']}",
    )  # fmt: skip


def _scale(picture: Picture, data: dict[str, Any]) -> None:
    """How many reach each other, against how many must agree."""
    able, voters = data["able"], data["voters"]
    words = f"{data['together']} of {voters} reach each other, {data['quorum']} must agree"
    words += "" if able else ": nothing can be decided"
    body = text(0, 0, words, size=14, bold=True)
    for at in range(voters):
        body += rect(34 * at, 12, 30, 14, stroke="ink" if able else "alarm", radius=2,
                     fill="fill" if at < data["together"] else "paper",
                     width=1.5 if able else 3)  # fmt: skip
    x = 34 * data["quorum"] - 2
    body += line(x, 7, x, 31, stroke="ink", width=3)
    picture.add(
        "quorum", LOGS_X, 24, body, kind="quorum", name="quorum",
        state="ready" if able else "failed", label=words,
    )  # fmt: skip


def _logs(picture: Picture, data: dict[str, Any], top: float) -> float:
    members = data["members"]
    last = max((m["last"] for m in members), default=0)
    first = max(last - 11, 1)
    head = text(0, 0, "logs: solid = agreed on by a majority, dashed = not yet", size=13, bold=True)
    for index in range(first, last + 1):
        head += text(62 + CELL * (index - first) + 17, 20, str(index), size=12, fill="muted",
                     anchor="middle")  # fmt: skip
    picture.add("logs", LOGS_X - 20, top + 8, head)
    top += 36
    for member in members:
        body = text(0, 18, member["name"], size=13, bold=member["name"] == data["leader"])
        for entry in member["entries"]:
            if entry["index"] < first:
                continue
            x = 62 + CELL * (entry["index"] - first)
            agreed = entry["agreed"]
            body += rect(x, 0, 35, 26, fill="fill" if agreed else "paper", stroke="ink", radius=3,
                         dash="" if agreed else "4 3")  # fmt: skip
            body += text(x + 17, 18, f"t{entry['term']}", size=13, anchor="middle")
        picture.add(
            f"log/{member['name']}", LOGS_X - 20, top, body, kind="log", name=member["name"],
            state="stopped" if member["role"] == "stopped" else "ready",
            label=f"Log of {member['name']}: last entry {member['last']}, agreed up to "
            f"{member['commit']}",
        )  # fmt: skip
        top += 33
    leader = next(
        (m for m in members if m["name"] == data["leader"]), members[0] if members else {}
    )
    said = [f"{e['index']}: {e['said']}" for e in leader.get("entries", ())[-6:]]
    picture.add("said", LOGS_X - 20, top + 14, text(0, 0, " · ".join(said), size=12, fill="muted",
                                                    width=540))  # fmt: skip
    return top + 20
