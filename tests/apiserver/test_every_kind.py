"""Every built-in kind goes the one generic way: create, get, list, watch, change, delete."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api import kinds
from kubelab.api.kinds import Kind
from kubelab.api.objects import name_of, thaw
from kubelab.api.rest import url
from tests.apiserver.replay import Server, load

GROUPS = (
    "", "apps", "batch", "autoscaling", "policy", "networking.k8s.io", "discovery.k8s.io",
    "storage.k8s.io", "rbac.authorization.k8s.io", "coordination.k8s.io", "scheduling.k8s.io",
    "events.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io",
)  # fmt: skip
KINDS = [kind for kind in kinds.ALL if kind.stored and kind.group in GROUPS]


def samples() -> dict[tuple[str, str], Any]:
    """A minimal object of each kind, as it was sent to a real API server."""
    found: dict[tuple[str, str], Any] = {}
    for entry in load("defaults.json"):
        body = entry["request"].get("body")
        if entry["request"]["method"] == "POST" and isinstance(body, dict) and "metadata" in body:
            found.setdefault((body.get("apiVersion", ""), body.get("kind", "")), body)
    admission = "admissionregistration.k8s.io/v1"
    found[admission, "MutatingAdmissionPolicyBinding"] = {
        "apiVersion": admission, "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "b"}, "spec": {"policyName": "p"},
    }  # fmt: skip
    # Kinds of which the recording has another version, or none that is made by hand.
    event = found["v1", "Event"]
    found.setdefault(("events.k8s.io/v1", "Event"), {
        **event, "apiVersion": "events.k8s.io/v1", "regarding": event["involvedObject"],
        "note": "n", "reportingController": "x/y", "reportingInstance": "z", "action": "a",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reason": "r", "type": "Normal",
        "metadata": {"name": "e2"},
    })  # fmt: skip
    for row in ("involvedObject", "message", "source", "count", "firstTimestamp", "lastTimestamp",
                "reportingComponent"):  # fmt: skip
        found["events.k8s.io/v1", "Event"].pop(row, None)
    return found


SAMPLES = samples()


@pytest.fixture(scope="module")
def server() -> Server:
    """A control plane with a namespace of its own for the test."""
    made = Server()
    namespace = {"metadata": {"name": "all"}}
    assert (
        made.send({"method": "POST", "path": "/api/v1/namespaces", "body": namespace}).status == 201
    )
    made.history.settle(60)
    return made


def test_samples_cover_every_kind() -> None:
    """There is a sample of each kind of the groups that are promised."""
    missing = [k.group_kind for k in KINDS if (k.api_version, k.kind) not in SAMPLES]
    assert missing == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.group_kind}-{kind.version}")
def test_the_generic_way(server: Server, kind: Kind) -> None:
    """One kind: all verbs that it has, and its status and scale where it has them."""
    body = thaw(SAMPLES[kind.api_version, kind.kind])
    body["metadata"].pop("namespace", None)
    if kind.kind == "Service":
        body["spec"].pop("clusterIP", None)
    collection, name = url(kind, "all"), body["metadata"].get("name")

    def send(method: str, path: str, body: Any = None, media: str = "application/json") -> Any:
        headers = {"Content-Type": media}
        request = {"method": method, "path": path, "body": body, "headers": headers}
        return server.send(request)

    created = send("POST", collection, body)
    assert created.status == 201, created.body
    name = name or name_of(created.body)
    path = f"{collection}/{name}"
    found = send("GET", path)
    assert found.status == 200 and found.body["kind"] == kind.kind
    assert found.body["apiVersion"] == kind.api_version
    listed = send("GET", collection)
    assert listed.body["kind"] == kind.list_kind
    assert name in [name_of(item) for item in listed.body["items"]]
    patch = {"metadata": {"labels": {"touched": "yes"}}}
    changed = send("PATCH", path, patch, "application/merge-patch+json")
    assert changed.status == 200, changed.body
    assert changed.body["metadata"]["labels"]["touched"] == "yes"
    again = send("PATCH", path, patch, "application/merge-patch+json")
    before = changed.body["metadata"]["resourceVersion"]
    assert again.body["metadata"]["resourceVersion"] >= before
    fresh = send("GET", path).body
    labels = {**fresh["metadata"].get("labels", {}), "put": "yes"}
    put = send("PUT", path, {**fresh, "metadata": {**fresh["metadata"], "labels": labels}})
    assert put.status == 200, put.body
    if kind.has_status:
        assert send("GET", f"{path}/status").status == 200
        status = send("PATCH", f"{path}/status", {"status": {}}, "application/merge-patch+json")
        assert status.status == 200, status.body
    if "scale" in kind.subresources:
        scale = {"spec": {"replicas": 2}}
        scaled = send("PATCH", f"{path}/scale", scale, "application/merge-patch+json")
        assert scaled.body["spec"]["replicas"] == 2
        assert send("GET", path).body["spec"]["replicas"] == 2
    selected = send("GET", f"{collection}?labelSelector=touched%3Dyes&limit=1")
    assert len(selected.body["items"]) == 1
    deleted = send("DELETE", path, {"propagationPolicy": "Background"})
    assert deleted.status == 200, deleted.body
    server.history.settle(60)
    gone = send("GET", path)
    assert gone.status == 404 or gone.body["metadata"].get("finalizers"), gone.body


def test_nothing_broke(server: Server) -> None:
    """None of all these requests met a bug of the server."""
    broken = [e.detail["panic"] for e in server.history.world.trace if "panic" in e.detail]
    assert broken == []
