"""How the owners view is drawn: trees from left to right, Services below with their selectors.

A solid line means "owns", a dashed one "selects"; on the dashed one stands the label text, what is
equal underlined, what is not in alarm. Siblings beyond a few fold to a count that also says how
many of them differ.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.picture import WIDTH, Picture, line, measure, path, rect, text
from kubelab.views.shapes import thing
from kubelab.views.words import plural

COLUMN, ROW, SHOWN, TREES = 300, 46, 5, 14


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=120)
    if not data["trees"] and not data["services"]:
        hint = "Nothing owns anything here yet. Apply a Deployment, then press Step."
        picture.add("hint", 20, 60, text(0, 0, hint, size=16))
        return picture
    head = "solid line: owns · dashed line: selects by labels"
    picture.add("head", 10, 18, text(0, 0, head, size=12, fill="muted"))
    top = 48.0
    for root in data["trees"][:TREES]:
        top = _tree(picture, data, root, 30, top) + 8
    rest = len(data["trees"]) - TREES
    if rest > 0:
        picture.add("trees-rest", 30, top, text(0, 0, f"and {rest} more without owner", size=13))
        top += 26
    for service in data["services"][:TREES]:
        top = _service(picture, data, service, top)
    picture.height = top + 4
    return picture


def _tree(
    picture: Picture, data: dict[str, Any], row: dict[str, Any], x: float, top: float
) -> float:
    """Draws a thing with all below it; returns the bottom."""
    start = top
    shown, folded = _fold(row["children"])
    links = ""
    for child in shown:
        links += path(f"M22 0H{COLUMN - 62}V{top - start:.0f}H{COLUMN - 24}", stroke="ink")
        top = _tree(picture, data, child, x + COLUMN, top)
    if links:
        picture.add(f"owns/{row['kind']}/{row['name']}", x, start, links)
    if folded:
        differ = sum(child["state"] != "ready" for child in folded)
        words = f"{len(folded)} more, {differ} {'differs' if differ == 1 else 'differ'}"
        picture.add(f"more/{row['name']}", x + COLUMN - 20, top, text(0, 0, words, size=13))
        top += 28
    _thing(picture, data, row, x, start)
    return max(top, start + ROW)


def _fold(children: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The siblings to draw, those that differ first, and the rest."""
    if len(children) <= SHOWN + 1:
        return children, []
    odd = [child for child in children if child["state"] != "ready" or child["changed"]][:SHOWN]
    chosen = [*odd, *(c for c in children if c not in odd)][:SHOWN]
    return [c for c in children if c in chosen], [c for c in children if c not in chosen]


def _thing(picture: Picture, data: dict[str, Any], row: dict[str, Any], x: float, y: float) -> None:
    ring = row["changed"]
    body = thing(row["kind"], row["state"], r=15, ring=ring, actor="etcd")
    wide = COLUMN - 84
    revision = f" · revision {row['revision']}" if row["revision"] else ""
    # The line to what it owns passes behind the words.
    need = max(measure(row["short"], 13), measure(row["word"] + revision, 12))
    body += rect(21, -13, min(need, wide) + 6, 30, fill="paper")
    body += text(24, -1, row["short"], size=13, width=wide)
    body += text(24, 14, row["word"] + revision, size=12, fill="muted", width=wide)
    picture.add(
        f"own/{row['kind']}/{row['name']}", x, y, body, kind=row["kind"], name=row["name"],
        state=row["state"], ring=ring, actor="etcd" if ring else "",
        event=data["event"] if ring else None,
        label=f"{row['kind']} {row['short']}, {row['word']}",
    )  # fmt: skip


def _service(picture: Picture, data: dict[str, Any], service: dict[str, Any], top: float) -> float:
    found = bool(service["fits"])
    state = "ready" if service["ready"] else "working" if found else "failed"
    ring = service["changed"]
    body = thing("Service", state, r=15, ring=ring, actor="etcd")
    body += text(28, -1, service["short"], size=13, bold=True, width=190)
    ends = f"{service['ready']} of {service['endpoints']} endpoints ready"
    body += text(28, 14, ends, size=12, fill="muted", width=190)
    body += line(226, 0, 560, 0, stroke="ink" if found else "alarm", dash="6 4",
                 width=1.5 if found else 3)  # fmt: skip
    body += _labels(service["selector"], 240, -8)
    if found:
        first, more = service["fits"][0], len(service["fits"]) - 1
        body += text(572, -2, f"selects {first}", size=13, width=WIDTH - 620)
        if more:
            body += text(572, 16, f"and {plural(more, 'other pod')}", size=12, fill="muted")
    else:
        body += text(572, -2, "selects no pod", size=13, bold=True)
        if service["near"]:
            body += text(572, 16, f"nearest: {service['near']}", size=12, width=WIDTH - 620)
            body += _labels(service["near_labels"], 240, 18)
    picture.add(
        f"svc/{service['name']}", 34, top + 14, body, kind="Service", name=service["name"],
        state=state, ring=ring, actor="etcd" if ring else "",
        event=data["event"] if ring else None,
        label=f"Service {service['short']}, {ends}",
    )  # fmt: skip
    return top + 52


def _labels(labels: list[list[Any]], x: float, y: float) -> str:
    """Label texts in a row: what is equal underlined, what is not crossed in alarm."""
    out = ""
    for words, equal in labels:
        wide = measure(words, 13)
        out += text(x, y, words, size=13, bold=not equal)
        mark = f"M{x:.0f} {y + 4:.0f}H{x + wide:.0f}"
        if not equal:
            steps = "".join(f"l3 {3 if at % 2 else -3}" for at in range(int(wide / 3)))
            mark = f"M{x:.0f} {y + 5:.0f}{steps}"
        out += path(mark, stroke="ink" if equal else "alarm", width=1.5)
        x += wide + 16
    return out
