"""Streams on a socket: watches and followed logs; exec, attach and forwarded ports.

A watch or a log goes on as chunks of HTTP, or as messages of a WebSocket. For a command or for
ports the connection becomes a wire (`serve_wires.py`). One thread a connection does all: it waits a
moment for bytes of the client's, hands on what they say, sends what has come from the pod, and
begins again. A client that goes away or breaks the protocol ends its own stream and nothing else.

In Kubernetes: apimachinery's util/remotecommand, util/portforward and util/httpstream, and
apiserver's util/wsstream.
"""

from __future__ import annotations

import base64
import contextlib
import json
import select
import socket
import ssl
import time
from typing import Any
from urllib.parse import parse_qs

from kubelab.api import errors
from kubelab.api.rest import Response
from kubelab.serve_websocket import (
    BINARY,
    BROKEN,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frames,
    accepted,
    closing,
    frame,
)
from kubelab.serve_wires import (
    END,
    NEWEST,
    OUTPUT,
    PORTS_PROTOCOLS,
    PROTOCOLS,
    SIZED,
    SPDY_PORTS,
    SPDY_PROTOCOLS,
    TUNNEL,
    SpdyWire,
    WebSocketWire,
    Wire,
    ending,
    sized,
)

TICK_SECONDS = 0.01
# A client that takes nothing for so long is gone; so long we wait for it to close its end.
PATIENCE_SECONDS = 30
FAREWELL_SECONDS = 1
# What a message and its answer take in virtual time, with something to spare.
ARRIVAL_SECONDS = 0.05
READ_BYTES = 64 * 1024


class Feed:
    """A response that goes on: chunks of HTTP, or messages of a WebSocket if one was asked for."""

    def __init__(self, handler: Any, media: str, *, text: bool = False) -> None:
        self.frames = Frames() if _upgrade(handler) == "websocket" else None
        self.kind = TEXT if text else BINARY
        self.base64 = False
        if self.frames is not None:
            asked = handler.headers.get("Sec-WebSocket-Protocol", "").split(",")[0].strip()
            self.base64 = asked.startswith("base64.")
            _accept(handler, asked)
        else:
            handler.send_response(200)
            handler.send_header("Content-Type", media)
            handler.send_header("Cache-Control", "no-cache, private")
            handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()
        handler.close_connection = True
        self.link = Link(handler)
        # What is sent together with the next look for the client.
        self.out = bytearray()

    def send(self, data: bytes) -> None:
        """Says a piece, which must not be empty."""
        if self.frames is None:
            self.out += f"{len(data):x}\r\n".encode() + data + b"\r\n"
        elif self.base64:
            self.out += frame(TEXT, base64.b64encode(data))
        else:
            self.out += frame(self.kind, data)

    def _flush(self) -> None:
        if self.out:
            self.link.write(bytes(self.out))
            self.out.clear()

    def left(self) -> bool:
        """Sends what there is and waits a moment; whether the client has gone meanwhile."""
        self._flush()
        data = self.link.read(TICK_SECONDS)
        if data is None or self.frames is None:
            return data == b""
        try:
            heard = self.frames.receive(data)
        except ValueError:
            return True
        for message in heard:
            if message.kind == PING:
                self.out += frame(PONG, message.data)
        return data == b"" or any(message.kind == CLOSE for message in heard)

    def end(self) -> None:
        """All is said."""
        self.out += b"0\r\n\r\n" if self.frames is None else closing()
        self._flush()
        if self.frames is not None:
            self.link.farewell()


def log(handler: Any, stream: Any) -> None:
    """A followed log, until its container ends or the client leaves."""
    sent, lock = 0, handler.owner.cluster.lock
    with contextlib.suppress(OSError):
        feed = Feed(handler, "text/plain")
        while not handler.owner.stopping.is_set():
            with lock:
                pieces, over = stream.since(sent), stream.over
            sent += len(pieces)
            for channel, data in pieces:
                if channel == OUTPUT and data:
                    feed.send(_bytes(data))
            if over or feed.left():
                break
        feed.end()
    stream.cancel()


