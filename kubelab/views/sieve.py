"""The scheduler's sieve and scale: which rows and columns there are, and how they are drawn.

A row is a plugin, a column a node. Filters that let every node pass say nothing new, so they fold
into one line, except the one that compares resources. With many nodes the columns drawn are the
best ones and some that were dropped; each filter's row says how many nodes it dropped.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.picture import Picture, line, measure, path, placed, rect, text, wrap
from kubelab.views.shapes import bar, thing
from kubelab.views.words import natural, plural

ALWAYS = "NodeResourcesFit"
LEFT = 372
QUEUE = 172


def order(table: dict[str, dict[str, Any]]) -> list[str]:
    """The plugins of a table by node, in the order in which they were asked."""
    seen: dict[str, None] = {}
    for row in table.values():
        for plugin in row:
            seen.setdefault(plugin)
    return list(seen)


def failure(row: dict[str, list[str]]) -> tuple[str, list[str]] | None:
    """The plugin that refused a node, with its reasons."""
    return next(((plugin, list(why)) for plugin, why in row.items() if why), None)


def columns(decision: dict[str, Any], most: int) -> list[str]:
    """The nodes to draw: all, or the best by total and a few of those dropped."""
    names = sorted(decision["filters"], key=natural)
    if len(names) <= most:
        return names
    totals = decision.get("totals") or {}
    winner = decision["node"]
    best = sorted(totals, key=lambda name: (name != winner, -totals[name], natural(name)))
    out = [name for name in names if name not in totals]
    half = most // 2 if out else most
    chosen = best[: max(half, most - len(out))]
    return [*chosen, *out[: most - len(chosen)]]


def filter_rows(
    filters: dict[str, Any], shown: list[str], seen: list[str] | None, passed: list[str]
) -> list[dict[str, Any]]:
    """One row for each filter that says something; `seen` or `passed` limit what is told yet."""
    rows, folded = [], 0
    for plugin in order(filters):
        refused = any(filters[name].get(plugin) for name in filters)
        if not refused and plugin != ALWAYS:
            folded += 1
            continue
        told = passed if seen is None else seen
        cells = {
            name: {"reasons": list(filters[name][plugin])}
            for name in shown
            if plugin in filters[name] and (plugin if seen is None else name) in told
        }
        lost = sum(1 for name in filters if filters[name].get(plugin))
        lost = lost if seen is not None or plugin in passed else 0
        rows.append({"plugin": plugin, "cells": cells, "lost": lost})
    if folded:
        cells = {
            name: {"reasons": []}
            for name in shown
            if not failure(filters[name]) and (seen is None or name in seen)
        }
        rows.append({"plugin": plural(folded, "more filter"), "cells": cells, "lost": 0})
    return rows


def score_rows(scores: dict[str, Any], shown: list[str], told: list[str]) -> list[dict[str, Any]]:
    """One row for each scoring plugin, with what it gives to the nodes drawn."""
    rows = []
    for plugin in order(scores):
        weight = next((row[plugin]["weight"] for row in scores.values() if plugin in row), 1)
        cells = {
            name: scores[name][plugin]
            for name in shown
            if plugin in told and plugin in scores.get(name, {})
        }
        rows.append({"plugin": plugin, "weight": weight, "cells": cells})
    return rows


def dropped(filters: dict[str, Any], seen: list[str] | None, passed: list[str]) -> dict[str, int]:
    """How many nodes each filter has dropped, as far as it is told."""
    out: dict[str, int] = {}
    for name, row in filters.items():
        bad = failure(row)
        if bad and ((seen is not None and name in seen) or (seen is None and bad[0] in passed)):
            out[bad[0]] = out.get(bad[0], 0) + 1
    return out


def assembled(filters: dict[str, Any], seen: list[str] | None, passed: list[str]) -> list[str]:
    """The reasons of the message so far, each with the number of nodes that gave it."""
    counts: dict[str, int] = {}
    for name, row in filters.items():
        bad = failure(row)
        if bad and ((seen is not None and name in seen) or (seen is None and bad[0] in passed)):
            for reason in bad[1]:
                counts[reason] = counts.get(reason, 0) + 1
    return [f"{count} {reason}" for reason, count in sorted(counts.items())]


def is_out(rows: list[dict[str, Any]], name: str) -> bool:
    """Whether a node is dropped, as far as it is told."""
    return any(row["cells"].get(name, {}).get("reasons") for row in rows)


def draw(data: dict[str, Any]) -> Picture:
    """Queue on the left, then the sieve, the scale and the message."""
    picture = Picture(height=0)
    _draw_queue(picture, data)
    if not data["decided"]:
        hint = (
            "No decision yet. Press Step: the scheduler takes the next pod off its queue."
            if data["waiting"]
            else "No pod waits for a node. Make one (apply a Pod or Deployment), then press Step."
        )
        for number, words in enumerate(wrap(hint, 560, 16)):
            picture.add(f"hint{number}", LEFT - 180, 60 + 24 * number, text(0, 0, words, size=16))
        picture.height = max(150, 60 + 34 * min(len(data["waiting"]), 8))
        return picture
    width = (944 - LEFT) / max(len(data["columns"]), 1)
    top = _draw_heads(picture, data, width)
    top = _draw_filters(picture, data, width, top)
    top = _draw_scores(picture, data, width, top)
    picture.height = max(_draw_message(picture, data, top), 60 + 34 * min(len(data["waiting"]), 8))
    return picture


def _draw_queue(picture: Picture, data: dict[str, Any]) -> None:
    picture.add("queue", 8, 22, text(0, 0, "waiting pods", size=13, fill="muted"))
    shown = data["waiting"][:7]
    for number, row in enumerate(shown):
        current = row["name"] == data["pod"] and data["decided"] and not data["winner"]
        state = "failed" if row["state"] == "unschedulable" else "waiting"
        short = row["name"].rpartition("/")[2]
        body = thing("Pod", state, r=13, ring=current, actor="scheduler")
        body += text(22, 5, short, size=13, width=QUEUE - 44, bold=current)
        picture.add(
            f"po/{row['name']}",
            26,
            50 + 36 * number,
            body,
            kind="Pod",
            name=row["name"],
            state=state,
            actor="scheduler",
            event=data.get("event"),
            ring=current,
            label=f"Pod {short}, {row['state']}",
        )
    rest = len(data["waiting"]) - len(shown)
    if rest > 0:
        picture.add("queue-rest", 8, 50 + 36 * 7, text(0, 0, f"and {rest} more", size=13))
    if not shown:
        picture.add("queue-rest", 8, 50, text(0, 0, "none", size=13))


def _draw_heads(picture: Picture, data: dict[str, Any], width: float) -> float:
    for number, name in enumerate(data["columns"]):
        out = is_out(data["rows"], name)
        won = data["winner"] == name
        state = "failed" if out else "ready" if won else "working"
        body = rect(
            2,
            0,
            width - 6,
            34,
            fill="soft" if not won else "scheduler",
            stroke="alarm" if out else "ink",
            width=3 if out or won else 1.5,
            radius=5,
        )
        ink = "on-scheduler" if won else "muted" if out else "ink"
        body += text(
            width / 2 - 1,
            22,
            f"▲ {name}" if won else name,
            size=14,
            bold=True,
            anchor="middle",
            width=width - 12,
            fill=ink,
        )
        picture.add(
            f"no/{name}",
            LEFT + width * number,
            10,
            body,
            kind="Node",
            name=name,
            state=state,
            actor="scheduler",
            event=data.get("event"),
            ring=won,
            label=f"Node {name}, {'dropped' if out else 'picked' if won else 'in'}",
        )
    if data["many"]:
        note = f"{len(data['columns'])} of {data['all']} nodes drawn"
        picture.add("drawn", QUEUE + 8, 32, text(0, 0, note, size=12, fill="muted"))
    return 60


def _draw_filters(picture: Picture, data: dict[str, Any], width: float, top: float) -> float:
    picture.add(
        "FILTER", QUEUE + 8, top + 6, text(0, 0, "FILTER: may it run there?", size=13, bold=True)
    )
    top += 16
    for row in data["rows"]:
        height = 46 if any(cell["reasons"] for cell in row["cells"].values()) else 28
        body = line(0, height, 944 - QUEUE, height, stroke="line", width=1)
        body += text(0, 19, row["plugin"], size=13, width=LEFT - QUEUE - 16)
        if data["many"] and row["lost"]:
            body += text(0, 36, f"{row['lost']} of {data['all']} drop here", size=12, fill="alarm")
        picture.add(f"filter/{row['plugin']}", QUEUE + 8, top, body)
        for number, name in enumerate(data["columns"]):
            cell = row["cells"].get(name)
            if cell is None:
                continue
            fresh = data["step"] in (("node", name), ("filter", row["plugin"]))
            picture.add(
                f"verdict/{row['plugin']}/{name}",
                LEFT + width * number,
                top,
                _verdict(data, row, name, width, fresh),
                kind="verdict",
                actor="scheduler",
                state="failed" if cell["reasons"] else "ready",
                ring=fresh,
                event=data.get("event"),
            )
        top += height
    return top + 22


def _verdict(
    data: dict[str, Any], row: dict[str, Any], name: str, width: float, fresh: bool
) -> str:
    reasons = row["cells"][name]["reasons"]
    if not reasons:
        tick = path(
            "M0 5L4 9L11 0", stroke="muted" if is_out(data["rows"], name) else "ink", width=2
        )
        numbers = data["free"].get(name, "") if row["plugin"] == ALWAYS else ""
        body = placed(10, 8, tick)
        if numbers and width > 120:
            body += text(28, 19, numbers, size=12, fill="muted", width=width - 34)
    else:
        body = path("M10 8L20 18M20 8L10 18", stroke="alarm", width=3)
        reason = ", ".join(reasons)
        if width > 90:
            body += text(28, 18, reason, size=13, width=width - 34, bold=True)
            numbers = data["compared"].get(name, "")
            body += text(28, 36, numbers, size=13, width=width - 34)
    if fresh:
        body += rect(3, 2, width - 8, 42 if reasons else 24, stroke="scheduler", width=3, radius=4)
    return body


def _draw_scores(picture: Picture, data: dict[str, Any], width: float, top: float) -> float:
    if not data["scale"] or not any(row["cells"] for row in data["scale"]):
        return top
    picture.add(
        "SCORE", QUEUE + 8, top + 6, text(0, 0, "SCORE: where is it best?", size=13, bold=True)
    )
    top += 14
    for row in data["scale"]:
        body = line(0, 28, 944 - QUEUE, 28, stroke="line", width=1)
        weight = f"×{row['weight']}"
        body += text(0, 19, row["plugin"], size=13, width=LEFT - QUEUE - 44)
        body += text(LEFT - QUEUE - 16, 19, weight, size=13, anchor="end", fill="muted")
        picture.add(f"score/{row['plugin']}", QUEUE + 8, top, body)
        for number, name in enumerate(data["columns"]):
            cell = row["cells"].get(name)
            if cell is None:
                continue
            fresh = data["step"] == ("score", row["plugin"])
            picture.add(
                f"points/{row['plugin']}/{name}",
                LEFT + width * number,
                top,
                _points(cell, width, fresh),
                kind="score",
                state="ready",
                actor="scheduler",
                event=data.get("event"),
                ring=fresh,
            )
        top += 28
    return _draw_totals(picture, data, width, top) + 8


def _points(cell: dict[str, Any], width: float, fresh: bool) -> str:
    number = str(cell["weighted"])
    body = text(48, 19, number, size=13, anchor="end")
    if width > 100:
        share = cell["weighted"] / max(100 * cell["weight"], 1)
        body += placed(56, 9, bar(min(width - 66, 70), 10, share))
    how = f"raw {cell['raw']}, {cell['normalized']} of 100"
    if width > 150 + measure(how, 12):
        body += text(136, 19, how, size=12, fill="muted")
    if fresh:
        body += rect(3, 3, width - 8, 23, stroke="scheduler", width=3, radius=4)
    return body


def _draw_totals(picture: Picture, data: dict[str, Any], width: float, top: float) -> float:
    picture.add(
        "total",
        QUEUE + 8,
        top,
        text(0, 22, "total so far" if not data["done"] else "total", size=14, bold=True),
    )
    for number, name in enumerate(data["columns"]):
        if name not in data["totals"]:
            continue
        won = data["winner"] == name
        body = text(48, 22, str(data["totals"][name]), size=15, anchor="end", bold=True)
        if won and width > 110:
            margin = _margin(data)
            body += text(58, 22, f"▲ {margin}", size=13, width=width - 62)
        picture.add(
            f"total/{name}",
            LEFT + width * number,
            top,
            body,
            kind="total",
            state="ready",
            actor="scheduler",
            event=data.get("event"),
        )
    return top + 34


def _margin(data: dict[str, Any]) -> str:
    best = data["best"]
    if len(best) < 2:
        return "the only one"
    gap = best[0][1] - best[1][1]
    return f"by {gap}" if gap else "a tie, drawn"


def _draw_message(picture: Picture, data: dict[str, Any], top: float) -> float:
    if data["message"]:
        lines = wrap(data["message"], 944 - QUEUE - 30, 14, 3)
    elif data["assembled"] and not data["winner"]:
        lines = wrap("so far: " + ", ".join(data["assembled"]), 944 - QUEUE - 30, 14, 2)
    else:
        return top + 6
    body = rect(
        0,
        0,
        944 - QUEUE - 8,
        14 + 20 * len(lines),
        fill="soft",
        stroke="alarm" if data["message"] else "line",
        width=2,
        radius=5,
    )
    for number, words in enumerate(lines):
        body += text(10, 21 + 20 * number, words, size=14)
    picture.add(
        "message",
        QUEUE + 8,
        top,
        body,
        kind="message",
        state="failed",
        actor="scheduler",
        event=data.get("event"),
        ring=data["step"][0] == "end",
    )
    bottom = top + 24 + 20 * len(lines)
    if data["near"] and data["done"]:
        words = f"closest miss: {data['near']}"
        picture.add("miss", QUEUE + 8, bottom + 12, text(0, 0, words, size=13, fill="muted"))
        bottom += 22
    return bottom
