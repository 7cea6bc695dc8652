"""Node lifecycle and taint eviction: from the last heartbeat to the pods' deletion."""

from __future__ import annotations

import pytest

from kubelab.api.objects import Obj, freeze, get
from kubelab.controllers.nodelifecycle import NodeLifecycleController
from kubelab.controllers.nodetaints import FULL, NORMAL, PARTIAL, zone_state
from kubelab.controllers.tainteviction import TaintEvictionController, patience_seconds
from tests.controllers.stub import Scene

CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
DEFAULT_TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{word}", "operator": "Exists", "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for word in ("not-ready", "unreachable")
]  # fmt: skip


class Nodes(Scene):
    """A scene with nodes that send heartbeats."""

    def __init__(self, count: int = 3) -> None:
        super().__init__(NodeLifecycleController, TaintEvictionController)
        self.names = [f"node-{number}" for number in range(1, count + 1)]
        self.beating = dict.fromkeys(self.names)
        for name in self.names:
            conditions = [
                {
                    "type": type_, "status": "True" if type_ == "Ready" else "False",
                    "reason": "x", "lastHeartbeatTime": self.server.timestamp,
                }
                for type_ in CONDITIONS
            ]  # fmt: skip
            self.make({
                "apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {},
                "status": {"conditions": conditions},
            })  # fmt: skip
            self.make({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": {},
            })  # fmt: skip
        self.time = 0

    def live(self, seconds: int) -> None:
        """Time passes, with heartbeats every ten seconds."""
        for _ in range(seconds):
            if self.time % 10 == 0:
                for name in self.beating:
                    path = ("spec", "renewTime")
                    self.change("leases", f"kube-node-lease/{name}", path, str(self.time))
            self.run(1)
            self.time += 1

    def pod(self, name: str, node: str, tolerations: list[dict[str, object]] | None = None) -> None:
        self.make({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"containers": [], "tolerations": tolerations or []},
        })  # fmt: skip
        self.ready(f"default/{name}", node=node)

    def status(self, node: str) -> dict[str, tuple[str, str]]:
        return {
            item["type"]: (item["status"], item["reason"])
            for item in self.get("nodes", node)["status"]["conditions"]
        }

    def taints(self, node: str) -> list[str]:
        taints = get(self.get("nodes", node), "spec", "taints", default=())
        return [f"{item['key'].partition('/')[2]}:{item['effect']}" for item in taints]


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


def test_a_node_with_heartbeats_stays_ready(nodes: Nodes) -> None:
    """Ten minutes of heartbeats: nothing is written."""
    nodes.live(60)
    before = len([r for r in nodes.server.asked if r.method in ("PUT", "PATCH")])
    nodes.live(540)
    assert len([r for r in nodes.server.asked if r.method in ("PUT", "PATCH")]) == before
    assert nodes.status("node-1")["Ready"] == ("True", "x")


def test_registration_is_an_event(nodes: Nodes) -> None:
    """Each node is greeted once."""
    nodes.live(20)
    assert nodes.events("node-1") == [
        "RegisteredNode Node node-1 event: Registered Node node-1 in Controller"
    ]


def test_a_silent_node_is_unknown_within_forty_to_fifty_five_seconds(nodes: Nodes) -> None:
    """Ready, memory, disk and PID become Unknown; the Event and the pods' condition follow."""
    nodes.pod("web", "node-2", DEFAULT_TOLERATIONS)
    nodes.live(30)
    del nodes.beating["node-2"]
    nodes.live(39)
    assert nodes.status("node-2")["Ready"][0] == "True"
    nodes.live(20)
    unknown = ("Unknown", "NodeStatusUnknown")
    assert nodes.status("node-2") == dict.fromkeys(CONDITIONS, unknown)
    messages = {item["message"] for item in nodes.get("nodes", "node-2")["status"]["conditions"]}
    assert messages == {"Kubelet stopped posting node status."}
    assert "NodeNotReady Node node-2 status is now: NodeNotReady" in nodes.events("node-2")
    assert "NodeNotReady Node is not ready" in nodes.events("web")
    (ready,) = nodes.get("pods", "default/web")["status"]["conditions"]
    assert ready["status"] == "False"
    assert nodes.status("node-1")["Ready"][0] == "True"


def test_unreachable_taints_and_eviction_after_the_tolerated_time(nodes: Nodes) -> None:
    """NoSchedule and NoExecute; a pod with the default tolerations is deleted 300 s later."""
    nodes.pod("web", "node-2", DEFAULT_TOLERATIONS)
    nodes.pod("rude", "node-2")
    nodes.pod("daemon", "node-2", [{"operator": "Exists"}])
    nodes.live(30)
    del nodes.beating["node-2"]
    nodes.live(65)
    assert nodes.taints("node-2") == ["unreachable:NoSchedule", "unreachable:NoExecute"]
    doomed = {name for name in ("web", "rude", "daemon") if is_doomed(nodes, name)}
    assert doomed == {"rude"}
    nodes.live(275)
    assert not is_doomed(nodes, "web")
    nodes.live(25)
    assert is_doomed(nodes, "web")
    assert not is_doomed(nodes, "daemon")
    condition = nodes.get("pods", "default/web")["status"]["conditions"][-1]
    assert (condition["reason"], condition["message"]) == (
        "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"
    )  # fmt: skip
    assert nodes.events("web")[-1] == "TaintManagerEviction Marking for deletion Pod default/web"


