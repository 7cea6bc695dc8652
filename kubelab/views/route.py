"""How the traffic view is drawn: stations from left to right, hops below, endpoints with bars.

The proxy's pill hangs above the rules by a dashed line: it wrote them and is off the path. Of the
hops the newest is edged; where the addresses were rewritten, before and after stand side by side.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.picture import WIDTH, Picture, arrow, line, measure, path, placed, rect, text
from kubelab.views.shapes import bar, pill, thing

HOPS, ENDPOINTS = 11, 12
BARS_X = 676
STATION_Y = 92


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=240)
    _stations(picture, data)
    if not data["sent"]:
        hint = f"{data['url'] or 'Nothing'} was not requested yet. Press Step to send it."
        picture.add("hint", 20, 180, text(0, 0, hint, size=16, width=WIDTH - 40))
        picture.height = 210
        return picture
    picture.height = max(_hops(picture, data, 156), _endpoints(picture, data, 156)) + 10
    return picture


def _stations(picture: Picture, data: dict[str, Any]) -> None:
    hops = data["hops"]
    ruled = any(hop["rule"] for hop in hops)
    inside = next((hop["what"][9:] for hop in hops if hop["what"].startswith("into pod ")), "")
    reached = data["answered_by"] or inside
    failed = bool(data.get("failed"))
    spots = [
        ("client", data["pod"].rpartition("/")[2], data["sent"]),
        ("name", data["name"] or (data["address"] and "an address"), bool(data["address"])),
        ("rules", f"{data['node']} rules" if ruled else "node's rules", ruled),
        ("endpoint", reached.rpartition("/")[2] or "a pod?", bool(reached)),
        ("answer", data["end"] or "answer?", bool(data["end"])),
    ]
    step = (WIDTH - 120) / (len(spots) - 1)
    for number, (key, label, done) in enumerate(spots):
        x = 60 + step * number
        if number:
            stroke = "ink" if done else "muted"
            body = arrow(-step + 34, 0, -34, 0, stroke=stroke, dash="" if done else "2 4")
            picture.add(f"way/{key}", x, STATION_Y, body)
        bad = key == "answer" and done and failed
        state = "failed" if bad else "ready" if done else "waiting"
        body = _station(key, state) + text(0, 40, label or "name?", size=12, anchor="middle",
                                           width=step - 8)  # fmt: skip
        pod = data["pod"] if key == "client" else reached if key == "endpoint" else ""
        picture.add(
            f"station/{key}", x, STATION_Y, body, state=state, kind="Pod" if pod else "station",
            name=pod or key, actor="proxy" if key == "rules" else "", label=f"{key}: {label}",
        )  # fmt: skip
    if data["proxy"]:
        x = 60 + step * 2
        said = f"kube-proxy wrote the rules at {data['proxy']['clock']}"
        wide = measure(said, 13, True) + 30
        picture.add("writes", x, 36, line(0, 0, 0, STATION_Y - 36 - 22, stroke="ink", dash="4 4"))
        picture.add(
            "proxy", x - wide / 2, 8, pill(said, wide, 28, "proxy"), kind="component",
            name=f"kube-proxy/{data['node']}", state="ready", actor="proxy",
            event=data["proxy"]["event"], label=f"{said}; it is not on the path",
        )  # fmt: skip


def _station(key: str, state: str) -> str:
    if key in ("client", "endpoint"):
        return thing("Pod", state, r=18)
    dash = "4 3" if state == "waiting" else ""
    edge = "alarm" if state == "failed" else "ink"
    fill = "fill" if state == "ready" else "paper"
    sign = {"name": "dns", "rules": "rules", "answer": "✕" if state == "failed" else "↩"}[key]
    return rect(-22, -18, 44, 36, fill=fill, stroke=edge, dash=dash, radius=6,
                width=3 if edge == "alarm" else 1.5) + text(
        0, 5, sign, size=12, anchor="middle", bold=True)  # fmt: skip


def _hops(picture: Picture, data: dict[str, Any], top: float) -> float:
    hops = data["hops"]
    width = BARS_X - 30
    head = text(0, 0, "hops of the packet: source > destination", size=13, bold=True)
    picture.add("hops", 10, top + 8, head)
    top += 18
    rest = len(hops) - HOPS
    if rest > 0:
        picture.add("hops-rest", 36, top + 14, text(0, 0, f"… {rest} hops before", size=12))
        top += 22
    for number, hop in enumerate(hops[-HOPS:], max(rest, 0)):
        newest = number == len(hops) - 1
        rewritten = hop["before"] != hop["after"]
        height = 46 if rewritten or hop["leads"] else 28
        edge = "alarm" if hop["bad"] else hop["actor"]
        body = rect(0, 1, width, height - 2, stroke=edge, width=3, radius=5) if newest else ""
        body += path("M12 8A6 6 0 1 1 12 20A6 6 0 1 1 12 8Z", fill=hop["actor"], stroke="ink")
        if hop["bad"]:
            body += path("M8 10L16 18M16 10L8 18", stroke="alarm", width=3)
        body += text(28, 19, hop["where"], size=13, bold=True, width=118)
        body += text(152, 19, hop["what"], size=13, width=230)
        if rewritten:
            body += text(390, 19, hop["before"], size=12, fill="muted", width=width - 396)
            body += text(372, 38, "→", size=13) + text(390, 38, hop["after"], size=12, bold=True,
                                                       width=width - 396)  # fmt: skip
        else:
            body += text(390, 19, hop["before"], size=12, width=width - 396)
        if hop["leads"]:
            chance = f", chance 1 in {hop['chance']} of the rest" if hop["chance"] else ""
            said = f"chooses {hop['leads']}{chance}"
            body += text(152, 38, said, size=12, fill="muted", width=width - 160)
        picture.add(
            f"hop/{number}", 10, top, body, kind="hop", name=str(number), actor=hop["actor"],
            state="failed" if hop["bad"] else "ready", event=hop["event"], ring=newest,
            label=f"{hop['where']}: {hop['what']}",
        )  # fmt: skip
        top += height
    return top


def _endpoints(picture: Picture, data: dict[str, Any], top: float) -> float:
    if not data["service"]:
        return top
    rows = data["endpoints"]
    head = thing("Service", "ready" if rows else "failed", r=14)
    head += text(26, 5, data["service"], size=13, bold=True, width=WIDTH - BARS_X - 50)
    picture.add(
        "service", BARS_X + 20, top + 8, head, kind="Service", name=data["service"],
        state="ready" if rows else "failed", label=f"Service {data['service']}",
    )  # fmt: skip
    top += 34
    if not rows:
        said = text(0, 0, "has no endpoints: refused at once", size=13)
        picture.add("none", BARS_X, top + 10, said)
        return top + 20
    total = sum(row["count"] for row in rows)
    open_ = max(sum(row["ready"] for row in rows), 1)
    if len(rows) > ENDPOINTS:
        rows = sorted(rows, key=lambda row: (-row["count"], row["name"]))
    for row in rows[:ENDPOINTS]:
        ring = row["name"] == data["answered_by"]
        body = thing("Pod", "ready" if row["ready"] else "working", r=13, ring=ring, actor="proxy")
        body += text(24, -2, row["name"].rpartition("/")[2], size=12, width=232, bold=ring)
        share = row["count"] / total if total else 0
        body += placed(24, 4, bar(150, 10, share))
        if total > 1 and row["ready"]:
            # What an equal share would be.
            body += rect(23 + 150 / open_, 1, 2, 16, fill="ink", radius=0)
        said = f"{row['count']} of {total}" if row["ready"] else "not ready"
        body += text(182, 14, said, size=12, width=80)
        picture.add(
            f"endpoint/{row['name']}", BARS_X + 18, top + 14, body, kind="Pod", name=row["name"],
            state="ready" if row["ready"] else "working", actor="proxy" if ring else "", ring=ring,
            label=f"Endpoint {row['name']}, {row['count']} answers",
        )  # fmt: skip
        top += 40
    rest = len(rows) - ENDPOINTS
    if rest > 0:
        picture.add("more", BARS_X, top + 10, text(0, 0, f"and {rest} more endpoints", size=12))
        top += 20
    return top
