"""The Corefile, and what its plugins do to answers."""

from __future__ import annotations

import pytest

from kubelab.dns import wire
from kubelab.dns.corefile import DEFAULT, CorefileError, match, parse
from kubelab.dns.forwarding import server_address
from kubelab.dns.hosts import from_hosts
from kubelab.dns.server import CoreDNS
from tests.network.lab import Lab, namespace, service, with_dns

OWN = """
.:53 {
    errors  # a comment
    hosts {
        10.9.9.9 db.corp db
        fallthrough
    }
    rewrite name exact old.example.org. web.default.svc.cluster.local.
    rewrite stop name suffix .lab.example .default.svc.cluster.local
    kubernetes cluster.local {
        pods disabled
        ttl 7
    }
    forward . 192.0.2.53
    cache 10
}
example.com:53 { forward . 203.0.113.1 }
"""


def test_kubeadms_file() -> None:
    """What kubeadm writes: pods insecure, TTL 30, the cluster's zone not remembered."""
    (block,) = parse(DEFAULT)
    assert block.zones == (".",)
    options = block.kubernetes
    assert options is not None
    assert (options.zone, options.ttl, options.pods) == ("cluster.local.", 30, "insecure")
    assert options.fallthrough == ("in-addr.arpa.", "ip6.arpa.")
    assert (block.forward, block.cache_seconds) == (("/etc/resolv.conf",), 30)
    assert (block.uncached, block.undenied) == (("cluster.local.",), ("cluster.local.",))
    assert block.balanced


def test_defaults_of_the_kubernetes_plugin() -> None:
    """Without settings: TTL 5, no names of pods, nothing falls through."""
    (block,) = parse(".:53 {\n kubernetes cluster.local\n}\n")
    assert block.kubernetes is not None
    assert (block.kubernetes.ttl, block.kubernetes.pods) == (5, "disabled")
    assert block.kubernetes.fallthrough == ()


def test_longest_zone_wins() -> None:
    """A question goes to the block with the longest zone that it lies in."""
    blocks = parse(OWN)
    assert match(blocks, "www.example.com.") is blocks[1]
    assert match(blocks, "notexample.com.") is blocks[0]
    assert match((blocks[1],), "example.org.") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".:53 {\n  nosuch\n}\n", ":2 - Error during parsing: Unknown directive 'nosuch'"),
        (".:53 {\n  errors\n", "Unexpected EOF"),
        (".:53 {\n kubernetes c.l {\n pods maybe\n }\n}\n", "wrong value for pods: maybe"),
        (".:53 {\n kubernetes c.l {\n foo\n }\n}\n", "unknown property 'foo'"),
    ],
)
def test_bad_files_are_refused(text: str, message: str) -> None:
    """A Corefile with which CoreDNS would not start is refused in its words."""
    with pytest.raises(CorefileError, match=message):
        parse(text)


@pytest.fixture(scope="module")
def lab() -> Lab:
    """A CoreDNS with a Corefile of our own."""
    lab = Lab(1)
    lab.server.put(namespace("default"))
    lab.server.put(service("web", "10.97.3.4", 80))
    address = lab.kernels[1].attach("own", pod="kube-system/own")
    lab.world.add(CoreDNS("coredns/own", node="node-1", address=address, corefile=OWN))
    lab.settle()
    return lab


@pytest.mark.parametrize(
    ("name", "rcode", "answers"),
    [
        ("db.corp.", "NOERROR", ["db.corp. 3600 A 10.9.9.9"]),
        ("old.example.org.", "NOERROR", ["old.example.org. 7 A 10.97.3.4"]),
        ("web.lab.example.", "NOERROR", ["web.lab.example. 7 A 10.97.3.4"]),
        ("10-1-1-1.default.pod.cluster.local.", "NXDOMAIN", []),
        ("www.example.com.", "SERVFAIL", []),
        ("nosuch.org.", "NXDOMAIN", []),
    ],
)
def test_plugins_answer(lab: Lab, name: str, rcode: str, answers: list[str]) -> None:
    """hosts, rewrite, pods disabled, and a zone forwarded to a server that is not there."""
    server = lab.world.components["coredns/own"]
    assert isinstance(server, CoreDNS)
    outcome = lab.open("192.168.0.2", server.address, 53, wire.query(name, "A", 1), protocol="UDP")
    message = wire.read_response(outcome.payload)
    assert message is not None
    assert message.rcode == rcode
    rows = [f"{row.name} {row.ttl} {row.type} {row.data}" for row in message.answers]
    assert rows == answers


