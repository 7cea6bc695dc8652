"""What a program in a pod of a whole cluster gets for a name, over the wire and along the search
path."""

from __future__ import annotations

import pytest

from kubelab.cluster import Cluster
from tests.dns.zoo import CLIENT, ask, data, ips, zoo

HERE, SVC, ZONE = "default.svc.cluster.local.", "svc.cluster.local.", "cluster.local."
WEB, OUTSIDE = "10.97.3.4", "192.0.2.80"


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    """The cluster that is asked; questions leave it as it is."""
    return zoo()


# The name, its full names in the order of the questions, and how it ends.
SEQUENCES = (
    ("web", f"web.{HERE}", WEB),
    ("web.default", f"web.default.{HERE} web.{HERE}", WEB),
    ("api.prod", f"api.prod.{HERE} api.prod.{SVC}", "api"),
    (
        "kubernetes.default.svc",
        f"kubernetes.default.svc.{HERE} kubernetes.default.svc.{SVC} kubernetes.{HERE}",
        "10.96.0.1",
    ),
    (
        "web.default.svc.cluster.local",
        f"web.{HERE}{HERE} web.{HERE}{SVC} web.{HERE}{ZONE} web.{HERE}",
        WEB,
    ),
    (f"web.{HERE}", f"web.{HERE}", WEB),
    (
        "example.com",
        f"example.com.{HERE} example.com.{SVC} example.com.{ZONE} example.com.",
        OUTSIDE,
    ),
    ("example.com.", "example.com.", OUTSIDE),
    ("nosuch", f"nosuch.{HERE} nosuch.{SVC} nosuch.{ZONE} nosuch.", "NXDOMAIN"),
    (
        "a.b.c.d.example.com",
        f"a.b.c.d.example.com. a.b.c.d.example.com.{HERE} a.b.c.d.example.com.{SVC} "
        f"a.b.c.d.example.com.{ZONE}",
        "NXDOMAIN",
    ),
    ("ext", f"ext.{HERE}", OUTSIDE),
    ("inner", f"inner.{HERE}", WEB),
    ("lost", f"lost.{HERE} lost.{SVC} lost.{ZONE} lost.", "NOERROR"),
    ("slow", f"slow.{HERE} slow.{SVC} slow.{ZONE} slow.", "NXDOMAIN"),
)


@pytest.mark.parametrize(("name", "asked", "end"), SEQUENCES)
def test_questions_in_order(cluster: Cluster, name: str, asked: str, end: str) -> None:
    """A resolves along the search path, each full name with its final dot, until it has answers."""
    done = cluster.dns.resolve(name, "A", CLIENT)
    assert [step.name for step in done.steps] == asked.split()
    assert {step.type for step in done.steps} == {"A"}
    assert {step.server for step in done.steps} == {"10.96.0.10"}
    misses = [step.rcode for step in done.steps[:-1]]
    if end in ("NXDOMAIN", "NOERROR"):
        assert (done.rcode, done.answers) == (end, ())
        return
    address = cluster.get("Service", "api", "prod")["spec"]["clusterIP"] if end == "api" else end
    assert done.rcode == "NOERROR"
    assert set(misses) <= {"NXDOMAIN"}
    assert done.addresses == (address,)
    assert done.steps[-1].answers == done.answers


def test_one_type_lookup_goes_on_at_nodata(cluster: Cluster) -> None:
    """AAAA alone of an IPv4 service asks all endings and ends as NOERROR without an answer."""
    done = cluster.dns.resolve("web", "AAAA", CLIENT)
    assert [step.name for step in done.steps] == [
        f"web.{HERE}",
        f"web.{SVC}",
        f"web.{ZONE}",
        "web.",
    ]
    assert [step.rcode for step in done.steps] == ["NOERROR", "NXDOMAIN", "NXDOMAIN", "NXDOMAIN"]
    assert (done.rcode, done.answers) == ("NOERROR", ())


