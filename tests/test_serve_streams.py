"""Logs and commands over a socket, as clients ask for them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

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
