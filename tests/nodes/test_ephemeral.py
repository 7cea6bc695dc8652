"""Ephemeral containers: added to a running pod, started once, never restarted."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster
from tests.nodes.lines import ask, cluster, pod, state, status, told

PATH = "/api/v1/namespaces/default/pods/web/ephemeralcontainers"


def add(c: Cluster, **container: Any) -> None:
    """Adds a container to the pod, as kubectl debug does."""
    body = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox:1", **container}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    response = c.request("PATCH", PATH, body, headers)
    assert response.ok, response.message


def test_an_added_container_runs_beside_the_others() -> None:
    """It is pulled and started; the pod's other containers, phase and readiness stay."""
    c = cluster()
    c.apply(pod("web", {"image": "nginx:1"}))
    c.settle()
    add(c, command=["sleep", "600"])
    c.run(5)
    row = state(c, "web", "debug")
    assert "running" in row["state"]
    assert (row["ready"], row["restartCount"], "started" in row) == (False, 0, False)
    assert status(c, "web")["phase"] == "Running"
    assert state(c, "web")["restartCount"] == 0
    starts = [event for event in c.list("Event") if event["reason"] == "Started"]
    paths = [event["involvedObject"]["fieldPath"] for event in starts]
    assert paths == ["spec.containers{c}", "spec.ephemeralContainers{debug}"]
    answer = ask(c, "exec_in", "default", "web", "debug", ("echo", "hi"))
    assert answer["stdout"] == "hi\n"


@pytest.mark.parametrize(
    ("container", "field", "message"),
    [
        ({"name": "c"}, "[0].name", 'Duplicate value: "c"'),
        ({"image": ""}, "[0].image", "Required value"),
        ({"targetContainerName": "no"}, "[0].targetContainerName", 'Not found: "no"'),
        ({"ports": [{"containerPort": 80}]}, "[0].ports",
         "Forbidden: cannot be set for an Ephemeral Container"),
    ],
)  # fmt: skip
def test_what_cannot_be_added(container: dict[str, Any], field: str, message: str) -> None:
    """Names are unique in the pod, the target is a plain container, and some fields are not had."""
    c = cluster()
    c.apply(pod("web", {"image": "nginx:1"}))
    body = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox:1", **container}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    refused = c.request("PATCH", PATH, body, headers)
    assert refused.message == f'Pod "web" is invalid: spec.ephemeralContainers{field}: {message}'


def test_those_that_are_there_stay() -> None:
    """None is changed or taken away."""
    c = cluster()
    c.apply(pod("web", {"image": "nginx:1"}))
    add(c, command=["sleep", "5"])
    body = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox:2"}]}}
    headers = {"Content-Type": "application/strategic-merge-patch+json"}
    text = 'spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be '
    assert f"{text}changed" in c.request("PATCH", PATH, body, headers).message
    body = {"spec": {"ephemeralContainers": []}}
    headers = {"Content-Type": "application/merge-patch+json"}
    assert f"{text}removed" in c.request("PATCH", PATH, body, headers).message


def test_one_that_ends_stays_ended() -> None:
    """Whatever the pod's policy says, it is not started again."""
    c = cluster()
    c.apply(pod("web", {"image": "nginx:1"}))
    c.settle()
    add(c, command=["false"])
    c.run(60)
    row = state(c, "web", "debug")
    assert (row["state"]["terminated"]["exitCode"], row["restartCount"]) == (1, 0)
    assert status(c, "web")["phase"] == "Running"
    assert not [1 for _, reason, _, _ in told(c, "web") if reason == "BackOff"]
