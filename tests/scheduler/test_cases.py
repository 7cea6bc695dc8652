"""Cases over a whole cluster: given nodes, pods bound by hand, one pod decided on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scheduler.whole import (
    HOSTNAME,
    TAIL,
    ZONE,
    cluster,
    condition,
    decide,
    events,
    node,
    pod,
    score,
)

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def test_the_nodes_are_as_given() -> None:
    """From the first decision on the scheduler sees labels, taints, cordon and amounts as given."""
    nodes = [
        node("a", taints=[("k", "v", "PreferNoSchedule")]),
        node("b", unschedulable=True),
        node("c", taints=[("x", "", "NoExecute")]),
        node("d", "2", "2Gi", labels={"disk": "ssd"}),
        node("e", "50m"),
    ]
    made = cluster(nodes)
    found = decide(made, pod("p", requests={"cpu": "100m"})).to_dict()
    last = {name: list(plugins.items())[-1] for name, plugins in found["filters"].items()}
    assert last == {
        "a": ("NodeResourcesFit", []),
        "b": ("NodeUnschedulable", ["node(s) were unschedulable"]),
        "c": ("TaintToleration", ["node(s) had untolerated taint(s)"]),
        "d": ("NodeResourcesFit", []),
        "e": ("NodeResourcesFit", ["Insufficient cpu"]),
    }
    assert found["node"] == "d"
    assert found["scores"]["a"]["TaintToleration"] == {
        "raw": 1, "normalized": 0, "weight": 3, "weighted": 0,
    }  # fmt: skip


FAILURES: list[tuple[Any, str]] = [
    (
        {"requests": {"cpu": "3"}},
        "0/3 nodes are available: 2 Insufficient cpu, 1 node(s) were unschedulable."
        + TAIL + "0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    ),
    (
        {"requests": {"cpu": "1500m"}},
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu."
        + TAIL + "0/3 nodes are available: 1 Preemption is not helpful for scheduling, "
        "2 No preemption victims found for incoming pod.",
    ),
    (
        {"nodeSelector": {"disk": "ssd"}},
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match Pod's "
        "node affinity/selector." + TAIL
        + "0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    ),
    (
        {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]},
        '0/3 nodes are available: persistentvolumeclaim "x" not found. not found',
    ),
    (
        {"requests": {"cpu": "1500m"}, "preemptionPolicy": "Never"},
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu."
        + TAIL + "not eligible due to preemptionPolicy=Never.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "message"), FAILURES)
def test_messages(spec: Any, message: str) -> None:
    """The same words stand in the decision, in the condition and in the Event."""
    spec = dict(spec)
    if spec.get("preemptionPolicy"):
        never = {"preemptionPolicy": "Never", "value": 5, "metadata": {"name": "never"}}
        head = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
        classes = [{**head, **never}]
        spec["priorityClassName"] = "never"
        del spec["preemptionPolicy"]
    else:
        classes = []
    nodes = [node("a", "2"), node("b", "2"), node("c", "2", unschedulable=True)]
    bound = [pod(f"on-{name}", name, {"cpu": "1"}) for name in "ab"]
    made = cluster(nodes, *classes, *bound)
    found = decide(made, pod("p", **spec))
    made.settle()
    first, _, rest = found.message.partition(": ")
    assert (first, sorted(rest)) == (message.partition(": ")[0], sorted(message.partition(": ")[2]))
    assert condition(made, "p")["message"] == found.message
    assert condition(made, "p")["reason"] == "Unschedulable"
    assert events(made, "p") == [("FailedScheduling", found.message)]


def test_scores_of_resources() -> None:
    """4 cpu and 8Gi with 1250m and 3Gi used, a pod of 600m and 700Mi: 53 of 100."""
    made = cluster([node("a"), node("b")], pod("w", "a", {"cpu": "1250m", "memory": "3Gi"}))
    found = decide(made, pod("p", requests={"cpu": "600m", "memory": "700Mi"}))
    assert score(found, "NodeResourcesFit")["a"] == 53


def test_balance() -> None:
    """25 and 75 %, then 62.5 and 81.25 %: 82. An empty node, 37.5 and 6.25 %: 50 + 34 // 2."""
    made = cluster(
        [node("a", "4", "8Gi"), node("b", "4", "8Gi")],
        pod("w", "a", {"cpu": "1", "memory": "6Gi"}),
    )
    found = decide(made, pod("p", requests={"cpu": "1500m", "memory": "512Mi"}))
    assert score(found, "NodeResourcesBalancedAllocation") == {"a": 82, "b": 67}


