"""How the channels of a stream are written: over WebSocket or SPDY, for commands and for ports.

A stream has numbered channels. Of a command they are 0 input, 1 output, 2 errors, 3 the Status at
the end, 4 a window's size; of forwarded ports the connection number i has 2i for its bytes and
2i + 1 for what went wrong. A wire reads bytes from the client into `Heard`s and gathers in `out`
what must be sent. Bytes that break the protocol raise ValueError.

In Kubernetes: apimachinery's util/remotecommand and util/portforward, apiserver's util/wsstream,
and kubelet's cri/streaming.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from typing import Any, NamedTuple

from kubelab.serve_spdy import Happened, Session
from kubelab.serve_websocket import BINARY, CLOSE, PING, PONG, TEXT, Frames, Message, closing, frame

INPUT, OUTPUT, ERRORS, END, SIZE, CLOSING = 0, 1, 2, 3, 4, 255
NEWEST = "v5.channel.k8s.io"
# The protocols over WebSocket; those with base64 send text.
PROTOCOLS = (NEWEST, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io",
             "base64.channel.k8s.io")  # fmt: skip
PORTS_PROTOCOLS = ("v4.channel.k8s.io", "v4.base64.channel.k8s.io")
# Over SPDY commands and ports have lists of their own, the best first.
SPDY_PROTOCOLS = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
# Those that know the size of a window.
SIZED = ("v4.channel.k8s.io", "v3.channel.k8s.io")
SPDY_PORTS = ("portforward.k8s.io",)
TUNNEL = "SPDY/3.1+portforward.k8s.io"
# From this version on the end is told as a Status, before as words, and only if something failed.
WITH_STATUS = (NEWEST, "v4.channel.k8s.io", "v4.base64.channel.k8s.io")
ROLES = {"stdin": INPUT, "stdout": OUTPUT, "stderr": ERRORS, "error": END, "resize": SIZE}


class Heard(NamedTuple):
    """Something from the client: bytes on a channel, its end, or a new connection to a port."""

    channel: int
    data: bytes = b""
    end: bool = False
    port: int = 0


def ending(status: Any, protocol: str) -> bytes:
    """The Status at a command's end, as a protocol tells it."""
    if protocol in WITH_STATUS:
        return json.dumps(status, ensure_ascii=False, separators=(",", ":")).encode()
    if status.get("status") == "Success":
        return b""
    return str(status.get("message", "")).encode()


class WebSocketWire:
    """Channels in messages: the first byte (with base64: digit) of each is the channel."""

    ready = True

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.text = "base64" in protocol
        self.frames = Frames()
        self.out = bytearray()
        self.gone = False

    def receive(self, data: bytes) -> list[Heard]:
        """What the client says with these bytes. Raises ValueError."""
        return [heard for message in self.frames.receive(data) for heard in self._heard(message)]

    def _heard(self, message: Message) -> list[Heard]:
        kind, data = message
        if kind == PING:
            self.out += frame(PONG, data)
        elif kind == CLOSE:
            self.gone = True
        elif kind in (TEXT, BINARY) and data:
            channel, rest = data[0], data[1:]
            if self.text:
                channel, rest = channel - ord("0"), _decoded(rest)
            if channel == CLOSING:
                # Only the newest protocol knows it, and only input can be closed.
                closes = self.protocol == NEWEST and rest[:1] == bytes([INPUT])
                return [Heard(INPUT, end=True)] if closes else []
            return [Heard(channel, rest)]
        return []

    def say(self, channel: int, data: bytes) -> None:
        """Sends bytes on a channel."""
        if self.text:
            self.out += frame(TEXT, bytes([ord("0") + channel]) + base64.b64encode(data))
        else:
            self.out += frame(BINARY, bytes([channel]) + data)

    def end(self, channel: int) -> None:
        """Nothing more comes on a channel: this form has no way to say so."""

    def bye(self) -> None:
        """All is over."""
        self.out += closing()


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        raise ValueError("a message is not in base64") from None


