"""How the etcd view is drawn: ribbon of revisions, key tree, the written value, the readers.

A box of the ribbon has the colour of who asked for the write and a sign for what it did; the one
that the step is about is ringed. A reader that has not heard of it yet stands to the left of it on
its own small line, so that "behind" is seen and not only read.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.palette import label_of
from kubelab.views.picture import Picture, fit, line, path, rect, text

TREE_W, VALUE_X, READERS_X = 286, 304, 664


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=400)
    _ribbon(picture, data)
    bottoms = [_tree(picture, data, 104)]
    if data["current"]:
        bottoms += [_value(picture, data, 104), _readers(picture, data, 104)]
    else:
        picture.add(
            "empty",
            VALUE_X,
            140,
            text(0, 0, "Nothing was written here yet. Apply something, then press Step.", size=15),
        )
    picture.height = max(bottoms) + 14
    return picture


def _ribbon(picture: Picture, data: dict[str, Any]) -> None:
    picture.add(
        "ribbon", 8, 18, text(0, 0, "revisions, the newest on the right", size=12, fill="muted")
    )
    boxes = data["ribbon"]
    width = 70
    start = 952 - width * len(boxes)
    if boxes:
        picture.add("line", 0, 54, line(8, 0, 952, 0, stroke="line", width=2))
    for number, row in enumerate(boxes):
        current = data["current"] is not None and row["event"] == data["current"]["event"]
        body = rect(-4, -4, width, 56, stroke="ink", width=3, radius=8) if current else ""
        body += rect(0, 0, width - 8, 48, fill="paper", stroke="ink", radius=5)
        body += rect(0, 0, width - 8, 20, fill=row["actor"], stroke="ink", radius=5)
        body += text(
            (width - 8) / 2,
            15,
            str(row["revision"]),
            size=13,
            bold=True,
            anchor="middle",
            fill=f"on-{row['actor']}",
        )
        short = row["key"].rstrip("/").rpartition("/")[2] or row["verb"]
        body += text((width - 8) / 2, 36, short, size=12, anchor="middle", width=width - 12)
        # A compaction makes no revision of its own.
        compacts = row["verb"] == "compact"
        picture.add(
            f"compaction/{row['event']}" if compacts else f"rev/{row['revision']}",
            start + width * number,
            28,
            body,
            kind="revision",
            name=str(row["revision"]),
            state="ready",
            actor=row["actor"],
            event=row["event"],
            ring=current,
            label=f"Revision {row['revision']}, {row['key']}",
        )


def _tree(picture: Picture, data: dict[str, Any], top: float) -> float:
    picture.add("keys", 8, top, text(0, 0, f"{data['count']} keys", size=13, bold=True))
    top += 10
    rows = data["tree"]
    opened = next((at for at, row in enumerate(rows) if row["keys"]), 0)
    start = max(min(opened - 4, len(rows) - 10), 0)
    if start:
        top += 20
        picture.add(
            "tree-above", 8, top, text(0, 0, f"… {start} directories above", size=12, fill="muted")
        )
    for row in rows[start : start + 10]:
        top += 21
        bold = bool(row["keys"])
        body = text(0, 0, row["name"], size=12, bold=bold, width=TREE_W - 46)
        body += text(TREE_W - 8, 0, str(row["count"]), size=12, anchor="end", fill="muted")
        picture.add(f"dir/{row['name']}", 8, top, body)
        for key in row["keys"]:
            top += 21
            current = key == row.get("current")
            ring = (
                rect(-6, -14, TREE_W - 18, 19, stroke="ink", width=2, radius=4) if current else ""
            )
            body = ring + text(
                0,
                0,
                f"▸ {key}" if current else f"  {key}",
                size=12,
                bold=current,
                width=TREE_W - 34,
            )
            picture.add(
                f"key/{row['name']}{key}",
                26,
                top,
                body,
                kind="key",
                name=f"{row['name']}{key}",
                state="ready",
                actor="etcd",
                ring=current,
                event=data["current"]["event"] if current else None,
            )
    rest = len(rows) - start - 10
    if rest > 0:
        top += 20
        picture.add(
            "tree-below", 8, top, text(0, 0, f"… {rest} directories below", size=12, fill="muted")
        )
    return top


def _value(picture: Picture, data: dict[str, Any], top: float) -> float:
    current, value = data["current"], data.get("value") or {}
    width = READERS_X - VALUE_X - 20
    body = text(0, 0, current["key"] or "compaction", size=13, bold=True, width=width)
    if value:
        numbers = (
            f"{value['what']} · create {value['create']} · mod {value['mod']} · "
            f"version {value['version']}"
        )
        body += text(0, 19, numbers, size=12, fill="muted", width=width)
    body += text(0, 38, f"asked for by {label_of(current['who'])}", size=12, fill="muted")
    if current["compare"]:
        body += text(0, 57, f"if {current['compare']}", size=12, fill="muted", width=width)
    picture.add("value", VALUE_X, top, body)
    top += 84 if current["compare"] else 66
    for row in data["fields"]:
        body = text(0, 0, row["path"], size=12, fill="muted", width=width)
        body += text(12, 17, _change(row, width - 12), size=13)
        picture.add(
            f"field/{row['path']}",
            VALUE_X,
            top,
            body,
            kind="field",
            state="ready",
            actor=current["actor"],
            event=current["event"],
            ring=True,
        )
        top += 38
    return top


def _change(row: dict[str, str], width: float) -> str:
    if not row["old"] and not row["new"]:
        return ""
    if row["old"]:
        half = width / 2 - 14
        return f"{fit(row['old'], half)} → {fit(row['new'] or 'gone', half)}"
    return fit(row["new"], width)


def _readers(picture: Picture, data: dict[str, Any], top: float) -> float:
    revision = int(data["current"]["revision"])
    picture.add(
        "readers",
        READERS_X,
        top,
        text(0, 0, f"who has heard of revision {revision}?", size=13, bold=True),
    )
    if not data["readers"]:
        picture.add(
            "readers-none", READERS_X, top + 26, text(0, 0, "nobody watches this key", size=13)
        )
        return top + 30
    top += 14
    for row in data["readers"][:9]:
        here = row["state"] == "has it"
        ring = row["name"] == data["heard"] and here
        body = rect(-4, -2, 286, 32, stroke=row["actor"], width=3, radius=6) if ring else ""
        body += path("M6 8A6 6 0 1 1 6 20A6 6 0 1 1 6 8Z", fill=row["actor"], stroke="ink")
        body += text(20, 18, row["label"], size=13, width=136, bold=here)
        end, at = 264, 264 if here else 214 if row["state"] == "on its way" else 184
        body += line(166, 14, end, 14, stroke="line", width=2)
        body += line(end, 6, end, 22, stroke="ink", width=2)
        body += path(f"M{at - 9} 7V21L{at} 14Z", fill=row["actor"], stroke="ink", width=1.5)
        if not here:
            word = "on its way" if row["state"] == "on its way" else f"at {row['revision'] or '–'}"
            body += text(164, 30, word, size=12, fill="muted")
        picture.add(
            f"reader/{row['name']}",
            READERS_X,
            top,
            body,
            kind="component",
            name=row["name"],
            state="ready" if here else "waiting",
            actor=row["actor"],
            ring=ring,
            label=f"{row['label']}: {row['state']}",
        )
        top += 36
    rest = len(data["readers"]) - 9
    if rest > 0:
        picture.add("readers-rest", READERS_X, top + 14, text(0, 0, f"and {rest} more", size=12))
        top += 16
    return top
