"""Endpoints and EndpointSlices alone: the addresses behind a Service."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj, freeze, get, name_of
from kubelab.controllers.endpoints import EndpointsController, cut
from kubelab.controllers.endpointslice import EndpointSliceController
from tests.controllers.stub import Scene


def service(**spec: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}]
    body = {"selector": {"app": "web"}, "ports": ports, "clusterIP": "10.96.0.7", **spec}
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"l": "1"}},
        "spec": body,
    }  # fmt: skip


def pod(scene: Scene, name: str, *, ready: bool = True, app: str = "web") -> None:
    scene.make({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}},
        "spec": {
            "containers": [{"name": "c", "ports": [{"name": "web", "containerPort": 9000}]}],
        },
    })  # fmt: skip
    scene.ready(f"default/{name}", ready)


@pytest.fixture
def scene() -> Scene:
    return Scene(EndpointSliceController, EndpointsController)


def rows(scene: Scene) -> dict[str, tuple[bool, bool, bool]]:
    """Ready, serving and terminating of each pod in the slices."""
    return {
        row["targetRef"]["name"]: tuple(row["conditions"].values())
        for item in scene.list("endpointslices")
        for row in item["endpoints"] or ()
    }  # type: ignore[misc]


def subsets(scene: Scene) -> Any:
    return scene.get("endpoints", "default/web").get("subsets")


def test_a_service_without_pods_has_one_empty_slice(scene: Scene) -> None:
    """One slice with no endpoints and no ports, owned by the Service, with its labels."""
    made = scene.make(service())
    scene.run(1)
    (item,) = scene.list("endpointslices")
    assert (item["endpoints"], item["ports"], item["addressType"]) == (None, None, "IPv4")
    assert item["metadata"]["labels"] == {
        "l": "1",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "kubernetes.io/service-name": "web",
    }
    assert item["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    assert subsets(scene) is None


def test_pods_come_into_the_slice_with_their_conditions(scene: Scene) -> None:
    """Ready pods and unready ones are both listed; only the former are ready and serving."""
    scene.make(service())
    scene.run(1)
    name = name_of(scene.list("endpointslices")[0])
    pod(scene, "a")
    pod(scene, "b", ready=False)
    pod(scene, "c", app="db")
    scene.run(1)
    (item,) = scene.list("endpointslices")
    assert name_of(item) == name
    assert item["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    assert rows(scene) == {"a": (True, True, False), "b": (False, False, False)}
    (subset,) = subsets(scene)
    assert [row["targetRef"]["name"] for row in subset["addresses"]] == ["a"]
    assert [row["targetRef"]["name"] for row in subset["notReadyAddresses"]] == ["b"]
    assert subset["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]


def test_a_terminating_pod_serves_but_is_not_ready(scene: Scene) -> None:
    """In the slice it is marked terminating; from Endpoints it is gone at once."""
    scene.make(service())
    pod(scene, "a")
    scene.run(1)
    scene.server.remove("pods", "default/a")
    scene.run(1)
    assert rows(scene) == {"a": (False, True, True)}
    assert subsets(scene) is None
    scene.server.kill("default/a")
    scene.run(1)
    assert rows(scene) == {}
    assert len(scene.list("endpointslices")) == 1


def test_a_label_taken_away_takes_the_pod_out(scene: Scene) -> None:
    """The selector is compared with the labels as they are now."""
    scene.make(service())
    pod(scene, "a")
    scene.run(1)
    scene.change("pods", "default/a", ("metadata", "labels"), {"app": "none"})
    scene.run(1)
    assert rows(scene) == {}


def test_a_new_selector_finds_other_pods(scene: Scene) -> None:
    """A change of the Service itself is followed, too."""
    scene.make(service())
    pod(scene, "a")
    pod(scene, "d", app="db")
    scene.run(1)
    scene.change("services", "default/web", ("spec", "selector"), {"app": "db"})
    scene.run(1)
    assert list(rows(scene)) == ["d"]


def test_a_named_target_port_is_looked_up_in_the_pod(scene: Scene) -> None:
    """`targetPort: web` is the number that the pod's container gives the port."""
    scene.make(
        service(ports=[{"name": "http", "port": 80, "targetPort": "web", "protocol": "TCP"}])
    )
    pod(scene, "a")
    scene.run(1)
    assert scene.list("endpointslices")[0]["ports"][0]["port"] == 9000


def test_a_hundred_endpoints_to_a_slice(scene: Scene) -> None:
    """250 pods fill three slices; one pod less rewrites one slice."""
    scene.make(service())
    scene.run(1)
    for number in range(250):
        scene.make({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": f"p{number}", "labels": {"app": "web"}},
            "spec": {"containers": [], "nodeName": "node-1"},
            "status": {"podIP": f"10.244.1.{number}", "phase": "Running"},
        })  # fmt: skip
    scene.run(2)
    sizes = sorted(len(item["endpoints"]) for item in scene.list("endpointslices"))
    assert sizes == [50, 100, 100]
    before = len(scene.server.asked)
    scene.server.remove("pods", "default/p7")
    scene.server.kill("default/p7")
    scene.run(1)
    puts = [r.path for r in scene.server.asked[before:] if "endpointslices" in r.path]
    assert len(set(puts)) == 1


