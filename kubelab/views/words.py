"""What a picture says, in words: one sentence, an alt text and tables with the same facts.

What must hold: everything that a drawing shows stands in the words too, so that nobody needs the
picture; a sentence has at most 30 words and begins with who acts.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Facts in rows; `changed` holds the (row, column) cells that the step shown has changed."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    changed: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the page needs to show it; changed cells say so in words."""
        marked = set(self.changed)
        rows = [
            [f"{cell} (changed)" if (r, c) in marked else cell for c, cell in enumerate(row)]
            for r, row in enumerate(self.rows)
        ]
        return {"caption": self.caption, "columns": list(self.columns), "rows": rows}


@dataclass(frozen=True)
class Words:
    """The words of one frame. An empty sentence leaves it to the event's own."""

    alt: str
    sentence: str = ""
    tables: tuple[Table, ...] = field(default=())


def plural(count: int, noun: str) -> str:
    """`1 pod`, `3 pods`."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{count} {noun[:-1]}ies"
    return f"{count} {noun}s"


def listed(names: list[str], most: int = 3) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) > 1:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return names[0] if names else "none"


def natural(name: str) -> tuple[str, int, str]:
    """The order in which people count names: `node-2` before `node-10`."""
    head = name.rstrip("0123456789")
    return head, int(name[len(head) :] or 0), name