@pytest.mark.parametrize(
    ("rule", "name", "becomes"),
    [
        ("name exact a.b web.x", "A.b.", "web.x."),
        ("name regex (.*)-(.*)\\.old\\. {2}.{1}.new", "x-y.old.", "y.x.new."),
        ("name substring foo bar", "a.foo.c.", "a.bar.c."),
        ("name prefix www- web-", "www-1.x.", "web-1.x."),
        ("continue name suffix .a .b answer auto", "x.a.", "x.b."),
        ("ttl regex .* 5", "x.a.", "x.a."),
    ],
)
def test_kinds_of_rewrite(rule: str, name: str, becomes: str) -> None:
    """exact, prefix, suffix, substring and regex with groups; other rules leave the name alone."""
    (block,) = parse(f".:53 {{\n rewrite {rule}\n}}\n")
    assert block.rewritten(name) == becomes


def test_an_upstream_that_is_silent_is_followed_by_the_next() -> None:
    """Of two upstream servers the one that lives answers, whichever is asked first."""
    lab = Lab(1)
    server = lab.dns()
    server.blocks = parse(". {\n forward . 192.0.2.99 192.0.2.53\n}\n")
    for _ in range(6):
        outcome = lab.open(
            "192.168.0.2", server.address, 53, wire.query("example.com.", "A", 1), protocol="UDP"
        )
        message = wire.read_response(outcome.payload)
        assert message is not None
        assert (message.rcode, message.answers[0].data) == ("NOERROR", "192.0.2.80")
    server.blocks = parse(". {\n forward . 192.0.2.99\n}\n")
    outcome = lab.open(
        "192.168.0.2", server.address, 53, wire.query("example.com.", "A", 1), protocol="UDP"
    )
    assert wire.read_response(outcome.payload).rcode == "SERVFAIL"  # type: ignore[union-attr]


def test_addresses_of_upstream_servers() -> None:
    """A server may be written with a scheme, a port, in brackets."""
    for text, there in (
        ("192.0.2.53", ("192.0.2.53", 53)), ("dns://1.1.1.1:5353", ("1.1.1.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)), ("[2001:db8::1]:54", ("2001:db8::1", 54)),
    ):  # fmt: skip
        assert server_address(text) == there


def test_hosts_answer_reverse_names() -> None:
    """The hosts plugin knows the names of its addresses too."""
    (block,) = parse(".:53 {\n hosts {\n 10.0.0.1 db.x cache.x\n fallthrough\n }\n}\n")
    reply = from_hosts(block, "1.0.0.10.in-addr.arpa.", "PTR")
    assert reply is not None
    assert [row.data for row in reply.answers] == ["db.x.", "cache.x."]
    assert from_hosts(block, "2.0.0.10.in-addr.arpa.", "PTR") is None


def test_namespaces_may_be_hidden_and_empty_services_too() -> None:
    """`namespaces` shows only some; `ignore empty_service` denies services without endpoints."""
    lab = Lab(2)
    server = with_dns(lab)
    lab.server.put(service("web", "10.97.3.4", 80))
    lab.settle()

    def rcode(name: str) -> str:
        return server.answer(wire.Query(1, f"{name}.svc.cluster.local.", "A")).rcode

    assert (rcode("web.default"), rcode("kube-dns.kube-system")) == ("NOERROR", "NOERROR")
    server.blocks = parse(". {\n kubernetes cluster.local {\n namespaces kube-system\n}\n}\n")
    assert (rcode("web.default"), rcode("kube-dns.kube-system")) == ("NXDOMAIN", "NOERROR")
    server.blocks = parse(". {\n kubernetes cluster.local {\n ignore empty_service\n}\n}\n")
    assert (rcode("web.default"), rcode("kube-dns.kube-system")) == ("NXDOMAIN", "NOERROR")