def whole(handler: Any, text: str) -> None:
    """A log as it is now, over a WebSocket."""
    with contextlib.suppress(OSError):
        feed = Feed(handler, "text/plain")
        if text:
            feed.send(_bytes(text))
        feed.end()


def watch(handler: Any, held: Any, deadline: float) -> None:
    """A watch: one JSON object a line or a message, until somebody ends it."""
    sent, lock = 0, handler.owner.cluster.lock
    with contextlib.suppress(OSError):
        feed = Feed(handler, "application/json", text=True)
        while not handler.owner.stopping.is_set() and time.monotonic() < deadline:
            with lock:
                events = held.events[sent:]
                over = bool(getattr(held, "over", False))
            sent += len(events)
            for event in events:
                feed.send(_bytes(json.dumps(event, ensure_ascii=False)) + b"\n")
            if over or feed.left():
                break
        feed.end()
    held.cancel()


def is_websocket(handler: Any) -> bool:
    """Whether a request wants to go on as a WebSocket."""
    return _upgrade(handler) == "websocket"


def _bytes(data: Any) -> bytes:
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogateescape")


class Link:
    """The connection of a request from now on: bytes in, bytes out."""

    def __init__(self, handler: Any) -> None:
        self.socket: socket.socket = handler.connection
        # What was read ahead, together with the request's head.
        self.early = b""
        self.socket.setblocking(False)
        with contextlib.suppress(OSError):
            self.early = bytes(handler.rfile.peek(1))
        self.socket.settimeout(PATIENCE_SECONDS)

    def read(self, seconds: float) -> bytes | None:
        """What has come within so long: None if nothing has, no bytes at the end."""
        if self.early:
            data, self.early = self.early, b""
            return data
        tls = self.socket if isinstance(self.socket, ssl.SSLSocket) else None
        if tls is None or not tls.pending():
            if not select.select([self.socket], [], [], seconds)[0]:
                return None
        return self.socket.recv(READ_BYTES)

    def write(self, data: bytes) -> None:
        """Sends all of it."""
        self.socket.sendall(data)

    def farewell(self) -> None:
        """Lets the client read all and close first, so that nothing on its way is lost."""
        if not isinstance(self.socket, ssl.SSLSocket):
            self.socket.shutdown(socket.SHUT_WR)
        until = time.monotonic() + FAREWELL_SECONDS
        while time.monotonic() < until and self.read(TICK_SECONDS) != b"":
            pass


def talk(handler: Any, stream: Any) -> None:
    """The rest of a connection to processes or ports of a pod."""
    path, _, query = handler.path.partition("?")
    ports = path.endswith("/portforward")
    wire = _spdy(handler, ports) if _upgrade(handler) == "spdy/3.1" else _websocket(handler, ports)
    handler.close_connection = True
    if wire is not None:
        handler.end_headers()
        handler.wfile.flush()
        link = Link(handler)
        with contextlib.suppress(OSError):
            if isinstance(wire, WebSocketWire):
                _greet(wire, parse_qs(query).get("ports") if ports else None)
            _exchange(handler.owner, stream, wire, link, ports)
            link.farewell()
    stream.cancel()


def _upgrade(handler: Any) -> str:
    return str(handler.headers.get("Upgrade", "")).lower()


def _switch(handler: Any, upgrade: str) -> None:
    handler.send_response_only(101)
    handler.send_header("Upgrade", upgrade)
    handler.send_header("Connection", "Upgrade")


def _accept(handler: Any, protocol: str) -> None:
    """The head of the answer to a WebSocket."""
    _switch(handler, "websocket")
    key = accepted(handler.headers.get("Sec-WebSocket-Key", ""))
    handler.send_header("Sec-WebSocket-Accept", key)
    if protocol:
        handler.send_header("Sec-WebSocket-Protocol", protocol)


