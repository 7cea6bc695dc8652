"""What if, and a second scheduler: over a whole cluster, through the public calls."""

from __future__ import annotations

import pytest

from tests.scheduler.whole import cluster, decide, node, pod

IMAGE = ("example.com/big:1", 900_000_000)


def test_other_weights() -> None:
    """With another weight the other node wins; the cluster itself stays as it is."""
    made = cluster(
        [node("a", images=[IMAGE]), node("b")], pod("w", "a", {"cpu": "3", "memory": "6Gi"})
    )
    asks = {"cpu": "500m", "memory": "1Gi"}
    decide(made, pod("p", requests=asks, image="example.com/big:1"))
    made.settle()
    events = len(made.trace)
    before, after = made.scheduler.what_if("p", weights={"ImageLocality": 50})
    assert (before.node, after.node) == ("b", "a")
    assert {one.plugin: one.weight for one in after.scores}["ImageLocality"] == 50
    assert len(made.trace) == events
    assert made.scheduler.explain("p").node == "b"
    told = made.scheduler.what_if("p", weights={"ImageLocality": 50}).to_dict()
    assert told["gains"]["a"]["ImageLocality"] == (50 - 1) * told["after"]["scores"]["a"][
        "ImageLocality"]["normalized"]  # fmt: skip


def test_another_label() -> None:
    """A label that is missing is named by the miss; with it the pod would have a node."""
    made = cluster([node("a"), node("b")])
    decide(made, pod("p", nodeSelector={"disk": "ssd"}))
    made.settle()
    found = made.scheduler.what_if("p", lambda twin: twin.kubectl("label node b disk=ssd"))
    assert (found.before.node, found.after.node) == (None, "b")
    assert "disk" not in made.get("Node", "b")["metadata"]["labels"]


def test_another_configuration() -> None:
    """The whole configuration may be another one."""
    packing = {"scoringStrategy": {"type": "MostAllocated"}}
    config = {"profiles": [{"pluginConfig": [{"name": "NodeResourcesFit", "args": packing}],
                            "plugins": {"score": {
        "disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]}}}]}  # fmt: skip
    made = cluster([node("a"), node("b")], pod("w", "a", {"cpu": "1", "memory": "2Gi"}))
    decide(made, pod("p", requests={"cpu": "1", "memory": "2Gi"}))
    before, after = made.scheduler.what_if("p", config=config)
    assert (before.node, after.node) == ("b", "a")
    assert [one.plugin for one in after.scores] == ["NodeResourcesFit"]


def test_what_if_is_checked() -> None:
    """Unknown pods, plugins and weights are refused in words."""
    made = cluster([node("a")])
    with pytest.raises(LookupError, match="does not know a pod default/x"):
        made.scheduler.what_if("x")
    decide(made, pod("p"))
    with pytest.raises(ValueError, match="did you mean ImageLocality"):
        made.scheduler.what_if("p", weights={"ImageLocalty": 1})
    with pytest.raises(ValueError, match="is not a whole number"):
        made.scheduler.what_if("p", weights={"ImageLocality": -1})


def test_a_second_scheduler() -> None:
    """It binds the pods that name it, and leaves the others alone; it can fail by itself."""
    made = cluster([node("a"), node("b")], pod("early", schedulerName="mine"))
    made.settle()
    assert "nodeName" not in made.get("Pod", "early")["spec"]
    mine = made.scheduler.add("mine")
    made.settle()
    assert "nodeName" in made.get("Pod", "early")["spec"]
    assert mine.explain("early").scheduler == "mine"
    made.faults.stop("mine")
    made.apply([pod("other"), pod("late", schedulerName="mine")])
    made.settle()
    assert "nodeName" in made.get("Pod", "other")["spec"]
    assert "nodeName" not in made.get("Pod", "late")["spec"]
    with pytest.raises(ValueError, match="there is a component 'mine' already"):
        made.scheduler.add("mine")


def test_who_would_make_room() -> None:
    """Where a pod would fit nowhere, it is seen who would be evicted for it, and from where."""
    made = cluster(
        [node("a", "2"), node("b", "2")],
        pod("u", "a", {"cpu": "2"}), pod("v", "b", {"cpu": "1"}), pod("p", "b", {"cpu": "1"},
        priorityClassName="system-cluster-critical"),
    )  # fmt: skip
    made.settle()
    before, after = made.scheduler.what_if("p", lambda twin: twin.kubectl("cordon b"))
    assert (before.node, before.victims) == ("b", ())
    assert (after.node, after.nominated_node, after.victims) == (None, "a", ("default/u",))
    assert after.message == (
        "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable."
    )
    assert made.get("Pod", "u")["status"]["phase"] == "Running"
