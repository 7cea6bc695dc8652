"""What Kubernetes' conformance tests ask of an API server, one behaviour a test: what
owners own.

In Kubernetes: test/conformance/testdata/conformance.yaml; the tests there are programs that run
pods, these keep to what the API itself can be asked.
"""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from tests.apiserver.asking import (
    APPS,
    DEFAULT,
    get_,
    names,
    patch,
    post,
    settle_until,
    workload,
)


@pytest.mark.parametrize("policy", ["Background", "Orphan"])
def test_19_deleting_owners(c: Cluster, policy: str) -> None:
    """In the background dependents go along; orphans stay, without that owner."""
    post(c, f"{APPS}/deployments", workload())
    c.settle()
    body = {"propagationPolicy": policy}
    assert c.request("DELETE", f"{APPS}/deployments/w", body).status == 200
    c.run(60)
    left = get_(c, f"{APPS}/replicasets")["items"]
    assert [item["metadata"].get("ownerReferences") for item in left] == (
        [] if policy == "Background" else [None]
    )
    assert len(get_(c, f"{DEFAULT}/pods")["items"]) == len(left)


def owned(name: str, *owners: Any, block: bool = True) -> dict[str, Any]:
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": o["metadata"]["name"],
         "uid": o["metadata"]["uid"], "blockOwnerDeletion": block}
        for o in owners
    ]  # fmt: skip
    return {"metadata": {"name": name, "ownerReferences": references}}


def test_20_foreground_deletion_waits(c: Cluster) -> None:
    """The owner stays, with a finalizer, until its blocking dependents are gone."""
    maps = f"{DEFAULT}/configmaps"
    owner = post(c, maps, {"metadata": {"name": "owner"}})
    held = owned("child", owner)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    post(c, maps, held)
    answer = c.request("DELETE", f"{maps}/owner", {"propagationPolicy": "Foreground"})
    assert answer.body["metadata"]["finalizers"] == ["foregroundDeletion"]
    c.run(30)
    assert get_(c, f"{maps}/owner")["metadata"]["deletionTimestamp"]
    patch(c, f"{maps}/child", {"metadata": {"finalizers": None}})
    settle_until(c, f"{maps}/owner", lambda body: body is None)


def test_21_and_22_other_owners_and_circles(c: Cluster) -> None:
    """Who has another living owner stays; a circle of owners does not stop the collection."""
    maps = f"{DEFAULT}/configmaps"
    one, two = (post(c, maps, {"metadata": {"name": n}}) for n in ("one", "two"))
    post(c, maps, owned("both", one, two))
    first = post(c, maps, {"metadata": {"name": "first"}})
    second = post(c, maps, owned("second", first))
    patch(c, f"{maps}/first", owned("first", second))
    assert c.request("DELETE", f"{maps}/one", {"propagationPolicy": "Foreground"}).status == 200
    assert c.request("DELETE", f"{maps}/first").status == 200
    c.run(60)
    left = [name for name in names(get_(c, maps)) if name != "kube-root-ca.crt"]
    assert left == ["both", "two"]
