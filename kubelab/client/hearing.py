"""The sentences about what every client of the API server hears: lists, watch events, answers.

A component's own `tell` begins with what only it does and leaves the rest to `heard`.

In Kubernetes: no counterpart; client-go logs such things at high verbosity.
"""

from __future__ import annotations

from kubelab.sim.kernel import Event

WORDS = {"ADDED": "was added", "MODIFIED": "has changed", "DELETED": "is gone"}


def heard(who: str, event: Event) -> str:
    """One sentence about an event in which a client hears from the API server."""
    detail = event.detail
    if event.verb == "watched":
        if detail.get("type") in WORDS:
            name = f"{detail.get('namespace', '')}/{detail.get('name', '')}".strip("/")
            return f"{who} hears that {detail['kind']} {name} {WORDS[detail['type']]}."
        if detail.get("type") == "BOOKMARK":
            revision = detail.get("revision", "")
            return (
                f"{who} hears that its {detail['kind']} cache is right up to revision {revision}."
            )
        return f"{who} hears that its watch cannot go on."
    if event.verb == "response":
        if "listed" in detail:
            return f"{who} fills its cache with {detail['listed']} objects of {detail['kind']}."
        if detail.get("code", 500) < 300:
            return f"{who} is answered: {detail.get('method')} {detail.get('path')} went well."
        why = detail.get("message") or detail.get("reason") or "no reason given"
        return f"{who} is refused {detail.get('method')} {detail.get('path')} because {why}."
    if event.verb == "closed":
        return f"{who} loses a connection because {event.actor} closed it."
    if event.verb == "reconnect":
        return f"{who} goes on to list and watch because its pause is over."
    if event.verb == "undelivered":
        return f"{who} gets no answer because {detail.get('why', 'nobody listens')}."
    return f"{who} handles {event.verb} from {event.actor}."
