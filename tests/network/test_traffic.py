"""Traffic in a whole cluster: what Services promise, held over many connections."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab.cluster import Cluster
from kubelab.dns import wire
from tests.dns.zoo import CLIENT, ask, deployment, ips, pod, service, zoo
from tests.network.lab import Lab, endpoint, slices
from tests.network.lab import service as bare_service

MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module")
def settled() -> Cluster:
    """The cluster that tests fork or only look at."""
    return zoo()


def shell(cluster: Cluster, script: str) -> str:
    """The output of a script in a pod of its own."""
    made = pod("shell", restartPolicy="Never")
    made["spec"]["containers"][0]["command"] = ["sh", "-c", script]
    cluster.apply(made)
    assert cluster.run_until("pod/shell jsonpath={.status.phase}=Succeeded", 120)
    found = cluster.get("Pod", "shell")
    container = found["status"]["containerStatuses"][0]["containerID"].partition("://")[2]
    runtime: Any = cluster.world.components[f"runtime/{found['spec']['nodeName']}"]
    return "".join(f"{line}\n" for _, line in runtime.logs(container))


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_fair(seed: int) -> None:
    """Four endpoints get a quarter each: chi-square over 400 connections stays below p = 0.001."""
    lab = Lab(1, seed)
    ends = [endpoint(lab.pod(f"web-{number}", 1, 80)) for number in range(4)]
    lab.server.put(bare_service("web", "10.97.3.4", 80))
    lab.server.put(slices("web", ends, 80))
    client = lab.pod("client")
    lab.settle()
    got = Counter(lab.open(client, "10.97.3.4", 80).pod for _ in range(400))
    assert len(got) == 4
    assert sum((count - 100) ** 2 / 100 for count in got.values()) < 16.27


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["ready", "unready", "terminating"]), min_size=1, max_size=5))
def test_only_ready_pods_get_traffic(states: list[str]) -> None:
    """While any endpoint is ready, no connection reaches one that is not."""
    lab = Lab(1)
    ends = []
    for number, state in enumerate(states):
        address = lab.pod(f"{state}-{number}", 1, 80)
        conditions = {
            "ready": state == "ready", "serving": state != "unready",
            "terminating": state == "terminating",
        }  # fmt: skip
        ends.append(endpoint(address, **conditions))
    lab.server.put(bare_service("web", "10.97.3.4", 80))
    lab.server.put(slices("web", ends, 80))
    client = lab.pod("client")
    lab.settle()
    best = next((s for s in ("ready", "terminating") if s in states), None)
    for _ in range(8):
        done = lab.open(client, "10.97.3.4", 80)
        if best is None:
            assert (done.error, done.elapsed_ns) == ("refused", 0)
        else:
            assert done.pod.startswith(f"default/{best}-")


def test_a_deleted_pod_leaves_the_rotation_at_once(settled: Cluster) -> None:
    """As soon as the rules are written anew, nobody is sent to a pod that terminates."""
    cluster = settled.fork()
    victim = cluster.list("Pod", "default", {"app": "web"})[0]["metadata"]["name"]
    cluster.delete("Pod", victim)
    cluster.run(2)
    answered = {cluster.curl(CLIENT, "http://web/").pod for _ in range(20)}
    assert f"default/{victim}" not in answered
    assert len(answered) >= 2


def test_affinity_sticks(settled: Cluster) -> None:
    """With ClientIP affinity one client reaches one pod; without it, several."""
    cluster = settled.fork()
    assert len({cluster.curl(CLIENT, "http://web/").pod for _ in range(20)}) > 1
    patch = {"spec": {"sessionAffinity": "ClientIP"}}
    assert cluster.request("PATCH", "/api/v1/namespaces/default/services/web", patch, MERGE).ok
    cluster.settle()
    assert len({cluster.curl(CLIENT, "http://web/").pod for _ in range(20)}) == 1


def test_a_local_policy_without_a_pod_here_drops(settled: Cluster) -> None:
    """internalTrafficPolicy Local with no pod on the client's node: a time-out, not a refusal."""
    cluster = settled.fork()
    cluster.apply(service("near", "api", {"port": 80}, internalTrafficPolicy="Local"))
    cluster.apply(deployment("api", 1))
    cluster.settle()
    here = cluster.get("Pod", "client")["spec"]["nodeName"]
    there = cluster.list("Pod", "default", {"app": "api"})[0]["spec"]["nodeName"]
    done = cluster.curl(CLIENT, "http://near/")
    assert (done.status == 200) is (here == there)
    if here != there:
        assert "timed out" in done.error
        assert done.hops[-1].reason() == "default/near has no local endpoints"


def test_hand_written_endpoints_serve(settled: Cluster) -> None:
    """A service without a selector sends to the addresses of a slice that somebody wrote."""
    cluster = settled.fork()
    cluster.apply([
        {
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "outside"},
            "spec": {"ports": [{"port": 8080, "targetPort": 80}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": "outside-1", "labels": {"kubernetes.io/service-name": "outside"},
            },
            "addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.80"]}],
            "ports": [{"port": 80, "protocol": "TCP"}],
        },
    ])  # fmt: skip
    cluster.settle()
    assert cluster.curl(CLIENT, "http://outside:8080/").status == 200


def test_a_pod_reaches_itself_through_its_service(settled: Cluster) -> None:
    """A hairpin connection is masqueraded by the endpoint's own rule."""
    cluster = settled.fork()
    cluster.apply(deployment("alone", 1))
    cluster.apply(service("alone", "alone", {"port": 80}))
    cluster.settle()
    name = cluster.list("Pod", "default", {"app": "alone"})[0]["metadata"]["name"]
    done = cluster.curl(f"default/{name}", "http://alone/")
    assert (done.status, done.pod) == (200, f"default/{name}")
    assert any(hop.target == "MASQUERADE" for hop in done.hops)


