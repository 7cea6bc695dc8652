"""How the controllers view is drawn: a lane for each loop with its WISH, SEEN and ACT.

The lane of the step shown is edged and its three boxes are joined by arrows; lanes of a stopped
manager are dashed and hollow. Below stand the gaps that are still open.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.picture import WIDTH, Picture, arrow, placed, rect, text
from kubelab.views.shapes import glyph, thing

KEY_X, WISH_X, SEEN_X, SUM_X, ACT_X = 226, 500, 584, 668, 764
GAPS = 6


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a frame."""
    picture = Picture(height=120)
    heads = ((16, "loop"), (KEY_X, "object looked at"), (WISH_X, "WISH"), (SEEN_X, "SEEN"),
             (SUM_X, "gap"), (ACT_X, "ACT"))  # fmt: skip
    body = "".join(text(x, 0, words, size=12, fill="muted") for x, words in heads)
    picture.add("heads", 0, 20, body)
    top = 32.0
    if not data["lanes"]:
        hint = "No loop has had anything to do yet. Press Step, or change something."
        picture.add("hint", 20, 62, text(0, 0, hint, size=16))
        top = 84
    for row in data["lanes"]:
        _lane(picture, data, row, top)
        top += 44
    state = "the controller manager is stopped: nobody acts" if data["stopped"] else ""
    said = state or f"and {data['idle']} loops with nothing to do"
    mark = placed(8, -4, glyph("stopped")) if state else ""
    words = text(22 if state else 0, 0, said, size=13, bold=bool(state))
    picture.add(
        "manager", 16, top + 18, mark + words, kind="component", name="controller-manager",
        state="stopped" if state else "ready", actor="controllers", label=said,
    )  # fmt: skip
    picture.height = _gaps(picture, data, top + 34) + 8
    return picture


def _lane(picture: Picture, data: dict[str, Any], row: dict[str, Any], top: float) -> None:
    here = row["event"] == data["focus"]
    wide = WIDTH - 16
    dash = "4 3" if data["stopped"] else ""
    body = rect(-4, -4, wide + 8, 44, stroke="controllers", width=4, radius=8) if here else ""
    body += rect(0, 0, wide, 36, fill="paper" if dash else "soft", stroke="line", dash=dash)
    body += text(8, 23, row["label"], size=13, bold=True, width=KEY_X - 24)
    body += text(KEY_X - 8, 23, row["key"], size=13, width=WISH_X - KEY_X - 12)
    for x, word in ((WISH_X, row["wish"]), (SEEN_X, row["seen"])):
        body += rect(x - 8, 5, 58, 26, fill="paper", stroke="ink", dash=dash)
        body += text(x + 21, 23, word or "–", size=14, anchor="middle", bold=True, width=54)
    if here:
        body += arrow(WISH_X + 51, 18, SEEN_X - 9, 18)
    body += text(SUM_X - 12, 23, row["sum"], size=13, width=ACT_X - SUM_X - 4)
    acts = bool(row["act"]) and not dash
    fill = "paper" if not acts else "controllers" if here else "fill"
    ink = "muted" if not acts else "on-controllers" if here else "ink"
    body += rect(ACT_X - 8, 5, wide - ACT_X + 2, 26, fill=fill, stroke="ink",
                 dash="" if acts else "4 3")  # fmt: skip
    body += text((ACT_X + wide - 6) / 2 - 4, 23, row["act"] or "nothing", size=13, anchor="middle",
                 fill=ink, width=wide - ACT_X - 8)  # fmt: skip
    picture.add(
        f"loop/{row['name']}", 8, top, body, kind="loop", name=row["name"], ring=here,
        state="stopped" if dash else "working" if acts else "ready",
        actor="controllers" if here else "", event=row["event"],
        label=f"{row['label']}: {row['key']}, wish {row['wish']}, seen {row['seen']}",
    )  # fmt: skip


def _gaps(picture: Picture, data: dict[str, Any], top: float) -> float:
    if not data["gaps"]:
        return top
    head = text(0, 0, "gaps between wish and world, counted by this view", size=13, bold=True)
    picture.add("gaps", 16, top + 12, head)
    top += 20
    for row in data["gaps"][:GAPS]:
        body = thing(row["kind"], "working", r=13)
        said = f"{row['name']}: wish {row['wish']}, pods {row['seen']}"
        body += text(26, 5, said, size=13, width=WIDTH - 80)
        picture.add(
            f"gap/{row['kind']}/{row['name']}", 34, top + 18, body, kind=row["kind"],
            name=row["name"], state="working", label=said,
        )  # fmt: skip
        top += 36
    rest = len(data["gaps"]) - GAPS
    if rest > 0:
        picture.add("gaps-rest", 20, top + 14, text(0, 0, f"and {rest} more", size=12))
        top += 18
    return top
