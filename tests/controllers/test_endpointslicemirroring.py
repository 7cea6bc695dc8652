"""The mirroring controller alone: Endpoints written by hand become slices."""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import get
from kubelab.controllers.endpointslicemirroring import EndpointSliceMirroringController
from tests.controllers.stub import Scene


def scene_with(**spec: Any) -> Scene:
    scene = Scene(EndpointSliceMirroringController)
    scene.make({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "man"},
        "spec": {"ports": [{"port": 80}], **spec},
    })  # fmt: skip
    scene.make({
        "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "man"},
        "subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 8080}]}],
    })  # fmt: skip
    scene.run(1)
    return scene


def test_a_subset_becomes_a_slice_of_its_own() -> None:
    """Addresses, ports, labels and owner as a real controller manager writes them."""
    scene = scene_with()
    (item,) = scene.list("endpointslices")
    assert item["endpoints"] == [{"addresses": ["1.2.3.4"], "conditions": {"ready": True}}]
    assert item["ports"] == [{"name": "", "protocol": "TCP", "port": 8080}]
    assert item["metadata"]["labels"] == {
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
        "kubernetes.io/service-name": "man",
    }
    assert get(item, "metadata", "ownerReferences", 0, "kind") == "Endpoints"


def test_a_change_is_followed_in_the_same_slice() -> None:
    """One more address, and then none: the slice is rewritten, then deleted."""
    scene = scene_with()
    name = scene.list("endpointslices")[0]["metadata"]["name"]
    rows = [{"ip": "1.2.3.4"}, {"ip": "1.2.3.5"}]
    scene.change("endpoints", "default/man", ("subsets", 0, "addresses"), rows)
    scene.run(1)
    (item,) = scene.list("endpointslices")
    assert (item["metadata"]["name"], len(item["endpoints"])) == (name, 2)
    scene.change("endpoints", "default/man", ("subsets",), [])
    scene.run(1)
    assert scene.list("endpointslices") == []


def test_what_a_service_selects_is_not_mirrored() -> None:
    """Such Services have their own controller."""
    assert scene_with(selector={"app": "web"}).list("endpointslices") == []


def test_each_family_is_mirrored_into_a_slice_of_its_own() -> None:
    """Addresses of both families in one subset: two slices; annotations come along."""
    scene = scene_with()
    rows = [{"ip": "1.2.3.4"}, {"ip": "fd00::4"}]
    scene.change("endpoints", "default/man", ("subsets", 0, "addresses"), rows)
    scene.change("endpoints", "default/man", ("metadata", "annotations"), {"a": "b"})
    scene.run(1)
    held = {item["addressType"]: item for item in scene.list("endpointslices")}
    assert {kind: item["endpoints"][0]["addresses"] for kind, item in held.items()} == {
        "IPv4": ["1.2.3.4"], "IPv6": ["fd00::4"],
    }  # fmt: skip
    assert held["IPv6"]["metadata"]["annotations"] == {"a": "b"}
