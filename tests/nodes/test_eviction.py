"""Eviction: who goes when a node is short of memory or disk, in which words."""

from __future__ import annotations

from typing import Any

from tests.nodes.lines import cluster, line, pod, status, told

NODE = {
    "apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"},
    "status": {"capacity": {"cpu": "4", "memory": "1Gi", "pods": "20"}},
}  # fmt: skip


def eats(name: str, memory: str, request: str = "", **spec: Any) -> dict[str, Any]:
    """A pod that uses so much memory, and asks for so much."""
    resources = {"requests": {"memory": request}} if request else {}
    env = [{"name": "MEMORY", "value": memory}]
    return pod(name, {"name": "app", "env": env, "resources": resources}, **spec)


def condition(c: Any, name: str, node: str = "n") -> str:
    """The status of a condition of a node."""
    rows = c.get("Node", node)["status"]["conditions"]
    return str(next(row["status"] for row in rows if row["type"] == name))


def test_memory_pressure() -> None:
    """The pod that is furthest above its request goes; the condition lasts 5 minutes more."""
    c = cluster(nodes=[NODE])
    c.apply(eats("modest", "300Mi", "400Mi"))
    c.apply(eats("greedy", "400Mi", "100Mi"))
    c.apply(eats("middle", "272Mi", "200Mi"))
    c.run(21)
    message = (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Mi. "
        "Container app was using 400Mi, request is 100Mi, has larger consumption of memory. "
    )
    evicted = status(c, "greedy")
    assert (evicted["phase"], evicted["reason"]) == ("Failed", "Evicted")
    assert evicted["message"] == message
    target = next(row for row in evicted["conditions"] if row["type"] == "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    assert ("Warning", "Evicted", message, 1) in told(c, "greedy")
    assert [status(c, name)["phase"] for name in ("modest", "middle")] == ["Running", "Running"]
    assert condition(c, "MemoryPressure") == "True"
    taints = [taint["key"] for taint in c.get("Node", "n")["spec"]["taints"]]
    assert taints == ["node.kubernetes.io/memory-pressure"]
    events = [(type_, reason) for type_, reason, _, _ in told(c, "n", "Node")]
    assert ("Normal", "NodeHasInsufficientMemory") in events
    assert ("Warning", "EvictionThresholdMet") in events
    c.run(280)
    assert condition(c, "MemoryPressure") == "True"
    c.run(40)
    assert condition(c, "MemoryPressure") == "False"
    assert not c.get("Node", "n")["spec"].get("taints")
    assert status(c, "greedy")["phase"] == "Failed"


def test_priority_comes_before_the_amount() -> None:
    """Of those above their requests the least important goes first; critical pods never."""
    c = cluster(nodes=[NODE])
    c.apply({
        "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
        "metadata": {"name": "high"}, "value": 1000,
    })  # fmt: skip
    c.apply(eats("high", "700Mi", priorityClassName="high"))
    c.apply(eats("low", "250Mi"))
    c.run(21)
    assert status(c, "low")["reason"] == "Evicted"
    assert status(c, "high")["phase"] == "Running"


def test_a_pressed_node_refuses_pods() -> None:
    """A BestEffort pod that comes all the same is refused in the kubelet's words."""
    c = cluster(nodes=[NODE])
    c.apply(eats("greedy", "1000Mi"))
    c.run(21)
    c.apply(pod("late", nodeName="n"))
    c.settle()
    late = status(c, "late")
    assert (late["phase"], late["reason"]) == ("Failed", "Evicted")
    assert late["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "


def test_disk_pressure() -> None:
    """A full disk first costs unused images, then one pod each 10 s."""
    c = cluster()
    c.apply(pod("gone", {"image": "nginx:1"}))
    c.settle()
    c.delete("Pod", "gone")
    c.apply(pod("one"))
    c.apply(pod("two"))
    c.run(6)
    c.faults.fill_disk("node-1")
    c.run(10)
    assert condition(c, "DiskPressure", "node-1") == "True"
    c.run(30)
    assert not any(
        "nginx" in name
        for row in c.get("Node", "node-1")["status"].get("images", ())
        for name in row["names"]
    )
    assert {status(c, "one")["reason"], status(c, "two")["reason"]} == {"Evicted"}
    text = (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 0. "
    )
    assert status(c, "one")["message"] == text
    first = [line(c, name)[-1][0] for name in ("one", "two")]
    assert round(abs(first[0] - first[1])) == 10


def test_an_empty_dir_beyond_its_limit() -> None:
    """A volume that holds more than its limit costs its pod."""
    c = cluster()
    script = "echo 0123456789012345678901234567890123456789 > /v/f; sleep 900"
    c.apply(pod(
        "web",
        {"image": "busybox:1", "command": ["sh", "-c", script],
         "volumeMounts": [{"name": "v", "mountPath": "/v"}]},
        volumes=[{"name": "v", "emptyDir": {"sizeLimit": "32"}}],
    ))  # fmt: skip
    c.run(25)
    assert status(c, "web")["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "32". '
