"""WebSocket frames (RFC 6455) as a server reads and writes them, without a socket.

`Frames` is fed with bytes as they come, in pieces of any size, and gives whole messages; a message
in several frames is put together. What breaks the protocol (a frame that is not masked, one that is
too large, an opcode that does not exist) raises ValueError: then the connection is closed.

In Kubernetes: gorilla/websocket and golang.org/x/net/websocket. Left out: compression.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import NamedTuple

# What RFC 6455 has a server add to the client's key.
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
NORMAL, BROKEN = 1000, 1002
LARGEST_BYTES = 4 * 1024 * 1024
LARGEST_CONTROL_BYTES = 125


class Message(NamedTuple):
    """A whole message; its `kind` is an opcode."""

    kind: int
    data: bytes


def accepted(key: str) -> str:
    """The server's answer to a client's key."""
    return base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()


def frame(kind: int, data: bytes) -> bytes:
    """A message of a server's as one frame."""
    size = len(data)
    if size < 126:
        head = bytes([128 | kind, size])
    elif size < 65536:
        head = bytes([128 | kind, 126]) + struct.pack(">H", size)
    else:
        head = bytes([128 | kind, 127]) + struct.pack(">Q", size)
    return head + data


def closing(code: int = NORMAL) -> bytes:
    """The frame that closes a connection."""
    return frame(CLOSE, struct.pack(">H", code))


class Frames:
    """What a client has sent so far."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        # The message that is put together of several frames.
        self.kind = CONTINUED
        self.parts = bytearray()

    def receive(self, data: bytes) -> list[Message]:
        """The messages that are complete with these bytes. Raises ValueError."""
        self.buffer += data
        found = []
        while (taken := self._frame()) is not None:
            final, kind, payload = taken
            if kind in (CLOSE, PING, PONG):
                found.append(Message(kind, payload))
                continue
            if (kind == CONTINUED) != (self.kind != CONTINUED):
                raise ValueError("a message goes on that was not begun, or begins within another")
            self.kind = kind or self.kind
            self.parts += payload
            if len(self.parts) > LARGEST_BYTES:
                raise ValueError("a message is too large")
            if final:
                found.append(Message(self.kind, bytes(self.parts)))
                self.kind, self.parts = CONTINUED, bytearray()
        return found

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next frame, or None while it is not complete."""
        held = self.buffer
        if len(held) < 2:
            return None
        first, second = held[0], held[1]
        kind, size, at = first & 15, second & 127, 2
        if first & 0x70 or kind not in (CONTINUED, TEXT, BINARY, CLOSE, PING, PONG):
            raise ValueError("a frame has flags or an opcode that nobody agreed on")
        if not second & 128:
            raise ValueError("a client's frame is not masked")
        if kind >= CLOSE and (size > LARGEST_CONTROL_BYTES or not first & 128):
            raise ValueError("a control frame is too large or in pieces")
        if size >= 126:
            wide = 2 if size == 126 else 8
            if len(held) < at + wide:
                return None
            size = int.from_bytes(held[at : at + wide], "big")
            at += wide
        if size > LARGEST_BYTES:
            raise ValueError("a frame is too large")
        if len(held) < at + 4 + size:
            return None
        mask, payload = bytes(held[at : at + 4]), bytes(held[at + 4 : at + 4 + size])
        del held[: at + 4 + size]
        return bool(first & 128), kind, _unmasked(mask, payload)


def _unmasked(mask: bytes, data: bytes) -> bytes:
    """The data with the mask taken off: all at once, as one large number."""
    size = len(data)
    pattern = (mask * (size // 4 + 1))[:size]
    whole = int.from_bytes(data, "big") ^ int.from_bytes(pattern, "big")
    return whole.to_bytes(size, "big")
