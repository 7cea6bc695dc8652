"""The user: how calls from outside enter the world, and how their answers leave it.

A call of `Cluster` becomes an event of the actor `you`; the world is stepped until the answer is
there. So time moves by the hops' latencies only, and what a call leads to has the call as its first
cause.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote

from kubelab.api.objects import EMPTY, Obj, freeze, get
from kubelab.api.rest import ADMIN, Request, Response
from kubelab.client.client import Client
from kubelab.sim.kernel import Event


class You(Client):
    """The user's own client, named `you`. Answers wait here until the caller takes them."""

    def __init__(self, *, servers: tuple[str, ...]) -> None:
        super().__init__("you", servers=servers, agent="kubelab", user=ADMIN)
        self.answers: dict[int, Any] = {}
        self.streams: dict[int, list[tuple[str, Obj]]] = {}

    def ask(self, token: int, request: Request, watch: bool) -> None:
        """Sends a request of the user's."""
        self.note(method=request.method, path=request.path)
        _name_object(self, request)
        if watch:
            self.streams[token] = []
        self.user, self.groups = request.user, request.groups
        self.request(
            request.method, request.path, query=request.query, body=request.body,
            headers=request.headers, reply="answered",
            context=(token, f"streams.{token}"), watch=watch,
        )  # fmt: skip

    def answered(self, response: Response, token: int, *_: str) -> None:
        """The answer to a request of the user's."""
        self.answers[token] = response

    def watched(self, call_id: int, type_: str, obj: Obj) -> None:
        call = self.calls.get(call_id)
        if call is not None:
            self.note(type=type_, kind=obj.get("kind", ""))
            self.streams[call.context[0]].append((type_, obj))

    def closed(self, call_id: int) -> None:
        call = self.calls.get(call_id)
        if call is not None and call.watch:
            del self.calls[call_id]
            self.streams[call.context[0]].append(("CLOSED", EMPTY))
        else:
            super().closed(call_id)

    def close(self, token: int) -> None:
        """Ends a watch of the user's."""
        for call_id, call in list(self.calls.items()):
            if call.watch and call.context[0] == token:
                del self.calls[call_id]
                self.send(self.servers[self.server], "cancel_request", self.name, call_id)
        self.streams.pop(token, None)

    def write(self, token: int, data: Any, end: bool) -> None:
        """Sends into a stream of the user's; `end` says that nothing more will come."""
        for call_id, call in self.calls.items():
            if call.watch and call.context[0] == token:
                server = self.servers[self.server]
                self.send(server, "stream_input", self.name, call_id, data, end)

    def act(self, text: str, detail: Obj) -> None:
        """The user begins something that takes several requests; it is the cause of them all."""
        self.note(act=text, **detail)

    def finished(self, token: int, result: Any) -> None:
        """A process that the user started in a pod has ended."""
        self.answers[token] = result

    def undelivered(self, target: str, verb: str, args: tuple[Any, ...], reason: str) -> None:
        super().undelivered(target, verb, args, reason)
        if verb not in ("request", "cancel_request"):
            self.note(unanswered=target)

    @staticmethod
    def tell(event: Event) -> str:
        detail = event.detail
        if event.verb == "act":
            return f"You {detail.get('act', 'act')}."
        if event.verb == "ask":
            verb = WORDS.get(detail.get("method", ""), "ask for")
            return f"You {verb} {detail.get('what') or detail.get('path', '')}."
        if event.verb == "response":
            code = detail.get("code")
            outcome = "accepts" if code and code < 400 else "refuses"
            what = f"{detail.get('method')} {detail.get('path')}"
            because = f": {detail['message']}" if detail.get("message") else ""
            return f"You hear that the API server {outcome} {what} ({code}){because}."
        return f"You hear from {event.actor}: {event.verb}."


class Stream:
    """An open connection to a process in a pod, or a log that goes on.

    `.pieces` are what has come so far, as (channel, data): 1 is output, 2 is errors, 3 the Status
    at the end. `.over` says that no more will come.
    """

    def __init__(self, cluster: Any, token: int) -> None:
        self._cluster = cluster
        self._token = token

    def _rows(self) -> list[tuple[str, Obj]]:
        rows: list[tuple[str, Obj]] = self._cluster.world.components["you"].streams.get(
            self._token, []
        )
        return rows

    @property
    def pieces(self) -> list[tuple[int, Any]]:
        """All that has come so far."""
        return [(obj["channel"], obj["data"]) for type_, obj in self._rows() if type_ == "DATA"]

    @property
    def over(self) -> bool:
        """Whether the other side has ended it."""
        return any(type_ == "CLOSED" for type_, _ in self._rows())

    def write(self, data: Any = "", *, end: bool = False) -> None:
        """Sends input; `end` closes it."""
        self._cluster.act("you", "write", self._token, data, end)

    def text(self, channel: int = 1) -> str:
        """What has come on a channel, as one text."""
        return "".join(str(data) for number, data in self.pieces if number == channel)

    def wait(self, timeout: float = 60) -> bool:
        """Lets virtual time pass until it is over; False if it is not in time."""
        return bool(self._cluster.run_until(lambda _: self.over, timeout))

    def cancel(self) -> None:
        """Goes away."""
        self._cluster.act("you", "close", self._token)


def streams(request: Request) -> bool:
    """Whether the answer to a request is a `Stream`."""
    for name, value in request.headers.items():
        if name.lower() == "connection" and "upgrade" in value.lower():
            return True
    follow = request.query.get("follow")
    return request.path.endswith("/log") and follow not in (None, "", "0", "false")


WORDS = {
    "GET": "ask for", "POST": "ask to create", "PUT": "ask to replace", "PATCH": "ask to change",
    "DELETE": "ask to delete",
}  # fmt: skip


def _name_object(you: You, request: Request) -> None:
    body = request.body
    if isinstance(body, dict) and body.get("kind") and isinstance(body.get("metadata"), dict):
        you.note(what=f"{body['kind']} {body['metadata'].get('name', '')}")
        replicas = get(body, "spec", "replicas")
        if isinstance(replicas, int):
            you.note(replicas=replicas)


def make_request(
    method: str, path: str, body: Any = None, headers: Any = None, user: str = ADMIN
) -> Request:
    """A request from what a caller writes: the query is part of the path."""
    path, _, query = path.partition("?")
    fields: dict[str, Any] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key in fields:
            known = fields[key]
            fields[key] = [*(known if isinstance(known, list) else [known]), value]
        else:
            fields[key] = value
    if isinstance(body, (dict, list)):
        body = freeze(body)
    elif isinstance(body, str):
        body = body.encode()
    given = {str(key): str(value) for key, value in dict(headers or {}).items()}
    return Request(method.upper(), unquote(path), freeze(fields), Obj(given), body, user)
