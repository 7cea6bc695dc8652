"""How the DNS view is drawn: resolv.conf, the ladder of questions, who answered, the packet's way.

A rung is a full name: solid with its reply, dashed while the question is under way, dotted while it
is only a plan. The dots of the name are counted against `ndots` beside the file, since that decides
which rung comes first.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.picture import WIDTH, Picture, fit, line, measure, path, rect, text, wrap
from kubelab.views.shapes import thing
from kubelab.views.words import plural

LADDER_X, ANSWER_X = 262, 690
RUNGS = 10


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=300)
    left = _file(picture, data)
    right = _servers(picture, data)
    top = _rungs(picture, data)
    picture.height = max(left, right, _way(picture, data, max(top, left) + 12)) + 8
    return picture


def _file(picture: Picture, data: dict[str, Any]) -> float:
    width = LADDER_X - 28
    lines: list[str] = []
    for row in data["file"]:
        word, _, rest = row.partition(" ")
        if word == "search":
            lines += ["search", *(f"   {item}" for item in rest.split())]
        else:
            lines.append(row)
    pod = data["pod"].rpartition("/")[2]
    body = thing("Pod", "ready", r=14) + text(22, 5, pod, size=13, bold=True, width=width - 40)
    picture.add(
        "pod",
        28,
        24,
        body,
        kind="Pod",
        name=data["pod"],
        state="ready",
        label=f"Pod {pod}, which asks",
    )
    height = 30 + 18 * len(lines)
    body = rect(0, 0, width, height, fill="soft", stroke="line", radius=4)
    body += text(8, 18, "/etc/resolv.conf", size=12, fill="muted")
    for number, row in enumerate(lines):
        indent = 16 if row.startswith(" ") else 0
        body += text(8 + indent, 38 + 18 * number, row.strip(), size=12, width=width - 16 - indent)
    picture.add("file", 10, 50, body, kind="file", actor="kubelet", state="ready")
    if not data["name"]:
        return 60 + height
    dots, ndots = data["dots"], data["ndots"]
    if data["absolute"]:
        said = "The name ends with a dot: it is tried as it is, and only so."
    elif dots < ndots:
        said = f"{data['name']} has {plural(dots, 'dot')}, fewer than ndots {ndots}: endings first."
    else:
        said = f"{data['name']} has {plural(dots, 'dot')}, ndots is {ndots}: as it is first."
    lines = wrap(said, width, 13, 4)
    body = "".join(text(0, 18 * number, row, size=13) for number, row in enumerate(lines))
    picture.add("dots", 12, 76 + height, body)
    return 80 + height + 18 * len(lines)


def _rungs(picture: Picture, data: dict[str, Any]) -> float:
    picture.add(
        "questions", LADDER_X, 28, text(0, 0, "questions, in the order asked", size=13, bold=True)
    )
    width = ANSWER_X - LADDER_X - 20
    if not data["asked"]:
        hint = f"{data['name'] or 'A name'} was not looked up yet. Press Step to ask."
        for number, row in enumerate(wrap(hint, width, 16)):
            picture.add(f"hint{number}", LADDER_X, 70 + 22 * number, text(0, 0, row, size=16))
        return 120
    if data["found"]:
        picture.add(
            "found", LADDER_X, 70, text(0, 0, f"no question: the {data['found']} has it", size=14)
        )
        return 100
    rows = data["questions"]
    start = max(min(_current(rows) - RUNGS + 3, len(rows) - RUNGS), 0)
    top = 40
    for number, row in enumerate(rows[start : start + RUNGS], start + 1):
        current = number - 1 == _current(rows)
        _rung(picture, row, number, current, top, width)
        top += 40
    return top


def _current(rows: list[dict[str, Any]]) -> int:
    """The rung that is under way, or else the last one answered."""
    for number, row in enumerate(rows):
        if row["state"] == "asked":
            return number
    return max((number for number, row in enumerate(rows) if row["state"] == "answered"), default=0)


def _rung(
    picture: Picture, row: dict[str, Any], number: int, current: bool, top: float, width: float
) -> None:
    answered = row["state"] == "answered"
    good = row["rcode"] == "NOERROR" and row["answers"]
    body = rect(-4, -4, width + 8, 40, stroke="dns", width=4, radius=8) if current else ""
    body += rect(-4, -4, width + 8, 40, stroke="ink", width=1, radius=8) if current else ""
    body += rect(
        0,
        0,
        width,
        32,
        fill="fill" if good else "paper",
        radius=5,
        stroke="ink" if row["state"] != "not yet" else "muted",
        dash="" if answered else "5 3" if row["state"] == "asked" else "1.5 3",
    )
    body += text(10, 21, f"{number}", size=12, fill="muted")
    badge = row["rcode"] if answered else "asked …" if row["state"] == "asked" else "not yet"
    if answered and row["rcode"] == "NOERROR" and not row["answers"]:
        badge = "no such type"
    room = measure(badge, 12, True) + 16
    body += text(32, 21, row["name"], size=13, width=width - room - 90, bold=current)
    body += text(width - room - 10, 21, row["type"], size=12, fill="muted", anchor="end")
    bad = answered and not good and row["rcode"] not in ("NXDOMAIN", "NOERROR")
    body += rect(
        width - room - 2,
        5,
        room - 2,
        22,
        radius=11,
        fill="alarm" if bad else "paper",
        stroke="ink",
        width=1,
    )
    body += text(
        width - room / 2 - 3,
        21,
        badge,
        size=12,
        anchor="middle",
        bold=True,
        fill="on-alarm" if bad else "ink",
    )
    picture.add(
        f"question/{number}",
        LADDER_X,
        top,
        body,
        kind="query",
        name=f"{row['type']} {row['name']}",
        actor="dns",
        ring=current,
        state="ready" if good else "failed" if answered else "waiting",
        event=row["event"] or None,
        label=f"Question {number}: {row['type']} {row['name']} {badge}",
    )


def _servers(picture: Picture, data: dict[str, Any]) -> float:
    picture.add("servers", ANSWER_X, 28, text(0, 0, "CoreDNS pods", size=13, bold=True))
    current = data["questions"][_current(data["questions"])] if data["questions"] else {}
    top = 56
    if not data["servers"]:
        picture.add("servers-none", ANSWER_X, top, text(0, 0, "there is none", size=13))
    for server in data["servers"][:4]:
        spoke = str(current.get("origin", "")).endswith(server["name"])
        state = "ready" if server["ready"] else "failed"
        body = thing("Pod", state, r=14, ring=spoke, actor="dns")
        body += text(24, 5, server["name"], size=13, width=220, bold=spoke)
        picture.add(
            f"po/{server['name']}",
            ANSWER_X + 18,
            top,
            body,
            kind="Pod",
            name=f"kube-system/{server['name']}",
            state=state,
            actor="dns",
            ring=spoke,
            label=f"CoreDNS pod {server['name']}, {'ready' if server['ready'] else 'not ready'}",
        )
        top += 40
    answers = current.get("answers") or []
    if answers:
        record = next(
            (hop["text"] for hop in reversed(data["hops"]) if " from " in hop["text"]), ""
        )
        body = rect(-6, -16, 262, 46 + 18 * min(len(answers), 6), fill="paper", radius=4)
        body += text(0, 0, "answer", size=13, bold=True)
        for number, row in enumerate(answers[:6]):
            body += text(0, 20 + 18 * number, row, size=13, width=250)
        height = 20 + 18 * min(len(answers), 6)
        if record:
            origin = record.rpartition(" from ")[2]
            body += text(0, height + 4, f"comes from {origin}", size=13, fill="muted", width=250)
            height += 22
        kind, name = _origin(record)
        picture.add(
            "answer",
            ANSWER_X,
            top + 6,
            body,
            kind=kind,
            name=name,
            label=f"Answer {', '.join(answers[:6])}, from {record.rpartition(' from ')[2] or '?'}",
            actor="dns",
            state="ready",
            event=current.get("event") or None,
        )
        top += 10 + height
    return top


def _origin(record: str) -> tuple[str, str]:
    """The object that an answer comes from, so that a click on it selects it everywhere."""
    word, _, name = record.rpartition(" from ")[2].partition(" ")
    kind = {"service": "Service", "pod": "Pod", "endpointslice": "EndpointSlice"}.get(word, "")
    return (kind, name.partition(" ")[0].rstrip(",;")) if kind else ("answer", "answer")


def _way(picture: Picture, data: dict[str, Any], top: float) -> float:
    if not data["hops"]:
        return top
    picture.add(
        "way", 10, top + 8, text(0, 0, "the way of this question's packets", size=13, bold=True)
    )
    top += 18
    for number, hop in enumerate(data["hops"]):
        last = number == len(data["hops"]) - 1
        body = (
            rect(
                0,
                2,
                WIDTH - 22,
                26,
                stroke="alarm" if hop["bad"] else hop["actor"],
                width=3,
                radius=5,
            )
            if last
            else ""
        )
        body += path("M10 8A6 6 0 1 1 10 20A6 6 0 1 1 10 8Z", fill=hop["actor"], stroke="ink")
        if number:
            body += line(10, -4, 10, 8, stroke="ink", width=1.5)
        if hop["bad"]:
            body += path("M6 10L14 18M14 10L6 18", stroke="alarm", width=3)
        body += text(26, 19, hop["where"], size=13, bold=True, width=200)
        body += text(236, 19, hop["what"], size=12, fill="muted", width=190)
        body += text(436, 19, fit(hop["text"], WIDTH - 470, 13), size=13)
        picture.add(
            f"hop/{number}",
            10,
            top,
            body,
            kind="hop",
            actor=hop["actor"],
            state="failed" if hop["bad"] else "ready",
            event=hop["event"],
            ring=last,
        )
        top += 28
    return top
