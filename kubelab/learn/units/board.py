"""02: the board of which verbs still work, each row tried on a copy of its own."""

from __future__ import annotations

from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.objects import get, name_of
from kubelab.learn import ways, worlds
from kubelab.learn.telling import table


def answers(c: Any) -> bool:
    """Whether web answers a client, tried on a copy."""
    try:
        return bool(c.fork().curl("default/client", "http://web/").status == 200)
    except (ApiError, ValueError):
        return False


def writable(c: Any) -> bool:
    """Whether an object can be written, tried on a copy and three times, as clients do."""
    twin = c.fork()
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe-of-a-write"}}
    for _ in range(3):
        response = twin.request("POST", "/api/v1/namespaces/default/configmaps", body)
        if response.status in (201, 409):
            return True
        twin.run(5)
    return False


def board(c: Any, *parts: str) -> str:
    """Which verbs work with each of some parts stopped; every row is a copy of its own."""
    rows = [
        ["stopped", "read", "write", "scaling", "new pod runs", "container restarts", "web answers"]
    ]
    for part in parts:
        twin = c.fork()
        if part != "nothing":
            twin.faults.stop(part)
            twin.run(15)
        rows.append(
            [part, *("yes" if holds else "no" for holds in _verbs(twin, part.partition("/")[2]))]
        )
    return table(rows)


def _verbs(c: Any, node: str) -> tuple[bool, ...]:
    reads = c.fork().request("GET", "/api/v1/namespaces/default/pods").ok
    return reads, writable(c), _scales(c), _starts(c), _restarts(c, node), answers(c)


def _scales(c: Any) -> bool:
    twin = c.fork()
    path = "/apis/apps/v1/namespaces/default/deployments/web/scale"
    patch = {"Content-Type": "application/merge-patch+json"}
    asked = twin.request("PATCH", path, {"spec": {"replicas": 4}}, patch)
    twin.run(10)
    return asked.ok and len(twin.moment().list("Pod", "default", "app=web")) == 4


def _starts(c: Any) -> bool:
    twin = c.fork()
    made = twin.request("POST", "/api/v1/namespaces/default/pods", worlds.pod("one-more"))
    twin.run(30)
    return made.ok and any(
        ways.ready(p) for p in twin.moment().list("Pod", "default") if name_of(p) == "one-more"
    )


def _restarts(c: Any, node: str) -> bool:
    twin = c.fork()
    pods = twin.moment().list("Pod", "default", "app=web")
    pod = next((one for one in pods if get(one, "spec", "nodeName") == node), pods[0])
    container = pod["spec"]["containers"][0]["name"]
    address = get(pod, "status", "podIP")
    twin.faults.kill_container(f"default/{name_of(pod)}", container)
    twin.run(30)
    return bool(
        twin.connect("default/client", address, 8080).status == 200
        or not twin.connect("default/client", address, 8080).error
    )
