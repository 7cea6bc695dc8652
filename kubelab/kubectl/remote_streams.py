"""Streams from a server far away, for `kubelab kubectl`: commands over WebSocket, followed logs.

They offer what a `Stream` of a cluster in this process does. There is no thread: input is sent at
once, and whatever comes is read when somebody waits for it. A followed log is written to our own
output as it comes, until the server or the user ends it.

In Kubernetes: client-go's tools/remotecommand. Left out: terminals, and many connections to ports.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from kubelab.api.objects import Obj, freeze
from kubelab.api.rest import Response

BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
INPUT, END, CLOSING = 0, 3, 255
READ_BYTES = 16 * 1024
# It should be another one each time, against caches between us that do not exist.
KEY = b"kubelab  kubectl"


def upgrade(base: str, path: str, headers: Mapping[str, str], trust: Any) -> Response:
    """An upgraded request; the body is a stream if the server agrees."""
    from http.client import HTTPConnection, HTTPSConnection

    where = urlsplit(base)
    host, port = where.hostname or "", where.port
    secure = where.scheme == "https"
    link: Any = HTTPSConnection(host, port, context=trust) if secure else HTTPConnection(host, port)
    sent = {**headers, "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(KEY).decode()}  # fmt: skip
    link.request("GET", path, headers=sent)
    answer = link.getresponse()
    if answer.status != 101:
        text = answer.read()
        link.close()
        try:
            return Response(answer.status, Obj(), freeze(json.loads(text)))
        except ValueError:
            return Response(answer.status, Obj(), text.decode(errors="replace"))
    ports = "/portforward" in path
    return Response(101, Obj(), RemoteStream(link, answer.fp, ports))


class RemoteStream:
    """An open WebSocket; see `Stream` in `kubelab/user.py`."""

    def __init__(self, link: Any, source: Any, ports: bool) -> None:
        self.link = link
        self.source = source
        # The first message of a port's channels is the port itself.
        self.greeted: dict[int, bool] = {}
        self.ports = ports
        self.pieces: list[tuple[int, Any]] = []
        self.over = False

    def write(self, data: Any = "", *, end: bool = False, channel: int = INPUT) -> None:
        """Sends input; `end` closes it."""
        held = data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogateescape")
        for at in range(0, len(held), READ_BYTES):
            self._send(BINARY, bytes([channel]) + held[at : at + READ_BYTES])
        if end and not self.ports:
            self._send(BINARY, bytes([CLOSING, channel]))

    def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        head = bytes([128 | kind, 128 | size]) if size < 126 else (
            bytes([128 | kind, 128 | 126]) + struct.pack(">H", size)
        )  # fmt: skip
        # A mask of zeros is one, too: this is no browser that needs to be kept from tricks.
        self.link.sock.sendall(head + b"\0\0\0\0" + data)

    def wait(self, timeout: float = 60) -> bool:
        """Reads until the server has ended it."""
        del timeout
        while not self.over:
            head = self.source.read(2)
            if len(head) < 2:
                self.over = True
                break
            size = head[1] & 127
            if size >= 126:
                wide = 2 if size == 126 else 8
                size = int.from_bytes(self.source.read(wide), "big")
            self._heard(head[0] & 15, self.source.read(size))
        return True

    def _heard(self, kind: int, data: bytes) -> None:
        if kind == PING:
            self._send(PONG, data)
        elif kind == CLOSE:
            self.over = True
        elif len(data) > 1:
            channel, rest = data[0], data[1:]
            if self.ports and not self.greeted.get(channel):
                self.greeted[channel] = True
            elif channel == END and not self.ports:
                self.pieces.append((END, freeze(json.loads(rest))))
            else:
                self.pieces.append((channel, rest))

    def text(self, channel: int = 1) -> str:
        """What has come on a channel, as one text."""
        parts = [data for number, data in self.pieces if number == channel]
        return b"".join(parts).decode("utf-8", "surrogateescape")

    def cancel(self) -> None:
        """Goes away."""
        self.link.close()


class RemoteLog:
    """A followed log: written out as it comes."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.pieces: list[tuple[int, Any]] = []

    def wait(self, timeout: float = 60) -> bool:
        """Reads and writes until the log ends, or the user interrupts."""
        del timeout
        try:
            while data := self.answer.read1(READ_BYTES):
                sys.stdout.write(data.decode(errors="replace"))
                sys.stdout.flush()
        except KeyboardInterrupt:
            return False
        return True

    def text(self, channel: int = 1) -> str:
        """Nothing more: all has been written."""
        del channel
        return ""

    def cancel(self) -> None:
        """Goes away."""
        self.answer.close()
