"""The sequences of queries that a resolver sends, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import freeze
from kubelab.dns.resolver import waits_seconds
from kubelab.network.payloads import Resolution
from kubelab.network.resolvconf import candidates, parse, render, resolv_conf
from tests.network.lab import Lab, dns_lab, service, with_dns

ENDINGS = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local")
CONF = {"nameservers": ["10.96.0.10"], "searches": list(ENDINGS), "options": ["ndots:5"]}
D, S, C = (f".{ending}." for ending in ENDINGS)


@pytest.fixture(scope="module")
def lab() -> Lab:
    """web in default, api in prod, and CoreDNS."""
    return dns_lab()


def names(resolution: Resolution) -> list[str]:
    """The full names asked for, one for each pair of A and AAAA."""
    steps = resolution.steps
    assert [step.type for step in steps] == ["A", "AAAA"] * (len(steps) // 2)
    return [step.name for step in steps[::2]]


SEQUENCES = [
    ("web", ["web" + D], "10.97.3.4"),
    ("web.default", ["web.default" + D, "web.default" + S], "10.97.3.4"),
    ("api.prod", ["api.prod" + D, "api.prod" + S], "10.97.3.5"),
    (
        "kubernetes.default.svc",
        ["kubernetes.default.svc" + D, "kubernetes.default.svc" + S, "kubernetes.default.svc" + C],
        "10.96.0.1",
    ),
    (
        "web.default.svc.cluster.local",
        [f"web.default.svc.cluster.local{tail}" for tail in (D, S, C, ".")],
        "10.97.3.4",
    ),
    ("web.default.svc.cluster.local.", ["web.default.svc.cluster.local."], "10.97.3.4"),
    ("example.com", [f"example.com{tail}" for tail in (D, S, C, ".")], "192.0.2.80"),
    ("example.com.", ["example.com."], "192.0.2.80"),
    ("nosuch", [f"nosuch{tail}" for tail in (D, S, C, ".")], ""),
    ("a.b.c.d.example.com", [f"a.b.c.d.example.com{tail}" for tail in (".", D, S, C)], ""),
]


@pytest.mark.parametrize(("name", "expected", "address"), SEQUENCES)
def test_sequence_of_getaddrinfo(lab: Lab, name: str, expected: list[str], address: str) -> None:
    """A and AAAA at each full name, in glibc's order, until one has an address."""
    found = lab.lookup("10.244.1.2", CONF, name, "A+AAAA")
    assert names(found) == expected
    assert found.rcode == ("NOERROR" if address else "NXDOMAIN")
    assert found.addresses[:1] == ((address,) if address else ())
    assert {step.server for step in found.steps} == {"10.96.0.10"}
    assert {step.origin for step in found.steps} == {"kube-system/coredns-a"}


def test_one_type_goes_on_after_no_data(lab: Lab) -> None:
    """AAAA alone of an IPv4 service asks all endings and the bare name, and ends in NODATA."""
    found = lab.lookup("10.244.1.2", CONF, "web", "AAAA")
    assert [(step.name, step.rcode) for step in found.steps] == [
        ("web" + D, "NOERROR"), ("web" + S, "NXDOMAIN"), ("web" + C, "NXDOMAIN"),
        ("web.", "NXDOMAIN"),
    ]  # fmt: skip
    assert (found.rcode, found.answers) == ("NOERROR", ())


def test_musl_stops_at_no_data_and_never_searches_after_the_name_itself(lab: Lab) -> None:
    """musl's rules, chosen by an option."""
    conf = {**CONF, "options": ["ndots:5", "musl:1"]}
    found = lab.lookup("10.244.1.2", conf, "web", "AAAA")
    assert [step.name for step in found.steps] == ["web" + D]
    found = lab.lookup("10.244.1.2", conf, "a.b.c.d.example.com", "A+AAAA")
    assert names(found) == ["a.b.c.d.example.com."]


def test_steps_show_the_packets_way(lab: Lab) -> None:
    """Each step carries the hops of its query through the rules to a CoreDNS pod."""
    (step,) = lab.lookup("10.244.1.2", CONF, "web").steps
    chains = [hop.chain for hop in step.hops]
    assert chains[0] == "KUBE-SERVICES"
    assert "KUBE-SVC-TCOU7JCQXEZGVUNU" in chains
    assert chains[-1] == "conntrack"


