"""The top rung: one number is varied, and the outcomes stand side by side as small pictures.

Each outcome is worked out on a copy of the cluster, so nothing here moves the one looked at. A
panel says the number, draws what came of it as bars with their words, and says in one line what
that means; the panel of the number in force is edged. A click on a panel descends: the view shows
the run that it stands for as a what-if.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubelab.views.picture import WIDTH, Picture, placed, rect, text, wrap
from kubelab.views.shapes import bar
from kubelab.views.words import Table, Words

if TYPE_CHECKING:
    from kubelab.views.view import View

BARS = 8


@dataclass(frozen=True)
class Sweep:
    """What is varied and what comes of it; `frame` may take a while, it is asked once."""

    frame: Callable[[View], dict[str, Any]]
    # The click on a panel: the view that shows its run.
    descend: Callable[[View, str], View]
    inputs: Callable[[dict[str, Any], dict[str, Any]], list[dict[str, Any]]] | None = None

    def draw(self, data: dict[str, Any]) -> Picture:
        """The panels, row by row."""
        return draw(data)

    def words(self, data: dict[str, Any]) -> Words:
        """The same in words."""
        return words(data)


def outcome(
    value: str, label: str, said: str, bars: list[dict[str, Any]], here: bool = False
) -> dict[str, Any]:
    """One panel; a bar has `name`, `share`, `text` and perhaps `won`, `bad` and `expected`."""
    return {"value": value, "label": label, "said": said, "bars": bars, "here": here}


def draw(data: dict[str, Any]) -> Picture:
    """The picture of a sweep."""
    picture = Picture(height=120)
    picture.add("head", 10, 22, text(0, 0, data["varied"], size=15, bold=True, width=WIDTH - 20))
    rows = data["outcomes"]
    if not rows:
        picture.add("none", 10, 60, text(0, 0, data["none"], size=15, width=WIDTH - 20))
        picture.height = 90
        return picture
    across = 4 if len(rows) > 3 else len(rows)
    wide = (WIDTH - 16 - 10 * (across - 1)) / across
    tall = 76 + 24 * min(max(len(row["bars"]) for row in rows), BARS)
    for number, row in enumerate(rows):
        x = 8 + (wide + 10) * (number % across)
        y = 38 + (tall + 10) * (number // across)
        picture.add(
            f"outcome/{row['value']}", x, y, _panel(row, wide, tall), kind="outcome",
            name=row["value"], state="ready", ring=row["here"],
            label=f"{row['label']}: {row['said']} Press Enter to see its run.",
        )  # fmt: skip
    picture.height = 44 + (tall + 10) * -(-len(rows) // across)
    return picture


def _panel(row: dict[str, Any], wide: float, tall: float) -> str:
    body = rect(0, 0, wide, tall, fill="paper", stroke="ink", width=3 if row["here"] else 1.5)
    label = f"{row['label']} (as it is)" if row["here"] else row["label"]
    body += text(10, 21, label, size=14, bold=True, width=wide - 16)
    for number, item in enumerate(row["bars"][:BARS]):
        y = 32 + 24 * number
        room = wide - 150
        fill = "alarm" if item.get("bad") else "scheduler" if item.get("won") else "muted"
        body += text(10, y + 12, item["name"], size=12, width=74, bold=bool(item.get("won")))
        body += placed(88, y + 3, bar(room, 11, item["share"], fill=fill))
        if item.get("expected") is not None:
            body += rect(87 + room * min(item["expected"], 1), y, 2, 17, fill="ink", radius=0)
        body += text(wide - 8, y + 12, item["text"], size=12, anchor="end", width=52)
    for number, line in enumerate(wrap(row["said"], wide - 16, 12, 2)):
        body += text(10, tall - 24 + 16 * number, line, size=12)
    return body


def words(data: dict[str, Any]) -> Words:
    """The outcomes in words."""
    rows = tuple(
        (row["label"], ", ".join(f"{b['name']} {b['text']}" for b in row["bars"]), row["said"])
        for row in data["outcomes"]
    )
    said = data["varied"] if rows else data["none"]
    alt = f"{said}. " + " ".join(f"{row[0]}: {row[2]}" for row in rows[:8])
    tables = (Table(data["varied"], ("value", "outcome", "meaning"), rows),) if rows else ()
    told = f"{said}: each picture is what would come of one value. Choose one to see its run."
    return Words(alt=alt.strip(), sentence=told if rows else f"{said}", tables=tables)
