"""What CoreDNS answers, question by question, over the wire."""

from __future__ import annotations

from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.dns import wire
from kubelab.dns.server import CoreDNS
from kubelab.network.payloads import Answer, HttpRequest
from kubelab.sim.kernel import SECOND
from tests.network.lab import DNS_PORTS, Lab, endpoint, namespace, service, slices

HTTP = {"name": "http", "port": 80, "protocol": "TCP"}
ADMIN = {"name": "admin", "port": 81, "protocol": "TCP"}


@pytest.fixture(scope="module")
def lab() -> Lab:
    """Services of every kind in namespace `ns`, and a CoreDNS that knows them."""
    lab = Lab(1)
    put = lab.server.put
    for name in ("default", "kube-system", "ns", "empty"):
        put(namespace(name))
    server = lab.dns()
    put(service("kube-dns", "10.96.0.10", *DNS_PORTS, namespace="kube-system"))
    own = [endpoint(server.address)]
    put(slices("kube-dns", own, *DNS_PORTS, namespace="kube-system"))
    given_ns: dict[str, Any] = {"namespace": "ns"}
    put(service("web", "10.97.3.4", HTTP, **given_ns))
    ready = endpoint("10.244.1.5")
    unready = endpoint("10.244.1.6", ready=False, serving=False)
    put(slices("web", [ready, unready], {"name": "http", "port": 8080}, **given_ns))
    put(service("two", "10.97.3.5", HTTP, ADMIN, **given_ns))
    put(service("plain", "10.97.3.6", 80, **given_ns))
    put(service("hdl", "None", {"name": "http", "port": 80}, **given_ns))
    ends = [endpoint("10.244.1.7", hostname="pod-0"), endpoint("10.244.1.8", hostname="pod-1")]
    bare = [endpoint("10.244.1.9"), endpoint("10.244.1.10", ready=False)]
    put(slices("hdl", ends + bare, {"name": "http", "port": 8080}, **given_ns))
    put(service("none", "None", 80, **given_ns))
    put(slices("none", [endpoint("10.244.1.11", ready=False)], 80, **given_ns))
    outside = {"type": "ExternalName", "clusterIPs": [], **given_ns}
    for name, target in (
        ("ext", "example.com"), ("inner", "web.ns.svc.cluster.local"),
        ("gone", "nosuch.ns.svc.cluster.local"), ("lost", "nosuch.example.org"),
    ):  # fmt: skip
        put(service(name, "", externalName=target, **outside))
    dual = service("dual", "10.97.3.7", HTTP, **given_ns)
    dual["spec"]["clusterIPs"] = ["10.97.3.7", "fd00::7"]
    put(dual)
    lab.settle()
    return lab


def ask(lab: Lab, name: str, type_: str = "A", protocol: str = "UDP") -> wire.Message:
    """A question to CoreDNS over the network, and its answer."""
    server = lab.world.components["coredns/coredns-a"]
    assert isinstance(server, CoreDNS)
    question = wire.query(name, type_, 7)
    outcome = lab.open("192.168.0.2", server.address, 53, question, protocol=protocol)
    message = wire.read_response(outcome.payload)
    assert message is not None
    assert message.id == 7
    return message


def rows(records: Any) -> set[str]:
    """Records without their owners and times."""
    return {f"{row.type} {row.data}" for row in records}


