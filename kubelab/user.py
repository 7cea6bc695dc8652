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
        self.user, self.groups, self.uid = request.user, request.groups, request.uid
        self.request(
            request.method, request.path, query=request.query, body=request.body,
            headers=request.headers, reply="answered",
            context=(token, f"streams.{token}"), watch=watch,
        )  # fmt: skip

    def answered(self, response: Response, token: int, *_: str) -> None:
        """The answer to a request of the user's."""
        self.answers[token] = response
        if not response.ok or response.body is not None:
            # The answer is all: no stream comes of it.
            self.streams.pop(token, None)

    def watched(self, call_id: int, type_: str, obj: Obj) -> None:
        call = self.calls.get(call_id)
        if call is not None:
            if type_ == "DATA":
                self.note(channel=obj["channel"], **_heard(obj))
            else:
                self.note(type=type_, kind=obj.get("kind", ""))
            self.streams[call.context[0]].append((type_, obj))

    def closed(self, call_id: int) -> None:
        call = self.calls.get(call_id)
        if call is not None and call.watch:
            del self.calls[call_id]
            self.note(ended=call.request.path)
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

    def write(self, token: int, data: Any, end: bool, channel: int = 0) -> None:
        """Sends into a stream of the user's; `end` says that nothing more will come."""
        self.note(bytes=len(data), channel=channel, end=end)
        self._onward(token, "stream_input", data, end, channel)

    def connect(self, token: int, port: int, number: int) -> None:
        """Opens one more connection to a forwarded port, under a number of the user's."""
        self.note(port=port, number=number)
        self._onward(token, "stream_connect", port, number)

    def _onward(self, token: int, verb: str, *args: Any) -> None:
        """To the API server that has the stream."""
        for call_id, call in self.calls.items():
            if call.watch and call.context[0] == token:
                self.send(self.servers[self.server], verb, self.name, call_id, *args)

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
        if event.verb == "watched" and "channel" not in detail:
            what = detail.get("kind") or "something"
            return f"You hear through your watch: {what} {str(detail.get('type', '')).lower()}."
        if event.verb == "watched" and "bytes" not in detail:
            ends = f": {detail['status']}" if detail.get("status") else ""
            return f"You hear that channel {detail['channel']} of your stream ends{ends}."
        if event.verb in STREAMED:
            return STREAMED[event.verb].format(**{"bytes": 0, "port": "", **detail})
        return f"You hear from {event.actor}: {event.verb}."


class Stream:
    """An open connection to a process in a pod or to its ports, or a log that goes on.

    `.pieces` are what has come so far, as (channel, data). Of a command, channel 1 is output, 2 is
    errors, 3 the Status at the end. Of forwarded ports the connection number i has the channels 2i
    for its bytes and 2i + 1 for what went wrong, and None is the end of a channel. `.over` says
    that no more will come.
    """

    def __init__(self, cluster: Any, token: int) -> None:
        self._cluster = cluster
        self._token = token
        self._connections = 0

    def _rows(self) -> list[tuple[str, Obj]]:
        rows: list[tuple[str, Obj]] = self._cluster.world.components["you"].streams.get(
            self._token, []
        )
        return rows

    def since(self, count: int) -> list[tuple[int, Any]]:
        """What has come after the first so many pieces."""
        rows = self._rows()[count:]
        return [(obj["channel"], obj["data"]) for type_, obj in rows if type_ == "DATA"]

    @property
    def pieces(self) -> list[tuple[int, Any]]:
        """All that has come so far."""
        return self.since(0)

    @property
    def over(self) -> bool:
        """Whether the other side has ended it."""
        rows = self._rows()
        return bool(rows) and rows[-1][0] == "CLOSED"

    def write(self, data: Any = "", *, end: bool = False, channel: int = 0) -> None:
        """Sends input; `end` closes it."""
        self._cluster.act("you", "write", self._token, data, end, channel)

    def connect(self, port: int, number: int | None = None) -> int:
        """Opens a connection to a port that is forwarded; returns its number."""
        number = self._connections if number is None else number
        self._connections = max(self._connections, number + 1)
        self._cluster.act("you", "connect", self._token, port, number)
        return number

    def text(self, channel: int = 1) -> str:
        """What has come on a channel, as one text."""
        return "".join(_text(data) for number, data in self.pieces if number == channel)

    def wait(self, timeout: float = 60) -> bool:
        """Lets virtual time pass until it is over; False if it is not in time."""
        return bool(self._cluster.run_until(lambda _: self.over, timeout))

    def cancel(self) -> None:
        """Goes away."""
        self._cluster.act("you", "close", self._token)


def _text(data: Any) -> str:
    if isinstance(data, bytes):
        return data.decode("utf-8", "surrogateescape")
    return "" if data is None else str(data)


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


STREAMED = {
    "write": "You send {bytes} bytes into an open stream.",
    "connect": "You open a connection to the forwarded port {port}.",
    "watched": "You get {bytes} bytes on channel {channel} of your stream.",
    "closed": "You hear that the API server has ended your stream or watch.",
    "close": "You leave a stream or a watch, because you have seen enough.",
}


def _heard(piece: Obj) -> dict[str, Any]:
    """What a piece of a stream brings, in short."""
    data = piece["data"]
    if isinstance(data, dict):
        return {"status": str(data.get("message") or data.get("status", ""))[:120]}
    return {} if data is None else {"bytes": len(data)}


# What is asked for through the doors of a pod or a node.
DOORS = {
    "exec": "`{command}` to be run in {where}",
    "attach": "the streams of {where}",
    "portforward": "connections to ports of {where}",
    "log": "the log of {where}",
    "proxy": "an answer of {where} through the API server's proxy",
}


def _name_object(you: You, request: Request) -> None:
    body = request.body
    parts = request.path.strip("/").split("/")
    for door, words in DOORS.items():
        if door in parts[3:] and parts[parts.index(door, 3) - 2] in ("pods", "services", "nodes"):
            at = parts.index(door, 3)
            given = request.query.get("command") or ""
            command = given if isinstance(given, str) else " ".join(given)
            where = f"{parts[at - 2][:-1]} {parts[at - 1]}"
            you.note(what=words.format(command=command[:60], where=where))
            return
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
