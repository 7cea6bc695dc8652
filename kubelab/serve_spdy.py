"""SPDY/3.1 as a server reads and writes it, without a socket: many streams in one connection.

kubectl forwards ports over it (within a WebSocket), and older clients run commands over it. A
client opens streams with odd numbers, each with headers that say what it is for; both sides send
data in it, and each says with the flag FIN that it sends no more. Headers are compressed, one
state of zlib for each direction, with a dictionary that both sides know. `Session.receive` gives
what has happened; what must be sent gathers in `out`. What breaks the protocol raises ValueError.

In Kubernetes: moby/spdystream, and apimachinery's util/httpstream/spdy. Left out: windows that
hold a fast sender back, which that library does not keep either, and streams that a server opens.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

VERSION = 3
SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS, PING, GOAWAY, HEADERS, WINDOW_UPDATE = (
    1, 2, 3, 4, 6, 7, 8, 9,
)  # fmt: skip
FIN = 1
REFUSED_STREAM, CANCEL = 3, 5
LARGEST_BYTES = 4 * 1024 * 1024
LARGEST_HEADERS_BYTES = 64 * 1024
MOST_STREAMS = 1000
# Data is sent in frames of at most so many bytes.
PIECE_BYTES = 32 * 1024
# A direction of a stream that has ended.
OURS, THEIRS = 1, 2

# The dictionary of the specification: words with their lengths before them, then a running text.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base content-encoding "
    "content-language content-length content-location content-md5 content-range content-type date "
    "etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma proxy-authenticate "
    "proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url "
    "public set-cookie keep-alive origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,"
    "sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _sized(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


DICTIONARY = b"".join(_sized(word.replace("_", " ").encode()) for word in _WORDS.split())
DICTIONARY += _TEXT.encode()


class Happened(NamedTuple):
    """Something in a session: `what` is opened, data, end or reset of a stream, or gone (all)."""

    what: str
    stream: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    data: bytes = b""

    def header(self, name: str) -> str:
        """A header's value, or the empty string."""
        return next((value for key, value in self.headers if key == name), "")


class Session:
    """A server's side of a connection."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.out = bytearray()
        self.inflater = zlib.decompressobj(zdict=DICTIONARY)
        self.deflater = zlib.compressobj(zdict=DICTIONARY)
        # Streams that are open, with what has ended in them: OURS, THEIRS, or neither.
        self.streams: dict[int, int] = {}
        self.last = 0

    # What the client sends.

    def receive(self, data: bytes) -> list[Happened]:
        """What has happened with these bytes. Raises ValueError."""
        self.buffer += data
        found: list[Happened] = []
        while len(self.buffer) >= 8:
            head, rest = struct.unpack(">II", self.buffer[:8])
            flags, size = rest >> 24, rest & 0xFFFFFF
            if size > LARGEST_BYTES:
                raise ValueError("a frame is too large")
            if len(self.buffer) < 8 + size:
                break
            body = bytes(self.buffer[8 : 8 + size])
            del self.buffer[: 8 + size]
            if head >> 31:
                if head >> 16 & 0x7FFF != VERSION:
                    raise ValueError("a frame is not of SPDY/3")
                found += self._control(head & 0xFFFF, flags, body)
            else:
                found += self._data(head, flags, body)
        return found

    def _data(self, stream: int, flags: int, body: bytes) -> list[Happened]:
        if stream > self.last:
            raise ValueError("data comes in a stream that was not opened")
        if self.streams.get(stream, THEIRS) & THEIRS:
            # It was on its way when we ended the stream.
            return []
        found = [Happened("data", stream, (), body)] if body else []
        return [*found, *self._ended(stream)] if flags & FIN else found

    def _ended(self, stream: int) -> list[Happened]:
        self._close(stream, THEIRS)
        return [Happened("end", stream)]

    def _close(self, stream: int, side: int) -> None:
        """A direction is over; with both the stream is gone."""
        self.streams[stream] |= side
        if self.streams[stream] == OURS | THEIRS:
            del self.streams[stream]

    def _control(self, kind: int, flags: int, body: bytes) -> list[Happened]:
        if kind == SYN_STREAM:
            return self._opened(flags, body)
        if kind == RST_STREAM and len(body) >= 4:
            stream = _number(body) & 0x7FFFFFFF
            return [Happened("reset", stream)] if self.streams.pop(stream, None) is not None else []
        if kind == PING:
            self._send(PING, body)
        elif kind == GOAWAY:
            return [Happened("gone")]
        elif kind == HEADERS and len(body) >= 4:
            # Read, so that both sides' compression stays in step.
            self._headers(body[4:])
        return []

    def _opened(self, flags: int, body: bytes) -> list[Happened]:
        if len(body) < 10:
            raise ValueError("a stream is opened with half a frame")
        stream = _number(body) & 0x7FFFFFFF
        headers = self._headers(body[10:])
        if stream % 2 == 0 or stream <= self.last:
            raise ValueError("a stream has a number that cannot be")
        self.last = stream
        if len(self.streams) >= MOST_STREAMS:
            self.reset(stream, REFUSED_STREAM)
            return []
        self.streams[stream] = 0
        found = [Happened("opened", stream, headers)]
        return [*found, *self._ended(stream)] if flags & FIN else found

    def _headers(self, block: bytes) -> tuple[tuple[str, str], ...]:
        """The names and values of a compressed block. Raises ValueError."""
        try:
            plain = self.inflater.decompress(block, LARGEST_HEADERS_BYTES)
        except zlib.error as error:
            raise ValueError(f"headers cannot be read: {error}") from None
        if self.inflater.unconsumed_tail:
            raise ValueError("headers are too large")
        texts, at = [], 4
        try:
            (count,) = struct.unpack_from(">I", plain)
            for _ in range(min(2 * count, len(plain))):
                (size,) = struct.unpack_from(">I", plain, at)
                texts.append(plain[at + 4 : at + 4 + size].decode("latin-1"))
                at += 4 + size
        except struct.error:
            raise ValueError("headers end in their middle") from None
        return tuple(zip((name.lower() for name in texts[::2]), texts[1::2], strict=False))

    # What we send.

    def reply(self, stream: int) -> None:
        """Takes a stream that the client has opened."""
        block = self.deflater.compress(struct.pack(">I", 0))
        block += self.deflater.flush(zlib.Z_SYNC_FLUSH)
        self._send(SYN_REPLY, struct.pack(">I", stream) + block)

    def data(self, stream: int, data: bytes) -> None:
        """Sends data, unless the stream is closed on our side."""
        if self.streams.get(stream, OURS) & OURS:
            return
        for at in range(0, len(data), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            self.out += struct.pack(">II", stream, len(piece)) + piece

    def end(self, stream: int) -> None:
        """Says that we send no more in a stream."""
        if not self.streams.get(stream, OURS) & OURS:
            self._close(stream, OURS)
            self.out += struct.pack(">II", stream, FIN << 24)

    def reset(self, stream: int, why: int = CANCEL) -> None:
        """Ends a stream at once in both directions."""
        self.streams.pop(stream, None)
        self._send(RST_STREAM, struct.pack(">II", stream, why))

    def goaway(self) -> None:
        """Says that the connection is over."""
        self._send(GOAWAY, struct.pack(">II", self.last, 0))

    def _send(self, kind: int, body: bytes) -> None:
        self.out += struct.pack(">HHI", 0x8000 | VERSION, kind, len(body)) + body


def _number(body: bytes) -> int:
    return int.from_bytes(body[:4], "big")