S = ".svc.cluster.local."
ANSWERS = [
    ("web.ns" + S, "A", {"A 10.97.3.4"}),
    ("WEB.Ns" + S, "A", {"A 10.97.3.4"}),
    ("two.ns" + S, "A", {"A 10.97.3.5"}),
    ("dual.ns" + S, "A", {"A 10.97.3.7"}),
    ("dual.ns" + S, "AAAA", {"AAAA fd00::7"}),
    ("hdl.ns" + S, "A", {"A 10.244.1.7", "A 10.244.1.8", "A 10.244.1.9"}),
    ("pod-0.hdl.ns" + S, "A", {"A 10.244.1.7"}),
    ("10-244-1-9.hdl.ns" + S, "A", {"A 10.244.1.9"}),
    ("10-244-1-5.web.ns" + S, "A", {"A 10.244.1.5"}),
    ("10-244-1-5.ns.pod.cluster.local.", "A", {"A 10.244.1.5"}),
    ("172-16-9-9.ns.pod.cluster.local.", "A", {"A 172.16.9.9"}),
    ("_http._tcp.web.ns" + S, "SRV", {f"SRV 0 100 80 web.ns{S}"}),
    (
        "two.ns" + S, "SRV",
        {f"SRV 0 50 80 two.ns{S}", f"SRV 0 50 81 two.ns{S}"},
    ),
    (
        "_http._tcp.hdl.ns" + S, "SRV",
        {
            f"SRV 0 33 8080 pod-0.hdl.ns{S}", f"SRV 0 33 8080 pod-1.hdl.ns{S}",
            f"SRV 0 33 8080 10-244-1-9.hdl.ns{S}",
        },
    ),
    ("ext.ns" + S, "A", {"CNAME example.com.", "A 192.0.2.80"}),
    ("ext.ns" + S, "AAAA", {"CNAME example.com.", "AAAA 2001:db8::80"}),
    ("ext.ns" + S, "CNAME", {"CNAME example.com."}),
    ("inner.ns" + S, "A", {f"CNAME web.ns{S}", "A 10.97.3.4"}),
    ("lost.ns" + S, "A", {"CNAME nosuch.example.org."}),
    ("4.3.97.10.in-addr.arpa.", "PTR", {f"PTR web.ns{S}"}),
    ("5.1.244.10.in-addr.arpa.", "PTR", {f"PTR 10-244-1-5.web.ns{S}"}),
    ("7.1.244.10.in-addr.arpa.", "PTR", {f"PTR pod-0.hdl.ns{S}"}),
    ("dns-version.cluster.local.", "TXT", {'TXT "1.1.0"'}),
    ("cluster.local.", "NS", {f"NS kube-dns.kube-system{S}"}),
    ("ns.dns.cluster.local.", "A", {"A 10.96.0.10"}),
    ("example.com.", "A", {"A 192.0.2.80"}),
    ("www.example.com.", "AAAA", {"AAAA 2001:db8::80"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "type_", "expected"), ANSWERS)
def test_answers(lab: Lab, name: str, type_: str, expected: set[str]) -> None:
    """A name that exists, with a record of the asked type."""
    message = ask(lab, name, type_)
    assert message.rcode == "NOERROR"
    assert rows(message.answers) == expected
    assert message.authority == ()
    if name.lower().endswith(("cluster.local.", "arpa.")):
        assert (message.authoritative, message.recursion_available) == (True, False)
    assert (message.name, message.type) == (name, type_)
    assert message.answers[0].name == name, "the owner has the letters of the question"


NODATA = [
    ("web.ns" + S, "AAAA"), ("web.ns" + S, "CNAME"), ("web.ns" + S, "TXT"), ("web.ns" + S, "MX"),
    ("web.ns" + S, "HINFO"), ("hdl.ns" + S, "AAAA"), ("gone.ns" + S, "A"), ("cluster.local.", "A"),
    ("svc.cluster.local.", "A"), ("pod.cluster.local.", "A"), ("ns" + S, "A"), ("empty" + S, "A"),
    ("ns.pod.cluster.local.", "A"), ("10-244-1-5.ns.pod.cluster.local.", "AAAA"),
    ("ext.ns" + S, "SRV"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "type_"), NODATA)
def test_no_data(lab: Lab, name: str, type_: str) -> None:
    """A name that exists without such a record: NOERROR, no answer, the SOA beside."""
    message = ask(lab, name, type_)
    assert (message.rcode, message.answers) == ("NOERROR", ())
    assert [row.type for row in message.authority] == ["SOA"]


NO_SUCH_NAME = [
    "nosuch.ns" + S, "none.ns" + S, "web.nope" + S, "nope" + S, "x.ext.ns" + S,
    "foo.cluster.local.", "a.b.c.web.ns" + S, "nope.hdl.ns" + S, "10-244-1-6.web.ns" + S,
    "web-0.ns.pod.cluster.local.", "10-244-1-5.nope.pod.cluster.local.", "_dns._tcp.web.ns" + S,
    "_http._udp.web.ns" + S,
]  # fmt: skip


@pytest.mark.parametrize("name", NO_SUCH_NAME)
def test_no_such_name(lab: Lab, name: str) -> None:
    """A name that does not exist: NXDOMAIN with the zone's SOA."""
    message = ask(lab, name, "SRV" if name.startswith("_") else "A")
    assert (message.rcode, message.answers) == ("NXDOMAIN", ())
    (soa,) = message.authority
    assert (soa.name, soa.ttl) == ("cluster.local.", 30)
    words = soa.data.split()
    assert words[:2] == ["ns.dns.cluster.local.", "hostmaster.cluster.local."]
    assert words[3:] == ["7200", "1800", "86400", "30"]


def test_unnamed_port_has_no_srv(lab: Lab) -> None:
    """A port without a name cannot be asked for by name."""
    assert ask(lab, "_plain._tcp.plain.ns" + S, "SRV").rcode == "NXDOMAIN"


def test_addresses_come_beside_srv_and_ns(lab: Lab) -> None:
    """The addresses of SRV's and NS' targets are in the additional section."""
    message = ask(lab, "_http._tcp.hdl.ns" + S, "SRV")
    assert rows(message.additional) == {"A 10.244.1.7", "A 10.244.1.8", "A 10.244.1.9"}
    assert rows(ask(lab, "cluster.local.", "NS").additional) == {"A 10.96.0.10"}


def test_times_to_live(lab: Lab) -> None:
    """Records of the cluster live for 30 s, the version of the specification for 8 hours."""
    assert {row.ttl for row in ask(lab, "web.ns" + S).answers} == {30}
    assert {row.ttl for row in ask(lab, "dns-version.cluster.local.", "TXT").answers} == {28800}
    assert ask(lab, "cluster.local.", "SOA").answers[0].ttl == 30


def test_unknown_address_is_asked_outside(lab: Lab) -> None:
    """An address that is nobody's here falls through to the server outside, which knows none."""
    message = ask(lab, "9.9.97.10.in-addr.arpa.", "PTR")
    assert (message.rcode, message.authoritative) == ("NXDOMAIN", False)


def test_transfers_are_refused(lab: Lab) -> None:
    """A zone transfer of ours is refused."""
    assert ask(lab, "cluster.local.", "AXFR", "TCP").rcode == "REFUSED"


def test_outside_answers_are_remembered_and_ours_are_not(lab: Lab) -> None:
    """A second question for an outside name is answered from the cache."""
    ask(lab, "www.example.com.")
    before = len(lab.world.trace)
    ask(lab, "www.example.com.")
    assert all(event.target != "internet" for event in list(lab.world.trace)[before:])
    assert ask(lab, "later.ns" + S).rcode == "NXDOMAIN"
    lab.server.put(service("later", "10.97.4.4", 80, namespace="ns"))
    lab.settle()
    assert rows(ask(lab, "later.ns" + S).answers) == {"A 10.97.4.4"}


def test_long_answers_are_cut_over_udp(lab: Lab) -> None:
    """What does not fit into 512 bytes is marked as truncated; over TCP it comes whole."""
    many = [endpoint(f"10.244.9.{number}") for number in range(1, 101)]
    lab.server.put(service("many", "None", 80, namespace="ns"))
    lab.server.put(slices("many", many, 80, namespace="ns"))
    lab.settle()
    short = ask(lab, "many.ns" + S)
    assert short.truncated
    assert 0 < len(short.answers) < 100
    whole = ask(lab, "many.ns" + S, protocol="TCP")
    assert (whole.truncated, len(whole.answers)) == (False, 100)


def test_all_endpoints_of_a_slice_are_named_when_published(lab: Lab) -> None:
    """publishNotReadyAddresses is the slice's business: what it calls ready is named."""
    lab.server.put(service("eager", "None", 80, namespace="ns"))
    lab.server.put(slices("eager", [endpoint("10.244.8.1", serving=False)], 80, namespace="ns"))
    lab.settle()
    assert rows(ask(lab, "eager.ns" + S).answers) == {"A 10.244.8.1"}


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """Whatever comes over the wire, reading it never raises, and an answer can be made."""
    query = wire.read_query(data)
    if query is not None:
        assert wire.response(query, query.error or "NOERROR")[:2] == data[:2]
    wire.read_response(data)


def raw(lab: Lab, question: bytes, protocol: str = "UDP") -> Any:
    """What CoreDNS sends back to these bytes, read by the library."""
    server = lab.world.components["coredns/coredns-a"]
    assert isinstance(server, CoreDNS)
    outcome = lab.open("192.168.0.2", server.address, 53, question, protocol=protocol)
    return dns.message.from_wire(outcome.payload) if outcome.ok else None


def test_outside_answers_are_the_upstream_servers(lab: Lab) -> None:
    """Fresh they are not authoritative, from the cache they are; recursion is available."""
    server = lab.world.components["coredns/coredns-a"]
    assert isinstance(server, CoreDNS)
    server.cache.entries.clear()
    fresh, cached = ask(lab, "example.com."), ask(lab, "example.com.")
    assert (fresh.authoritative, fresh.recursion_available) == (False, True)
    assert (cached.authoritative, cached.recursion_available) == (True, True)


def test_denials_are_kept_too(lab: Lab) -> None:
    """An outside NXDOMAIN comes with the SOA of its zone and is remembered for 30 seconds."""
    first = ask(lab, "nosuch.example.org.")
    assert (first.rcode, first.authority[0].type, first.authority[0].ttl) == ("NXDOMAIN", "SOA", 30)
    lab.world.now += 7 * SECOND
    before = len(lab.world.trace)
    again = ask(lab, "nosuch.example.org.")
    assert (again.rcode, again.authority[0].ttl) == ("NXDOMAIN", 23)
    assert all(event.target != "internet" for event in list(lab.world.trace)[before:])


def test_flags_and_edns_come_back(lab: Lab) -> None:
    """RD and CD are handed back, the size of EDNS and a cookie too; no EDNS, no OPT record."""
    name = "web.ns.svc.cluster.local."
    plain = raw(lab, wire.query(name, "A", 1, recursion=False))
    assert (dns.flags.to_text(plain.flags), plain.edns) == ("QR AA", -1)
    asked = dns.message.make_query(name, "A", payload=1232, want_dnssec=True)
    asked.flags |= dns.flags.CD
    cookie = dns.edns.GenericOption(10, b"12345678")
    asked.use_edns(0, dns.flags.DO, 1232, options=[cookie, dns.edns.GenericOption(65001, b"x")])
    answer = raw(lab, asked.to_wire())
    assert dns.flags.to_text(answer.flags) == "QR AA RD CD"
    assert (answer.payload, answer.ednsflags & dns.flags.DO) == (1232, dns.flags.DO)
    assert [option.otype for option in answer.options] == [10]


def test_later_versions_of_edns_are_refused(lab: Lab) -> None:
    """EDNS version 1 gets BADVERS, which says that version 0 is spoken."""
    asked = dns.message.make_query("web.ns.svc.cluster.local.", "A")
    asked.use_edns(1)
    answer = raw(lab, asked.to_wire())
    assert (answer.rcode(), answer.edns) == (dns.rcode.BADVERS, 0)


@pytest.mark.parametrize("class_", ["CH", "HS", "CLASS77"])
def test_other_classes_are_refused(lab: Lab, class_: str) -> None:
    """`version.bind` in CHAOS and all other classes: REFUSED, without recursion."""
    answer = raw(lab, wire.query("version.bind.", "TXT", 9, class_=class_))
    assert (answer.rcode(), answer.flags & dns.flags.RA) == (dns.rcode.REFUSED, 0)


@pytest.mark.parametrize("type_", ["ANY", "TYPE65280", "MX", "DS", "HTTPS", "NAPTR"])
def test_unknown_types_find_no_data(lab: Lab, type_: str) -> None:
    """Whatever type is asked of a name that exists, the answer is NODATA; of none, NXDOMAIN."""
    assert ask(lab, "web.ns" + S, type_).rcode == "NOERROR"
    assert ask(lab, "web.ns" + S, type_).answers == ()
    assert ask(lab, "nosuch.ns" + S, type_).rcode == "NXDOMAIN"


@pytest.mark.parametrize(
    ("change", "rcode"),
    [((2, 0x29), "NOTIMP"), ((5, 0), "FORMERR"), ((5, 2), "FORMERR"), ((7, 2), "FORMERR"),
     ((9, 2), "FORMERR"), ((11, 3), "FORMERR"), ((12, 64), "FORMERR"), ((12, 0xC0), "FORMERR")],
)  # fmt: skip
def test_malformed_questions(lab: Lab, change: tuple[int, int], rcode: str) -> None:
    """Odd counts, a label too long, a pointer to itself: FORMERR; another operation: NOTIMP."""
    question = bytearray(wire.query("web.ns.svc.cluster.local.", "A", 77))
    question[change[0]] = change[1]
    answer = raw(lab, bytes(question))
    assert (dns.rcode.to_text(answer.rcode()), answer.id, answer.question) == (rcode, 77, [])


def test_names_over_255_bytes_are_malformed(lab: Lab) -> None:
    """A name of five labels of 63 bytes cannot be: FORMERR."""
    label = b"\x3f" + b"a" * 63
    head = wire.query("a.", "A", 5)[:12]
    assert raw(lab, head + label * 5 + b"\0\0\1\0\1").rcode() == dns.rcode.FORMERR


def test_what_is_no_query_is_refused_in_the_right_words() -> None:
    """Answers are ignored, other operations not implemented, odd counts malformed."""
    good = wire.query("web.ns.svc.cluster.local.", "A", 3)
    assert wire.read_query(good[:5]) is None
    answer = good[:2] + b"\x81" + good[3:]
    assert wire.read_query(answer) is None
    update = good[:2] + b"\x29" + good[3:]
    assert wire.read_query(update).error == "NOTIMP"  # type: ignore[union-attr]
    two = good[:5] + b"\x02" + good[6:]
    assert wire.read_query(two).error == "FORMERR"  # type: ignore[union-attr]
    loop = good[:12] + b"\xc0\x0c" + b"\x00\x01\x00\x01"
    assert wire.read_query(loop).error == "FORMERR"  # type: ignore[union-attr]


def test_until_its_caches_are_filled_it_is_not_ready() -> None:
    """Before the first lists have come: SERVFAIL, and 503 from /ready."""
    lab = Lab(1)
    lab.world.halt("apiserver-1")
    kernel = lab.kernels[1]
    address = kernel.attach("early", pod="kube-system/early")
    lab.world.add(CoreDNS("coredns/early", node="node-1", address=address))
    lab.world.step()
    question = wire.query("web.ns.svc.cluster.local.", "A", 1)
    kernel.open("192.168.0.2", address, 53, "UDP", question, "client", "t")
    kernel.open("192.168.0.2", address, 8181, "TCP", HttpRequest(path="/ready"), "client", "t")
    kernel.open("192.168.0.2", address, 8080, "TCP", HttpRequest(path="/health"), "client", "t")
    lab.run(2)
    dns, ready, health = lab.client.outcomes
    assert wire.read_response(dns.payload).rcode == "SERVFAIL"  # type: ignore[union-attr]
    assert (ready.payload.status, health.payload.status) == (503, 200)


def test_rows_go_out_in_the_order_of_the_answer() -> None:
    """Nothing but the server's own chance decides the order: a message is the same each time."""
    query = wire.read_query(wire.query("pods.ns.svc.cluster.local.", "A", 7))
    assert query is not None
    rows = tuple(
        Answer("pods.ns.svc.cluster.local.", 30, "A", f"10.244.1.{number}") for number in range(12)
    )
    sent = [wire.response(query, "NOERROR", rows) for _ in range(3)]
    assert sent[0] == sent[1] == sent[2]
    found = dns.message.from_wire(sent[0]).answer[0]
    assert [row.address for row in found] == [row.data for row in rows]
