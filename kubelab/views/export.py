"""A view to take along: one HTML page that steps by itself, or a sheet of numbered frames.

The page holds the recorded pictures of a view's stops (each as its difference to the one before)
and the same module that draws in a notebook; where a kernel would answer, the recording does. It
asks no other host and runs nothing of Kubernetes. The sheet is for paper: pictures and sentences.
What must hold: exporting moves neither the viewer nor the cluster.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from kubelab.views import page as files
from kubelab.views.cursor import Cursor
from kubelab.views.desk import lock_of
from kubelab.views.view import View

STEPS, FRAMES = 200, 8

# What only a kernel can do is not offered in a recording.
_HIDDEN = (
    "Run 10 s",
    "Settle",
    "Fork: what if",
    "Rewind here",
    "Story",
    "Apply",
    "Run until this holds",
    "Pin this view where it is",
    "Dock this view beside the notebook",
)

_PLAYER = """
const record = JSON.parse(document.getElementById("record").textContent);
const frames = [];
for (const update of record) frames.push(applied(frames.at(-1) ?? null, update));
let at = 0, tell = () => {};
const whole = () => ({...frames[at], base: 0, changed: Object.values(frames[at].pieces)});
const moves = {step: () => at + 1, back: () => at - 1, first: () => 0, now: () => frames.length - 1,
  scrub: m => m.position - 1, jump: m => frames.findIndex(f => f.head.focus === m.event)};
const model = {get: whole, on: (_, heard) => { tell = heard; }, off() {}, send(message) {
  const to = moves[message.command]?.(message) ?? at;
  if (to >= 0 && to < frames.length) at = to;
  setTimeout(() => tell({update: whole()}));
}};
const dark = matchMedia("(prefers-color-scheme: dark)").matches;
document.body.dataset.jpThemeLight = String(!dark);
render({model, el: document.getElementById("view"), signal: new AbortController().signal});
"""


def moments(view: View, steps: int) -> Iterator[dict[str, Any]]:
    """The states of a view at its last stops, part by part; the view then stands where it stood."""
    with lock_of(view.cluster):
        before = view.cursor
        try:
            places = [
                Cursor(stop, stop, part)
                for stop in view.stops.ids[-steps:]
                for part in range(view.parts(stop) if view.by == "message" else 1)
            ]
            for cursor in places[-steps:] or [before]:
                view.cursor = cursor
                yield view.state()
        finally:
            view.cursor = before


def page(view: View, path: str | Path | None = None, *, steps: int = STEPS) -> str:
    """One self-contained HTML page that steps through what has happened; written to `path`."""
    record: list[dict[str, Any]] = []
    sent: dict[str, Any] = {}
    states = list(moments(view, steps))
    for number, state in enumerate(states, 1):
        pieces = {piece.key: piece for piece in state["picture"].pieces}
        head = state["head"] | {
            "mode": "past" if number < len(states) else "now",
            "position": number, "stops": len(states), "action": "", "selected": None,
            "inputs": [], "cuts": False, "question": None, "rungs": [view.by],
        }  # fmt: skip
        record.append({
            "number": number, "base": number - 1, "height": state["picture"].height,
            "order": list(pieces), "head": head,
            "changed": [p.to_json() for key, p in pieces.items() if sent.get(key) != p],
        })  # fmt: skip
        sent = pieces
    hidden = ",".join(f'.kl button[aria-label="{name}"]' for name in _HIDDEN)
    css = files.style() + f"{hidden}{{display:none}}"
    data = json.dumps(record, separators=(",", ":")).replace("<", "\\u003c")
    title = escape(states[-1]["head"]["title"])
    text = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{css}</style></head><body>'
        f'<div id="view"></div><script type="application/json" id="record">{data}</script>'
        f'<script type="module">{files.module()}{_PLAYER}</script>'
        "</body></html>\n"
    )
    return _written(text, path)


def sheet(view: View, path: str | Path | None = None, *, frames: int = FRAMES) -> str:
    """Numbered frames with their sentences, for paper; written to `path`."""
    items = []
    for number, state in enumerate(moments(view, frames), 1):
        head = state["head"]
        data = b64encode(state["picture"].svg().encode()).decode()
        items.append(
            f"<li><p><b>{number}.</b> {escape(head['clock'])} "
            f"{escape(head['sentence']['text'])}</p>"
            f'<img alt="{escape(head["alt"])}" src="data:image/svg+xml;base64,{data}"></li>'
        )
    css = "ol{list-style:none;padding:0;display:grid;grid-template-columns:1fr 1fr;gap:14px}"
    css += "li{break-inside:avoid;font:13px sans-serif}img{width:100%;border:1px solid #B6BEC8}"
    text = (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Frames</title>'
        f"<style>{css}</style></head><body><ol>{''.join(items)}</ol></body></html>\n"
    )
    return _written(text, path)


def _written(text: str, path: str | Path | None) -> str:
    if path is not None:
        Path(path).write_text(text, "utf-8")
    return text