def test_hosts_file_comes_first(lab: Lab) -> None:
    """A name in /etc/hosts is asked of nobody; an address is no name."""
    conf = {**CONF, "hosts": [{"ip": "10.1.2.3", "hostnames": ["db", "db.local"]}]}
    found = lab.lookup("10.244.1.2", conf, "db", "A+AAAA")
    assert (found.addresses, found.steps) == (("10.1.2.3",), ())
    assert lab.lookup("10.244.1.2", CONF, "10.9.9.9", "A+AAAA").addresses == ("10.9.9.9",)
    assert lab.lookup("10.244.1.2", CONF, "localhost", "A+AAAA").addresses == ("127.0.0.1",)


def test_name_that_is_too_long_is_not_sent(lab: Lab) -> None:
    """A label over 63 or a name over 255 bytes is no name."""
    assert lab.lookup("10.244.1.2", CONF, "a" * 64).rcode == "FORMERR"
    assert lab.lookup("10.244.1.2", CONF, ".".join(["abcdefgh"] * 40) + ".").rcode == "FORMERR"
    found = lab.lookup("10.244.1.2", CONF, ".".join(["abcdefgh"] * 26))
    tails = [step.name.removeprefix("abcdefgh." * 26) for step in found.steps]
    assert tails == ["", S[1:], C[1:]], "the longest is left out"
    assert lab.lookup("10.244.1.2", CONF, "web", "NOSUCHTYPE").rcode == "FORMERR"
    assert lab.lookup("10.244.1.2", CONF, "web..x").rcode == "FORMERR"


def test_no_dns_pod_is_refused_at_once() -> None:
    """With no ready CoreDNS pod the queries are rejected; the search ends at the first name."""
    lab = Lab(1)
    lab.server.put(service("kube-dns", "10.96.0.10", {"name": "dns", "port": 53, "protocol": "UDP"},
                           namespace="kube-system"))  # fmt: skip
    client = lab.pod("client")
    lab.settle()
    before = lab.world.now
    found = lab.lookup(client, CONF, "web", "A+AAAA")
    assert found.rcode == "REFUSED"
    assert {step.name for step in found.steps} == {"web" + D}
    assert lab.world.now - before < 1_000_000_000


def test_dead_dns_pod_times_out() -> None:
    """A dead pod behind stale rules: 5 s twice, then the bare name twice, then nothing."""
    lab = Lab(2)
    with_dns(lab)
    client = lab.pod("client")
    lab.world.halt("kernel/node-2")
    before = lab.world.now
    found = lab.lookup(client, CONF, "web", "A+AAAA")
    assert found.rcode == "TIMEOUT"
    assert names(found) == ["web" + D, "web" + D, "web.", "web."]
    assert 20.0 <= (lab.world.now - before) / 1e9 < 20.1


def test_next_server_is_asked_after_a_time_out() -> None:
    """Of two servers the second is asked when the first is silent."""
    lab = Lab(2)
    with_dns(lab)
    lab.server.put(service("web", "10.97.3.4", 80))
    client = lab.pod("client")
    lab.settle()
    conf = {**CONF, "nameservers": ["10.244.2.99", "10.96.0.10"]}
    found = lab.lookup(client, conf, "web", "A")
    assert [step.server for step in found.steps] == ["10.244.2.99", "10.96.0.10"]
    assert found.rcode == "NOERROR"


def pod(**spec: Any) -> Any:
    """A pod in namespace shop."""
    return freeze({"metadata": {"name": "p", "namespace": "shop"}, "spec": spec})


NODE = freeze({"nameservers": ["192.0.2.53"], "searches": ["corp.example"], "options": []})


