"""DNS on a socket: what `dig @127.0.0.1 -p PORT` asks, the cluster's own DNS answers.

Two threads stand on one port, one for datagrams and one for connections. A question is handed as it
is to the cluster's DNS address, from a node, through that node's rules; so it fails where a node's
own question would, and then `dig` gets no answer over UDP, and a closed connection over TCP.

In Kubernetes: `kubectl port-forward` to kube-dns comes near it; there is no such door for UDP.
"""

from __future__ import annotations

import socketserver
import sys
import threading
from typing import Any

MESSAGE_BYTES = 65535
# A connection that says nothing for so long is closed; RFC 7766 recommends a few seconds.
IDLE_SECONDS = 10.0
# An answer to an open socket may be in anybody's name, so both stand on loopback only.
HOST = "127.0.0.1"
ATTEMPTS = 20


class DnsServer:
    """A running DNS server: `.port` (the same for UDP and TCP), `.stop()`."""

    def __init__(self, cluster: Any, port: int = 0) -> None:
        self.cluster = cluster
        self._udp, self._tcp = _pair(port, self)
        self.port = int(self._udp.server_address[1])
        self._threads = [
            threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
            for server in (self._udp, self._tcp)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Closes both sockets; the cluster stays as it is."""
        for server, thread in zip((self._udp, self._tcp), self._threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join(2)

    def ask(self, wire: bytes, protocol: str) -> bytes | None:
        """The cluster's answer; None where it gives none."""
        try:
            answer: bytes = self.cluster.dns.query(wire, protocol)
        except TimeoutError:
            return None
        return answer

    def __enter__(self) -> DnsServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<cluster DNS: {HOST}:{self.port}>"


class _Udp(socketserver.ThreadingUDPServer):
    max_packet_size = MESSAGE_BYTES
    daemon_threads = True


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def _pair(port: int, owner: DnsServer) -> tuple[_Udp, _Tcp]:
    """Both servers on one port; where the port is free to choose, one that is free for both."""
    datagrams = type("Datagrams", (Datagram,), {"owner": owner})
    connections = type("Connections", (Connection,), {"owner": owner})
    for attempt in range(ATTEMPTS):
        tcp = _Tcp((HOST, port), connections)
        try:
            return _Udp((HOST, int(tcp.server_address[1])), datagrams), tcp
        except OSError:
            tcp.server_close()
            if port or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


class Datagram(socketserver.BaseRequestHandler):
    """One question over UDP."""

    owner: DnsServer

    def handle(self) -> None:
        wire, replies = self.request
        answer = self.owner.ask(wire, "UDP")
        if answer is not None:
            replies.sendto(answer, self.client_address)


class Connection(socketserver.BaseRequestHandler):
    """Questions over one TCP connection, each behind its length in two bytes."""

    owner: DnsServer

    def handle(self) -> None:
        self.request.settimeout(IDLE_SECONDS)
        while (wire := self._message()) is not None:
            answer = self.owner.ask(wire, "TCP")
            if answer is None:
                return
            self.request.sendall(len(answer).to_bytes(2, "big") + answer)

    def _message(self) -> bytes | None:
        head = self._exactly(2)
        return self._exactly(int.from_bytes(head, "big")) if head is not None else None

    def _exactly(self, count: int) -> bytes | None:
        """So many bytes; None where the connection ends before."""
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self.request.recv(count - len(parts))
            except OSError:
                return None
            if not part:
                return None
            parts += part
        return bytes(parts)


def serve_dns(cluster: Any, port: int = 0) -> DnsServer:
    """Answers DNS over UDP and TCP on loopback; port 0 takes a free one. Raises OSError."""
    if sys.platform == "emscripten":
        raise RuntimeError("a kernel in the browser cannot open sockets; c.dns.query works here")
    return DnsServer(cluster, port)