def test_dig_in_a_pod(settled: Cluster) -> None:
    """dig asks for a name as it is: no search path, so a short name does not exist."""
    text = shell(
        settled.fork(),
        "dig web.default.svc.cluster.local; dig +short web; dig +short -x 10.97.3.4; "
        "dig +short _http._tcp.many.default.svc.cluster.local SRV",
    )
    assert "web.default.svc.cluster.local. 30 IN\tA\t10.97.3.4" in text
    assert "status: NOERROR" in text
    assert text.splitlines()[-2:] == [
        "web.default.svc.cluster.local.", "0 100 80 many.default.svc.cluster.local.",
    ]  # fmt: skip


def test_dig_shows_the_message(settled: Cluster) -> None:
    """Flags, counts, sections and the server, as dig prints them; sections can be left out."""
    text = shell(settled.fork(), "dig nosuch.default.svc.cluster.local +tcp")
    assert ";; flags: qr aa rd; QUERY: 1, ANSWER: 0, AUTHORITY: 1, ADDITIONAL: 1" in text
    assert ";; WARNING: recursion requested but not available" in text
    assert "; EDNS: version: 0, flags:; udp: 1232" in text
    assert "cluster.local.\t\t30\tIN\tSOA\tns.dns.cluster.local. hostmaster" in text
    assert ";; SERVER: 10.96.0.10#53(10.96.0.10) (TCP)" in text
    only = shell(settled.fork(), "dig +noall +answer +search web")
    assert only.strip() == "web.default.svc.cluster.local. 30 IN\tA\t10.97.3.4"
    other = shell(
        settled.fork(), "dig @192.0.2.53 +short example.com; dig @192.0.2.99 +tries=1 x; echo $?"
    )
    assert other.splitlines() == [
        "192.0.2.80", ";; communications error to 192.0.2.99#53: timed out",
        ";; no servers could be reached", "9",
    ]  # fmt: skip


def test_nslookup_in_a_pod(settled: Cluster) -> None:
    """nslookup follows the search path, asks other types, and another server."""
    text = shell(
        settled.fork(), "nslookup web; nslookup 10.97.3.4; nslookup example.com 192.0.2.53; true"
    )
    assert "Name:\tweb.default.svc.cluster.local\nAddress: 10.97.3.4" in text
    assert "4.3.97.10.in-addr.arpa\tname = web.default.svc.cluster.local" in text
    assert "Server:\t\t192.0.2.53\n" in text
    none = shell(settled.fork(), "nslookup -type=AAAA web.default.svc.cluster.local.; echo $?")
    assert "Can't find web.default.svc.cluster.local.: No answer" in none
    assert none.splitlines()[-1] == "1"


def test_curl_options_in_a_pod(settled: Cluster) -> None:
    """-o and -w give the status alone, -I the head, -m ends early, -v tells the talk."""
    text = shell(
        settled.fork(), "curl -s -o /dev/null -w '%{http_code} %{remote_ip}\\n' http://web/"
    )
    assert text == "200 10.97.3.4\n"
    assert shell(settled.fork(), "curl -sI http://web/").startswith("HTTP/1.1 200 OK\r\n")
    ended = shell(settled.fork(), "curl -s -m 1 -w '%{http_code}' http://192.0.2.99/; echo \" $?\"")
    assert ended == "000 28\n"
    talk = shell(settled.fork(), "curl -sv http://web/ 2>&1")
    assert "* Connected to web (10.97.3.4) port 80\n> GET / HTTP/1.1\n> Host: web\n" in talk


def test_ping_in_a_pod(settled: Cluster) -> None:
    """A pod's address answers ping; a cluster IP, which no interface has, does not."""
    cluster = settled.fork()
    address = ips(cluster, "web")[0]
    text = shell(cluster, f"ping -c 1 {address}; ping -c 1 web; ping nosuch; true")
    assert f"64 bytes from {address}: seq=0 ttl=6" in text
    assert "PING web (10.97.3.4): 56 data bytes" in text
    assert "1 packets transmitted, 0 packets received, 100% packet loss" in text
    assert "ping: bad address 'nosuch'" in text


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 40))
def test_broken_dns_messages_do_no_harm(settled: Cluster, junk: bytes, place: int) -> None:
    """Whatever the bytes, the server answers with an error or not at all, and goes on."""
    good = wire.query("web.default.svc.cluster.local.", "A", 7)
    for message in (junk, good[:place], good[:place] + junk, good[:12] + b"\xc0\x0c" + junk):
        query = wire.read_query(message)
        server = next(c for n, c in settled.world.components.items() if n.startswith("coredns/"))
        if query is not None and not query.error and query.class_ == "IN":
            reply: Any = server.answer(query)  # type: ignore[attr-defined]
            assert wire.read_response(
                wire.response(query, reply.rcode or "NXDOMAIN", reply.answers)
            )
        elif query is not None:
            assert wire.response(query, query.error or "REFUSED", authoritative=False)


def test_a_pointer_loop_is_a_format_error(settled: Cluster) -> None:
    """A name that points at itself is answered FORMERR; the next question is answered well."""
    header = (7).to_bytes(2, "big") + b"\x01\x00\x00\x01" + bytes(6)
    looped = header + b"\xc0\x0c\x00\x01\x00\x01"
    answer = wire.read_response(settled.dns.query(looped))
    assert answer is not None
    assert (answer.id, answer.rcode) == (7, "FORMERR")
    assert ask(settled, "web.default.svc.cluster.local.", "A").rcode == "NOERROR"