def _websocket(handler: Any, ports: bool) -> Wire | None:
    """Agrees on a protocol over WebSocket; None where there is none."""
    asked = [word.strip() for word in handler.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    known = (TUNNEL, *PORTS_PROTOCOLS) if ports else PROTOCOLS
    # What opens with the newest is taken by it; else the client's order counts.
    best = next((name for name in (NEWEST, TUNNEL) if name in asked and name in known), "")
    chosen = best or next((name for name in asked if name in known), "")
    if not chosen and any(asked):
        handler.send_error(403)
        return None
    _accept(handler, chosen)
    return SpdyWire(chosen, ports=True, tunnelled=True) if chosen == TUNNEL else (
        WebSocketWire(chosen)
    )  # fmt: skip


def _spdy(handler: Any, ports: bool) -> Wire | None:
    """The same over SPDY, which clients use whose WebSocket was refused, or that know none."""
    lines = handler.headers.get_all("X-Stream-Protocol-Version") or ()
    asked = [word.strip() for line in lines for word in line.split(",")]
    known = SPDY_PORTS if ports else SPDY_PROTOCOLS
    chosen = next((name for name in known if name in asked), "")
    if asked and not chosen:
        text = f"unable to upgrade: unable to negotiate protocol: client supports {asked}, "
        refusal = errors.failure(403, text + f"server accepts {list(known)}")
        handler._answer(Response(403, body=refusal.status))
        return None
    _switch(handler, "SPDY/3.1")
    if chosen:
        handler.send_header("X-Stream-Protocol-Version", chosen)
    expected = 0 if ports else _expected(handler.path.partition("?")[2], chosen)
    return SpdyWire(chosen, ports=ports, expected=expected)


def _expected(query: str, protocol: str) -> int:
    """How many streams a client opens for a command: for errors, and for all that it asks for."""
    asked = parse_qs(query)

    def on(name: str) -> bool:
        return asked.get(name, [""])[0] in ("true", "1")

    resizes = on("tty") and protocol in SIZED
    return 1 + on("stdin") + on("stdout") + (on("stderr") and not on("tty")) + resizes


def _greet(wire: WebSocketWire, ports: list[str] | None) -> None:
    """The first messages: one without bytes, or on each channel the port that it belongs to."""
    if ports is None:
        wire.say(OUTPUT, b"")
    for number, port in enumerate(",".join(ports or ()).split(",") if ports else ()):
        wire.say(2 * number, sized(int(port)))
        wire.say(2 * number + 1, sized(int(port)))


def _exchange(owner: Any, stream: Any, wire: Wire, link: Link, ports: bool) -> None:
    """Both directions, until one side has ended."""
    lock, sent, begins = owner.cluster.lock, 0, True
    patience = time.monotonic() + PATIENCE_SECONDS
    while not owner.stopping.is_set():
        _flush(wire, link)
        data = link.read(TICK_SECONDS)
        try:
            heard = wire.receive(data) if data else []
        except ValueError:
            link.write(b"" if isinstance(wire, SpdyWire) else closing(BROKEN))
            return
        with lock:
            for channel, piece, end, port in heard:
                if port:
                    stream.connect(port, channel // 2)
                elif piece or end:
                    stream.write(piece, end=end, channel=channel)
            if owner.speed == 0 and (heard or begins):
                # Where the clock stands still, what is said must arrive and be answered yet.
                owner.cluster.run(ARRIVAL_SECONDS)
            begins = False
            pieces, over = stream.since(sent), stream.over
        if not wire.ready and time.monotonic() < patience:
            if wire.gone or data == b"":
                return
            continue
        sent += len(pieces)
        for channel, said in pieces:
            if said is None:
                wire.end(channel)
            elif channel == END and not ports:
                wire.say(END, ending(said, wire.protocol))
            else:
                wire.say(channel, _bytes(said))
        if over:
            wire.bye()
            _flush(wire, link)
            return
        if wire.gone or data == b"":
            return


def _flush(wire: Wire, link: Link) -> None:
    out = wire.out
    if out:
        link.write(bytes(out))
        out.clear()
