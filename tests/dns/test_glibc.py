"""The resolver against glibc itself: the same names, the same questions in the same order.

A process of its own, with a network and a /etc/resolv.conf of its own, starts a small DNS server
on 127.0.0.1 and calls getaddrinfo. What the server was asked is compared with what ours asks.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import Any

import pytest

from kubelab.network.resolvconf import render
from kubelab.sim.tree import freeze
from tests.network.lab import Lab, dns_lab

# Namespaces of Linux are not to be had in a browser.
pytestmark = pytest.mark.native

ENDINGS = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"]
NAMES = [
    "web", "web.default", "api.prod", "kubernetes.default.svc", "web.default.svc.cluster.local",
    "web.default.svc.cluster.local.", "example.com", "example.com.", "nosuch", "nosuch.",
    "a.b.c.d.example.com", "a.b.c.d.e.example.com", "www.example.com", "web.nope", "WEB",
    "api.prod.svc.cluster.local", "default", "web.default.svc.cluster", "a-b.c_d", "x.",
]  # fmt: skip
OPTIONS = [["ndots:5"], ["ndots:1"], ["ndots:2"], [], ["ndots:99"], ["ndots:5", "no-aaaa"],
           ["ndots:5", "single-request"], ["ndots:5", "use-vc"]]  # fmt: skip

OUTSIDE = """
import fcntl, json, socket, struct, subprocess, sys, threading
import dns.message, dns.rcode, dns.rrset
conf, names, known = json.load(sys.stdin)
lo = socket.socket()
fcntl.ioctl(lo, 0x8914, struct.pack("16sh", b"lo", 0x41))
with open(sys.argv[1], "w") as out:
    out.write(conf)
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
asked = []

def answer(wire):
    query = dns.message.from_wire(wire)
    question = query.question[0]
    name, type_ = question.name.to_text().lower(), dns.rdatatype.to_text(question.rdtype)
    asked.append([question.name.to_text(), type_])
    reply = dns.message.make_response(query)
    # Without this an empty answer would look as if the server knew nothing of the zone.
    reply.flags |= dns.flags.AA
    if name not in known:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif type_ in known[name]:
        row = (question.name, 30, "IN", type_, known[name][type_])
        reply.answer.append(dns.rrset.from_text(*row))
    return reply.to_wire()

udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
udp.bind(("127.0.0.1", 53))
tcp.bind(("127.0.0.1", 53))
tcp.listen()

def datagrams():
    while True:
        wire, client = udp.recvfrom(4096)
        udp.sendto(answer(wire), client)

def connections():
    while True:
        threading.Thread(target=talk, args=(tcp.accept()[0],), daemon=True).start()

def talk(open_):
    with open_, open_.makefile("rb") as reader:
        while len(head := reader.read(2)) == 2:
            made = answer(reader.read(int.from_bytes(head, "big")))
            open_.sendall(len(made).to_bytes(2, "big") + made)

for work in (datagrams, connections):
    threading.Thread(target=work, daemon=True).start()
found = {}
for name in names:
    asked.clear()
    try:
        rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        addresses = sorted({row[4][0] for row in rows})
    except socket.gaierror:
        addresses = []
    found[name] = [list(asked), addresses]
print(json.dumps(found))
"""


def outside(options: list[str], known: dict[str, Any], path: Any) -> dict[str, Any]:
    """What glibc asks for each name, and the addresses that it returns."""
    conf = freeze({"nameservers": ["127.0.0.1"], "searches": ENDINGS, "options": options})
    command = ["unshare", "--mount", "--net", sys.executable, "-c", OUTSIDE, str(path / "conf")]
    given = json.dumps([render(conf), NAMES, known])
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError:
        pytest.skip("no unshare on this machine")
    if done.returncode and ("Operation not permitted" in done.stderr or "mount" in done.stderr):
        pytest.skip("this machine lets nobody have a network of their own")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def lab() -> Lab:
    """web in default, api in prod, a server outside."""
    return dns_lab()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another one")
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options) or "none")
def test_the_same_questions_as_glibc(lab: Lab, options: list[str], tmp_path: Any) -> None:
    """For each name and option: the same full names and types in the same order, and the same end.

    A and AAAA go out together, so that their order at the server is not certain where two threads
    answer; over one connection or one socket it is.
    """
    tail = ".svc.cluster.local."
    known = {
        f"web.default{tail}": {"A": "10.97.3.4"}, f"api.prod{tail}": {"A": "10.97.3.5"},
        f"kubernetes.default{tail}": {"A": "10.96.0.1"}, f"default{tail}": {},
        "example.com.": {"A": "192.0.2.80", "AAAA": "2001:db8::80"},
        "www.example.com.": {"A": "192.0.2.80", "AAAA": "2001:db8::80"},
    }  # fmt: skip
    theirs = outside(options, known, tmp_path)
    conf = {"nameservers": ["10.96.0.10"], "searches": ENDINGS, "options": options}
    for name in NAMES:
        ours = lab.lookup("10.244.1.2", conf, name, "A+AAAA")
        asked = [[step.name, step.type] for step in ours.steps]
        assert (name, asked) == (name, theirs[name][0])
        assert sorted(set(ours.addresses)) == theirs[name][1]
