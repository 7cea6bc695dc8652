"""DNS on a real socket, asked by a client of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator

import dns.message
import dns.query
import pytest

from kubelab.dns import wire
from kubelab.serve_dns import DnsServer, serve_dns
from tests.dns.zoo import zoo

# Sockets and processes are not to be had in a browser.
pytestmark = pytest.mark.native

WEB = "web.default.svc.cluster.local."


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    """A server on a free port."""
    with serve_dns(zoo()) as running:
        yield running


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_both_protocols_answer(server: DnsServer, protocol: str) -> None:
    """The cluster's DNS answers a client over UDP and over TCP on the same port."""
    ask = dns.query.udp if protocol == "udp" else dns.query.tcp
    answer = ask(dns.message.make_query(WEB, "A"), "127.0.0.1", 5, server.port)
    assert [item.to_text() for item in answer.answer[0]] == ["10.97.3.4"]


def test_several_questions_on_one_connection(server: DnsServer) -> None:
    """A TCP connection carries one question after the other."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as open_:
        for id_ in (1, 2):
            question = wire.query(WEB, "A", id_)
            open_.sendall(len(question).to_bytes(2, "big") + question)
            length = int.from_bytes(open_.recv(2), "big")
            answer = wire.read_response(open_.recv(length))
            assert answer is not None
            assert (answer.id, answer.rcode) == (id_, "NOERROR")


def test_rubbish_gets_no_answer_and_does_no_harm(server: DnsServer) -> None:
    """What is no DNS message is left without an answer; the next question is answered."""
    with socket.create_connection(("127.0.0.1", server.port), 5) as open_:
        open_.sendall(b"\x00\x05hello")
        assert open_.recv(1) == b""
    answer = dns.query.udp(dns.message.make_query(WEB, "A"), "127.0.0.1", 5, server.port)
    assert answer.rcode() == 0


def test_a_taken_port_is_said(server: DnsServer) -> None:
    """A second server on the port is refused by the system's own error."""
    with pytest.raises(OSError, match="in use"):
        serve_dns(server.cluster, server.port)


@pytest.mark.skipif(shutil.which("dig") is None, reason="no dig on this machine")
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_dig(server: DnsServer, transport: str) -> None:
    """dig itself understands the answers."""
    command = ["dig", "@127.0.0.1", "-p", str(server.port), transport, "+short", WEB, "A"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.split() == ["10.97.3.4"]
