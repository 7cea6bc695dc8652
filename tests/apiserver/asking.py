"""How the conformance tests ask: requests that must succeed, and the objects that they send."""

from __future__ import annotations

import json
from typing import Any

from kubelab import Cluster

SIGNING = (
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUE9PQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNU"
    "LS0tLS0K"
)
DEFAULT = "/api/v1/namespaces/default"
APPS = "/apis/apps/v1/namespaces/default"
MERGE = {"Content-Type": "application/merge-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
TABLE = {"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
AGGREGATED = {
    "Accept": "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
}  # fmt: skip


def get_(c: Cluster, path: str, headers: Any = None) -> Any:
    answer = c.request("GET", path, None, headers)
    assert answer.status == 200, answer.message
    return answer.body


def post(c: Cluster, path: str, body: Any, status: int = 201) -> Any:
    answer = c.request("POST", path, body)
    assert answer.status == status, answer.message or answer.status
    return answer.body


def patch(c: Cluster, path: str, body: Any, headers: Any = MERGE) -> Any:
    answer = c.request("PATCH", path, body, headers)
    assert answer.status == 200, answer.message
    return answer.body


def pod(name: str = "p", **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "nginx"}
    return {
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [container], **spec},
    }


def template(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "template": {"spec": pod()["spec"]}}


def workload(name: str = "w", replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [
        {"name": "c", "image": "nginx"}]}}  # fmt: skip
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def names(body: Any) -> list[str]:
    return [item["metadata"]["name"] for item in body["items"]]


def settle_until(c: Cluster, path: str, holds: Any, seconds: float = 60) -> Any:
    """The object at a path as soon as something holds of it (None: it is gone)."""
    for _ in range(60):
        answer = c.request("GET", path)
        body = answer.body if answer.status == 200 else None
        if holds(body):
            return body
        c.run(seconds / 60)
    raise AssertionError(f"{path} is {json.dumps(body)[:400]}")


def watch(c: Cluster, path: str, version: str) -> Any:
    sign = "&" if "?" in path else "?"
    answer = c.request("GET", f"{path}{sign}watch=true&resourceVersion={version}")
    assert answer.status == 200, answer.message
    return answer.body


def told(stream: Any) -> list[tuple[str, str]]:
    """What a watch has said: types and names."""
    return [(e["type"], e["object"]["metadata"].get("name", "")) for e in stream.events]