def test_publish_not_ready_addresses(scene: Scene) -> None:
    """The Service may ask for addresses that are not ready to be shown as ready."""
    scene.make(service(publishNotReadyAddresses=True))
    pod(scene, "a", ready=False)
    scene.run(1)
    assert rows(scene) == {"a": (True, False, False)}
    assert len(subsets(scene)[0]["addresses"]) == 1


def test_a_hostname_in_the_services_subdomain_is_kept(scene: Scene) -> None:
    """StatefulSet pods get their names in DNS by this."""
    scene.make(service(clusterIP="None"))
    scene.make({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "labels": {"app": "web"}},
        "spec": {"containers": [], "hostname": "db-0", "subdomain": "web"},
    })  # fmt: skip
    scene.ready("default/db-0")
    scene.run(1)
    (item,) = scene.list("endpointslices")
    assert item["endpoints"][0]["hostname"] == "db-0"
    assert item["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_a_slice_that_somebody_deletes_comes_back(scene: Scene) -> None:
    """The controller is level-triggered: it compares, whoever made the difference."""
    scene.make(service())
    pod(scene, "a")
    scene.run(1)
    item = scene.list("endpointslices")[0]
    scene.server.remove("endpointslices", f"default/{name_of(item)}")
    scene.server.remove("endpoints", "default/web")
    scene.run(1)
    assert list(rows(scene)) == ["a"]
    assert len(subsets(scene)) == 1


def test_endpoints_go_with_their_service(scene: Scene) -> None:
    """Endpoints are deleted by their controller; slices are left to the garbage collector."""
    scene.make(service())
    scene.run(1)
    scene.server.remove("services", "default/web")
    scene.run(1)
    assert scene.list("endpoints") == []
    assert len(scene.list("endpointslices")) == 1


def test_the_trigger_time_is_noted(scene: Scene) -> None:
    """A write carries the time at which the pod became ready, as a label for latency measures."""
    scene.make(service())
    scene.run(5)
    pod(scene, "a")
    scene.run(1)
    (item,) = scene.list("endpointslices")
    since = get(scene.get("pods", "default/a"), "status", "conditions", 0, "lastTransitionTime")
    notes: Obj = item["metadata"]["annotations"]
    assert notes == freeze({"endpoints.kubernetes.io/last-change-trigger-time": since})


def test_each_family_has_slices_of_its_own(scene: Scene) -> None:
    """A Service of both families: one slice for each, with the pod's address of that family."""
    scene.make(service(ipFamilies=["IPv4", "IPv6"], ipFamilyPolicy="RequireDualStack"))
    scene.make({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": {"app": "web"}},
        "spec": {"containers": [], "nodeName": "node-1"},
        "status": {
            "podIP": "10.244.1.2", "podIPs": [{"ip": "10.244.1.2"}, {"ip": "fd00::2"}],
            "phase": "Running",
        },
    })  # fmt: skip
    scene.run(2)
    held = {item["addressType"]: item["endpoints"] for item in scene.list("endpointslices")}
    assert {kind: rows[0]["addresses"] for kind, rows in held.items()} == {
        "IPv4": ["10.244.1.2"], "IPv6": ["fd00::2"],
    }  # fmt: skip
    assert [row["ip"] for row in subsets(scene)[0]["notReadyAddresses"]] == ["10.244.1.2"]
    scene.change("services", "default/web", ("spec", "ipFamilies"), ["IPv4"])
    scene.run(1)
    assert [item["addressType"] for item in scene.list("endpointslices")] == ["IPv4"]


@pytest.mark.parametrize(
    ("near", "hints"),
    [
        ("PreferClose", {"forZones": [{"name": "z"}]}),
        ("PreferSameZone", {"forZones": [{"name": "z"}]}),
        ("PreferSameNode", {"forZones": [{"name": "z"}], "forNodes": [{"name": "node-1"}]}),
        (None, None),
    ],
)
def test_traffic_distribution_gives_hints(scene: Scene, near: str | None, hints: Any) -> None:
    """Ready endpoints say for which zone or node they are meant; unready ones say nothing."""
    labels = {"topology.kubernetes.io/zone": "z"}
    metadata = {"name": "node-1", "labels": labels}
    scene.make({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
    scene.make(service(**({"trafficDistribution": near} if near else {})))
    for name, ready in (("a", "True"), ("b", "False")):
        scene.make({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "web"}},
            "spec": {"containers": [], "nodeName": "node-1"},
            "status": {
                "podIP": f"10.244.1.{ord(name)}", "phase": "Running",
                "conditions": [{"type": "Ready", "status": ready}],
            },
        })  # fmt: skip
    scene.run(2)
    (item,) = scene.list("endpointslices")
    found = {row["targetRef"]["name"]: row.get("hints") for row in item["endpoints"]}
    assert found == {"a": hints, "b": None}
    assert {row["zone"] for row in item["endpoints"]} == {"z"}


def test_endpoints_hold_at_most_a_thousand() -> None:
    """Ready addresses come first, then those that are not, as far as there is room."""
    made = [{"addresses": [{"ip": str(n)} for n in range(900)],
             "notReadyAddresses": [{"ip": str(n)} for n in range(300)]}]  # fmt: skip
    (subset,), truncated = cut(freeze(made))
    assert (len(subset["addresses"]), len(subset["notReadyAddresses"]), truncated) == (
        900, 100, True,
    )  # fmt: skip
    assert cut(freeze([{"addresses": [{"ip": "1"}]}]))[1] is False
