"""Packets through the rules: services, node ports, refusals, time-outs, the way back."""

from __future__ import annotations

from collections import Counter

import pytest

from kubelab.network import controlplane
from kubelab.network.payloads import HttpRequest, Outcome
from tests.network.lab import Lab, endpoint, service, slices


def chains(outcome: Outcome) -> list[str]:
    """The kinds of the chains and steps that a packet met, in order."""
    return [hop.chain[:8] if hop.chain.startswith("KUBE-S") else hop.chain for hop in outcome.hops]


@pytest.fixture
def lab() -> Lab:
    """Two nodes; the service default/web with a pod on each."""
    lab = Lab()
    here = lab.pod("web-1", 1, 8080)
    there = lab.pod("web-2", 2, 8080)
    lab.server.put(service("web", "10.97.3.4", {"port": 80, "protocol": "TCP", "nodePort": 30080}))
    lab.server.put(slices("web", [endpoint(here, 1), endpoint(there, 2)], 8080))
    lab.settle()
    return lab


def test_service_address_leads_to_a_pod(lab: Lab) -> None:
    """A packet to a cluster IP meets SERVICES, SVC and SEP in this order, and a pod answers."""
    client = lab.pod("client")
    outcome = lab.open(client, "10.97.3.4", 80)
    assert outcome.ok
    assert outcome.pod in ("default/web-1", "default/web-2")
    assert outcome.payload == outcome.pod.removeprefix("default/") + "\n"
    assert chains(outcome)[:3] == ["KUBE-SER", "KUBE-SVC", "KUBE-SEP"]
    assert chains(outcome)[-1] == "conntrack"
    assert outcome.hops[-1].after.startswith("10.97.3.4:80 > ")


def test_endpoints_are_chosen_fairly(lab: Lab) -> None:
    """Of 400 connections each of two endpoints gets a share near one half (4 sigma)."""
    client = lab.pod("client")
    got = Counter(lab.open(client, "10.97.3.4", 80).pod for _ in range(400))
    assert sum(got.values()) == 400
    assert abs(got["default/web-1"] - 200) < 40


def test_other_machine_is_an_event(lab: Lab) -> None:
    """A packet to a pod on another node is a message between the two kernels, there and back."""
    client = lab.pod("client")
    while True:
        before = len(lab.world.trace)
        if lab.open(client, "10.97.3.4", 80).pod == "default/web-2":
            break
    events = list(lab.world.trace)[before:]
    verbs = [(event.actor, event.verb, event.target) for event in events if event.verb == "packet"]
    assert verbs == [
        ("kernel/node-1", "packet", "kernel/node-2"),
        ("kernel/node-2", "packet", "kernel/node-1"),
    ]


def test_pod_that_reaches_itself_is_masqueraded(lab: Lab) -> None:
    """A pod that gets to itself through its service sees the bridge as the client."""
    web = lab.kernels[1].sandboxes["web-1"]
    for _ in range(20):
        outcome = lab.open(web, "10.97.3.4", 80)
        if outcome.pod == "default/web-1":
            break
    assert any(hop.target == "MASQUERADE" for hop in outcome.hops)
    assert any(hop.after.startswith("10.244.1.1:") for hop in outcome.hops)


def test_node_port_answers_on_every_node(lab: Lab) -> None:
    """A node port is open on each node's own address, also where the pod is on another one."""
    for number in (1, 2):
        outcome = lab.open("192.168.0.2", f"192.168.0.{number + 1}", 30080)
        assert outcome.ok, number
        assert "KUBE-NODEPORTS" in chains(outcome)


def test_no_endpoints_is_refused_at_once(lab: Lab) -> None:
    """A service without endpoints rejects, so that the client need not wait."""
    client = lab.pod("client")
    lab.server.put(slices("web", [], 8080))
    lab.settle()
    outcome = lab.open(client, "10.97.3.4", 80)
    assert (outcome.ok, outcome.error) == (False, "refused")
    assert outcome.elapsed_ns < 1_000_000_000
    assert any(hop.reason() == "default/web has no endpoints" for hop in outcome.hops)