@pytest.mark.parametrize(
    ("name", "packets"),
    [
        ("web", 2), ("web.default", 4), ("api.prod", 4), ("kubernetes.default.svc", 6),
        ("web.default.svc.cluster.local", 8), (f"web.{HERE}", 2), ("example.com", 8),
        ("example.com.", 2), ("nosuch", 8), ("a.b.c.d.example.com", 8),
    ],
)  # fmt: skip
def test_a_program_asks_for_both_types(cluster: Cluster, name: str, packets: int) -> None:
    """curl's getaddrinfo asks A, then AAAA, at each full name, and stops at any address."""
    done = cluster.connect(CLIENT, name, 80).resolution
    assert done is not None
    assert len(done.steps) == packets
    assert [step.type for step in done.steps] == ["A", "AAAA"] * (packets // 2)


def test_every_step_knows_who_answered_and_the_way(cluster: Cluster) -> None:
    """A step names the CoreDNS pod and the rules that led the question to it."""
    step = cluster.dns.resolve("web", "A", CLIENT).steps[0]
    assert step.origin.startswith("kube-system/coredns-")
    chains = [hop.chain for hop in step.hops]
    assert "KUBE-SVC-TCOU7JCQXEZGVUNU" in chains
    assert any(chain.startswith("KUBE-SEP-") for chain in chains)


# A name and a type; then the rcode and the data of the answer (`$app`: the addresses of its pods).
RECORDS = (
    (f"web.{HERE}", "A", "NOERROR", [WEB]),
    (f"WeB.{HERE}", "A", "NOERROR", [WEB]),
    (f"web.{HERE}", "AAAA", "NOERROR", []),
    (f"hdl.{HERE}", "A", "NOERROR", "$db"),
    (f"bare.{HERE}", "A", "NOERROR", "$db"),
    (f"slow.{HERE}", "A", "NXDOMAIN", []),
    (f"all.{HERE}", "A", "NOERROR", "$slow"),
    (f"twin.twins.{HERE}", "A", "NOERROR", "$twins"),
    (f"db-2.hdl.{HERE}", "A", "NXDOMAIN", []),
    ("10-244-1-5.default.pod.cluster.local.", "A", "NOERROR", ["10.244.1.5"]),
    ("10-244-9-9.default.pod.cluster.local.", "A", "NOERROR", ["10.244.9.9"]),
    ("client.default.pod.cluster.local.", "A", "NXDOMAIN", []),
    ("10-244-1-5.nope.pod.cluster.local.", "A", "NXDOMAIN", []),
    (f"_http._tcp.many.{HERE}", "SRV", "NOERROR", [f"0 100 80 many.{HERE}"]),
    (f"_alt._tcp.many.{HERE}", "SRV", "NOERROR", [f"0 100 8080 many.{HERE}"]),
    (f"_http._udp.many.{HERE}", "SRV", "NXDOMAIN", []),
    (f"many.{HERE}", "SRV", "NOERROR", [f"0 50 80 many.{HERE}", f"0 50 8080 many.{HERE}"]),
    (
        f"_http._tcp.hdl.{HERE}", "SRV", "NOERROR",
        [f"0 50 80 db-0.hdl.{HERE}", f"0 50 80 db-1.hdl.{HERE}"],
    ),
    (f"_x._tcp.web.{HERE}", "SRV", "NXDOMAIN", []),
    (f"ext.{HERE}", "A", "NOERROR", [OUTSIDE, "example.com."]),
    (f"ext.{HERE}", "AAAA", "NOERROR", ["2001:db8::80", "example.com."]),
    (f"ext.{HERE}", "CNAME", "NOERROR", ["example.com."]),
    (f"x.ext.{HERE}", "A", "NXDOMAIN", []),
    (f"inner.{HERE}", "A", "NOERROR", [WEB, f"web.{HERE}"]),
    (f"lost.{HERE}", "A", "NOERROR", []),
    ("4.3.97.10.in-addr.arpa.", "PTR", "NOERROR", [f"web.{HERE}"]),
    ("9.9.9.10.in-addr.arpa.", "PTR", "NXDOMAIN", []),
    ("dns-version.cluster.local.", "TXT", "NOERROR", ['"1.1.0"']),
    (ZONE, "NS", "NOERROR", ["kube-dns.kube-system.svc.cluster.local."]),
    ("ns.dns.cluster.local.", "A", "NOERROR", ["10.96.0.10"]),
    (ZONE, "A", "NOERROR", []),
    (SVC, "A", "NOERROR", []),
    ("pod.cluster.local.", "A", "NOERROR", []),
    (HERE, "A", "NOERROR", []),
    ("nope.svc.cluster.local.", "A", "NXDOMAIN", []),
    (f"web.{HERE}", "TXT", "NOERROR", []),
    (f"web.{HERE}", "MX", "NOERROR", []),
    (f"web.{HERE}", "HINFO", "NOERROR", []),
    (f"web.{HERE}", "ANY", "NOERROR", []),
    (f"web.{HERE}", "TYPE65280", "NOERROR", []),
    (f"nope.{HERE}", "TXT", "NXDOMAIN", []),
    (f"a.b.c.web.{HERE}", "A", "NXDOMAIN", []),
    ("foo.cluster.local.", "A", "NXDOMAIN", []),
    ("x.nope.svc.cluster.local.", "A", "NXDOMAIN", []),
    ("www.example.com.", "A", "NOERROR", [OUTSIDE]),
    ("example.org.", "A", "NXDOMAIN", []),
)  # fmt: skip


@pytest.mark.parametrize(("name", "type_", "rcode", "expected"), RECORDS)
def test_records(
    cluster: Cluster, name: str, type_: str, rcode: str, expected: list[str] | str
) -> None:
    """Each kind of name answers as the specification and CoreDNS say."""
    message = ask(cluster, name, type_)
    wanted = ips(cluster, expected[1:]) if isinstance(expected, str) else sorted(expected)
    assert (message.rcode, data(message.answers)) == (rcode, wanted)
    ours = name.lower().endswith(ZONE) or name.endswith("97.10.in-addr.arpa.")
    assert message.authoritative is ours
    if message.answers:
        assert message.answers[0].name == name
        ttls = {row.ttl for row in message.answers if row.name.lower().endswith(ZONE)}
        assert ttls <= {28800 if type_ == "TXT" else 30}
    elif ours:
        (soa,) = message.authority
        assert (soa.name, soa.ttl, soa.type) == (ZONE, 30, "SOA")
        words = soa.data.split()
        assert words[:2] == ["ns.dns.cluster.local.", "hostmaster.cluster.local."]
        assert words[3:] == ["7200", "1800", "86400", "30"]


def test_names_of_pods(cluster: Cluster) -> None:
    """A StatefulSet's pod, and an endpoint by its dashed address, have names of their own."""
    pod = cluster.get("Pod", "db-0")["status"]["podIP"]
    assert data(ask(cluster, f"db-0.hdl.{HERE}", "A").answers) == [pod]
    first = ips(cluster, "web")[0]
    dashed = first.replace(".", "-")
    assert data(ask(cluster, f"{dashed}.web.{HERE}", "A").answers) == [first]
    reverse = ".".join(reversed(pod.split("."))) + ".in-addr.arpa."
    names = data(ask(cluster, reverse, "PTR").answers)
    assert names == sorted([f"db-0.hdl.{HERE}", f"{pod.replace('.', '-')}.bare.{HERE}"])


def test_an_empty_service_keeps_its_address(cluster: Cluster) -> None:
    """A service without any pod answers with its cluster IP all the same."""
    address = cluster.get("Service", "empty")["spec"]["clusterIP"]
    assert data(ask(cluster, f"empty.{HERE}", "A").answers) == [address]


def test_targets_of_ports_come_with_their_addresses(cluster: Cluster) -> None:
    """SRV brings the A records of its targets along."""
    message = ask(cluster, f"_http._tcp.hdl.{HERE}", "SRV")
    assert data(message.additional) == ips(cluster, "db")
    assert {row.type for row in message.additional} == {"A"}


def test_zone_transfers_are_refused(cluster: Cluster) -> None:
    """AXFR gets REFUSED, and not in the zone's name."""
    message = ask(cluster, ZONE, "AXFR")
    assert (message.rcode, message.authoritative, message.authority) == ("REFUSED", False, ())


def test_outside_answers_live_no_longer_than_the_cache(cluster: Cluster) -> None:
    """The cache lets an outside record live for 30 s at most, and tells what is left of them."""
    twin = cluster.fork()
    assert ask(twin, "example.com.", "A").answers[0].ttl <= 30
    twin.run(40)
    assert ask(twin, "example.com.", "A").answers[0].ttl == 30
    twin.run(10)
    assert {ask(twin, "example.com.", "A").answers[0].ttl for _ in range(8)} <= {20, 30}


def test_no_dns_pods_no_names(cluster: Cluster) -> None:
    """With CoreDNS scaled to nothing the proxies refuse port 53 at once, and names fail."""
    twin = cluster.fork()
    path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
    merge = {"Content-Type": "application/merge-patch+json"}
    assert twin.request("PATCH", path, {"spec": {"replicas": 0}}, merge).ok
    twin.settle()
    before = twin.now
    done = twin.dns.resolve("web", "A", CLIENT)
    assert done.rcode == "REFUSED"
    assert (twin.now - before).total_seconds() < 1
    assert any("has no endpoints" in hop.rule for hop in done.steps[0].hops)
    assert twin.curl(CLIENT, f"http://{WEB}/").status == 200
