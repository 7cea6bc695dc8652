"""What the API server's events say in plain words.

In Kubernetes: the audit log, which is for machines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.sim.kernel import Event

ASKS = {
    "create": "to create", "update": "to replace", "patch": "to change", "delete": "to delete",
    "get": "for", "list": "for all", "watch": "to be told of changes of",
    "deletecollection": "to delete all",
}  # fmt: skip


def tell(event: Event) -> str:
    """One sentence about an event that the API server handled."""
    teller = TELLERS.get(event.verb)
    return teller(event, event.detail) if teller else f"API server handles {event.verb}."


def stages(event: Event) -> list[str]:
    """The stages of a request in their order, each in one sentence, as far as it came."""
    detail = event.detail
    if event.verb not in ("request", "retry"):
        return []
    who = detail.get("caller") or detail.get("user") or event.actor
    found = [f"Authentication: the API server takes the caller for {who}."]
    if detail.get("impersonates"):
        found[0] = f"Authentication: the caller {who} asks in the name of {detail['impersonates']}."
        who = detail["impersonates"]
    if detail.get("verb"):
        right = f"{who} may {detail['verb']} {_what(detail)}"
        why = detail.get("authorized_by") or "components of the cluster are trusted"
        found.append(f"Authorization: {right} because {why}.")
    compared = detail.get("compared") or {}
    for gate in detail.get("gates") or ():
        if gate == "authorization":
            continue
        title = "Validation" if gate == "validation" else f"Admission, {gate}"
        found.append(f"{title}: {compared.get(gate) or 'it lets the request pass'}.")
    if detail.get("stores"):
        found.append(f"Storage: etcd is asked to store {detail['stores']}.")
    elif detail.get("message"):
        found.append(f"Refused: {detail['message']}.")
    return found


def _what(detail: Any) -> str:
    name = detail.get("name") or ""
    kind = detail.get("kind", "")
    if not name and detail.get("verb") != "create":
        kind = f"{kind}s"
    subresource = f" ({detail['subresource']})" if detail.get("subresource") else ""
    return f"{kind} {name}".strip() + subresource


def _request(event: Event, detail: Any) -> str:
    if "verb" not in detail:
        return f"API server hears {event.actor} ask for {detail.get('path')}."
    asks = f"{event.actor} ask {ASKS.get(detail['verb'], detail['verb'])} {_what(detail)}"
    if detail.get("waits"):
        return f"API server hears {asks} and waits a moment: {detail['waits']}."
    if detail.get("message"):
        return f"API server refuses {asks}: {detail['message']}."
    if detail.get("gates") and detail.get("stores"):
        gates = len(detail["gates"])
        return (
            f"API server hears {asks}; {gates} gate{'s' if gates > 1 else ''} let it pass, "
            "now etcd must store it."
        )
    return f"API server hears {asks}."


def _answered(event: Event, detail: Any) -> str:
    if "exists" in detail:
        return f"API server refuses a create because {detail['exists']} is there already."
    if "conflict" in detail:
        return f"API server tries again because {detail['conflict']} was changed meanwhile."
    if "cache" in detail:
        return f"API server fills its watch cache of {detail['cache']} from etcd."
    if "revision" in detail and "key" in detail:
        stored = f"{detail['key']} is stored as revision {detail['revision']}"
        return f"API server hears from etcd that {stored}."
    return f"API server hears etcd's answer to its {detail.get('method', 'call')}."


def _watch_response(event: Event, detail: Any) -> str:
    if "key" not in detail:
        return f"API server hears that its watch of {detail.get('cache', 'a directory')} is open."
    told = detail.get("told", 0)
    who = f"{told} watcher{'' if told == 1 else 's'}"
    return (
        f"API server sees {detail['key']} change in revision "
        f"{detail.get('revision', '?')} and tells {who}."
    )


def _response(event: Event, detail: Any) -> str:
    return f"API server hears the answer {detail.get('code', '')} to a request of its own."


def _from_kubelet(event: Event, detail: Any) -> str:
    code, actor = detail.get("code", 200), event.actor
    if code == 101:
        return f"API server gives the client its connection because {actor} agrees."
    if code != 200:
        return f"API server tells the client that {actor} fails: {detail.get('message', code)}."
    if detail.get("ends"):
        return f"API server ends the client's stream because {actor} has said all."
    return f"API server passes on to the client what {actor} says."


TELLERS: dict[str, Callable[[Event, Any], str]] = {
    "start": lambda event, detail: "API server starts; all it will ever know is in etcd.",
    "request": _request,
    "retry": _request,
    "answered": _answered,
    "watch_response": _watch_response,
    "response": _response,
    "compact": lambda event, detail: (
        "API server asks etcd to forget what is older than five minutes."
    ),
    "bookmark": lambda event, detail: "API server tells watchers how far they are.",
    "cancel_request": lambda event, detail: (
        f"API server hears that {event.actor} has left a watch or a stream."
    ),
    "kubelet_answered": _from_kubelet,
    "stream_input": lambda event, detail: (
        f"API server passes {detail.get('bytes')} bytes of {event.actor} on to "
        f"{detail.get('kubelet', 'nobody')}."
    ),
    "stream_connect": lambda event, detail: (
        f"API server asks {detail.get('kubelet', 'nobody')} for a connection to port "
        f"{detail.get('port')} because {event.actor} opens one."
    ),
    "undelivered": lambda event, detail: "API server finds that somebody no longer answers.",
}
