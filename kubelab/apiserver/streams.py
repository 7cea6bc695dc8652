"""What the API server hands through to a node: logs, commands, attached output, forwarded ports.

A request for one of these (`connecting.py`) leads to a message to the kubelet of the pod's node;
the client's call stays open until the kubelet has answered. A call that asks for a stream (a
followed log, or an upgraded connection) is answered when the kubelet agrees; what comes later
reaches the client as `watched(call, "DATA", piece)` until `closed(call)`; a piece has a `channel`
(1 output, 2 errors, 3 the end, as a Status) and its `data`. What the client sends goes the other
way by `stream_input`. Through one stream of forwarded ports go many connections, each with two
channels (`stream_connect` opens one): 2i for the bytes of number i, 2i + 1 for what went wrong;
data None is a channel's end.

In Kubernetes: apimachinery's util/proxy (UpgradeAwareHandler) and the API server's
generic/rest/streamer.go, with the kubelet's HTTP server behind them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import EMPTY, Obj, get
from kubelab.api.rest import Response
from kubelab.apiserver import decoding, endings
from kubelab.apiserver.housekeeping import Housekeeping
from kubelab.apiserver.pending import Pending
from kubelab.network.payloads import HttpResponse

END = 3
# What a kubelet answers, and the client then too, when a connection is theirs from now on.
SWITCHED = 101
KUBELET_PORT = 10250
KUBELET_PATHS = {"container_logs": "containerLogs", "exec_in": "exec", "attach_to": "attach",
                 "forward_ports": "portForward"}  # fmt: skip


class Stream(NamedTuple):
    """An open stream: who reads it, and the kubelet that feeds it."""

    client: str
    call_id: int
    kubelet: str
    ports: bool = False
    command: tuple[str, ...] = ()
    # Whether it speaks the newest protocol; see `endings.py`.
    newest: bool = False


class Streams(Housekeeping):
    """The part of an `APIServer` that stands between clients and kubelets."""

    pending: dict[int, Pending]

    def settle_in(self) -> None:
        """Begins, with nothing open."""
        super().settle_in()
        self.streams: dict[int, Stream] = {}
        # What was let in under each quota lately (billionths), and until when that counts.
        self.reserved: dict[str, tuple[int, Obj]] = {}

    def _answer(self, pending: Pending, response: Response) -> None:
        """Answers a request; see `APIServer`."""
        raise NotImplementedError

    def stop_streams(self) -> None:
        """The connections to clients and kubelets break."""
        for token, stream in self.streams.items():
            self.send(stream.client, "closed", stream.call_id)
            self.send(stream.kubelet, "stream_closed", self.name, token)

    def kubelet_answered(self, token: int, answer: Obj) -> None:
        """A kubelet has an answer, or one more piece of a stream."""
        self.note(code=answer["code"])
        if answer.get("message"):
            self.note(message=str(answer["message"])[:120])
        stream = self.streams.get(token)
        pending = self.pending.get(token)
        if stream is None and pending is not None:
            stream = self._begins(pending, answer)
        if stream is not None:
            self._piece(token, stream, answer)

    def _begins(self, pending: Pending, answer: Obj) -> Stream | None:
        """The first answer to a request: mostly the only one."""
        code = answer["code"]
        if code == SWITCHED:
            return self.open_stream(pending, SWITCHED)
        if code != 200:
            if endings.translated(pending) and pending.route.subresource != "log":
                stream = self.open_stream(pending, SWITCHED)
                self._piece(pending.token, stream, endings.within(answer))
            else:
                self._answer(pending, endings.refusal(pending, answer))
        elif pending.route.subresource == "proxy":
            self._answer(pending, _proxied(answer["payload"]))
        elif not answer.get("more"):
            headers = Obj({"Content-Type": "text/plain"})
            self._answer(pending, Response(200, headers, answer.get("text", "")))
        else:
            return self.open_stream(pending, 200)
        return None

    def open_stream(self, pending: Pending, status: int) -> Stream:
        """The client's call becomes a stream."""
        asked = pending.request.query.get("command") or ()
        stream = Stream(
            pending.client, pending.call_id, f"kubelet/{pending.node}",
            pending.route.subresource == "portforward",
            (asked,) if isinstance(asked, str) else tuple(asked),
            endings.translated(pending),
        )  # fmt: skip
        self.streams[pending.token] = stream
        headers = Obj({"Content-Type": "text/plain"}) if status == 200 else EMPTY
        self._answer(pending, Response(status, headers, None))
        return stream

    def _piece(self, token: int, stream: Stream, answer: Obj) -> None:
        """Hands one piece on; the last one ends the stream."""
        for channel, data in endings.told(answer):
            self._tell(stream, channel, data)
        if answer.get("more"):
            return
        self.note(ends=True)
        del self.streams[token]
        if not stream.ports:
            self._tell(stream, END, endings.status(answer, stream.command, stream.newest))
        self.send(stream.client, "closed", stream.call_id)

    def _tell(self, stream: Stream, channel: int, data: Any) -> None:
        self.send(stream.client, "watched", stream.call_id, "DATA", Obj(channel=channel, data=data))

    def stream_input(
        self, client: str, call_id: int, data: Any, end: bool, channel: int = 0
    ) -> None:
        """The client sends into a stream of its own; `end` says that nothing more will come."""
        self.note(bytes=len(data), channel=channel, end=end)
        self._onward(client, call_id, "stream_input", data, end, channel)

    def stream_connect(self, client: str, call_id: int, port: int, number: int) -> None:
        """The client opens a connection through a stream of forwarded ports."""
        self.note(port=port, number=number)
        self._onward(client, call_id, "forward_connect", port, number)

    def _onward(self, client: str, call_id: int, verb: str, *args: Any) -> None:
        """To the kubelet that feeds the stream."""
        for token, stream in self.streams.items():
            if (stream.client, stream.call_id) == (client, call_id):
                self.note(kubelet=stream.kubelet)
                self.send(stream.kubelet, verb, self.name, token, *args)

    def end_stream(self, client: str, call_id: int) -> bool:
        """A client goes away; whether it had a stream."""
        for token, stream in list(self.streams.items()):
            if (stream.client, stream.call_id) == (client, call_id):
                del self.streams[token]
                self.send(stream.kubelet, "stream_closed", self.name, token)
                return True
        return False

    def kubelet_silent(self, verb: str, token: int, reason: str) -> None:
        """The kubelet of a node cannot be reached."""
        if verb == "response":
            # It has asked for something itself, and nobody is there to hear the answer.
            return
        pending = self.pending.get(token)
        stream = self.streams.pop(token, None)
        if stream is not None:
            self.send(stream.client, "closed", stream.call_id)
        if pending is None:
            return
        address = get(pending.node_object, "status", "addresses", 0, "address") or pending.node
        where = f"{address}:{KUBELET_PORT}"
        why = "connect: connection refused" if reason == "refused" else "i/o timeout"
        dial = f"dial tcp {where}: {why}"
        route = pending.route
        if endings.translated(pending) and route.subresource != "log":
            stream = self.open_stream(pending, SWITCHED)
            failed = Obj(code=500, message=f"error dialing backend: {dial}", own=True)
            self._piece(token, stream, failed)
            return
        named = f"{route.namespace}/{route.name}/{pending.container}"
        path = f"https://{where}/{KUBELET_PATHS.get(verb, '')}/{named}"
        self._answer(pending, endings.unreachable(pending, dial, path))


def upgraded(pending: Pending) -> bool:
    """Whether the client wants the connection for itself from now on."""
    return "upgrade" in decoding.header(pending.request, "Connection").lower()


def _proxied(payload: Any) -> Response:
    """The answer of a program in a pod, passed on."""
    if not isinstance(payload, HttpResponse):
        return Response(200, Obj({"Content-Type": "text/plain"}), str(payload or ""))
    headers = {"Content-Type": "text/plain; charset=utf-8", **dict(payload.headers)}
    return Response(payload.status, Obj(headers), payload.body)
