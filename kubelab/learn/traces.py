"""Reading a trace: which acts, writes and faults it holds, and who did them.

Questions find the moment that they ask about by looking for the last act of its kind, so they do
not mind what else was done before, or whether a cell was run twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from kubelab.sim.kernel import Event

BACKGROUND_KINDS = ("Lease", "Event")


def after(cluster: Any, since: int) -> Iterator[Event]:
    """The events after the one with the id `since`."""
    for number in range(since, len(cluster.trace)):
        yield cluster.trace[number]


def last(cluster: Any, holds: Callable[[Event], bool]) -> int:
    """The id of the last event for which something holds; 0 if there is none."""
    for number in range(len(cluster.trace) - 1, -1, -1):
        if holds(cluster.trace[number]):
            return number + 1
    return 0


def first(cluster: Any, since: int, holds: Callable[[Event], bool]) -> Event | None:
    """The first event after `since` for which something holds."""
    return next((event for event in after(cluster, since) if holds(event)), None)


def asked(cluster: Any, method: str, ending: str) -> int:
    """The last request of the user's with a method, whose path ends so; 0 if there is none."""

    def holds(event: Event) -> bool:
        if event.actor != "you" or event.verb != "ask":
            return False
        path = str(event.detail.get("path", ""))
        return event.detail.get("method") == method and path.endswith(ending)

    return last(cluster, holds)


def fault(cluster: Any, verb: str, component: str) -> int:
    """The last time that a component was stopped (`halt`) or started (`begin`); 0 if never."""
    word = {"halt": "stopped", "begin": "started"}[verb]
    return last(
        cluster,
        lambda e: e.target == "faults" and e.verb == verb and component in e.detail.get(word, ()),
    )


def writes(cluster: Any, since: int, kind: str = "", method: str = "") -> list[Event]:
    """The writes after an event, as the API server heard them; without leases and Events."""
    found = []
    for event in after(cluster, since):
        detail = event.detail
        if event.verb != "request" or not event.target.startswith("apiserver"):
            continue
        if detail.get("method", "GET") == "GET" or detail.get("kind") in BACKGROUND_KINDS:
            continue
        if (not kind or detail.get("kind") == kind) and method in ("", detail["method"]):
            found.append(event)
    return found


def created(cluster: Any, since: int, kind: str = "Pod") -> list[Event]:
    """The creations of a kind after an event, without those of its parts (such as bindings)."""
    made = writes(cluster, since, kind, "POST")
    return [event for event in made if not event.detail.get("subresource")]


def stored(cluster: Any, since: int, key: str, change: str = "") -> list[Event]:
    """etcd's writes of keys that begin so."""
    return [
        event
        for event in after(cluster, since)
        if event.verb == "txn"
        and str(event.detail.get("key", "")).startswith(key)
        and change in ("", event.detail.get("change"))
    ]


def bound(cluster: Any) -> list[str]:
    """The names of the pods that the scheduler has bound."""
    return [
        str(event.detail.get("name"))
        for event in writes(cluster, 0, "Pod", "POST")
        if event.detail.get("subresource") == "binding" and event.actor.startswith("scheduler")
    ]


def seconds(cluster: Any, one: int, other: int) -> float:
    """The virtual seconds between two events."""
    return float((cluster.trace[other - 1].ns - cluster.trace[one - 1].ns) / 1e9)


def ancestors(cluster: Any, event: int) -> list[int]:
    """The ids of the events that led to one, the nearest first."""
    chain = []
    cause = cluster.trace[event - 1].cause
    while cause:
        chain.append(cause)
        cause = cluster.trace[cause - 1].cause
    return chain
