"""What every view says beside its picture: where and when, the sentence, the chain of causes, what
is selected, and what the page's tools need to know.

In Kubernetes: nothing like it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.views import causes
from kubelab.views.facts import facts_of
from kubelab.views.kind import SWEEP, rungs
from kubelab.views.words import Words

if TYPE_CHECKING:
    from kubelab.views.view import View


def of(view: View, frame: dict[str, Any], words: Words) -> dict[str, Any]:
    """The head of a view at its cursor."""
    cluster, cursor, stops, kind = view.cluster, view.cursor, view.stops, view.kind
    size = len(cluster.trace)
    before = stops.previous(cursor.focus) if cursor.focus else None
    between = cursor.focus - (before or cursor.focus) - 1
    swept = view.by == SWEEP
    out: dict[str, Any] = {
        "kind": kind.name,
        "title": f"{kind.name} · sweep" if swept else kind.title(frame),
        "clock": causes.clock(cluster, cursor),
        "revision": frame.get("revision"),
        "event": cursor.event,
        "focus": cursor.focus,
        "total": size,
        "mode": "now" if cursor.event >= size else "past",
        "part": cursor.part + 1,
        "parts": view.parts(cursor.focus),
        "position": stops.position(cursor.event),
        "stops": len(stops.ids),
        "by": view.by,
        "rungs": list(rungs(kind)),
        "between": max(between, 0),
        "sentence": causes.tell(cluster, cursor.focus, words.sentence),
        "alt": words.alt,
        "chain": causes.chain(cluster, cursor.focus),
        "followed": causes.followed(cluster, cursor.focus, cursor.event),
        "alert": view.alert,
        "tables": [table.to_json() for table in words.tables],
        "action": kind.action[0] if kind.action else "",
        "attention": frame.get("attention"),
        "selected": facts_of(cluster, cursor.event, view.desk.selection, cursor.focus),
        "inputs": kind.inputs(frame, view.options) if kind.inputs and not swept else [],
        "cuts": kind.cut is not None and not swept,
        "desk": view.desk.number,
        "pinned": view.pinned,
        "projector": view.projector,
        "seed": str(getattr(cluster.world, "seed", "")),
    }
    if swept:
        # Nobody has done this: it is what would come of each value.
        out |= {"sentence": {"actor": "you", "who": "", "text": words.sentence}, "parts": 1}
        out |= {"part": 1, "between": 0}
    if swept and kind.sweep is not None and kind.sweep.inputs is not None:
        out["inputs"] = kind.sweep.inputs(frame, view.options)
    game = view.game.to_json() if view.game is not None else {}
    return {**out, "question": None, "verdict": None, "score": "", **game}
