"""Plain words for what every client of the API server handles: answers, watch events, pauses.

In Kubernetes: the log lines of client-go, which are for operators.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.sim.kernel import Event

CHANGES = {"ADDED": "a new", "MODIFIED": "a changed", "DELETED": "the end of"}


def who(name: str) -> str:
    """A component's name as the first words of a sentence: `Kubelet node-1`, `Scheduler`."""
    head, _, place = name.partition("/")
    known = {"kube-proxy": "kube-proxy", "coredns": "CoreDNS", "you": "You", "etcd-1": "etcd"}
    text = known.get(head) or head.replace("-", " ").capitalize()
    return f"{text} {place}" if place else text


def tell(event: Event) -> str:
    """One sentence about an event that a client handled."""
    return heard(who(event.target), event)


def heard(subject: str, event: Event) -> str:
    """The same under a name that the component chooses itself."""
    teller = TELLERS.get(event.verb)
    if teller is None:
        return f"{subject} handles {event.verb} from {event.actor}."
    return teller(subject, event, event.detail)


def _start(subject: str, event: Event, detail: Any) -> str:
    return f"{subject} starts with empty memory and asks the API server for what it needs."


def _response(subject: str, event: Event, detail: Any) -> str:
    if "listed" in detail:
        return (
            f"{subject} gets the list of {detail['listed']} {detail['kind']} objects at revision "
            f"{detail['revision']} and watches from there."
        )
    asked = f"{detail.get('method', 'its request')} {detail.get('path', '')}".strip()
    if detail.get("act") == "lead":
        return f"{subject} leads from now on because it holds the Lease."
    if detail.get("message"):
        return f"{subject} hears that {asked} is refused: {detail['message'].rstrip('.')}."
    return f"{subject} hears that {asked} is done ({detail.get('code', 'answered')})."


def _watched(subject: str, event: Event, detail: Any) -> str:
    if detail.get("type") == "BOOKMARK":
        return f"{subject} hears that it has missed nothing up to revision {detail['revision']}."
    if detail.get("type") == "ERROR":
        return f"{subject} must list anew because its watch broke: {detail.get('message', '')}."
    change = CHANGES.get(detail.get("type", ""), "a change of")
    what = f"{detail.get('kind', 'object')} {detail.get('name', '')}".strip()
    return f"{subject} sees {change} {what} in its watch."


def _undelivered(subject: str, event: Event, detail: Any) -> str:
    return f"{subject} finds that somebody does not answer, and will try again."


TELLERS: dict[str, Callable[[str, Event, Any], str]] = {
    "start": _start,
    "elect": lambda subject, event, detail: (
        f"{subject} renews its Lease or looks at it, so that one process leads and no second."
    ),
    "response": _response,
    "watched": _watched,
    "undelivered": _undelivered,
    "closed": lambda subject, event, detail: (
        f"{subject} loses a connection to the API server and will connect again."
    ),
    "reconnect": lambda subject, event, detail: f"{subject} connects to the API server again.",
}
