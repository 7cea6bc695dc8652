"""Streams on a socket: followed logs in chunks, and exec and attach over WebSocket.

After the handshake one thread reads the client's frames and another writes what the process in the
pod has said. A frame is binary; its first byte is the channel: 0 input, 1 output, 2 errors, 3 the
Status at the end, 4 a window's size, and, in version 5, 255 closes the channel in the next byte.

In Kubernetes: apimachinery's util/remotecommand and apiserver's util/wsstream. Left out: SPDY,
which older clients speak, and with it forwarded ports of kubectl.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import queue
import struct
import threading
import time
from typing import Any

# What RFC 6455 has a server add to the client's key.
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io",
             "channel.k8s.io")  # fmt: skip
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
INPUT, OUTPUT, ERRORS, END, SIZE, CLOSING = 0, 1, 2, 3, 4, 255
TICK_SECONDS = 0.01
LARGEST_FRAME_BYTES = 4 * 1024 * 1024


def log(handler: Any, stream: Any) -> None:
    """A followed log: text in chunks, until its container ends or the client leaves."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/plain")
    handler.send_header("Cache-Control", "no-cache, private")
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.flush()
    sent = 0
    lock = handler.owner.cluster.lock
    with contextlib.suppress(OSError):
        while not handler.owner.stopping.is_set():
            with lock:
                pieces, over = stream.pieces[sent:], stream.over
            sent += len(pieces)
            for channel, data in pieces:
                if channel == OUTPUT:
                    line = _bytes(data)
                    handler.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            handler.wfile.flush()
            if over:
                break
            time.sleep(TICK_SECONDS)
        handler.wfile.write(b"0\r\n\r\n")
        handler.wfile.flush()
    handler.close_connection = True
    stream.cancel()


def _bytes(data: Any) -> bytes:
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogateescape")


def offered(handler: Any) -> str:
    """The best protocol that both sides know, or the empty string."""
    asked = [word.strip() for word in handler.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    return next((name for name in PROTOCOLS if name in asked), "")


def is_websocket(handler: Any) -> bool:
    """Whether a request wants to go on as a WebSocket."""
    return str(handler.headers.get("Upgrade", "")).lower() == "websocket"


def talk(handler: Any, stream: Any) -> None:
    """The rest of a connection to a process in a pod."""
    protocol = offered(handler)
    key = handler.headers.get("Sec-WebSocket-Key", "").encode()
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
    handler.send_response_only(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Accept", accept)
    if protocol:
        handler.send_header("Sec-WebSocket-Protocol", protocol)
    handler.end_headers()
    handler.wfile.flush()
    handler.close_connection = True
    frames: queue.Queue[tuple[int, bytes]] = queue.Queue()
    reader = threading.Thread(target=_read, args=(handler.rfile, frames), daemon=True)
    reader.start()
    with contextlib.suppress(OSError):
        for channel in (OUTPUT, ERRORS, END):
            _send(handler.wfile, BINARY, bytes([channel]))
        _exchange(handler, stream, frames, protocol)
    stream.cancel()


def _exchange(
    handler: Any, stream: Any, frames: queue.Queue[tuple[int, bytes]], protocol: str
) -> None:
    """Both directions, until one side has ended."""
    owner, sent, gone = handler.owner, 0, False
    while not owner.stopping.is_set():
        while not frames.empty():
            opcode, data = frames.get()
            if opcode == PING:
                _send(handler.wfile, PONG, data)
            elif opcode == CLOSE:
                gone = True
                with owner.cluster.lock:
                    stream.write("", end=True)
            elif opcode in (TEXT, BINARY) and data:
                with owner.cluster.lock:
                    _take(stream, data[0], data[1:])
        with owner.cluster.lock:
            pieces, over = stream.pieces[sent:], stream.over
        sent += len(pieces)
        for channel, data in pieces:
            if channel == END:
                if protocol not in ("v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"):
                    _send(handler.wfile, BINARY, bytes([END]) + json.dumps(data).encode())
            else:
                _send(handler.wfile, BINARY, bytes([channel]) + _bytes(data))
        if over:
            _send(handler.wfile, CLOSE, struct.pack(">H", 1000))
        if over or gone:
            return
        time.sleep(TICK_SECONDS)


def _take(stream: Any, channel: int, data: bytes) -> None:
    """A frame of the client's."""
    if channel == INPUT and data:
        stream.write(data.decode("utf-8", "surrogateescape"))
    elif channel == CLOSING and data[:1] == bytes([INPUT]):
        stream.write("", end=True)


def _read(source: Any, frames: queue.Queue[tuple[int, bytes]]) -> None:
    """Puts the client's frames into a queue; the last one is a CLOSE."""
    kind, parts = BINARY, b""
    with contextlib.suppress(OSError, ValueError, struct.error):
        while True:
            first, second = source.read(2)
            length = second & 127
            if length == 126:
                (length,) = struct.unpack(">H", source.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", source.read(8))
            if length > LARGEST_FRAME_BYTES or not second & 128:
                break
            mask = source.read(4)
            data = source.read(length)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
            opcode = first & 15
            if opcode in (CLOSE, PING, PONG):
                frames.put((opcode, data))
                if opcode == CLOSE:
                    return
                continue
            kind, parts = (opcode, data) if opcode else (kind, parts + data)
            if first & 128:
                frames.put((kind, parts))
    frames.put((CLOSE, b""))


def _send(target: Any, opcode: int, data: bytes) -> None:
    size = len(data)
    if size < 126:
        head = bytes([128 | opcode, size])
    elif size < 65536:
        head = bytes([128 | opcode, 126]) + struct.pack(">H", size)
    else:
        head = bytes([128 | opcode, 127]) + struct.pack(">Q", size)
    target.write(head + data)
    target.flush()
