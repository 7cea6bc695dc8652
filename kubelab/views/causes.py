"""The sentence of an event, the chain of its causes, and both as prose to take along.

The sentences are the components' own (`Component.tell`, through the cluster's `tell`), the chain is
the cluster's `why`: a view adds who acted, in which colour, and when.

In Kubernetes: nothing like it; `kubectl get events` and the audit log hold pieces of it.
"""

from __future__ import annotations

from typing import Any

from kubelab.views.cursor import Cursor
from kubelab.views.palette import actor_of, label_of

# A longer chain is shown with its middle folded; the story keeps all of it.
CHAIN_SHOWN = 14

# So many events after one are looked at for its effects, and so many of them are told.
WINDOW, RELATIVES, EFFECTS_SHOWN = 4000, 72, 6

# What a message is called on a link of the chain, where its own name says little to a newcomer.
PLAIN = {
    "txn": "writes", "put": "writes", "delete_range": "deletes", "range": "reads",
    "request": "is asked",
    "response": "gets the answer", "answered": "gets the answer",
    "watched": "hears", "watch_response": "passes it on", "schedule_one": "decides",
    "sync": "compares", "ask": "asks", "act": "acts",
    "requeue": "looks again", "cri_answered": "is answered", "lookup": "looks up",
    "transmit": "sends", "packet": "passes it on", "received": "answers", "resolved": "goes on",
    "start": "starts", "halt": "stop", "begin": "start",
}  # fmt: skip


def clock(cluster: Any, cursor: Cursor) -> str:
    """The virtual time of what is shown since the cluster's start: `t+00:04.310`."""
    trace = cluster.trace
    if not len(trace) or not cursor.event:
        return "t+00:00.000"
    at = cursor.focus if 0 < cursor.focus == cursor.event else cursor.event
    return since(trace[at - 1].ns - trace[0].ns)


def since(ns: int) -> str:
    """A stretch of virtual time as minutes, seconds and milliseconds."""
    milliseconds = ns // 1_000_000
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes:02d}"
    return f"t+{head}:{rest // 1000:02d}.{rest % 1000:03d}"


def handler_of(event: Any) -> str:
    """Who acts in an event: the component that handled it."""
    return str(event.target)


def tell(cluster: Any, focus: int, sentence: str = "") -> dict[str, str]:
    """The sentence of an event with its actor; a view may put a nearer one in its place."""
    if not focus:
        return {"actor": "you", "who": "", "text": sentence or "Nothing has happened here yet."}
    event = cluster.trace[focus - 1]
    who = handler_of(event)
    return {
        "actor": actor_of(who),
        "who": label_of(who),
        "text": sentence or cluster.tell(event),
    }


def chain(cluster: Any, focus: int) -> list[dict[str, Any]]:
    """The causes of an event from the user's own act on, each with actor and sentence."""
    if not focus:
        return []
    links = [_link(cluster, event) for event in cluster.why(focus)]
    if len(links) > CHAIN_SHOWN:
        head, tail = links[:5], links[-(CHAIN_SHOWN - 6) :]
        folded = len(links) - len(head) - len(tail)
        gap = {
            "event": 0,
            "actor": "",
            "who": "",
            "verb": f"… {folded} more …",
            "clock": "",
            "text": f"{folded} more steps between.",
        }
        return [*head, gap, *tail]
    return links


def _link(cluster: Any, event: Any) -> dict[str, Any]:
    return {
        "event": event.id,
        "actor": actor_of(handler_of(event)),
        "who": label_of(handler_of(event)),
        "verb": PLAIN.get(event.verb) or event.verb.replace("_", " "),
        "clock": since(event.ns - cluster.trace[0].ns),
        "text": cluster.tell(event),
    }


def followers(trace: Any, focus: int, until: int) -> list[int]:
    """All events up to a moment that an event has led to, the nearest first; at most a few."""
    found = {focus}
    out: list[int] = []
    for index in range(focus, min(until, focus + WINDOW)):
        event = trace[index]
        if event.cause in found:
            found.add(event.id)
            out.append(event.id)
            if len(out) >= RELATIVES:
                break
    return out


def followed(cluster: Any, focus: int, until: int) -> list[dict[str, Any]]:
    """The first effects of an event up to a moment, each with actor and sentence."""
    if not focus or focus >= until:
        return []
    trace = cluster.trace
    found = followers(trace, focus, until)[:EFFECTS_SHOWN]
    return [_link(cluster, trace[number - 1]) for number in found]


def numbered(cluster: Any, focus: int) -> str:
    """The whole chain as numbered lines of prose."""
    if not focus:
        return "Nothing has happened here yet."
    start = cluster.trace[0].ns
    lines = [
        f"{number}. {since(event.ns - start)}  {cluster.tell(event)}"
        for number, event in enumerate(cluster.why(focus), 1)
    ]
    return "\n".join(lines)