def test_best_effort_has_no_balance() -> None:
    """A pod that asks for nothing counts 100m and 200Mi a container, and is not balanced."""
    made = cluster([node("a", "2", "2Gi"), node("b", "2", "2Gi")])
    manifest = pod("p")
    manifest["spec"]["containers"].append({"name": "d", "image": "registry.k8s.io/pause:3.10"})
    found = decide(made, manifest)
    assert score(found, "NodeResourcesFit") == {"a": 85, "b": 85}
    assert "NodeResourcesBalancedAllocation" not in found.to_dict()["scores"]["a"]


def test_images() -> None:
    """600000000 bytes on 2 of 5 nodes score 21; the name is read with its tag."""
    image = ("example.com/big:1", 600_000_000)
    nodes = [node(name, images=[image] if name in "ab" else ()) for name in "abcde"]
    made = cluster(nodes)
    found = decide(made, pod("p", image="example.com/big:1"))
    assert score(found, "ImageLocality") == {"a": 21, "b": 21, "c": 0, "d": 0, "e": 0}


def test_preferred_nodes() -> None:
    """Weights 7, 4 and 1 become 100, 57 and 14."""
    nodes = [node(str(n), labels={"rank": str(n)}) for n in (7, 4, 1)]
    wishes = [
        {
            "weight": n,
            "preference": {
                "matchExpressions": [{"key": "rank", "operator": "In", "values": [str(n)]}]
            },
        }
        for n in (7, 4, 1)
    ]
    made = cluster(nodes)
    found = decide(made, pod("p", affinity={"nodeAffinity": {PREFERRED: wishes}}))
    assert score(found, "NodeAffinity") == {"7": 100, "4": 57, "1": 14}


def test_names_of_nodes() -> None:
    """A pod that names its node is compared with that one only; the others count together."""
    field = {"key": "metadata.name", "operator": "In", "values": ["b"]}
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": [field]}]}}}
    made = cluster([node("a"), node("b", "1"), node("c")])
    found = decide(made, pod("p", requests={"cpu": "2"}, affinity=affinity))
    assert list(found.to_dict()["filters"]) == ["b"]
    assert found.message.startswith(
        "0/3 nodes are available: 1 Insufficient cpu, "
        "2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )


def spread(skew: int, key: str, when: str) -> Any:
    """A constraint over pods of app web."""
    return {
        "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when,
        "labelSelector": {"matchLabels": {"app": "web"}},
    }  # fmt: skip


def test_hard_spread() -> None:
    """Two pods in zone x, none in y, skew 1: x is refused; a node without a zone lacks the key."""
    nodes = [node("a", labels={ZONE: "x"}), node("b", labels={ZONE: "y"}), node("c")]
    web = {"app": "web"}
    made = cluster(nodes, pod("w1", "a", labels=web), pod("w2", "a", labels=web))
    constraint = spread(1, ZONE, "DoNotSchedule")
    found = decide(made, pod("p", labels=web, topologySpreadConstraints=[constraint]))
    words = "node(s) didn't match pod topology spread constraints"
    filters = found.to_dict()["filters"]
    assert found.node == "b"
    assert filters["a"]["PodTopologySpread"] == [words]
    assert filters["c"]["PodTopologySpread"] == [words + " (missing required label)"]


def test_soft_spread() -> None:
    """By hostname with 2, 1 and 0 pods: 3, 2, 0 become 0, 33, 100."""
    web = {"app": "web"}
    bound = [pod(f"w{i}", on, labels=web) for i, on in enumerate("aab")]
    made = cluster([node("a"), node("b"), node("c")], *bound)
    constraint = spread(1, HOSTNAME, "ScheduleAnyway")
    found = decide(made, pod("p", labels=web, topologySpreadConstraints=[constraint]))
    assert score(found, "PodTopologySpread", raw=True) == {"a": 3, "b": 2, "c": 0}
    assert score(found, "PodTopologySpread") == {"a": 0, "b": 33, "c": 100}


def test_default_spread() -> None:
    """The pods of a Service are spread by the built-in defaults: 13, 12, 9 become 69, 76, 100."""
    web = {"app": "web"}
    zones = {"a1": "a", "a2": "a", "b1": "b"}
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": web, "ports": [{"port": 80}]},
    }  # fmt: skip
    bound = [pod(f"w{i}", on, labels=web) for i, on in enumerate(("a1", "a1", "a2", "b1"))]
    made = cluster([node(n, labels={ZONE: z}) for n, z in zones.items()], service, *bound)
    found = decide(made, pod("p", labels=web))
    assert score(found, "PodTopologySpread", raw=True) == {"a1": 13, "a2": 12, "b1": 9}
    assert score(found, "PodTopologySpread") == {"a1": 69, "a2": 76, "b1": 100}


def test_a_pod_of_the_first_call() -> None:
    """A pod that comes with the cluster's first objects already finds the nodes ready."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    made = cluster([node("a")], namespace, pod("p"))
    made.settle()
    assert [found.node for found in made.scheduler.decisions("default/p")] == ["a"]
