"""Plugins of CoreDNS that a Corefile may name: loop, log, errors, template, autopath, transfer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kubelab.cluster import Cluster
from kubelab.dns import wire
from tests.dns.test_corefile_in_cluster import MAP, MERGE
from tests.dns.zoo import CLIENT, ask, data, zoo

DEAD = "192.0.2.99"


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """The cluster that tests fork."""
    cluster = zoo()
    cluster.run(4)
    return cluster


def changed(cluster: Cluster, *changes: tuple[str, str]) -> Cluster:
    """A copy of the cluster whose servers have taken up a changed Corefile."""
    cluster = cluster.fork()
    text = cluster.get("ConfigMap", "coredns", "kube-system")["data"]["Corefile"]
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    assert cluster.request("PATCH", MAP, {"data": {"Corefile": text}}, MERGE).ok
    cluster.run(150)
    return cluster


def logs(cluster: Cluster) -> list[list[str]]:
    """The lines of each CoreDNS container there has been, by pod."""
    out = []
    for pod in cluster.list("Pod", "kube-system", {"k8s-app": "kube-dns"}):
        runtime: Any = cluster.world.components[f"runtime/{pod['spec']['nodeName']}"]
        name = f"kube-system/{pod['metadata']['name']}"
        out.append([line for held in runtime.containers.values() if held.pod == name
                    for _, line in held.process.lines])  # fmt: skip
    return out


def test_first_lines(settled: Cluster) -> None:
    """What a server says when its caches are filled, and when it is told to end."""
    cluster = settled.fork()
    for lines in logs(cluster):
        assert lines[0] == ".:53"
        assert re.fullmatch(
            r"\[INFO\] plugin/reload: Running configuration SHA512 = [0-9a-f]{128}", lines[1]
        )
        assert lines[2:] == ["CoreDNS-1.14.2", "linux/amd64, go1.25.7, 1d2b3c4"]
    pod = cluster.list("Pod", "kube-system", {"k8s-app": "kube-dns"})[0]
    runtime: Any = cluster.world.components[f"runtime/{pod['spec']['nodeName']}"]
    own = next(held for held in runtime.containers.values()
               if held.pod == f"kube-system/{pod['metadata']['name']}")  # fmt: skip
    cluster.delete("Pod", pod["metadata"]["name"], "kube-system")
    cluster.run(2)
    assert own.running
    assert [line for _, line in own.process.lines][-2:] == [
        "[INFO] SIGTERM: Shutting down servers then terminating",
        "[INFO] plugin/health: Going into lameduck mode for 5s",
    ]
    cluster.run(4)
    assert not own.running
    assert own.status.exit_code == 0


def test_no_loop_in_a_good_cluster(settled: Cluster) -> None:
    """Each server asks itself once, and is content."""
    for name, server in settled.world.components.items():
        if name.startswith("coredns/"):
            assert server.probes == {}  # type: ignore[attr-defined]
    asked = [e for e in settled.trace if e.detail.get("asks_itself")]
    assert len(asked) == 2


def test_a_loop_ends_the_servers(settled: Cluster) -> None:
    """Servers that pass questions on to their own service find out, and crash."""
    cluster = changed(settled, ("forward . /etc/resolv.conf", "forward . 10.96.0.10"))
    line = re.compile(
        r"\[FATAL\] plugin/loop: Loop \(10\.244\.\d+\.\d+:\d+ -> :53\) detected for zone \"\.\", "
        r"see https://coredns\.io/plugins/loop#troubleshooting\. Query: \"HINFO \d+\.\d+\.\""
    )
    assert any(line.fullmatch(text) for lines in logs(cluster) for text in lines)
    pods = cluster.list("Pod", "kube-system", {"k8s-app": "kube-dns"})
    assert any(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods)
    told = {cluster.tell(event) for event in cluster.trace if event.detail.get("fatal")}
    assert any("its own question came back" in words for words in told)


def test_a_circle_without_the_plugin_comes_to_an_end(settled: Cluster) -> None:
    """Then the number of waiting questions bounds it; the client hears a refusal or nothing."""
    cluster = changed(
        settled, ("forward . /etc/resolv.conf", "forward . 10.96.0.10"), ("    loop\n", ""),
        ("max_concurrent 1000", "max_concurrent 50"),
    )  # fmt: skip
    asked = cluster.dns.resolve("www.example.com.", "A", CLIENT)
    assert asked.rcode in ("REFUSED", "TIMEOUT", "SERVFAIL")
    assert cluster.settle()


def test_log_and_errors(settled: Cluster) -> None:
    """A line for each answer with `log`, and one for each upstream failure with `errors`."""
    cluster = changed(
        settled, ("    ready\n", "    ready\n    log\n"), ("/etc/resolv.conf", DEAD)
    )  # fmt: skip
    assert cluster.dns.resolve("web", "A", CLIENT).rcode == "NOERROR"
    cluster.dns.resolve("www.example.com.", "A", CLIENT)
    cluster.run(30)
    lines = [line for group in logs(cluster) for line in group]
    pattern = (
        r'\[INFO\] 10\.244\.\d+\.\d+:\d+ - \d+ "A IN web\.default\.svc\.cluster\.local\. udp 47 '
        r'false \d+" NOERROR qr,aa,rd \d+ 0\.\d{9}s'
    )
    assert any(re.fullmatch(pattern, line) for line in lines)
    failure = (
        r"\[ERROR\] plugin/errors: 2 www\.example\.com\. A: read udp "
        r"10\.244\.\d+\.\d+:\d+->192\.0\.2\.99:53: i/o timeout"
    )
    assert any(re.fullmatch(failure, line) for line in lines)


def test_a_mistake_in_a_new_corefile_is_told(settled: Cluster) -> None:
    """A Corefile that cannot be read leaves the old one in force, with two lines in the log."""
    cluster = changed(settled, ("    ready\n", "    nonsense\n"))
    mistake = "/etc/coredns/Corefile:6 - Error during parsing: Unknown directive 'nonsense'"
    for lines in logs(cluster):
        assert lines[-3:] == [
            "[INFO] Reloading",
            f"[ERROR] Restart failed: {mistake}",
            f"[ERROR] plugin/reload: Corefile changed but reload failed: {mistake}",
        ]


TEMPLATE = """
    template IN A lab.test {
        match "^ip-(?P<a>[0-9]+)-(?P<b>[0-9]+)[.]lab[.]test[.]$"
        answer "{{ .Name }} 60 IN A 10.9.{{ .Group.a }}.{{ .Group.b }}"
    }
    template ANY ANY gone.test {
        rcode NXDOMAIN
        authority "gone.test. 60 IN SOA ns.gone.test. me.gone.test. 1 60 60 60 60"
    }
    any