def test_dns_policies() -> None:
    """The file by dnsPolicy; a host network pod with ClusterFirst gets the node's."""
    first = resolv_conf(pod(), node_conf=NODE).conf
    assert render(first) == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n"
        "nameserver 10.96.0.10\noptions ndots:5\n"
    )
    host = resolv_conf(pod(hostNetwork=True), node_conf=NODE).conf
    assert host == resolv_conf(pod(dnsPolicy="Default"), node_conf=NODE).conf == NODE
    both = pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet")
    assert resolv_conf(both, node_conf=NODE).conf == first
    own = {"nameservers": ["1.1.1.1"], "searches": ["a.b"], "options": [{"name": "debug"}]}
    none = resolv_conf(pod(dnsPolicy="None", dnsConfig=own), node_conf=NODE).conf
    assert render(none) == "search a.b\nnameserver 1.1.1.1\noptions debug\n"


def test_dns_config_is_added_and_options_override() -> None:
    """dnsConfig: three servers at most, no doubles; an option replaces the one of its name."""
    config = {
        "nameservers": ["10.96.0.10", "1.1.1.1", "2.2.2.2", "3.3.3.3"],
        "searches": ["cluster.local", "x.y"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    formed = resolv_conf(pod(dnsConfig=config))
    assert formed.conf == {
        "nameservers": ["10.96.0.10", "1.1.1.1", "2.2.2.2"],
        "searches": ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "x.y"],
        "options": ["ndots:2", "edns0"],
    }
    assert formed.warnings == (
        "Nameserver limits were exceeded, some nameservers have been omitted, "
        "the applied nameserver line is: 10.96.0.10 1.1.1.1 2.2.2.2",
    )
    many = {"searches": [f"s{number}" for number in range(40)]}
    formed = resolv_conf(pod(dnsConfig=many))
    assert len(formed.conf["searches"]) == 32
    assert formed.warnings[0].startswith("Search Line limits were exceeded")


def test_file_is_read_as_it_is_written() -> None:
    """Rendering and parsing are each other's inverse."""
    conf = freeze({**CONF, "options": ["ndots:5", "timeout:1"]})
    assert parse(render(conf)) == conf
    assert parse("; comment\nsearch a b # end\nnameserver 1.2.3.4\n")["searches"] == ["a", "b"]


def test_ndots_decides_what_comes_first() -> None:
    """As many dots as ndots: the name as it is first."""
    conf = freeze({**CONF, "options": ["ndots:1"]})
    assert candidates(conf, "web.default")[0] == "web.default."
    assert candidates(conf, "web")[-1] == "web."
    assert candidates(freeze({"nameservers": []}), "web") == ("web.",)


def test_both_types_go_from_one_socket(lab: Lab) -> None:
    """A and AAAA share a port and so the translation: one CoreDNS pod answers both."""
    found = lab.lookup("10.244.1.2", CONF, "web", "A+AAAA")
    ports = {step.hops[0].before.partition(" ")[0] for step in found.steps}
    assert len(ports) == 1
    assert found.steps[1].hops[0].chain == "conntrack"


def silent_and_good(lab: Lab) -> dict[str, Any]:
    """A resolv.conf with a server that is silent and one that answers."""
    return {**CONF, "nameservers": ["10.244.2.99", "10.96.0.10"]}


def test_musl_asks_all_servers_at_once(lab: Lab) -> None:
    """Each type goes to every server; the one that answers is heard at once, the other never."""
    conf = {**silent_and_good(lab), "options": ["ndots:5", "musl:1"]}
    before = lab.world.now
    lab.world.send(
        "client", "resolver/node-1", "lookup",
        ("client", "t", "10.244.1.2", freeze(conf), "web", "A+AAAA"),
    )  # fmt: skip
    while not lab.client.results:
        lab.world.step()
    found = lab.client.results.pop()
    assert [(step.type, step.server, step.rcode) for step in found.steps] == [
        ("A", "10.244.2.99", "UNREAD"), ("A", "10.96.0.10", "NOERROR"),
        ("AAAA", "10.244.2.99", "UNREAD"), ("AAAA", "10.96.0.10", "NOERROR"),
    ]  # fmt: skip
    assert found.addresses == ("10.97.3.4",)
    assert lab.world.now - before < 1_000_000_000
    lab.settle()


def test_musl_gives_up_without_another_ending() -> None:
    """Nobody answers: two rounds of 2.5 s, then no further name is tried, not even as it is."""
    lab = Lab(2)
    with_dns(lab)
    client = lab.pod("client")
    lab.world.halt("kernel/node-2")
    before = lab.world.now
    conf = {**CONF, "options": ["ndots:5", "musl:1"]}
    found = lab.lookup(client, conf, "web", "A+AAAA")
    assert (found.rcode, {step.name for step in found.steps}) == ("TIMEOUT", {"web" + D})
    assert 5.0 <= (lab.world.now - before) / 1e9 < 5.1


@pytest.mark.parametrize(
    ("options", "servers", "seconds"),
    [
        ([], 1, [5, 5]), (["timeout:1", "attempts:3"], 1, [1, 1, 1]), ([], 2, [5, 5, 5, 5]),
        ([], 3, [5, 3, 6, 5, 3, 6]), (["timeout:1"], 3, [1, 1, 1, 1, 1, 1]),
        (["timeout:99", "attempts:1"], 1, [30]),
    ],
)  # fmt: skip
def test_waits_of_glibc(options: list[str], servers: int, seconds: list[int]) -> None:
    """The n-th server gets the time doubled n times and shared by all; never under 1 second."""
    conf = freeze({"nameservers": ["10.9.9.9"] * servers, "options": options})
    assert [waits_seconds(conf, retry) for retry in range(len(seconds))] == seconds


def test_single_request_asks_one_after_the_other(lab: Lab) -> None:
    """With `single-request` AAAA goes out when A has its answer, without it both at once."""
    for options, apart in ((["single-request"], True), ([], False)):
        lab.lookup("10.244.1.2", {**CONF, "options": ["ndots:5", *options]}, "web", "A+AAAA")
        asked = [e.ns for e in lab.world.trace if e.detail.get("type") and e.verb == "received"]
        assert (asked[-1] - asked[-2] > 0) is apart


def test_no_aaaa_leaves_that_type_out(lab: Lab) -> None:
    """With `no-aaaa` a program's lookup asks for A only, and AAAA alone is asked of nobody."""
    conf = {**CONF, "options": ["ndots:5", "no-aaaa"]}
    found = lab.lookup("10.244.1.2", conf, "web", "A+AAAA")
    assert [(step.type, step.name) for step in found.steps] == [("A", "web" + D)]
    assert found.type == "A+AAAA"
    alone = lab.lookup("10.244.1.2", conf, "web", "AAAA")
    assert (alone.rcode, alone.steps) == ("NOERROR", ())


def test_rotate_begins_with_either_server(lab: Lab) -> None:
    """With `rotate` the first question goes to any of the servers."""
    conf = {**CONF, "nameservers": ["10.96.0.10", "10.244.2.2"], "options": ["ndots:5", "rotate"]}
    first = [lab.lookup("10.244.1.2", conf, "web").steps[0].server for _ in range(20)]
    assert set(first) == {"10.96.0.10", "10.244.2.2"}


def test_use_vc_asks_over_tcp(lab: Lab) -> None:
    """With `use-vc` the question goes over TCP, and so through the rules of that port."""
    (step,) = lab.lookup("10.244.1.2", {**CONF, "options": ["ndots:5", "use-vc"]}, "web").steps
    assert "KUBE-SVC-ERIFXISQEP7F7OF4" in [hop.chain for hop in step.hops]


def test_a_server_that_cannot_answer_is_followed_by_the_next() -> None:
    """After SERVFAIL comes the next server at once; after all of them, the next ending."""
    lab = Lab(2)
    ready = with_dns(lab)
    lab.server.put(service("web", "10.97.3.4", 80))
    client = lab.pod("client")
    unready = lab.dns("coredns-b")
    unready.ready = False
    address = unready.address
    conf = {**CONF, "nameservers": [address, ready.address]}
    found = lab.lookup(client, conf, "web")
    assert [step.rcode for step in found.steps] == ["SERVFAIL", "NOERROR"]
    alone = lab.lookup(client, {**CONF, "nameservers": [address]}, "web")
    assert alone.rcode == "SERVFAIL"
    tails = [step.name.removeprefix("web") for step in alone.steps]
    assert tails == [D, D, S, S, C, C, ".", "."]
