"""Forwarded ports: bytes from far away become requests to a program in a pod, and answers bytes.

Each stream is one connection. Its first bytes say whether it speaks HTTP; then whole requests are
put together and handed on one after another. Anything else is handed on as it comes, as text.

In Kubernetes: pkg/kubelet/server (portForward) and the runtime's socat into the pod's network.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import Obj
from kubelab.kubelet.serving import Serving
from kubelab.network import httpwire
from kubelab.network.payloads import HttpRequest, HttpResponse, Outcome


class Connection(NamedTuple):
    """A forwarded connection: whose it is, where it leads, and what waits to be handed on."""

    reply_to: str
    token: Any
    ip: str
    pod: str
    port: int
    buffer: bytes = b""
    ended: bool = False
    # The method of the request that is under way; a text stream has `-`.
    busy: str = ""

    def received(self, data: Any, end: bool) -> Connection:
        """With more bytes."""
        more = data.encode() if isinstance(data, str) else bytes(data)
        return self._replace(buffer=self.buffer + more, ended=self.ended or end)


class Forwarding(Serving):
    """The part of a `Kubelet` that forwards ports."""

    connections: dict[str, Connection]

    def forward_to(self, reply_to: str, token: Any, namespace: str, pod: str, port: int) -> None:
        """Opens a connection to a port of a pod; bytes follow by `stream_input`."""
        self.note(port=port)
        worker = self._worker_of(namespace, pod)
        if worker is None or not worker.ip:
            self.serve_answer(reply_to, token, code=404, message="pod does not exist")
            return
        connection = Connection(reply_to, token, worker.ip, f"{namespace}/{pod}", port)
        self.connections[f"{reply_to} {token}"] = connection

    def forward_on(self, key: str) -> None:
        """Hands on what is complete; a connection at its end is closed."""
        connection = self.connections[key]
        if connection.busy:
            return
        data = connection.buffer
        payload: Any = None
        if data and httpwire.is_http(data):
            found = httpwire.parse(data)
            if found is not None:
                payload, rest = found
                connection = connection._replace(buffer=rest, busy=payload.method)
        elif data:
            payload = data.decode("utf-8", "replace")
            connection = connection._replace(buffer=b"", busy="-")
        self.connections[key] = connection
        if payload is not None:
            self.note(pod=connection.pod, port=connection.port)
            if isinstance(payload, HttpRequest):
                self.note(request=f"{payload.method} {payload.path}"[:120])
            self.kernel.open(
                self.address, connection.ip, connection.port, "TCP", payload, self.name,
                ("forward", "", key),
            )  # fmt: skip
        elif connection.ended:
            del self.connections[key]
            self.serve_answer(connection.reply_to, connection.token, code=200)

    def forwarded(self, token: tuple[Any, ...], outcome: Outcome) -> None:
        connection = self.connections.get(token[2]) if not token[1] else None
        if connection is None:
            if token[1]:
                super().forwarded(token, outcome)
            return
        if not outcome.ok:
            del self.connections[token[2]]
            text = self._why(connection, outcome)
            self.serve_answer(connection.reply_to, connection.token, code=500, message=text)
            return
        payload = outcome.payload
        if isinstance(payload, HttpResponse):
            data = httpwire.render(payload, connection.busy)
        else:
            data = payload if isinstance(payload, bytes) else str(payload or "").encode()
        piece = Obj(code=200, stdout=data, more=True)
        self.send(connection.reply_to, "kubelet_answered", connection.token, piece)
        self.connections[token[2]] = connection._replace(busy="")
        self.forward_on(token[2])

    def _why(self, connection: Connection, outcome: Outcome) -> str:
        port, pod = connection.port, connection.pod.partition("/")[2]
        why = "connection refused" if outcome.error == "refused" else "i/o timeout"
        return (
            f"error forwarding port {port} to pod {pod}, uid : failed to execute portforward in "
            f"network namespace: failed to connect to localhost:{port} inside namespace, IPv4: "
            f"dial tcp4 127.0.0.1:{port}: connect: {why}"
        )
