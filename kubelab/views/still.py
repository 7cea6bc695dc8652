"""The still form: what a notebook shows where no kernel runs.

A picture as an `<img>` with alt text and a data address, then the sentence and the chain in words;
and the same facts as plain text. A freshly cloned notebook is untrusted, and there raw SVG and
scripts are not shown; an image is, everywhere. What must hold: the same frame gives the same bytes,
so that stored outputs can be compared.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import Any


def html(state: dict[str, Any]) -> str:
    """The picture with its words, as HTML that also untrusted notebooks show."""
    head = state["head"]
    data = b64encode(state["picture"].svg().encode()).decode()
    sentence = head["sentence"]
    who = f"<b>{escape(sentence['who'])}.</b> " if sentence["who"] else ""
    chain = "".join(
        f"<li>{escape(link['clock'])} <b>{escape(link['who'])}</b> {escape(link['text'])}</li>"
        for link in head["chain"]
    )
    why = f"<details><summary>Why?</summary><ol>{chain}</ol></details>" if chain else ""
    return (
        f'<div style="max-width: 960px"><div><b>{escape(head["title"])}</b> · {escape(line(head))}'
        f'</div><img alt="{escape(head["alt"])}" src="data:image/svg+xml;base64,{data}" '
        f'style="max-width: 100%; border: 1px solid #B6BEC8">'
        f"<p>{who}{escape(sentence['text'])}</p>{why}</div>"
    )


def line(head: dict[str, Any]) -> str:
    """Time, revision and place in the trace, as one line."""
    parts = [head["clock"]]
    if head["revision"] is not None:
        parts.append(f"revision {head['revision']}")
    parts.append(f"event {head['event']} of {head['total']}")
    return " · ".join(parts)


def plain(state: dict[str, Any]) -> str:
    """The same in plain text: title, alt text, sentence, tables."""
    head = state["head"]
    lines = [f"{head['title']} · {line(head)}", head["alt"]]
    sentence = head["sentence"]
    lines.append(sentence["text"])
    for table in head["tables"]:
        lines += ["", table["caption"], *columns([table["columns"], *table["rows"]])]
    return "\n".join(lines)


def columns(rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines with aligned columns."""
    count = max((len(row) for row in rows), default=0)
    widths = [max((len(row[c]) for row in rows if c < len(row)), default=0) for c in range(count)]
    return ["  ".join(cell.ljust(widths[c]) for c, cell in enumerate(row)).rstrip() for row in rows]
