"""Ephemeral containers: added to a running pod, started once, never restarted."""

from __future__ import annotations

from typing import Any

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