"""


def test_templates_make_records(settled: Cluster) -> None:
    """Groups of the name become the address; what does not match is denied."""
    cluster = changed(settled, ("    ready\n", f"    ready\n{TEMPLATE}"))
    found = ask(cluster, "ip-3-4.lab.test.", "A")
    assert [(row.name, row.ttl, row.data) for row in found.answers] == [
        ("ip-3-4.lab.test.", 60, "10.9.3.4")
    ]
    assert ask(cluster, "other.lab.test.", "A").rcode == "NXDOMAIN"
    gone = ask(cluster, "x.gone.test.", "TXT")
    assert (gone.rcode, gone.authority[0].type) == ("NXDOMAIN", "SOA")
    everything = ask(cluster, "web.default.svc.cluster.local.", "ANY").answers
    assert [(row.type, row.ttl) for row in everything] == [("HINFO", 8482)]


AUTOPATH = (
    ("pods insecure", "pods verified"),
    ("    ready\n", "    ready\n    autopath @kubernetes\n"),
)


def test_autopath_walks_the_search_path(settled: Cluster) -> None:
    """One question is enough for a name outside, and for one in another namespace."""
    cluster = changed(settled, *AUTOPATH)
    outside = cluster.dns.resolve("www.example.com", "A", CLIENT)
    assert [step.name for step in outside.steps] == ["www.example.com.default.svc.cluster.local."]
    assert [(row.type, row.data) for row in outside.steps[0].answers] == [
        ("CNAME", "www.example.com."), ("A", "192.0.2.80"),
    ]  # fmt: skip
    other = cluster.dns.resolve("api.prod", "A", CLIENT)
    assert other.steps[0].answers[0].data == "api.prod.svc.cluster.local."
    assert other.addresses
    assert cluster.dns.resolve("nosuch", "A", CLIENT).rcode == "NXDOMAIN"


def transfer(cluster: Cluster, protocol: str = "TCP") -> Any:
    """AXFR of the cluster's zone, asked of one server."""
    server: Any = next(
        held for name, held in cluster.world.components.items() if name.startswith("coredns/")
    )
    kernel: Any = cluster.world.components[f"kernel/{server.node}"]
    got: list[Any] = []

    question = wire.query("cluster.local.", "AXFR", 5)
    kernel.open(kernel.node_ip, server.address, 53, protocol, question, "tools/" + server.node, -1)
    before = kernel.reply

    def reply(flow_id: int, payload: Any) -> None:
        got.append(payload)
        before(flow_id, payload)

    kernel.reply = reply
    cluster.settle()
    del kernel.reply
    return wire.read_response(got[-1])


def test_zone_transfer(settled: Cluster) -> None:
    """The whole zone between two SOAs, over TCP and for those who may."""
    assert transfer(settled.fork()).rcode == "REFUSED"
    cluster = changed(settled, ("    ready\n", "    ready\n    transfer {\n        to *\n    }\n"))
    assert transfer(cluster.fork(), "UDP").rcode == "REFUSED"
    rows = transfer(cluster).answers
    assert [rows[0].type, rows[-1].type] == ["SOA", "SOA"]
    named = {(row.name, row.type, row.data) for row in rows}
    assert ("web.default.svc.cluster.local.", "A", "10.97.3.4") in named
    full = "web.default.svc.cluster.local."
    assert (full, "SRV", f"0 100 80 {full}") in named
    assert ("cluster.local.", "NS", "kube-dns.kube-system.svc.cluster.local.") in named
    assert sum(row.name == "hdl.default.svc.cluster.local." for row in rows) == 2
    here = changed(
        settled, ("    ready\n", "    ready\n    transfer {\n        to 10.1.2.3\n    }\n")
    )
    assert transfer(here).rcode == "REFUSED"


def test_metrics(settled: Cluster) -> None:
    """Questions by type, answers by rcode."""
    cluster = settled.fork()
    for name in ("web", "nosuch"):
        cluster.dns.resolve(name, "A", CLIENT)
    server: Any = next(
        held for name, held in cluster.world.components.items() if name.startswith("coredns/")
    )
    text = cluster.curl(CLIENT, f"http://{server.address}:9153/metrics").body
    assert 'coredns_build_info{version="1.14.2"} 1' in text
    assert 'coredns_dns_responses_total{plugin="",rcode="NXDOMAIN",' in text
    assert 'coredns_dns_requests_total{family="1",proto="udp",type="HINFO",' in text
    assert data(ask(cluster, "web.default.svc.cluster.local.", "A").answers) == ["10.97.3.4"]