def test_undeclared_port_times_out(lab: Lab) -> None:
    """Only declared ports of a cluster IP are translated; the others lead nowhere."""
    client = lab.pod("client")
    outcome = lab.open(client, "10.97.3.4", 81)
    assert (outcome.error, outcome.elapsed_ns) == ("timeout", 5_000_000_000)


def test_closed_port_is_refused_and_unknown_address_times_out(lab: Lab) -> None:
    """A live address refuses at once; an address that nobody has never answers."""
    client = lab.pod("client")
    there = lab.kernels[2].sandboxes["web-2"]
    assert lab.open(client, there, 81).error == "refused"
    assert lab.open(client, "10.244.2.99", 80).error == "timeout"
    assert lab.open(client, "203.0.113.7", 80).error == "timeout"


def test_silent_program_times_out(lab: Lab) -> None:
    """A program that takes the connection and never answers costs the client its time-out."""
    client = lab.pod("client")
    lab.world.components["runtime/node-2"].silent = True  # type: ignore[attr-defined]
    there = lab.kernels[2].sandboxes["web-2"]
    assert lab.open(client, there, 8080).error == "timeout"
    assert lab.open(client, there, 8080, None).ok, "the bare connection is the kernel's to make"


def test_stopped_process_is_refused(lab: Lab) -> None:
    """When the process behind a port is gone, the port is closed."""
    client = lab.pod("client")
    lab.world.halt("runtime/node-2")
    assert lab.open(client, lab.kernels[2].sandboxes["web-2"], 8080).error == "refused"


def test_machine_that_is_off_times_out(lab: Lab) -> None:
    """Nobody refuses for a machine without power; and it forgets all when it is on again."""
    client = lab.pod("client")
    there = lab.kernels[2].sandboxes["web-2"]
    lab.world.halt("kernel/node-2")
    assert lab.open(client, there, 8080).error == "timeout"
    lab.world.begin("kernel/node-2")
    lab.settle()
    assert lab.kernels[2].listeners == {}
    assert lab.kernels[2].tables.nat == {}


def test_udp_flow_sticks_until_its_endpoint_is_gone(lab: Lab) -> None:
    """Datagrams from one port go to one endpoint; when it vanishes the translation is dropped."""
    port = {"name": "", "port": 53, "protocol": "UDP"}
    one, two = lab.pod("dns-1", 1, 53, "UDP"), lab.pod("dns-2", 2, 53, "UDP")
    lab.server.put(service("dns", "10.97.0.53", {"port": 53, "protocol": "UDP"}))
    lab.server.put(slices("dns", [endpoint(one, 1), endpoint(two, 2)], port))
    lab.settle()
    client = lab.pod("client")
    ask = {"protocol": "UDP", "source_port": 40000}
    first = lab.open(client, "10.97.0.53", 53, **ask)
    assert {lab.open(client, "10.97.0.53", 53, **ask).pod for _ in range(10)} == {first.pod}
    other = endpoint(two, 2) if first.pod == "default/dns-1" else endpoint(one, 1)
    lab.server.put(slices("dns", [other], port))
    lab.settle()
    after = lab.open(client, "10.97.0.53", 53, **ask)
    assert after.ok
    assert after.pod != first.pod


def test_session_affinity_sticks_for_its_time(lab: Lab) -> None:
    """With ClientIP one client reaches one endpoint until it was away for the timeout."""
    here, there = (lab.kernels[n].sandboxes[f"web-{n}"] for n in (1, 2))
    config = {"clientIP": {"timeoutSeconds": 100}}
    given = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}
    lab.server.put(service("sticky", "10.97.3.5", 80, **given))
    lab.server.put(slices("sticky", [endpoint(here, 1), endpoint(there, 2)], 8080))
    lab.settle()
    client = lab.pod("client")
    first = lab.open(client, "10.97.3.5", 80).pod
    assert {lab.open(client, "10.97.3.5", 80).pod for _ in range(12)} == {first}
    seen = set()
    for _ in range(12):
        lab.run(101)
        seen.add(lab.open(client, "10.97.3.5", 80).pod)
    assert len(seen) == 2


