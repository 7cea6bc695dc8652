"""curl and bare connections from inside a pod, in the program's own words."""

from __future__ import annotations

from typing import Any

import pytest

from tests.network.lab import Lab, endpoint, service, slices, with_dns

CONF = {
    "nameservers": ["10.96.0.10"],
    "searches": ["default.svc.cluster.local", "svc.cluster.local", "cluster.local"],
    "options": ["ndots:5"],
}


@pytest.fixture
def lab() -> Lab:
    """default/web with one pod on node-2, CoreDNS, and the pod default/client on node-1."""
    lab = Lab(2)
    with_dns(lab)
    web = lab.pod("web-0", 2, 8080)
    lab.server.put(service("web", "10.97.3.4", 80))
    lab.server.put(slices("web", [endpoint(web, 2)], 8080))
    lab.pod("client")
    lab.settle()
    return lab


def curl(lab: Lab, url: str) -> Any:
    """curl in the pod."""
    return lab.tool("curl", "10.244.1.2", CONF, url)


def test_curl_by_name(lab: Lab) -> None:
    """The hops hold the question, every rule that matched, the endpoint and the way back."""
    done = curl(lab, "http://web/")
    assert (done.status, done.body, done.pod, done.error) == (200, "web-0\n", "default/web-0", "")
    chains = [hop.chain for hop in done.hops]
    assert chains[:2] == ["DNS", "DNS"]
    assert chains[2:4] == ["KUBE-SERVICES", "KUBE-SVC-LOLE4ISW44XBNF3G"]
    assert "endpoint" in chains
    assert chains[-1] == "conntrack"
    assert done.resolution.addresses == ("10.97.3.4",)


def test_words_of_failures(lab: Lab) -> None:
    """curl's own words for an unknown name, a refusal, silence, and a bad URL."""
    assert curl(lab, "http://nosuch/").error == "curl: (6) Could not resolve host: nosuch"
    lab.server.put(slices("web", [], 8080))
    lab.settle()
    refused = curl(lab, "http://web/")
    assert (refused.status, refused.body, refused.pod) == (0, "", None)
    words = "curl: (7) Failed to connect to web port 80 after 0 ms: Couldn't connect to server"
    assert refused.error == words
    silent = curl(lab, "http://10.244.2.77:80/")
    assert silent.error == "curl: (28) Connection timed out after 5000 milliseconds"
    assert curl(lab, "https://example.com:80/").error.startswith("curl: (35) TLS connect error")
    assert curl(lab, "ftp://web/").error == 'curl: (1) Protocol "ftp" not supported'
    assert curl(lab, "http://web:port/").error.startswith("curl: (3) URL rejected")


def test_no_dns_means_no_name_but_addresses_work(lab: Lab) -> None:
    """With CoreDNS gone names fail, while the service's address goes on to work."""
    lab.world.remove("coredns/coredns-a")
    assert curl(lab, "http://web/").error == "curl: (6) Could not resolve host: web"
    assert curl(lab, "http://10.97.3.4/").status == 200


def test_outside_world(lab: Lab) -> None:
    """example.com answers over HTTP; its IPv6 address is of no use to an IPv4 pod."""
    done = curl(lab, "http://example.com/")
    assert (done.status, done.pod) == (200, None)


def test_bare_connection(lab: Lab) -> None:
    """connect reaches any port and protocol and says in words how it failed."""
    done = lab.tool("connect", "10.244.1.2", CONF, "web", 80, "TCP", None)
    assert (done.error, done.pod) == ("", "default/web-0")
    done = lab.tool("connect", "10.244.1.2", CONF, "10.244.2.3", 9, "TCP", None)
    assert done.error == "connect to 10.244.2.3 port 9: Connection refused"


def test_every_event_has_a_sentence(lab: Lab) -> None:
    """Each event of a curl by name can be told in at most 30 words."""
    before = len(lab.world.trace)
    curl(lab, "http://web.default.svc.cluster.local/")
    curl(lab, "http://nosuch/")
    events = list(lab.world.trace)[before:]
    assert len(events) > 20
    for event in events:
        if event.target != "client":
            told = lab.world.components[event.target].tell(event)
            assert told.endswith("."), (event.verb, told)
            assert len(told.split()) <= 30, told
