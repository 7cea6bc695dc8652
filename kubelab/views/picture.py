"""A picture as keyed pieces of SVG, and the few elements that all drawings are made of.

A piece is something a learner can point at: it has a key, a place, markup drawn around its own
origin, and data that says what it is (`kind`, `name`, `state`, `actor`, `event`). Two pictures
differ by the pieces whose key, place or markup differ; so a step sends little, and what moves can
be seen moving. What must hold: drawing the same frame gives the same picture, byte for byte; every
text is escaped; nothing refers to anything by id, so that several pictures can stand in one page.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html import escape
from typing import Any

from kubelab.views.palette import colour, resolve

WIDTH = 960
# So many differences between a view and its what-if are marked.
MARKED = 200
FONT = "DejaVu Sans, Verdana, Arial, sans-serif"

# Widths of letters in units of the font size, rather too wide than too narrow.
_NARROW = dict.fromkeys("iljtfrI.,:;|!'()[]/ ", 0.40)
_WIDE = dict.fromkeys("mwMW@%—", 0.95)


@dataclass(frozen=True)
class Piece:
    """One keyed part of a picture; `body` is drawn around (0, 0) and shown at (x, y)."""

    key: str
    x: float
    y: float
    body: str
    kind: str = ""
    name: str = ""
    state: str = ""
    actor: str = ""
    event: int | None = None
    ring: bool = False
    label: str = ""

    def to_json(self) -> dict[str, Any]:
        """What the page needs to draw it."""
        return {
            "key": self.key,
            "x": round(self.x, 1),
            "y": round(self.y, 1),
            "body": self.body,
            "kind": self.kind,
            "name": self.name,
            "state": self.state,
            "actor": self.actor,
            "event": self.event,
            "ring": self.ring,
            "label": self.label,
        }


@dataclass
class Picture:
    """Pieces in drawing order, on a canvas of `WIDTH` by `height`."""

    height: float
    alt: str = ""
    pieces: list[Piece] = field(default_factory=list)
    keys: set[str] = field(default_factory=set, repr=False)

    def add(self, key: str, x: float, y: float, body: str, **data: Any) -> None:
        """Adds a piece on top of those that are there; its key must be new."""
        assert key not in self.keys, f"two pieces have the key {key!r}"
        self.keys.add(key)
        self.pieces.append(Piece(key, x, y, body, **data))

    def include(self, other: Picture, prefix: str, dy: float) -> float:
        """Takes another picture in, so far below the top; returns the bottom of what it took."""
        for piece in other.pieces:
            key = f"{prefix}{piece.key}"
            assert key not in self.keys, f"two pieces have the key {key!r}"
            self.keys.add(key)
            self.pieces.append(replace(piece, key=key, y=piece.y + dy))
        return dy + other.height

    def svg(self) -> str:
        """The whole picture as one SVG document in fixed colours, for stills."""
        groups = []
        for piece in self.pieces:
            data = "".join(
                f' data-{name}="{escape(str(value))}"'
                for name, value in (
                    ("kind", piece.kind),
                    ("name", piece.name),
                    ("state", piece.state),
                    ("actor", piece.actor),
                    ("event", piece.event),
                )
                if value not in ("", None)
            )
            at = f"translate({number(piece.x)} {number(piece.y)})"
            groups.append(f'<g transform="{at}"{data}>{piece.body}</g>')
        height = number(self.height)
        whole = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="{FONT}">'
            f'<rect width="{WIDTH}" height="{height}" fill="{colour("paper")}"/>'
            f"{''.join(groups)}</svg>"
        )
        return resolve(whole)


def differing(before: Picture, after: Picture) -> list[str]:
    """The keys of the named things that are not in the same state in both pictures."""
    there = {piece.key: piece.state for piece in before.pieces}
    named = [piece for piece in after.pieces if piece.name]
    return [piece.key for piece in named if there.get(piece.key) != piece.state][:MARKED]


def placed(x: float, y: float, body: str) -> str:
    """Markup moved to a place."""
    return f'<g transform="translate({number(x)} {number(y)})">{body}</g>'


def number(value: float) -> str:
    """A coordinate with at most one decimal."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def rect(
    x: float,
    y: float,
    w: float,
    h: float,
    *,
    fill: str = "none",
    stroke: str = "",
    width: float = 1.5,
    radius: float = 4,
    dash: str = "",
) -> str:
    """A rectangle; colours are roles of the palette."""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(max(w, 0))}" height="{number(h)}" '
        f'rx="{number(radius)}"{paint(fill, stroke, width, dash)}/>'
    )


