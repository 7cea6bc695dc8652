"""The conditions of a pod through its life, word for word."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster
from tests.nodes.lines import cluster, pod, status, versions

Row = tuple[str, str, Any, Any]
UNREADY = ("ContainersNotReady", "containers with unready status: [c]")


def rows(held: Any) -> list[Row]:
    """Type, status, reason and message of each condition."""
    return [
        (row["type"], row["status"], row.get("reason"), row.get("message"))
        for row in held.get("conditions", ())
    ]


def seen(c: Cluster) -> list[list[Row]]:
    """The conditions of the pod `web` as they changed."""
    found: list[list[Row]] = []
    for _, obj in versions(c, "web"):
        if obj is not None and (not found or found[-1] != rows(obj["status"])):
            found.append(rows(obj["status"]))
    return found


def five(network: str, initialized: Any, ready: Any, containers: Any = None) -> list[Row]:
    """The kubelet's five conditions."""
    return [
        ("PodReadyToStartContainers", network, None, None),
        ("Initialized", *initialized),
        ("Ready", *ready),
        ("ContainersReady", *(containers or ready)),
        ("PodScheduled", "True", None, None),
    ]


TRUE = ("True", None, None)


def test_from_nothing_to_ready() -> None:
    """The sandbox comes first, and what was said of a waiting container is taken back."""
    c = cluster()
    c.apply(pod("web"))
    c.settle()
    assert seen(c)[-3:] == [
        five("False", TRUE, ("False", *UNREADY)),
        five("True", TRUE, ("False", *UNREADY)),
        five("True", TRUE, TRUE),
    ]


def test_init_containers() -> None:
    """Initialized is False, with the names, until the last init container is done."""
    c = cluster()
    steps = [{"name": n, "image": "busybox:1", "command": ["sleep", "2"]} for n in ("a", "b")]
    c.apply(pod("web", initContainers=steps))
    c.run(20)
    messages = [r[1][3] for r in seen(c) if len(r) == 5]
    assert list(dict.fromkeys(messages)) == [
        "containers with incomplete status: [a b]", "containers with incomplete status: [b]", None,
    ]  # fmt: skip
    assert rows(status(c, "web")) == five("True", TRUE, TRUE)


def test_the_end() -> None:
    """A pod that has succeeded is PodCompleted; one that has failed is PodFailed."""
    c = cluster()
    c.apply(pod("good", {"image": "kubelab/job:1"}, restartPolicy="Never"))
    c.apply(pod("bad", {"image": "kubelab/crash:1"}, restartPolicy="Never"))
    c.run(20)
    done = ("False", "PodCompleted", None)
    assert rows(status(c, "good")) == five("False", ("True", "PodCompleted", None), done)
    assert rows(status(c, "bad")) == five("False", TRUE, ("False", "PodFailed", None))


def test_readiness_gates() -> None:
    """A gate that nobody has opened holds Ready, not ContainersReady."""
    c = cluster()
    c.apply(pod("web", readinessGates=[{"conditionType": "x/y"}]))
    c.settle()
    text = 'corresponding condition of pod readiness gate "x/y" does not exist.'
    closed = ("False", "ReadinessGatesNotReady", text)
    assert rows(status(c, "web")) == five("True", TRUE, closed, TRUE)
