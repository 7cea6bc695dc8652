"""More cases over a whole cluster: neighbours, volumes, preemption, the queue, profiles."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster
from kubelab.scheduler.framework import unschedulable
from tests.scheduler.whole import HOSTNAME, ZONE, cluster, condition, decide, events, node, pod

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def term(app: str, key: str = HOSTNAME, **more: Any) -> Any:
    """A required term about pods of an app."""
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}


def priority(name: str, value: int) -> Any:
    """A PriorityClass."""
    head = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass"}
    return {**head, "metadata": {"name": name}, "value": value}


def test_neighbours() -> None:
    """Affinity, own anti-affinity and that of pods already there each refuse in their own words."""
    guard = {"podAntiAffinity": {REQUIRED: [term("new")]}}
    made = cluster(
        [node("a"), node("b"), node("c"), node("d")],
        pod("db1", "a", labels={"app": "db"}),
        pod("db2", "b", labels={"app": "db"}),
        pod("loud", "b", labels={"app": "loud"}),
        pod("db3", "c", labels={"app": "db"}),
        pod("guard", "c", affinity=guard),
    )
    affinity = {"podAffinity": {REQUIRED: [term("db")]}, "podAntiAffinity": {REQUIRED: [
        term("loud")]}}  # fmt: skip
    found = decide(made, pod("p", labels={"app": "new"}, affinity=affinity))
    filters = {k: v["InterPodAffinity"] for k, v in found.to_dict()["filters"].items()}
    assert found.node == "a"
    assert filters == {
        "a": [],
        "b": ["node(s) didn't match pod anti-affinity rules"],
        "c": ["node(s) didn't satisfy existing pods anti-affinity rules"],
        "d": ["node(s) didn't match pod affinity rules"],
    }


def test_namespaces_by_label() -> None:
    """A term with a namespaceSelector looks into the namespaces with these labels."""
    team = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "t", "labels": {"t": "1"}},
    }
    made = cluster([node("a"), node("b")], team, pod("w", "b", namespace="t", labels={"app": "w"}))
    near = term("w", namespaceSelector={"matchLabels": {"t": "1"}})
    found = decide(made, pod("p", affinity={"podAffinity": {REQUIRED: [near]}}))
    assert found.node == "b"


def test_first_of_its_group() -> None:
    """A pod that matches its own affinity goes anywhere with the key while it is the first."""
    made = cluster([node("a", labels={ZONE: "x"}), node("b")])
    affinity = {"podAffinity": {REQUIRED: [term("w", ZONE)]}}
    found = decide(made, pod("p", labels={"app": "w"}, affinity=affinity))
    assert found.node == "a"


def test_matched_label_keys_are_folded() -> None:
    """Only pods with the same value of the key are near."""
    made = cluster(
        [node("a"), node("b")],
        pod("w1", "a", labels={"app": "w", "v": "1"}),
        pod("w2", "b", labels={"app": "w", "v": "2"}),
    )
    affinity = {"podAffinity": {REQUIRED: [term("w", matchLabelKeys=["v"])]}}
    found = decide(made, pod("p", labels={"app": "w", "v": "2"}, affinity=affinity))
    assert found.node == "b"


def test_host_ports() -> None:
    """A host port that is taken refuses the node, and evicting less important pods could help."""
    port = [{"containerPort": 80, "hostPort": 80}]
    bound, wanting = pod("w", "a"), pod("p", priorityClassName="high")
    for manifest in (bound, wanting):
        manifest["spec"]["containers"][0]["ports"] = port
    made = cluster([node("a")], priority("high", 10), bound)
    made.settle()
    found = decide(made, wanting)
    assert found.message == (
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    )
    assert found.to_dict()["victims"] == ["default/w"]


def test_preemption_to_the_end() -> None:
    """The victim of the lowest priority goes; the pod waits for it, nominated, and is bound."""
    made = cluster(
        [node("a", "2"), node("b", "2"), node("c", "500m")],
        priority("high", 1000), priority("mid", 5),
        pod("v1", "a", {"cpu": "1500m"}, priorityClassName="mid"),
        pod("v2", "b", {"cpu": "1500m"}),
    )  # fmt: skip
    made.settle()
    found = decide(made, pod("p", requests={"cpu": "1"}, priorityClassName="high")).to_dict()
    assert (found["nominatedNode"], found["victims"]) == ("b", ["default/v2"])
    assert found["message"] == "0/3 nodes are available: 3 Insufficient cpu."
    assert made.get("Pod", "p")["status"]["nominatedNodeName"] == "b"
    uid = made.get("Pod", "p")["metadata"]["uid"]
    made.settle()
    bound = made.get("Pod", "p")
    assert bound["spec"]["nodeName"] == "b"
    assert "nominatedNodeName" not in bound["status"]
    assert events(made, "p")[-1] == ("Scheduled", "Successfully assigned default/p to b")
    assert events(made, "v2") == [("Preempted", f"Preempted by pod {uid} on node b")]


def test_budget_spares_its_pods() -> None:
    """Between two equal nodes the one without a violated budget loses its pod."""
    budget = {
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "db"}}},
    }  # fmt: skip
    made = cluster(
        [node("a", "1"), node("b", "1")], priority("high", 9), budget,
        pod("db", "a", {"cpu": "800m"}, labels={"app": "db"}), pod("w", "b", {"cpu": "800m"}),
    )  # fmt: skip
    made.settle()
    found = decide(made, pod("p", requests={"cpu": "500m"}, priorityClassName="high"))
    assert found.victims == ("default/w",)


def test_terminating_pods_hold_their_place() -> None:
    """A pod on its way out counts in full until it is gone; then the waiting one is woken."""
    slow = pod("w", "a", {"cpu": "1"}, image="busybox:1", terminationGracePeriodSeconds=20)
    slow["spec"]["containers"][0]["command"] = ["sleep", "3600"]
    made = cluster([node("a", "1")], slow)
    made.settle()
    made.delete("Pod", "w")
    made.run(1)
    assert decide(made, pod("p", requests={"cpu": "1"})).node is None
    made.settle()
    assert made.get("Pod", "p")["spec"]["nodeName"] == "a"


def test_gates_and_strangers() -> None:
    """A gated pod has a condition and no Event; a pod of another scheduler has neither."""
    made = cluster([node("a")], pod("g", schedulingGates=[{"name": "x"}]), pod("o"))
    made.apply(pod("s", schedulerName="somebody"))
    made.settle()
    assert condition(made, "g")["reason"] == "SchedulingGated"
    assert (events(made, "g"), events(made, "s")) == ([], [])
    assert not condition(made, "s")
    open_ = [{"op": "remove", "path": "/spec/schedulingGates"}]
    headers = {"Content-Type": "application/json-patch+json"}
    made.request("PATCH", "/api/v1/namespaces/default/pods/g", open_, headers)
    made.settle()
    assert made.get("Pod", "g")["spec"]["nodeName"] == "a"


def test_two_profiles() -> None:
    """A pod chooses its profile by schedulerName, which also signs its Events."""
    packing = {
        "schedulerName": "packer",
        "plugins": {
            "score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]},
        },
        "pluginConfig": [{
            "name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": "MostAllocated"}},
        }],
    }  # fmt: skip
    config = {
        "apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration",
        "profiles": [{"schedulerName": "default-scheduler"}, packing],
    }  # fmt: skip
    made = cluster(
        [node("a"), node("b")], pod("w", "a", {"cpu": "1", "memory": "1Gi"}), config=config
    )
    ask = {"cpu": "500m", "memory": "512Mi"}
    assert decide(made, pod("p", requests=ask, schedulerName="packer")).node == "a"
    assert decide(made, pod("q", requests=ask)).node == "b"
    made.settle()
    signed = {
        event["involvedObject"]["name"]: event["reportingComponent"]
        for event in made.list("Event")
        if event["reason"] == "Scheduled"
    }
    assert signed == {"p": "packer", "q": "default-scheduler"}


def test_more_important_pods_go_first() -> None:
    """After the scheduler was away, the pod of higher priority has the first turn."""
    made = cluster([node("a", "1")], priority("high", 9))
    made.faults.stop("scheduler")
    made.apply([pod("low", requests={"cpu": "1"}), pod("top", requests={"cpu": "1"},
                                                       priorityClassName="high")])  # fmt: skip
    made.faults.start("scheduler")
    made.settle()
    assert made.get("Pod", "top")["spec"]["nodeName"] == "a"
    assert "nodeName" not in made.get("Pod", "low")["spec"]


def test_a_new_node_wakes() -> None:
    """Only what may help wakes a refused pod: not a label, but more room does."""
    made = cluster([node("a", "1")])
    decide(made, pod("p", requests={"cpu": "2"}))
    made.settle()
    path, headers = "/api/v1/nodes/a", {"Content-Type": "application/merge-patch+json"}
    made.request("PATCH", path, {"metadata": {"labels": {"x": "1"}}}, headers)
    made.settle()
    assert len(made.scheduler.decisions("default/p")) == 1
    more = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    made.request("PATCH", f"{path}/status", {"status": {"allocatable": more}}, headers)
    made.run(2)
    assert made.get("Pod", "p")["spec"]["nodeName"] == "a"


def test_nothing_to_do() -> None:
    """Without a pod that waits for its turn no time is spent."""
    made = cluster([node("a", "1")])
    made.settle()
    before = made.now
    assert made.scheduler.schedule_one() is None
    assert made.now == before


def test_every_event_is_told_shortly() -> None:
    """Each event of the scheduler has a sentence of at most 30 words that names it."""
    made: Cluster = cluster(
        [node("a", "1"), node("b", "1", unschedulable=True)], priority("high", 9),
        pod("w", requests={"cpu": "1"}),
    )  # fmt: skip
    made.settle()
    made.apply([pod("p", requests={"cpu": "1"}, priorityClassName="high"), pod("q", requests={
        "cpu": "3"})])  # fmt: skip
    made.settle()
    made.run(400)
    told = {e.verb: made.tell(e) for e in made.trace if e.target == "scheduler"}
    assert "schedule_one" in told
    for event in made.trace:
        if event.target == "scheduler":
            text = made.tell(event)
            assert text.startswith("Scheduler ")
            assert text.endswith(".")
            assert len(text.split()) <= 30, text


class NotToday:
    """A plugin of a learner's that refuses every pod at the last moment."""

    def permit(self, cycle: Any, node: Any) -> Any:
        return unschedulable("not today")


def test_refused_at_the_last_moment() -> None:
    """One step of the scheduler answers with how it ended: no node, and who refused."""
    made = cluster([node("a")])
    made.scheduler.add_plugin(NotToday)
    made.apply(pod("p"))
    found = made.scheduler.schedule_one()
    assert (found.node, found.message) == (None, "0/1 nodes are available: 1 not today.")
    assert made.scheduler.explain("p") == found
