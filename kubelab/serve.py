"""The API on a socket: HTTP around the same handler that the notebook uses. The only thread.

Each connection has a thread of the standard library's server; each takes the cluster's lock for the
moment of its call, so that requests, cells and the clock never meet inside the world. One more
thread moves virtual time: `speed` virtual seconds a real second, in small steps, and not at all
while `paused`. A watch is a chunked response that is fed from the world's own watch.

In Kubernetes: k8s.io/apiserver/pkg/server. Left out so far: TLS, authentication, upgrades.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kubelab.api import errors
from kubelab.api.rest import Response
from kubelab.user import make_request

TICK_SECONDS = 0.02
LARGEST_BODY_BYTES = 3 * 1024 * 1024


class Server:
    """A running server: `.url`, `.kubeconfig` (a path), `.stop()`."""

    def __init__(
        self, cluster: Any, port: int, speed: float | None, kubeconfig: str | None
    ) -> None:
        self.cluster = cluster
        self.speed = speed
        self.stopping = threading.Event()
        handler = type("Handler", (Handler,), {"owner": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.kubeconfig = str(self._write_kubeconfig(kubeconfig))
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

    def _write_kubeconfig(self, path: str | None) -> Path:
        target = Path(path) if path else Path(tempfile.mkdtemp(prefix="kubelab-")) / "kubeconfig"
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "kubelab",
            "clusters": [{"name": "kubelab", "cluster": {"server": self.url}}],
            "users": [{"name": "kubernetes-admin", "user": {}}],
            "contexts": [
                {"name": "kubelab", "context": {"cluster": "kubelab", "user": "kubernetes-admin"}}
            ],
        }  # fmt: skip
        target.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        return target

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


class Handler(BaseHTTPRequestHandler):
    """One connection: HTTP in, one request to the cluster, HTTP out."""

    protocol_version = "HTTP/1.1"
    owner: Server
    server_version = "kubelab"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are in the trace, not on the terminal."""

    def _serve(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True
            self._refuse(errors.too_large(LARGEST_BODY_BYTES))
            return
        body = (
            self._chunks() if "Transfer-Encoding" in self.headers else self.rfile.read(int(length))
        )
        request = make_request(self.command, self.path, body or None, dict(self.headers.items()))
        response = self.owner.cluster.ask(request)
        if hasattr(response.body, "cancel"):
            self._stream(response)
        else:
            self._answer(response)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
            if sum(map(len, parts)) > LARGEST_BODY_BYTES:
                self.close_connection = True
                break
        self.rfile.readline()
        return b"".join(parts)

    def _refuse(self, error: errors.ApiError) -> None:
        self._answer(Response(error.code, body=error.status))

    def _answer(self, response: Response) -> None:
        text = isinstance(response.body, str)
        body = response.body.encode() if text else response.body
        if not isinstance(body, bytes):
            body = json.dumps(body).encode() + b"\n"
        self.send_response(response.status)
        media = "text/plain; charset=utf-8" if text else "application/json"
        self.send_header("Content-Type", response.headers.get("Content-Type", media))
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-cache, private")
        for name, value in response.headers.items():
            if name != "Content-Type":
                for line in value.splitlines():
                    self.send_header(name, line)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, response: Response) -> None:
        """A watch: one JSON object a line, each in a chunk of its own, until somebody ends it."""
        watch = response.body
        query = dict(part.partition("=")[::2] for part in self.path.partition("?")[2].split("&"))
        limit = query.get("timeoutSeconds", "")
        deadline = time.monotonic() + (int(limit) if limit.isdigit() else 1800)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        with contextlib.suppress(OSError):
            while not self.owner.stopping.is_set() and time.monotonic() < deadline:
                with self.owner.cluster.lock:
                    events = watch.events[sent:]
                for event in events:
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                sent += len(events)
                self.wfile.flush()
                time.sleep(TICK_SECONDS)
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True
        watch.cancel()


def serve(
    cluster: Any, port: int = 0, *, speed: float | None = 1.0, kubeconfig: str | None = None
) -> Server:
    """Starts a server on loopback; `speed` None is as fast as it can, 0 stands still."""
    if sys.platform == "emscripten":
        raise RuntimeError(
            "a kernel in the browser cannot open sockets; c.kubectl and c.request work here"
        )
    return Server(cluster, port, speed, kubeconfig)
