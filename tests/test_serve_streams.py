"""Logs and commands over a socket, as clients ask for them."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubelab import Cluster

pytestmark = pytest.mark.native

PODS = "/api/v1/namespaces/default/pods"
LOOP = ["sh", "-c", "while true; do echo hi; sleep 1; done"]


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    c = Cluster(nodes=1, dns=False)
    c.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"},
        "spec": {"containers": [{"name": "c", "image": "busybox", "command": LOOP}]},
    })  # fmt: skip
    c.run(20)
    with c.serve(http=True, speed=10) as running:
        yield running


def connected(server: Any, path: str, *headers: str) -> Any:
    host, _, port = server.url.partition("//")[2].partition(":")
    link = socket.create_connection((host, int(port)), timeout=20)
    lines = [f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]
    link.sendall("\r\n".join(lines).encode())
    return link


def upgraded(server: Any, path: str, protocol: str) -> tuple[Any, Any]:
    link = connected(
        server, path, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Sec-WebSocket-Protocol: {protocol}",
    )  # fmt: skip
    return link, link.makefile("rb")


def head(file: Any) -> list[str]:
    lines = []
    while line := file.readline().strip():
        lines.append(line.decode())
    return lines


def frames(file: Any) -> list[tuple[int, bytes]]:
    """All frames up to the closing one: opcode and data."""
    found = []
    while True:
        first, size = file.read(2)
        if size == 126:
            (size,) = struct.unpack(">H", file.read(2))
        found.append((first & 15, file.read(size)))
        if first & 15 == 8:
            return found


def frame(data: bytes) -> bytes:
    return bytes([130, 128 | len(data), 0, 0, 0, 0]) + data


@pytest.mark.parametrize("offer", ["v5.channel.k8s.io", "v4.channel.k8s.io, v5.channel.k8s.io"])
def test_a_command_over_a_websocket(server: Any, offer: str) -> None:
    """Channels have a byte in front; the Status comes on channel 3, then the close 1000."""
    query = "command=sh&command=-c&command=cat;exit%203&stdin=true&stdout=true"
    link, file = upgraded(server, f"{PODS}/b/exec?{query}", offer)
    with link:
        lines = head(file)
        assert lines[0] == "HTTP/1.1 101 Switching Protocols"
        assert "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in lines
        assert "Sec-WebSocket-Protocol: v5.channel.k8s.io" in lines
        link.sendall(frame(b"\x00one\n") + frame(b"\xff\x00"))
        got = frames(file)
        assert b"".join(data[1:] for _, data in got if data[:1] == b"\x01") == b"one\n"
        assert b'"NonZeroExitCode"' in got[-2][1]
        assert got[-1] == (8, struct.pack(">H", 1000))


def test_a_refused_upgrade_is_a_plain_answer(server: Any) -> None:
    """A pod that is not there is 404 without a WebSocket."""
    link, file = upgraded(server, f"{PODS}/none/exec?command=ls", "v5.channel.k8s.io")
    with link:
        assert head(file)[0] == "HTTP/1.1 404 Not Found"


def test_a_frame_without_mask_ends_the_connection(server: Any) -> None:
    """What breaks the protocol is not answered, and the server goes on."""
    link, file = upgraded(server, f"{PODS}/b/exec?command=cat&stdin=true", "v5.channel.k8s.io")
    with link:
        head(file)
        link.sendall(b"\x82\x02hi")
        while file.read(1024):
            pass
    test_a_refused_upgrade_is_a_plain_answer(server)


def test_a_followed_log_comes_in_chunks(server: Any) -> None:
    """Lines are sent as they are written."""
    link = connected(server, f"{PODS}/b/log?follow=true&tailLines=1")
    with link:
        file = link.makefile("rb")
        assert "Transfer-Encoding: chunked" in head(file)
        assert [file.readline() for _ in range(6)] == [b"3\r\n", b"hi\n", b"\r\n"] * 2


def test_a_log_and_a_watch_over_a_websocket(server: Any) -> None:
    """A log is bytes without a channel, or base64; a watch is a text message an event."""
    for protocol, said in (("binary.k8s.io", (2, b"hi\n")), ("base64.binary.k8s.io", (1, b"aGkK"))):
        link, file = upgraded(server, f"{PODS}/b/log?tailLines=1", protocol)
        with link:
            assert f"Sec-WebSocket-Protocol: {protocol}" in head(file)
            assert frames(file) == [said, (8, struct.pack(">H", 1000))]
    link, file = upgraded(server, f"{PODS}/b/log?tailLines=1&follow=true", "binary.k8s.io")
    with link:
        head(file)
        assert [file.read(5) for _ in range(2)] == [b"\x82\x03hi\n"] * 2
    link, file = upgraded(server, f"{PODS}?watch=true", "")
    with link:
        assert head(file)[0] == "HTTP/1.1 101 Switching Protocols"
        first, size = file.read(2)
        assert (first & 15, size) == (1, 126)
        event = json.loads(file.read(struct.unpack(">H", file.read(2))[0]))
        assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "b")


def test_a_command_answers_while_the_clock_stands_still() -> None:
    """Each thing that is said gets its answer, and virtual time goes no further than that."""
    c = Cluster(nodes=1, dns=False)
    c.apply({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b"},
        "spec": {"containers": [{"name": "c", "image": "busybox", "command": LOOP}]},
    })  # fmt: skip
    c.run(20)
    before = c.now
    with c.serve(http=True, speed=0) as paused:
        query = "command=sh&stdin=true&stdout=true"
        link, file = upgraded(paused, f"{PODS}/b/exec?{query}", "v5.channel.k8s.io")
        with link:
            head(file)
            link.sendall(frame(b"\x00echo one; exit 3\n"))
            got = frames(file)
            assert [data for _, data in got if data[:1] == b"\x01"][-1] == b"\x01one\n"
            assert b"exit code 3" in got[-2][1]
    assert (c.now - before).total_seconds() < 1


def test_an_unknown_protocol_is_refused(server: Any) -> None:
    """As by the library that the real server uses."""
    link, file = upgraded(server, f"{PODS}/b/exec?command=ls", "v9.channel.k8s.io")
    with link:
        assert head(file)[0] == "HTTP/1.1 403 Forbidden"


def test_a_client_that_leaves_takes_its_stream_along(server: Any) -> None:
    """Nothing is left in the world of a watch, a log or a command whose client has gone."""
    for path in (f"{PODS}?watch=true", f"{PODS}/b/log?follow=true"):
        connected(server, path).close()
    for path in (f"{PODS}/b/exec?command=cat&stdin=true", f"{PODS}/b/portforward?ports=80"):
        link, file = upgraded(server, path, "v4.channel.k8s.io")
        head(file)
        link.close()
        file.close()
    components = server.cluster.world.components
    deadline = time.monotonic() + 20
    while components["you"].streams or components["apiserver-1"].streams:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    kubelet = components["kubelet/node-1"]
    time.sleep(0.2)
    assert not kubelet.talks
    assert not kubelet.forwards


PATHS = (
    "exec?command=sh&stdin=true&tty=true", "attach?stdin=true", "portforward?ports=80,81",
    "portforward", "log?follow=true",
)  # fmt: skip
PROTOCOLS = ("v5.channel.k8s.io", "v4.base64.channel.k8s.io", "SPDY/3.1+portforward.k8s.io",
             "binary.k8s.io")  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(PATHS), st.sampled_from(PROTOCOLS), st.booleans(),
       st.lists(st.binary(max_size=60), max_size=4), st.booleans())  # fmt: skip
def test_whatever_is_sent_the_server_goes_on(
    server: Any, path: str, protocol: str, spdy: bool, texts: list[bytes], whole: bool
) -> None:
    """Wrong channels, bytes that are no frames, half frames and cut connections hurt nobody."""
    if spdy:
        link = connected(server, f"{PODS}/b/{path}", "Connection: Upgrade", "Upgrade: SPDY/3.1")
    else:
        link, _ = upgraded(server, f"{PODS}/b/{path}", protocol)
    with link, contextlib.suppress(OSError):
        for text in texts:
            link.sendall(frame(text) if whole else text)
    body = connected(server, f"{PODS}/b")
    with body:
        assert head(body.makefile("rb"))[0] == "HTTP/1.1 200 OK"
