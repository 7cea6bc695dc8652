"""A runtime that is stopped, while the machine and its kubelet run on."""

from __future__ import annotations

from tests.nodes.lines import cluster, pod, state, status


def test_a_runtime_that_was_away() -> None:
    """The node says that its runtime is down; afterwards the pod's containers are made anew."""
    c = cluster()
    c.apply(pod("web", {"image": "nginx:1"}))
    c.settle()
    address = status(c, "web")["podIP"]
    c.faults.stop("runtime/node-1")
    c.run(15)
    rows = c.get("Node", "node-1")["status"]["conditions"]
    ready = next(row for row in rows if row["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False", "KubeletNotReady", "container runtime is down",
    )  # fmt: skip
    c.faults.start("runtime/node-1")
    c.run(30)
    assert state(c, "web")["restartCount"] == 1
    assert status(c, "web")["phase"] == "Running"
    assert status(c, "web")["podIP"] != address
    rows = c.get("Node", "node-1")["status"]["conditions"]
    assert next(row["status"] for row in rows if row["type"] == "Ready") == "True"
