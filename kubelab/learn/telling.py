"""How questions, verdicts and reports look: plain text, and HTML that also untrusted pages show.

Every form says the same. The HTML has its styles inline and no colour that must be seen to
understand it; a live page (see `page.py`) puts buttons to it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from html import escape
from typing import Any

from kubelab.learn.catalogue import LETTERS, Moment

BOX = "max-width:960px;border:1px solid #8C959F;border-radius:6px;padding:8px 12px;margin:2px 0"
MARKS = {"passed": "✓", "failed": "✕", "open": "○", "refused": "?", "told": "·"}


def still() -> bool:
    """Whether only still forms are wanted, and nothing is to be remembered."""
    return bool(os.environ.get("KUBELAB_STILL"))


class Shown:
    """Something that a notebook shows as HTML and a terminal as text."""

    def plain(self) -> str:
        """The text."""
        raise NotImplementedError

    def html(self) -> str:
        """The same as HTML."""
        return f'<div style="{BOX};white-space:pre-wrap">{escape(self.plain())}</div>'

    def __repr__(self) -> str:
        return self.plain()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": self.plain(), "text/html": self.html()}


class Note(Shown):
    """A sentence and what to do next; never a traceback."""

    def __init__(self, text: str, todo: str = "") -> None:
        self.text, self.todo = text, todo

    def plain(self) -> str:
        """The sentence, then the next step."""
        return f"{self.text}. Next: {self.todo}." if self.todo else self.text

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, repr=False)
class Verdict(Shown):
    """What a check found. True where it passed; `required()` raises instead, for graders."""

    id: str
    state: str
    said: str = ""
    looked_at: str = ""
    saw: str = ""
    wanted: str = ""
    hint: str = ""
    todo: str = ""
    points: int = 0
    error: BaseException | None = field(default=None, compare=False)

    @property
    def passed(self) -> bool:
        """Whether it holds."""
        return self.state == "passed"

    def __bool__(self) -> bool:
        return self.passed

    def rows(self) -> list[tuple[str, str]]:
        """Its parts, each with its name."""
        named = (
            ("", self.said),
            ("looked at", self.looked_at),
            ("saw", self.saw),
            ("wanted", self.wanted),
            ("hint", self.hint),
            ("next", self.todo),
        )
        return [(name, text) for name, text in named if text]

    def plain(self) -> str:
        """One line."""
        parts = [f"{name}: {text}" if name else text for name, text in self.rows()]
        return f"{self.id} {MARKS[self.state]}  " + " · ".join(parts)

    def html(self) -> str:
        """The same, a line for each part."""
        rows = "".join(
            f"<div>{f'<b>{name}:</b> ' if name else ''}{escape(text)}</div>"
            for name, text in self.rows()
        )
        head = f"<b>{escape(self.id)} {MARKS[self.state]}</b>"
        return f'<div style="{BOX}">{head} {rows}</div>'

    def required(self) -> Verdict:
        """Itself where it passed. Raises AssertionError with the same words elsewhere."""
        if not self.passed:
            raise AssertionError(self.plain())
        return self


def asked(moment: Moment, guess: dict[str, Any] | None, tail: str = "") -> str:
    """A question with its options, as text."""
    lines = [f"Predict {moment.id}: {moment.asks}"]
    for letter, option in zip(LETTERS, moment.options, strict=False):
        mine = "✎" if guess and guess["key"] == option.key else " "
        lines.append(f" {mine} {letter}) {option.text}")
    return "\n".join(lines + ([tail] if tail else []))


def asked_html(moment: Moment, guess: dict[str, Any] | None, tail: str = "") -> str:
    """The same as HTML."""
    rows = "".join(
        f"<li>{'✎ ' if guess and guess['key'] == option.key else ''}{escape(option.text)}</li>"
        for option in moment.options
    )
    return (
        f'<div style="{BOX}"><b>Predict {moment.id}.</b> {escape(moment.asks)}'
        f'<ol type="a" style="margin:4px 0">{rows}</ol>{escape(tail)}</div>'
    )


def table(rows: list[list[str]]) -> str:
    """Rows as aligned columns of text."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=False)).rstrip() for row in rows
    )


def table_html(rows: list[list[str]], caption: str = "") -> str:
    """Rows as a table; the first is its head."""
    head = "".join(f'<th style="text-align:left">{escape(cell)}</th>' for cell in rows[0])
    body = "".join(
        "<tr>"
        + "".join(f'<td style="text-align:left">{escape(cell)}</td>' for cell in row)
        + "</tr>"
        for row in rows[1:]
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<tr>{head}</tr>{body}</table>"