def test_local_policy_keeps_the_client_and_drops_elsewhere(lab: Lab) -> None:
    """externalTrafficPolicy Local: this node's pods only, without masquerade; else a time-out."""
    here = lab.kernels[1].sandboxes["web-1"]
    port = {"port": 80, "protocol": "TCP", "nodePort": 30090}
    lab.server.put(
        service("local", "10.97.3.6", port, type="NodePort", externalTrafficPolicy="Local")
    )
    lab.server.put(slices("local", [endpoint(here, 1)], 8080))
    lab.settle()
    outside = lab.kernels[2]
    outcome = lab.open(outside.node_ip, "192.168.0.2", 30090, node=2)
    assert outcome.pod == "default/web-1"
    assert not any(hop.target == "MASQUERADE" for hop in outcome.hops)
    assert any(hop.chain.startswith("KUBE-SVL-") for hop in outcome.hops)
    assert lab.open("192.168.0.2", "192.168.0.3", 30090).error == "timeout"
    client = lab.pod("client")
    assert lab.open(client, "192.168.0.3", 30090).ok, "pods are sent to all endpoints even so"


def test_terminating_endpoints_serve_when_no_other_is_left(lab: Lab) -> None:
    """Ready endpoints first; where there are none, those that terminate but still serve."""
    here, there = (lab.kernels[n].sandboxes[f"web-{n}"] for n in (1, 2))
    client = lab.pod("client")
    leaving = endpoint(here, 1, ready=False, terminating=True)
    lab.server.put(slices("web", [leaving, endpoint(there, 2)], 8080))
    lab.settle()
    assert {lab.open(client, "10.97.3.4", 80).pod for _ in range(10)} == {"default/web-2"}
    dead = endpoint(there, 2, ready=False, serving=False)
    lab.server.put(slices("web", [leaving, dead], 8080))
    lab.settle()
    lab.run(2)
    assert {lab.open(client, "10.97.3.4", 80).pod for _ in range(10)} == {"default/web-1"}


def test_every_event_has_a_sentence(lab: Lab) -> None:
    """Each event that a kernel handled can be told in one sentence."""
    client = lab.pod("client")
    lab.open(client, "10.97.3.4", 80)
    lab.open(client, "10.97.3.4", 81)
    lab.open(client, lab.kernels[2].sandboxes["web-2"], 81)
    for event in lab.world.trace:
        told = lab.world.components[event.target].tell(event)
        assert told.endswith("."), event
        assert len(told.split()) <= 30, told


def test_api_server_is_reached_through_its_service(lab: Lab) -> None:
    """default/kubernetes leads to the control plane's address; stopped, the port is closed."""
    controlplane.add(lab.world, {"192.168.0.99": "apiserver-1"})
    https = {"name": "https", "port": 443, "protocol": "TCP"}
    lab.server.put(service("kubernetes", "10.96.0.1", https))
    lab.server.put(
        slices("kubernetes", [endpoint("192.168.0.99")], {"name": "https", "port": 6443})
    )
    lab.settle()
    client = lab.pod("client")
    assert lab.open(client, "10.96.0.1", 443, None).ok
    assert lab.open(client, "10.96.0.1", 443, HttpRequest()).payload.status == 400
    lab.world.halt("apiserver-1")
    assert lab.open(client, "10.96.0.1", 443, None).error == "refused"


def test_an_answer_in_the_same_event_keeps_the_requests_rules(lab: Lab) -> None:
    """A bare connection to a pod of the same node: the event tells the service's rules as well."""
    lab.pod("near", 1, 80)
    lab.server.put(service("near", "10.97.3.77", 80))
    lab.server.put(slices("near", [endpoint("10.244.1.3")], 80))
    lab.settle()
    source = lab.pod("asker")
    address = next(ip for ip, pod in lab.kernels[1].pods.items() if pod == "default/near")
    lab.server.put(slices("near", [endpoint(address)], 80))
    lab.settle()
    lab.run(2)
    assert lab.open(source, "10.97.3.77", 80, None).ok
    sent = [event for event in lab.world.trace if event.verb == "transmit"][-1]
    chains = [row[0] for row in sent.detail["rules"]]
    assert chains[0] == "KUBE-SERVICES"
    assert [chain[:8] for chain in chains] == ["KUBE-SER", "KUBE-SVC", "KUBE-SEP", "conntrac"]
