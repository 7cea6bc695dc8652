"""On any cluster the package and the plain model decide alike: verdicts, scores, totals, message.

A number names the cluster; one that fails is named by the test and can be tried by itself.
"""

from __future__ import annotations

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab.api.objects import Obj, freeze
from kubelab.scheduler.cycle import evaluate
from kubelab.scheduler.plugins.defaultpreemption import DefaultPreemption
from tests.scheduler.lab import Lab
from tests.scheduler.model import HOSTNAME, PREFERRED, REQUIRED, ZONE, Model
from tests.scheduler.model_preemption import message, preempt
from tests.scheduler.model_scores import Scorer, totals

# Later than any pod has started.
NOW_NS = 4 * 10**18
EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")
IMAGES = ("app:1", "db", "registry:5000/db", "web:2")


class Maker:
    """Draws clusters and pods."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def often(self, share: float) -> bool:
        return self.random.random() < share

    def one(self, choices: Any) -> Any:
        return self.random.choice(choices)

    def some(self, make: Any, most: int) -> list[Any]:
        return [make() for _ in range(self.random.randint(0, most))]

    def requests(self) -> dict[str, str]:
        found = {}
        if self.often(0.7):
            found["cpu"] = self.one(["0", "100m", "250m", "500m", "1", "1500m"])
        if self.often(0.6):
            found["memory"] = self.one(["0", "128Mi", "1Gi", "1000000000", "3Gi"])
        if self.often(0.1):
            found["example.com/gpu"] = self.one(["1", "2"])
        if self.often(0.1):
            found["ephemeral-storage"] = self.one(["1Gi", "3Gi"])
        return found

    def container(self, number: int = 0) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": f"c{number}", "image": self.one(IMAGES),
            "resources": {"requests": self.requests()},
        }  # fmt: skip
        if self.often(0.15):
            port = {"containerPort": 80, "hostPort": self.one([80, 81])}
            if self.often(0.5):
                port["hostIP"] = self.one(["127.0.0.1", "10.0.0.1", "0.0.0.0"])
            if self.often(0.3):
                port["protocol"] = "UDP"
            made["ports"] = [port]
        return made

    def init(self) -> dict[str, Any]:
        more = {"restartPolicy": "Always"} if self.often(0.5) else {}
        return {**self.container(9), **more}

    def labels(self) -> dict[str, str]:
        found = {}
        if self.often(0.7):
            found["app"] = self.one("xy")
        if self.often(0.3):
            found["tier"] = self.one("12")
        return found

    def selector(self) -> Any:
        if self.often(0.1):
            return {}
        if self.often(0.3):
            operator = self.one(["In", "NotIn", "Exists", "DoesNotExist"])
            values = {"values": [self.one("xy")]} if operator in ("In", "NotIn") else {}
            return {"matchExpressions": [{"key": "app", "operator": operator, **values}]}
        return {"matchLabels": {"app": self.one("xy")}}

    def term(self) -> dict[str, Any]:
        made = {"topologyKey": self.one([HOSTNAME, ZONE, "rack"]), "labelSelector": self.selector()}
        if self.often(0.2):
            made["namespaces"] = [self.one(["default", "other"])]
        if self.often(0.2):
            made["namespaceSelector"] = self.one([{}, {"matchLabels": {"team": "a"}}])
        return made

    def weighted(self) -> dict[str, Any]:
        return {"weight": self.random.randint(1, 100), "podAffinityTerm": self.term()}

    def node_term(self) -> dict[str, Any]:
        operator = self.one(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"])
        if operator in ("Gt", "Lt"):
            return {"matchExpressions": [{"key": "size", "operator": operator, "values": ["5"]}]}
        values = {"values": [self.one("ab")]} if operator in ("In", "NotIn") else {}
        made: dict[str, Any] = {"matchExpressions": [{"key": ZONE, "operator": operator, **values}]}
        if self.often(0.15):
            field = {"key": "metadata.name", "operator": "NotIn", "values": ["n0"]}
            made["matchFields"] = [field]
        return made

    def affinity(self) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.often(0.3):
            terms = [self.node_term(), *self.some(self.node_term, 1)]
            made["nodeAffinity"] = {REQUIRED: {"nodeSelectorTerms": terms}}
        if self.often(0.3):
            terms = [{"weight": self.random.randint(1, 100), "preference": self.node_term()}]
            terms += self.some(lambda: {"weight": 7, "preference": self.node_term()}, 2)
            made.setdefault("nodeAffinity", {})[PREFERRED] = terms
        for kind in ("podAffinity", "podAntiAffinity"):
            if self.often(0.25):
                made[kind] = {REQUIRED: [self.term(), *self.some(self.term, 1)]}
            if self.often(0.25):
                made.setdefault(kind, {})[PREFERRED] = [
                    self.weighted(), *self.some(self.weighted, 1)]  # fmt: skip
        return made

    def constraint(self) -> dict[str, Any]:
        made = {
            "maxSkew": self.random.randint(1, 2), "topologyKey": self.one([HOSTNAME, ZONE, "rack"]),
            "whenUnsatisfiable": self.one(["DoNotSchedule", "ScheduleAnyway"]),
            "labelSelector": self.selector(),
        }  # fmt: skip
        if made["whenUnsatisfiable"] == "DoNotSchedule" and self.often(0.2):
            made["minDomains"] = self.random.randint(1, 3)
        if self.often(0.2):
            made["nodeAffinityPolicy"] = self.one(["Honor", "Ignore"])
        if self.often(0.3):
            made["nodeTaintsPolicy"] = self.one(["Honor", "Ignore"])
        return made

    def toleration(self) -> dict[str, Any]:
        made: dict[str, Any] = {"operator": "Exists"}
        if self.often(0.8):
            made["key"] = self.one(["k", "l", "node.kubernetes.io/unschedulable"])
            if self.often(0.6):
                made.update(operator="Equal", value=self.one(["", "v"]))
        if self.often(0.5):
            made["effect"] = self.one(EFFECTS)
        return made

    def pod(self, number: int, on: str = "") -> Obj:
        spec: dict[str, Any] = {
            "containers": [self.container(), *self.some(self.container, 1)],
            "initContainers": self.some(self.init, 2) if self.often(0.2) else [],
            "affinity": self.affinity() if self.often(0.5) else {},
            "tolerations": self.some(self.toleration, 2),
            "nodeSelector": {ZONE: self.one("ab")} if self.often(0.1) else {},
            "topologySpreadConstraints": self.some(self.constraint, 2),
        }
        if self.often(0.1):
            spec["resources"] = {"requests": {"cpu": self.one(["300m", "2"])}}
        if self.often(0.1):
            spec["overhead"] = {"cpu": "50m", "memory": "10Mi"}
        if on:
            spec["nodeName"] = on
        meta: dict[str, Any] = {
            "name": f"p{number}", "namespace": self.one(["default", "default", "other"]),
            "uid": f"u{number}", "labels": self.labels(),
        }  # fmt: skip
        spec["priority"] = self.random.randint(0, 3) if on else 5
        status = {}
        if on and self.often(0.8):
            status["startTime"] = f"2025-01-0{self.random.randint(1, 4)}T00:00:00Z"
        if on and self.often(0.1):
            meta["deletionTimestamp"] = "2025-01-01T00:00:00Z"
        return freeze({
            "apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status,
        })  # fmt: skip

    def budget(self, number: int) -> Obj:
        meta = {"name": f"b{number}", "namespace": self.one(["default", "other"])}
        return freeze({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta,
            "spec": {"selector": {"matchLabels": {"app": self.one("xy")}}},
            "status": {"disruptionsAllowed": self.random.randint(0, 2)},
        })  # fmt: skip

    def taint(self) -> dict[str, Any]:
        made = {"key": self.one("kl"), "effect": self.one(EFFECTS)}
        return {**made, **({"value": "v"} if self.often(0.5) else {})}

    def node(self, number: int) -> Obj:
        labels = {}
        if self.often(0.9):
            labels[HOSTNAME] = f"n{number}"
        if self.often(0.8):
            labels[ZONE] = self.one("ab")
        if self.often(0.4):
            labels["rack"] = self.one("123")
        if self.often(0.4):
            labels["size"] = self.one(["3", "9", "big"])
        amounts = {
            "cpu": self.one(["1", "2", "4", "3900m"]), "memory": self.one(["2Gi", "8Gi", "4000Mi"]),
            "pods": self.one(["2", "110", "110", "110"]), "ephemeral-storage": "4Gi",
        }  # fmt: skip
        if self.often(0.3):
            amounts["example.com/gpu"] = "2"
        images = [
            {"names": [image if ":1" in image else f"{image}:latest"], "sizeBytes": 300_000_000}
            for image in self.some(lambda: self.one(IMAGES[:3]), 2)
        ]
        images = [one for at, one in enumerate(images) if one not in images[:at]]
        spec = {"taints": self.some(self.taint, 2) if self.often(0.4) else []}
        if self.often(0.1):
            spec["unschedulable"] = True  # type: ignore[assignment]
        return freeze({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number}",
            "labels": labels}, "spec": spec, "status": {"allocatable": amounts, "images": images},
        })  # fmt: skip

    def cluster(self) -> tuple[list[Obj], list[Obj], list[Obj], list[Obj]]:
        """Nodes, pods on them, Services, namespaces."""
        nodes = [self.node(number) for number in range(self.random.randint(2, 6))]
        pods = [
            self.pod(number, f"n{self.random.randrange(len(nodes))}")
            for number in range(self.random.randint(0, 10))
        ]
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {
            "name": "s", "namespace": "default"}, "spec": {"selector": {"app": "x"}}}  # fmt: skip
        spaces = [("default", {"team": "a"}), ("other", {"team": self.one("ab")})]
        namespaces = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
            for name, labels in spaces
        ]
        return nodes, pods, [freeze(service)], [freeze(one) for one in namespaces]


def compare(seed: int) -> None:
    """Decides on three pods in one cluster both ways."""
    maker = Maker(seed)
    nodes, pods, services, namespaces = maker.cluster()
    model = Model(nodes, pods, services, namespaces)
    budgets = [maker.budget(number) for number in range(2)]
    lab = Lab(nodes, pods, [*services, *namespaces, *budgets])
    for number in range(100, 103):
        pod = maker.pod(number)
        outcome = lab.decide(pod)
        found = lab.reasons(pod)
        order = [model.by_name[name] for name, _ in outcome.verdicts]
        assert found == {node["metadata"]["name"]: model.verdict(pod, node) for node in order}
        left = [node for node in order if found[node["metadata"]["name"]] is None]
        assert [info.name for info in outcome.feasible] == [n["metadata"]["name"] for n in left]
        if not left and simple(pods, pod):
            compare_preemption(lab, model, pod, budgets)
        if len(left) < 2:
            assert not outcome.scores
            continue
        columns = Scorer(model, pod, left).columns()
        given_ = {one.plugin: (list(one.raw), list(one.normalized)) for one in outcome.scores}
        assert given_ == columns
        names = [info.name for info in outcome.feasible]
        assert dict(zip(names, outcome.totals, strict=True)) == totals(columns, left)


def simple(pods: list[Obj], pod: Obj) -> bool:
    """Whether nothing is counted one way while standing and another way while leaving: the real
    scheduler, too, takes terminating pods, and those that an empty selector matches, out of counts
    in which they never were."""
    constraints = pod["spec"]["topologySpreadConstraints"]
    if not constraints:
        return True
    leaving = any("deletionTimestamp" in other["metadata"] for other in pods)
    return not leaving and all(one["labelSelector"] for one in constraints)


def compare_preemption(lab: Lab, model: Model, pod: Obj, budgets: list[Obj]) -> None:
    """Has room made for a pod both ways: the same victims, or the same words."""
    cycle = lab.cycle(pod, NOW_NS)
    outcome = evaluate(cycle, 0, 0)
    result = DefaultPreemption().post_filter(cycle, outcome)
    best, words = preempt(model, pod, budgets)
    if best:
        victims = tuple(victim.key for victim in result.victims)
        assert (result.node, victims) in [(one.node, one.victims) for one in best]
    else:
        assert result.status is not None
        assert result.status.message == f"preemption: {message(len(model.nodes), words)}"


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_alike(seed: int) -> None:
    """The package and the model agree on whatever cluster is drawn."""
    compare(seed)
