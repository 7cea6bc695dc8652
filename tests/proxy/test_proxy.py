"""kube-proxy: watches in, rules out."""

from __future__ import annotations

import pytest

from kubelab.sim.kernel import SECOND, Event
from tests.network.lab import Lab, endpoint, service, slices


@pytest.fixture
def lab() -> Lab:
    """One node with a proxy, and the service default/web with one endpoint."""
    lab = Lab(1)
    lab.run(5)
    lab.server.put(service("web", "10.97.3.4", 80))
    lab.server.put(slices("web", [endpoint("10.244.1.9")], 8080))
    lab.settle()
    lab.run(5)
    return lab


def syncs(events: list[Event]) -> list[Event]:
    """The syncs among some events."""
    return [event for event in events if event.verb == "sync"]


def test_sync_names_what_changed(lab: Lab) -> None:
    """A sync's detail holds each port with its endpoints before and after."""
    lab.server.put(slices("web", [endpoint("10.244.1.9"), endpoint("10.244.1.8")], 8080))
    (sync,) = syncs(lab.settle())
    assert sync.detail["changed"] == {
        "default/web": {
            "before": ["10.244.1.9:8080"],
            "after": ["10.244.1.8:8080", "10.244.1.9:8080"],
        }
    }
    told = lab.world.components["kube-proxy/node-1"].tell(sync)
    assert told == "kube-proxy/node-1 rewrites its rules for default/web from 1 endpoints to 2."


def test_only_the_changed_service_is_touched(lab: Lab) -> None:
    """The chains of other services stay the very same objects."""
    lab.server.put(service("api", "10.97.3.5", 80))
    lab.server.put(slices("api", [endpoint("10.244.1.7")], 80))
    lab.settle()
    nat = lab.kernels[1].tables.nat
    before = {name: rules for name, rules in nat.items() if name.startswith("KUBE-S")}
    lab.server.put(slices("web", [endpoint("10.244.1.8")], 8080))
    lab.settle()
    touched = [name for name in before if nat.get(name) is not before[name]]
    assert len(touched) == 2, "the SVC chain of web, and the SEP chain that is gone"


def test_first_change_is_written_at_once_and_more_wait_a_second(lab: Lab) -> None:
    """After a quiet second a change is written at once; those that follow share one sync."""
    begin = lab.world.now
    times = []
    for number in range(5):
        lab.server.put(slices("web", [endpoint(f"10.244.1.{20 + number}")], 8080))
        due = lab.world.now + SECOND // 20
        while (next_time := lab.world.next_time()) is not None and next_time <= due:
            event = lab.world.step()
            if event is not None and event.verb == "sync":
                times.append(event.ns - begin)
        lab.world.now = due
    times += [event.ns - begin for event in syncs(lab.settle())]
    assert len(times) == 2
    assert times[0] < SECOND // 20
    assert times[1] == times[0] + SECOND


def test_stopped_proxy_leaves_stale_rules(lab: Lab) -> None:
    """Stopped, the proxy leaves its rules: packets go to an endpoint that is gone."""
    client = lab.pod("client")
    web = lab.pod("web-1", 1, 8080)
    lab.server.put(slices("web", [endpoint(web)], 8080))
    lab.settle()
    assert lab.open(client, "10.97.3.4", 80).ok
    rules = lab.kernels[1].tables.save()
    lab.world.halt("kube-proxy/node-1")
    lab.kernels[1].detach("web-1")
    lab.server.put(slices("web", [], 8080))
    lab.settle()
    assert lab.kernels[1].tables.save() == rules
    outcome = lab.open(client, "10.97.3.4", 80)
    assert outcome.error == "timeout"
    assert any(hop.chain.startswith("KUBE-SEP-") for hop in outcome.hops)
    lab.world.begin("kube-proxy/node-1")
    lab.settle()
    assert lab.open(client, "10.97.3.4", 80).error == "refused"


def test_services_without_rules(lab: Lab) -> None:
    """Headless and ExternalName services have no rules, nor have services of another proxy."""
    before = lab.kernels[1].tables.save()
    lab.server.put(service("headless", "None", 80))
    lab.server.put(slices("headless", [endpoint("10.244.1.7")], 80, headless=True))
    alias = service("alias", "", 80, type="ExternalName", externalName="example.com")
    lab.server.put(alias)
    other = service("other", "10.97.9.9", 80)
    other["metadata"]["labels"] = {"service.kubernetes.io/service-proxy-name": "mine"}
    lab.server.put(other)
    lab.settle()
    assert lab.kernels[1].tables.save() == before


def test_deleted_service_leaves_nothing(lab: Lab) -> None:
    """After a service and its slices are deleted the tables are those of an empty cluster."""
    lab.server.drop("discovery.k8s.io/v1/EndpointSlice", "default/web-abcde")
    lab.server.drop("v1/Service", "default/web")
    lab.settle()
    assert lab.kernels[1].tables.save() == Lab(1).kernels[1].tables.save()


def test_hints_are_followed_if_every_endpoint_has_one(lab: Lab) -> None:
    """Zone hints are used when all ready endpoints have one and one of them is for our zone."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
    node["metadata"]["labels"] = {"topology.kubernetes.io/zone": "a"}  # type: ignore[index]
    lab.server.put(node)
    hinted = [
        endpoint("10.244.1.7", hints={"forZones": [{"name": "a"}]}),
        endpoint("10.244.1.8", hints={"forZones": [{"name": "b"}]}),
    ]
    lab.server.put(slices("web", hinted, 8080))
    lab.settle()
    text = lab.kernels[1].tables.save("nat")
    assert "10.244.1.7:8080" in text
    assert "10.244.1.8:8080" not in text
    lab.server.put(slices("web", [hinted[0], endpoint("10.244.1.8")], 8080))
    lab.settle()
    assert "10.244.1.8:8080" in lab.kernels[1].tables.save("nat")
