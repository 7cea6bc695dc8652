"""WebSocket and SPDY as bytes: what a server reads and writes, and what breaks it."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.serve_spdy import DICTIONARY, PING, Session
from kubelab.serve_websocket import BINARY, CLOSE, Frames, Message, frame
from kubelab.serve_wires import TUNNEL, Heard, SpdyWire, WebSocketWire, ending


class Client:
    """The other side of a SPDY session."""

    def __init__(self) -> None:
        self.deflater = zlib.compressobj(zdict=DICTIONARY)
        self.last = -1

    def open(self, fin: bool = False, **headers: str) -> bytes:
        plain = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name, value):
                plain += struct.pack(">I", len(text)) + text.encode()
        block = self.deflater.compress(plain) + self.deflater.flush(zlib.Z_SYNC_FLUSH)
        self.last += 2
        body = struct.pack(">IIBB", self.last, 0, 0, 0) + block
        return control(1, body, int(fin))

    @staticmethod
    def data(stream: int, data: bytes, fin: bool = False) -> bytes:
        return struct.pack(">II", stream, (int(fin) << 24) | len(data)) + data


def control(kind: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, (flags << 24) | len(body)) + body


def masked(kind: int, data: bytes, mask: bytes = b"\x01\x02\x03\x04", final: bool = True) -> bytes:
    size = bytes([128 | len(data)])
    if len(data) > 125:
        size = bytes([128 | 126]) + struct.pack(">H", len(data))
    hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    return bytes([kind | 128 * final]) + size + mask + hidden


def test_the_dictionary_is_that_of_the_specification() -> None:
    """Its checksum travels in every stream that is compressed with it."""
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5), st.integers(1, 40))
def test_frames_come_in_pieces_of_any_size(texts: list[bytes], step: int) -> None:
    """However the bytes are cut, the messages are the same."""
    sent = b"".join(masked(BINARY, text) for text in texts)
    frames, found = Frames(), []
    for at in range(0, len(sent), step):
        found += frames.receive(sent[at : at + step])
    assert found == [Message(BINARY, text) for text in texts]


@pytest.mark.parametrize(
    "data",
    [
        b"\x82\x02hi",
        b"\xf2\x80\x00\x00\x00\x00",
        masked(3, b""),
        masked(0, b"on"),
        masked(BINARY, b"a", final=False) + masked(BINARY, b"b"),
        masked(CLOSE, b"", final=False),
        b"\x82\xff" + struct.pack(">Q", 1 << 40),
    ],
    ids=["unmasked", "flags", "opcode", "begun by nothing", "within another", "cut", "large"],
)
def test_what_breaks_the_frames(data: bytes) -> None:
    """No such bytes are a message."""
    with pytest.raises(ValueError, match="a "):
        Frames().receive(data)


def test_channels_are_the_first_byte() -> None:
    """255 closes the input in version 5, and says nothing in version 4."""
    sent = masked(BINARY, b"\x00hi") + masked(BINARY, b"\xff\x00")
    assert WebSocketWire("v5.channel.k8s.io").receive(sent) == [
        Heard(0, b"hi"), Heard(0, end=True)
    ]  # fmt: skip
    assert WebSocketWire("v4.channel.k8s.io").receive(sent) == [Heard(0, b"hi")]


def test_base64_is_text_with_a_digit() -> None:
    """Both directions of the protocol for clients that know no binary messages."""
    wire = WebSocketWire("v4.base64.channel.k8s.io")
    assert wire.receive(masked(1, b"0aGk=")) == [Heard(0, b"hi")]
    wire.say(1, b"yo")
    assert bytes(wire.out) == frame(1, b"1eW8=")
    with pytest.raises(ValueError, match="base64"):
        wire.receive(masked(1, b"0?"))


def test_a_connection_to_a_port_has_two_streams() -> None:
    """The second of the two begins it; its bytes come back in its own stream; then both end."""
    client, wire = Client(), SpdyWire("portforward.k8s.io", ports=True)
    names = {"port": "80", "requestid": "0"}
    assert wire.receive(client.open(fin=True, streamtype="error", **names)) == []
    opened = wire.receive(client.open(streamtype="data", **names))
    assert opened == [Heard(0, port=80)]
    assert wire.receive(client.data(3, b"x", fin=True)) == [Heard(0, b"x"), Heard(0, end=True)]
    wire.out.clear()
    wire.say(0, b"answer")
    wire.end(0)
    assert bytes(wire.out) == client.data(3, b"answer") + client.data(3, b"", fin=True)
    assert not wire.session.streams.get(3)


@pytest.mark.parametrize(
    "headers",
    [{"streamtype": "data", "port": "x"}, {"streamtype": "data"}, {"port": "80"},
     {"streamtype": "odd", "port": "80"}, {"streamtype": "data", "port": "65536"}],
)  # fmt: skip
def test_a_stream_that_says_not_what_it_is_for_is_reset(headers: dict[str, str]) -> None:
    """The session goes on."""
    wire = SpdyWire("portforward.k8s.io", ports=True)
    assert wire.receive(Client().open(**headers)) == []
    assert bytes(wire.out)[:4] == struct.pack(">HH", 0x8003, 3)
    assert not wire.streams


def test_what_a_command_says_waits_for_its_stream() -> None:
    """A command may speak before the client has opened the stream for its output."""
    client, wire = Client(), SpdyWire("v4.channel.k8s.io", ports=False)
    wire.say(1, b"early")
    assert not wire.out
    wire.receive(client.open(streamtype="stdout"))
    assert bytes(wire.out).endswith(client.data(1, b"early"))


def test_nothing_is_said_before_all_streams_are_there() -> None:
    """A command that has ended at once waits for the streams that its client is opening."""
    client, wire = Client(), SpdyWire("v4.channel.k8s.io", ports=False, expected=2)
    wire.receive(client.open(streamtype="error"))
    assert not wire.ready
    wire.receive(client.open(streamtype="stdout"))
    assert wire.ready


def test_a_ping_is_answered_within_the_tunnel() -> None:
    """kubectl's session is in messages of a WebSocket; so are its answers."""
    wire = SpdyWire(TUNNEL, ports=True, tunnelled=True)
    ping = control(PING, struct.pack(">I", 7))
    assert wire.receive(masked(BINARY, ping)) == []
    assert bytes(wire.out) == frame(BINARY, ping)
    wire.receive(masked(CLOSE, b""))
    assert wire.gone


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">HHI", 0x8002, 1, 0),
        control(1, b"\x00" * 4),
        control(1, struct.pack(">IIBB", 1, 0, 0, 0) + b"no zlib"),
        struct.pack(">II", 5, 0),
        struct.pack(">HHI", 0x8003, 1, 0xFFFFFF),
        Client().open(streamtype="data") * 2,
    ],
    ids=["version", "half", "headers", "unopened", "large", "twice"],
)
def test_what_breaks_a_session(data: bytes) -> None:
    """Such bytes end the connection."""
    with pytest.raises(ValueError, match=r"\w"):
        Session().receive(data)


def test_headers_that_swell_are_refused() -> None:
    """A small frame cannot fill the memory."""
    bomb = Client().open(a="x" * 1_000_000)
    assert len(bomb) < 5000
    with pytest.raises(ValueError, match="too large"):
        Session().receive(bomb)


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, tunnelled: bool) -> None:
    """A client can send what it likes: the answer is a ValueError at most."""
    wires: tuple[Any, ...] = (
        SpdyWire("", ports=True, tunnelled=tunnelled),
        SpdyWire("", ports=False),
        WebSocketWire("v4.base64.channel.k8s.io"),
    )
    for wire in wires:
        for text in (data, b"\x80\x03\x00\x01\x00" + data, masked(BINARY, data)):
            try:
                assert isinstance(wire.receive(text), list)
            except ValueError:
                break


def test_old_protocols_tell_the_end_in_words() -> None:
    """Before version 4 there was no Status, and nothing was said of a success."""
    failed = {"status": "Failure", "message": "command terminated"}
    assert ending({"status": "Success"}, "channel.k8s.io") == b""
    assert ending(failed, "v3.channel.k8s.io") == b"command terminated"
    assert ending(failed, "v4.channel.k8s.io").startswith(b'{"status":"Failure"')
