"""The API on a socket: HTTP around the same handler that the notebook uses. The only thread.

Each connection has a thread of the standard library's server; each takes the cluster's lock for the
moment of its call, so that requests, cells and the clock never meet inside the world. One more
thread moves virtual time: `speed` virtual seconds a real second, in small steps, and not at all
while `paused`. A watch is a chunked response that is fed from the world's own watch.

Who asks is settled here as far as it is a matter of real secrets: the bearer of the server's own
token and whoever shows a client certificate of its authority. The token stays outside the world, so
that no trace depends on it; any other token goes in for the API server to judge.

In Kubernetes: k8s.io/apiserver/pkg/server. Left out: HTTP/2, which no client insists on.
"""

from __future__ import annotations

import hmac
import json
import ssl
import sys
import tempfile
import threading
import time
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kubelab import credentials, serve_streams
from kubelab.api import errors
from kubelab.api.rest import ADMIN, Response
from kubelab.user import make_request

TICK_SECONDS = 0.02
# How much virtual time the first events of a watch get while the clock is paused.
ARRIVAL_SECONDS = 0.01
NOT_MODIFIED = 304
LARGEST_BODY_BYTES = 3 * 1024 * 1024
HANDSHAKE_SECONDS = 10
LOOPBACK = "127.0.0.1"


