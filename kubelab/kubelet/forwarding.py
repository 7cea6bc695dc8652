"""Forwarded ports: bytes from far away become requests to a program in a pod, and answers bytes.

`forward_ports` opens a session for a pod; through it go connections, each begun with
`forward_connect` under a number of the client's. Its first bytes say whether a connection speaks
HTTP; then whole requests are put together and handed on one after another. Anything else is handed
on as it comes, as text. What comes back is an answer with a `channel` (twice the number) and its
`data`; on the channel behind it comes what went wrong, and data None ends a channel.

In Kubernetes: pkg/kubelet/server (portForward), and containerd's way into the pod's network
namespace (internal/cri/server, portForward). Left out: answers that a program gives unasked.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from kubelab.api.objects import Obj
from kubelab.kubelet.serving import Serving
from kubelab.network import httpwire
from kubelab.network.payloads import HttpRequest, HttpResponse, Outcome

# A request whose head or body is longer is no request: the connection is closed.
LARGEST_BYTES = 4 * 1024 * 1024
# The method of what is under way: a connection that is being opened, and text that is no HTTP.
OPENING, TEXT = "?", "-"


class Forward(NamedTuple):
    """A session: whose it is, and the pod that it leads to.

    With `left` connections it began; it ends when they have. A session that begins with none goes
    on until the client leaves.
    """

    reply_to: str
    token: Any
    ip: str
    pod: str
    sandbox: str
    left: int = 0


class Connection(NamedTuple):
    """A connection of a session, and what waits to be handed on."""

    session: str
    number: int
    port: int
    buffer: bytes = b""
    ended: bool = False
    # The method of the request that is under way.
    busy: str = OPENING
    # Whether the request asks that the connection be closed after its answer.
    last: bool = False


class Forwarding(Serving):
    """The part of a `Kubelet` that forwards ports."""

    forwards: dict[str, Forward]
    connections: dict[str, Connection]

    def start(self) -> None:
        super().start()
        self.forwards = {}
        self.connections = {}

    def forward_ports(
        self, reply_to: str, token: Any, namespace: str, pod: str, count: int
    ) -> None:
        """Opens a session for the ports of a pod; so many connections follow at once."""
        worker = self._worker_of(namespace, pod)
        if worker is None or not worker.ip or worker.sandbox is None:
            self.serve_answer(reply_to, token, code=404, message="pod does not exist")
            return
        key = f"{reply_to} {token}"
        where = f"{namespace}/{pod}"
        self.serve_answer(reply_to, token, code=101, more=True)
        self.forwards[key] = Forward(
            reply_to, token, worker.ip, where, worker.sandbox.id, count
        )  # fmt: skip

    def forward_connect(self, reply_to: str, token: Any, port: int, number: int) -> None:
        """Connects to a port; bytes follow by `stream_input`."""
        session = f"{reply_to} {token}"
        forward = self.forwards.get(session)
        if forward is None:
            return
        self.note(pod=forward.pod, port=port, number=number)
        key = f"{session} {number}"
        self.connections[key] = Connection(session, number, port)
        self._open(key, None)

    def _open(self, key: str, payload: Any) -> None:
        connection = self.connections[key]
        forward = self.forwards[connection.session]
        token = ("forward", "", key)
        # As from within the pod: no rule of the node's comes between.
        self.kernel.open(forward.ip, forward.ip, connection.port, "TCP", payload, self.name, token)

    def forwarded_input(self, session: str, data: Any, end: bool, channel: int) -> None:
        """Bytes for a connection of a session."""
        key = f"{session} {channel // 2}"
        connection = self.connections.get(key)
        if connection is None or channel % 2:
            return
        more = data.encode() if isinstance(data, str) else bytes(data)
        buffer = connection.buffer + more
        self.note(pod=self.forwards[session].pod, port=connection.port)
        if len(buffer) > LARGEST_BYTES:
            self._close(key)
            return
        self.connections[key] = connection._replace(buffer=buffer, ended=connection.ended or end)
        self._hand_on(key)

    def _hand_on(self, key: str) -> None:
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
                last = httpwire.is_last(data)
                connection = connection._replace(buffer=rest, busy=payload.method, last=last)
        elif data:
            payload = data.decode("utf-8", "surrogateescape")
            connection = connection._replace(buffer=b"", busy=TEXT)
        self.connections[key] = connection
        if payload is not None:
            if isinstance(payload, HttpRequest):
                self.note(request=f"{payload.method} {payload.path}"[:120])
            self._open(key, payload)
        elif connection.ended:
            self._close(key)

    def forwarded(self, token: tuple[Any, ...], outcome: Outcome) -> None:
        if token[1]:
            super().forwarded(token, outcome)
            return
        key = token[2]
        connection = self.connections.get(key)
        if connection is None:
            return
        self.note(pod=self.forwards[connection.session].pod, port=connection.port)
        if not outcome.ok:
            self._unreached(key, outcome)
            return
        if connection.busy != OPENING:
            data = _bytes(outcome.payload, connection.busy)
            self._piece(connection, 2 * connection.number, data)
        if connection.last:
            self._close(key)
            return
        self.connections[key] = connection._replace(busy="")
        self._hand_on(key)

    def _piece(self, connection: Connection, channel: int, data: Any) -> None:
        forward = self.forwards[connection.session]
        piece = Obj(code=200, channel=channel, data=data, more=True)
        self.send(forward.reply_to, "kubelet_answered", forward.token, piece)

    def _unreached(self, key: str, outcome: Outcome) -> None:
        """Nobody has answered. A program that hangs up on bytes it does not like is no error."""
        connection = self.connections[key]
        if connection.busy == OPENING:
            text = _why(self.forwards[connection.session], connection.port, outcome.error)
            self.note(message=text[:200])
            self._piece(connection, 2 * connection.number + 1, text)
        self._close(key)

    def _close(self, key: str) -> None:
        """A connection is over; with the last one of a list of ports its session ends, too."""
        connection = self.connections.pop(key)
        self.note(closed=connection.port)
        for channel in (2 * connection.number, 2 * connection.number + 1):
            self._piece(connection, channel, None)
        forward = self.forwards[connection.session]
        self.forwards[connection.session] = forward._replace(left=forward.left - 1)
        if forward.left == 1:
            del self.forwards[connection.session]
            self.serve_answer(forward.reply_to, forward.token, code=200)

    def forward_closed(self, session: str) -> None:
        """The client of a session has gone."""
        if self.forwards.pop(session, None) is not None:
            for key in [key for key, held in self.connections.items() if held.session == session]:
                del self.connections[key]


def _bytes(payload: Any, method: str) -> bytes:
    """A program's answer on the wire."""
    if isinstance(payload, HttpResponse):
        return httpwire.render(payload, method)
    return payload if isinstance(payload, bytes) else str(payload or "").encode(
        "utf-8", "surrogateescape"
    )  # fmt: skip


def _why(forward: Forward, port: int, error: str) -> str:
    """containerd's words for a port that cannot be reached; it names the sandbox, not the pod."""
    why = "connection refused" if error == "refused" else "i/o timeout"
    sandbox = forward.sandbox
    cuts = (0, 8, 12, 16, 20, 32)
    name = "-".join(sandbox[at:to] for at, to in pairwise(cuts))
    return (
        f"error forwarding port {port} to pod {sandbox}, uid : failed to execute portforward in "
        f'network namespace "/var/run/netns/cni-{name}": failed to connect to localhost:{port} '
        f'inside namespace "{sandbox}", IPv4: dial tcp4 127.0.0.1:{port}: connect: {why} '
        f"IPv6 dial tcp6 [::1]:{port}: connect: {why} "
    )