def is_doomed(nodes: Nodes, name: str) -> bool:
    return bool(nodes.get("pods", f"default/{name}")["metadata"].get("deletionTimestamp"))


def recover(nodes: Nodes, name: str) -> None:
    """The kubelet is back and posts its status."""
    nodes.beating[name] = None
    conditions = nodes.get("nodes", name)["status"]["conditions"]
    for index, item in enumerate(conditions):
        status = "True" if item["type"] == "Ready" else "False"
        new: Obj = freeze({**item, "status": status, "lastHeartbeatTime": nodes.server.timestamp})
        nodes.change("nodes", name, ("status", "conditions", index), new)


def test_a_node_that_returns_in_time_keeps_its_pods(nodes: Nodes) -> None:
    """Taints go, the planned deletion is cancelled."""
    nodes.pod("web", "node-2", DEFAULT_TOLERATIONS)
    nodes.live(30)
    del nodes.beating["node-2"]
    nodes.live(100)
    recover(nodes, "node-2")
    nodes.live(400)
    assert nodes.taints("node-2") == []
    assert not is_doomed(nodes, "web")
    assert "TaintManagerEviction Cancelling deletion of Pod default/web" in nodes.events("web")


def test_a_cordon_is_a_taint(nodes: Nodes) -> None:
    """spec.unschedulable makes unschedulable:NoSchedule, and takes it away again."""
    nodes.live(5)
    nodes.change("nodes", "node-1", ("spec", "unschedulable"), True)
    nodes.live(2)
    assert nodes.taints("node-1") == ["unschedulable:NoSchedule"]
    nodes.change("nodes", "node-1", ("spec", "unschedulable"), False)
    nodes.live(2)
    assert nodes.taints("node-1") == []


def test_foreign_taints_stay(nodes: Nodes) -> None:
    """A taint that somebody else set is never touched."""
    mine = {"key": "dedicated", "value": "gpu", "effect": "NoExecute"}
    nodes.change("nodes", "node-1", ("spec", "taints"), [mine])
    nodes.change("nodes", "node-1", ("spec", "unschedulable"), True)
    nodes.live(2)
    assert nodes.taints("node-1")[0] == ":NoExecute"
    assert nodes.get("nodes", "node-1")["spec"]["taints"][0] == mine


def test_where_all_nodes_are_silent_nobody_is_evicted(nodes: Nodes) -> None:
    """All zones gone: the fault is likelier ours; no NoExecute taint."""
    nodes.pod("rude", "node-2")
    nodes.live(30)
    nodes.beating = {}
    nodes.live(400)
    for name in nodes.names:
        assert nodes.status(name)["Ready"][0] == "Unknown"
        assert nodes.taints(name) == ["unreachable:NoSchedule"]
    assert not is_doomed(nodes, "rude")


def test_nodes_are_emptied_one_in_ten_seconds() -> None:
    """Two silent nodes of five: the second gets its NoExecute taint ten seconds after the first."""
    nodes = Nodes(5)
    nodes.live(30)
    del nodes.beating["node-1"]
    del nodes.beating["node-2"]
    first = second = 0
    for moment in range(120):
        nodes.live(1)
        driven = [n for n in nodes.names if "unreachable:NoExecute" in nodes.taints(n)]
        first = first or (moment if len(driven) == 1 else 0)
        second = second or (moment if len(driven) == 2 else 0)
    assert second - first == 10


def test_the_state_of_a_zone() -> None:
    """All bad: full; at least three and 55 %: partial; else normal."""

    def zone(good: int, bad: int) -> str:
        statuses = ["True"] * good + ["Unknown"] * bad
        made = [{"status": {"conditions": [{"type": "Ready", "status": s}]}} for s in statuses]
        return zone_state(freeze(made))

    assert zone(0, 1) == zone(0, 3) == FULL
    assert zone(1, 2) == zone(3, 3) == NORMAL
    assert zone(2, 3) == PARTIAL


def test_the_shortest_toleration_counts() -> None:
    """Of several tolerations the shortest limit holds; an uncovered taint allows no time."""
    taints = freeze([{"key": "a", "effect": "NoExecute"}, {"key": "b", "effect": "NoExecute"}])

    def pod(*tolerations: dict[str, object]) -> Obj:
        return freeze({"spec": {"tolerations": list(tolerations)}})  # type: ignore[no-any-return]

    both = pod(
        {"key": "a", "operator": "Exists", "tolerationSeconds": 30},
        {"key": "b", "operator": "Exists", "tolerationSeconds": 20},
    )
    assert patience_seconds(taints, both) == 20
    assert patience_seconds(taints, pod({"operator": "Exists"})) is None
    assert patience_seconds(taints, pod({"key": "a", "operator": "Exists"})) == 0