class Server:
    """A running server: `.url`, `.kubeconfig` (a path), `.token`, `.authority`, `.stop()`."""

    def __init__(
        self,
        cluster: Any,
        port: int,
        speed: float | None,
        kubeconfig: str | None,
        http: bool = False,
        host: str = LOOPBACK,
    ) -> None:
        self.cluster = cluster
        self.speed = speed
        self.stopping = threading.Event()
        self.authority = None if http else credentials.Authority()
        self.token = "" if http else credentials.new_token()
        self.trust = self._context(host)
        handler = type("Handler", (Handler,), {"owner": self})
        self._http = _Sockets((host, port), handler, self.trust)
        self.port = self._http.server_address[1]
        self.url = f"{'http' if http else 'https'}://{host}:{self.port}"
        pem = self.authority.pem if self.authority else None
        self.kubeconfig = str(credentials.write_kubeconfig(kubeconfig, self.url, pem, self.token))
        self._threads = [
            threading.Thread(target=self._http.serve_forever, args=(0.1,), daemon=True),
            threading.Thread(target=self._run_clock, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the server and its clock; the cluster stays as it is."""
        if not self.stopping.is_set():
            self.stopping.set()
            self._http.shutdown()
            self._http.server_close()
            for thread in self._threads:
                thread.join(2)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Kubernetes API: {self.url}>"

    def _context(self, host: str) -> ssl.SSLContext | None:
        """TLS with the server's certificate; a client may show one of the same authority."""
        if self.authority is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            # The standard library takes the key from files only.
            file = Path(folder) / "server.pem"
            file.touch(mode=0o600)
            file.write_bytes(b"".join(self.authority.server(host)))
            context.load_cert_chain(file)
        context.load_verify_locations(cadata=self.authority.pem.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def who(self, headers: dict[str, str], certificate: Any) -> tuple[str, tuple[str, ...]]:
        """User and groups as the connection tells; empty where the API server must find out.

        Takes our own token out of the headers.
        """
        if self.trust is None:
            return ADMIN, ()
        user, groups = credentials.peer(certificate)
        if user:
            return user, groups
        for name, value in list(headers.items()):
            if name.lower() == "authorization":
                scheme, _, token = value.partition(" ")
                if scheme.lower() == "bearer" and hmac.compare_digest(
                    token.strip().encode(), self.token.encode()
                ):
                    del headers[name]
                    return ADMIN, ()
        return "", ()

    def _run_clock(self) -> None:
        """Moves virtual time beside real time."""
        before = time.monotonic()
        while not self.stopping.wait(TICK_SECONDS):
            now = time.monotonic()
            passed, before = now - before, now
            if self.speed is None:
                self.cluster.settle(60)
            elif self.speed:
                self.cluster.run(passed * self.speed)


class _Sockets(ThreadingHTTPServer):
    """The listening socket; a client that goes away or speaks no TLS is nobody's trouble."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: Any, handler: Any, trust: ssl.SSLContext | None) -> None:
        super().__init__(address, handler)
        self.trust = trust

    def get_request(self) -> Any:
        """The next connection; its handshake is left to its own thread."""
        plain, address = self.socket.accept()
        if self.trust is None:
            return plain, address
        wrapped = self.trust.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        return wrapped, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing is printed: the connection is closed, and the others go on."""


class Handler(BaseHTTPRequestHandler):
    """One connection: HTTP in, one request to the cluster, HTTP out."""

    protocol_version = "HTTP/1.1"
    owner: Server
    server_version = "kubelab"
    sys_version = ""
    # Answers go out at once and in one piece.
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """In the connection's own thread, so that a slow handshake keeps nobody waiting."""
        if isinstance(self.request, ssl.SSLSocket):
            self.request.settimeout(HANDSHAKE_SECONDS)
            self.request.do_handshake()
            self.request.settimeout(None)
        super().setup()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are in the trace, not on the terminal."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The cluster's time, for clients that go by the server's clock."""
        return format_datetime(self.owner.cluster.now, usegmt=True)

    def _serve(self) -> None:
        try:
            body = self._body()
        except ValueError:
            self.close_connection = True
            self._refuse(errors.bad_request("the length of the request's body is malformed"))
            return
        if body is None:
            self.close_connection = True
            self._refuse(errors.too_large(LARGEST_BODY_BYTES))
            return
        # What stands several times (groups to impersonate) goes on as lines of one header.
        headers: dict[str, str] = {}
        for name, value in self.headers.items():
            headers[name] = f"{headers[name]}\n{value}" if name in headers else value
        tls = isinstance(self.request, ssl.SSLSocket)
        shown = self.request.getpeercert() if tls else None
        user, groups = self.owner.who(headers, shown)
        request = make_request(self.command, self.path, body or None, headers, user)
        try:
            response = self.owner.cluster.ask(request._replace(groups=groups))
        except TimeoutError as error:
            self._refuse(errors.unavailable(str(error)))
            return
        if hasattr(response.body, "pieces"):
            follow = serve_streams.talk if response.status == 101 else serve_streams.log
            follow(self, response.body)
        elif hasattr(response.body, "cancel"):
            self._stream(response)
        elif serve_streams.is_websocket(self) and response.ok and isinstance(response.body, str):
            serve_streams.whole(self, response.body)
        else:
            self._answer(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _serve

    def _body(self) -> bytes | None:
        """The request's body; None if it is too large. Raises ValueError."""
        if "Transfer-Encoding" in self.headers:
            return self._chunks()
        text = self.headers.get("Content-Length") or "0"
        if not text.isascii() or not text.isdigit():
            raise ValueError(text)
        length = int(text)
        return self.rfile.read(length) if length <= LARGEST_BODY_BYTES else None

    def _chunks(self) -> bytes | None:
        parts: list[bytes] = []
        total = 0
        while size := int(self.rfile.readline(80).split(b";")[0] or b"0", 16):
            total += size
            if size < 0 or total > LARGEST_BODY_BYTES:
                return None
            parts.append(self.rfile.read(size))
            self.rfile.readline(80)
        self.rfile.readline(80)
        return b"".join(parts)

    def _refuse(self, error: errors.ApiError) -> None:
        self._answer(Response(error.code, body=error.status))

    def _answer(self, response: Response) -> None:
        text = isinstance(response.body, str)
        body = response.body.encode("utf-8", "surrogateescape") if text else response.body
        if not isinstance(body, bytes):
            body = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self.send_response(response.status)
        media = "text/plain; charset=utf-8" if text else "application/json"
        if response.status != NOT_MODIFIED:
            # Here nothing is said of the body, or the client would take it for the kept one's.
            self.send_header("Content-Type", response.headers.get("Content-Type", media))
            self.send_header("Content-Length", str(len(body)))
        if "Cache-Control" not in response.headers:
            self.send_header("Cache-Control", "no-cache, private")
        for name, value in response.headers.items():
            if name != "Content-Type":
                for line in value.splitlines():
                    self.send_header(name, line)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, response: Response) -> None:
        """A watch, until somebody ends it."""
        query = dict(part.partition("=")[::2] for part in self.path.partition("?")[2].split("&"))
        limit = query.get("timeoutSeconds", "")
        deadline = time.monotonic() + (int(limit) if limit.isdigit() else 1800)
        if self.owner.speed == 0:
            # What is there already must come even where the clock stands still.
            self.owner.cluster.run(ARRIVAL_SECONDS)
        serve_streams.watch(self, response.body, deadline)


def wall_clock() -> datetime:
    """The real time, in whole seconds."""
    return datetime.fromtimestamp(int(time.time()), timezone.utc)


def serve(
    cluster: Any,
    port: int = 0,
    *,
    speed: float | None = 1.0,
    kubeconfig: str | None = None,
    http: bool = False,
    host: str = LOOPBACK,
) -> Server:
    """Starts a server; `speed` None is as fast as it can, 0 stands still.

    It listens on loopback unless another `host` is given, and speaks HTTPS unless `http`.
    """
    if sys.platform == "emscripten":
        raise RuntimeError(
            "a kernel in the browser cannot open sockets; c.kubectl and c.request work here"
        )
    return Server(cluster, port, speed, kubeconfig, http, host)
