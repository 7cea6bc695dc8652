"""Custom resources in the cluster: they own, are owned, and go with their namespace."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster

API = "/apis/lab.example/v1/namespaces/shop"


def made() -> Cluster:
    """A cluster that serves Widgets, and a namespace."""
    cluster = Cluster(nodes=0)
    cluster.apply({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.lab.example"},
        "spec": {
            "group": "lab.example", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {
                "openAPIV3Schema": {"type": "object"}}}],
        },
    })  # fmt: skip
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    cluster.run(5)
    return cluster


def widget(cluster: Cluster, name: str, **metadata: Any) -> str:
    """Makes a Widget; its UID."""
    body = {"metadata": {"name": name, **metadata}}
    return str(cluster.request("POST", f"{API}/widgets", body).body["metadata"]["uid"])


def owned_by(uid: str, name: str) -> dict[str, Any]:
    owner = {"apiVersion": "lab.example/v1", "kind": "Widget", "name": name, "uid": uid}
    return {"ownerReferences": [owner]}


def test_what_a_custom_resource_owns_goes_with_it() -> None:
    """The garbage collector follows owners that are custom resources, and ones that they own."""
    cluster = made()
    uid = widget(cluster, "parent")
    child = widget(cluster, "child", **owned_by(uid, "parent"))
    cluster.apply({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "grandchild", "namespace": "shop", **owned_by(child, "child")},
    })  # fmt: skip
    cluster.run(5)
    assert cluster.get("cm", "grandchild", "shop")
    cluster.request("DELETE", f"{API}/widgets/parent")
    cluster.run(10)
    assert cluster.request("GET", f"{API}/widgets").body["items"] == []
    names = [item["metadata"]["name"] for item in cluster.list("cm", "shop")]
    assert "grandchild" not in names


def test_a_foreground_deletion_waits_for_children() -> None:
    """A custom resource that is deleted in the foreground outlives what it owns."""
    cluster = made()
    uid = widget(cluster, "parent")
    owner = owned_by(uid, "parent")["ownerReferences"][0]
    widget(cluster, "child", ownerReferences=[{**owner, "blockOwnerDeletion": True}])
    cluster.run(2)
    cluster.request("DELETE", f"{API}/widgets/parent", {"propagationPolicy": "Foreground"})
    cluster.run(10)
    assert cluster.request("GET", f"{API}/widgets").body["items"] == []


def test_custom_resources_go_with_their_namespace() -> None:
    """A namespace goes only when its custom resources have gone."""
    cluster = made()
    widget(cluster, "held", finalizers=["lab.example/hold"])
    widget(cluster, "free")
    cluster.request("DELETE", "/api/v1/namespaces/shop")
    cluster.run(30)
    left = cluster.request("GET", f"{API}/widgets").body["items"]
    assert [item["metadata"]["name"] for item in left] == ["held"]
    assert cluster.request("GET", "/api/v1/namespaces/shop").status == 200
    cluster.request(
        "PATCH", f"{API}/widgets/held", {"metadata": {"finalizers": None}},
        {"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    cluster.run(60)
    assert cluster.request("GET", "/api/v1/namespaces/shop").status == 404


def test_a_definition_that_goes_leaves_nothing_running() -> None:
    """When a definition is gone nobody looks for its objects: the cluster comes to rest."""
    cluster = made()
    widget(cluster, "one")
    cluster.request(
        "DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.lab.example"
    )
    cluster.settle()
    before = len(cluster.trace)
    cluster.settle()
    assert len(cluster.trace) == before