class SpdyWire:
    """Channels as streams of a session, which for kubectl's ports is tunnelled in a WebSocket."""

    def __init__(
        self, protocol: str, *, ports: bool, tunnelled: bool = False, expected: int = 0
    ) -> None:
        self.protocol = protocol
        # So many streams the client opens before anything is said.
        self.expected = expected
        self.ports = ports
        self.frames = Frames() if tunnelled else None
        self.session = Session()
        self.framed = bytearray()
        self.gone = False
        # The stream of each channel, and what waits for it to be opened.
        self.streams: dict[int, int] = {}
        self.waiting: dict[int, list[bytes]] = {}
        # The number of each connection by the client's name for it, and those that are complete.
        self.numbers: dict[str, int] = {}
        self.begun: dict[int, bool] = {}

    def receive(self, data: bytes) -> list[Heard]:
        """What the client says with these bytes. Raises ValueError."""
        found: list[Heard] = []
        for piece in self._inner(data):
            for happened in self.session.receive(piece):
                found += self._heard(happened)
        return found

    def _inner(self, data: bytes) -> list[bytes]:
        """The session's own bytes."""
        if self.frames is None:
            return [data]
        pieces = []
        for kind, payload in self.frames.receive(data):
            if kind == PING:
                self.framed += frame(PONG, payload)
            elif kind == CLOSE:
                self.gone = True
            elif kind == BINARY:
                pieces.append(payload)
        return pieces

    @property
    def ready(self) -> bool:
        """Whether the client has opened all that it needs."""
        return len(self.streams) >= self.expected

    @property
    def out(self) -> bytearray:
        """What must be sent; taken away by `clear` as of any other wire."""
        held = self.session.out
        if self.frames is None:
            return held
        if held:
            self.framed += frame(BINARY, bytes(held))
            held.clear()
        return self.framed

    def _heard(self, happened: Happened) -> list[Heard]:
        if happened.what == "gone":
            self.gone = True
        elif happened.what == "opened":
            return self._opened(happened)
        for channel, stream in self.streams.items():
            # Of a command the client speaks on two streams, of ports on each that carries bytes.
            speaks = channel % 2 == 0 if self.ports else channel in (INPUT, SIZE)
            if stream == happened.stream and speaks:
                if happened.what == "data":
                    return [Heard(channel, happened.data)]
                return [Heard(channel, end=True)]
        return []

    def _opened(self, happened: Happened) -> list[Heard]:
        role = happened.header("streamtype")
        if self.ports:
            return self._port(happened, role)
        channel = ROLES.get(role, -1)
        if channel < 0 or channel in self.streams:
            self.session.reset(happened.stream)
            return []
        self._joined(channel, happened.stream)
        return []

    def _port(self, happened: Happened, role: str) -> list[Heard]:
        """A stream of a connection to a port: the second of its two begins it."""
        port, stream = happened.header("port"), happened.stream
        if role not in ("data", "error") or not port.isdigit() or not 0 < int(port) < 65536:
            self.session.reset(stream)
            return []
        # A client that names no connection opens the stream for errors just before the other.
        name = happened.header("requestid") or str(stream if role == "error" else stream - 2)
        number = self.numbers.setdefault(name, len(self.numbers))
        channel = 2 * number + (role == "error")
        if channel in self.streams:
            self.session.reset(stream)
            return []
        self._joined(channel, stream)
        if number in self.begun or not {2 * number, 2 * number + 1} <= self.streams.keys():
            return []
        self.begun[number] = True
        return [Heard(2 * number, port=int(port))]

    def _joined(self, channel: int, stream: int) -> None:
        self.streams[channel] = stream
        self.session.reply(stream)
        for data in self.waiting.pop(channel, []):
            self.session.data(stream, data)

    def say(self, channel: int, data: bytes) -> None:
        """Sends bytes on a channel, or keeps them until the client has opened it."""
        if channel in self.streams:
            self.session.data(self.streams[channel], data)
        else:
            self.waiting.setdefault(channel, []).append(data)

    def end(self, channel: int) -> None:
        """Nothing more comes on a channel."""
        if channel in self.streams:
            self.session.end(self.streams[channel])

    def bye(self) -> None:
        """All is over."""
        for channel in self.streams:
            self.end(channel)
        self.session.goaway()
        if self.frames is not None:
            self.framed = bytearray(self.out + closing())


Wire = WebSocketWire | SpdyWire


def sized(port: int) -> bytes:
    """A port as the first message of its channels tells it."""
    return struct.pack("<H", port)