def path(
    d: str, *, fill: str = "none", stroke: str = "", width: float = 1.5, dash: str = ""
) -> str:
    """A path."""
    return f'<path d="{d}"{paint(fill, stroke, width, dash)}/>'


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    *,
    stroke: str = "line",
    width: float = 1.5,
    dash: str = "",
) -> str:
    """A straight line."""
    d = f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"
    return path(d, stroke=stroke, width=width, dash=dash)


def paint(fill: str, stroke: str, width: float, dash: str) -> str:
    """The attributes for fill and outline."""
    out = f' fill="{colour(fill) if fill != "none" else "none"}"'
    if stroke:
        out += f' stroke="{colour(stroke)}" stroke-width="{number(width)}"'
    if dash:
        out += f' stroke-dasharray="{dash}"'
    return out


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 13,
    fill: str = "ink",
    anchor: str = "start",
    bold: bool = False,
    width: float | None = None,
) -> str:
    """A line of text on the baseline y; `width` cuts it so that it fits."""
    shown = fit(words, width, size, bold) if width is not None else words
    weight = ' font-weight="600"' if bold else ""
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return (
        f'<text x="{number(x)}" y="{number(y)}" font-size="{number(size)}"{weight}{place} '
        f'fill="{colour(fill)}">{escape(shown)}</text>'
    )


def measure(words: str, size: float = 13, bold: bool = False) -> float:
    """About how wide a text is, on the safe side."""
    units = sum(
        _NARROW.get(letter) or _WIDE.get(letter) or (0.72 if letter.isupper() else 0.61)
        for letter in words
    )
    return units * size * (1.07 if bold else 1)


def fit(words: str, width: float, size: float = 13, bold: bool = False) -> str:
    """The text, or its beginning and end with … between, so that it fits the width.

    Names of pods differ at their ends, so the end is kept too.
    """
    if measure(words, size, bold) <= width:
        return words
    for kept in range(len(words) - 1, 1, -1):
        tail = kept * 2 // 5
        cut = words[: kept - tail] + "…" + (words[-tail:] if tail else "")
        if measure(cut, size, bold) <= width:
            return cut
    return "…"


def wrap(words: str, width: float, size: float = 13, lines: int = 3) -> list[str]:
    """The text in at most so many lines of this width; the last one is cut to fit."""
    out: list[str] = []
    current = ""
    for word in words.split():
        longer = f"{current} {word}" if current else word
        if not current or measure(longer, size) <= width:
            current = longer
        else:
            out.append(current)
            current = word
    if current:
        out.append(current)
    if len(out) > lines:
        out = [*out[: lines - 1], " ".join(out[lines - 1 :])]
    return [fit(item, width, size) for item in out]


def arrow(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    *,
    stroke: str = "ink",
    width: float = 2,
    dash: str = "",
) -> str:
    """A line with a head at its end."""
    dx, dy = x2 - x1, y2 - y1
    length = max((dx * dx + dy * dy) ** 0.5, 1)
    ux, uy = dx / length, dy / length
    bx, by = x2 - 9 * ux, y2 - 9 * uy
    left = f"{number(bx - 4.5 * uy)} {number(by + 4.5 * ux)}"
    right = f"{number(bx + 4.5 * uy)} {number(by - 4.5 * ux)}"
    head = path(f"M{number(x2)} {number(y2)}L{left}L{right}Z", fill=stroke)
    return line(x1, y1, bx, by, stroke=stroke, width=width, dash=dash) + head
