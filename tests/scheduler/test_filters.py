"""Filters: what rules a node out, in which words, and whether evicting pods might help."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj, freeze
from kubelab.scheduler.framework import UNRESOLVABLE, UNSCHEDULABLE
from kubelab.scheduler.matching import Requirement, holds
from tests.scheduler.lab import ZONE, Lab, node, pod

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def verdict(lab: Lab, incoming: Obj, name: str = "a") -> tuple[str, str, tuple[str, ...]] | None:
    """Plugin, code and reasons on one node."""
    status = dict(lab.decide(incoming).verdicts)[name]
    return (status.plugin, status.code, status.reasons) if status else None


def selector(key: str, operator: str, *values: str) -> dict[str, Any]:
    """Required node affinity with one expression."""
    expression = {"key": key, "operator": operator, "values": list(values)}
    terms = [{"matchExpressions": [expression]}]
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}}


def test_cordoned() -> None:
    """A cordoned node is refused before its taints are; a toleration of the cordon opens it."""
    lab = Lab([node("a", unschedulable=True)])
    words = ("node(s) were unschedulable",)
    assert verdict(lab, pod("p")) == ("NodeUnschedulable", UNRESOLVABLE, words)
    toleration = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}
    assert verdict(lab, pod("p", tolerations=[toleration])) is None


@pytest.mark.parametrize(
    ("taint", "toleration", "passes"),
    [
        (("k", "v", "NoSchedule"), None, False),
        (("k", "v", "NoExecute"), None, False),
        (("k", "v", "PreferNoSchedule"), None, True),
        (("k", "v", "NoSchedule"), {"key": "k", "value": "v"}, True),
        (("k", "v", "NoSchedule"), {"key": "k", "value": "w"}, False),
        (("k", "v", "NoSchedule"), {"key": "k", "operator": "Exists"}, True),
        (("k", "v", "NoSchedule"), {"operator": "Exists"}, True),
        (("k", "v", "NoSchedule"), {"operator": "Exists", "effect": "NoExecute"}, False),
        (("k", "", "NoSchedule"), {"key": "k"}, True),
        (("k", "5", "NoSchedule"), {"key": "k", "operator": "Gt", "value": "3"}, False),
    ],
)
def test_taints(taint: tuple[str, str, str], toleration: Any, passes: bool) -> None:
    """Effect empty or equal; key empty or equal; Exists, or Equal with equal values."""
    tolerations = [toleration] if toleration else []
    found = verdict(Lab([node("a", taints=[taint])]), pod("p", tolerations=tolerations))
    refused = ("TaintToleration", UNRESOLVABLE, ("node(s) had untolerated taint(s)",))
    assert found == (None if passes else refused)


@pytest.mark.parametrize(
    ("affinity", "passes"),
    [
        (selector("zone", "In", "x", "y"), True),
        (selector("zone", "In", "y"), False),
        (selector("zone", "NotIn", "y"), True),
        (selector("missing", "NotIn", "y"), True),
        (selector("zone", "Exists"), True),
        (selector("missing", "DoesNotExist"), True),
        (selector("cores", "Gt", "7"), True),
        (selector("cores", "Gt", "8"), False),
        (selector("cores", "Lt", "9"), True),
        (selector("zone", "Gt", "1"), False),
        ({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{}]}}}, False),
    ],
)
def test_node_affinity(affinity: Any, passes: bool) -> None:
    """The operators; an empty term matches nothing."""
    lab = Lab([node("a", labels={"zone": "x", "cores": "8"})])
    refused = (
        "NodeAffinity", UNRESOLVABLE, ("node(s) didn't match Pod's node affinity/selector",),
    )  # fmt: skip
    assert verdict(lab, pod("p", affinity=affinity)) == (None if passes else refused)


def test_named_nodes() -> None:
    """Terms that all name nodes restrict the search; the others are not even filtered."""
    lab = Lab([node("a"), node("b", unschedulable=True), node("c")])
    fields = [{"key": "metadata.name", "operator": "In", "values": ["b"]}]
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": fields}]}}}
    outcome = lab.decide(pod("p", affinity=affinity))
    assert [name for name, _ in outcome.verdicts] == ["b"]
    assert outcome.message() == (
        "0/3 nodes are available: 1 node(s) were unschedulable, "
        "2 node(s) didn't satisfy plugin(s) [NodeAffinity]."
    )


def test_conflicting_names() -> None:
    """A term that names two different nodes at once refuses the pod in PreFilter."""
    fields = [{"key": "metadata.name", "operator": "In", "values": [name]} for name in ("a", "b")]
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": fields}]}}}
    outcome = Lab([node("a"), node("b")]).decide(pod("p", affinity=affinity))
    assert outcome.message() == "0/2 nodes are available: pod affinity terms conflict."
    assert outcome.refused_by == ("NodeAffinity",)


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        ({"hostPort": 80}, False),
        ({"hostPort": 81}, True),
        ({"hostPort": 80, "protocol": "UDP"}, True),
        ({"hostPort": 80, "hostIP": "127.0.0.1"}, False),
    ],
)
def test_ports(wanted: dict[str, Any], passes: bool) -> None:
    """Same port and protocol clash if the addresses are equal or either is 0.0.0.0."""

    def with_port(name: str, on: str, port: dict[str, Any]) -> Obj:
        ports = [{"containerPort": 1, **port}]
        return pod(name, on, containers=[{"name": "c", "image": "i", "ports": ports}])

    lab = Lab([node("a")], [with_port("u", "a", {"hostPort": 80})])
    words = ("node(s) didn't have free ports for the requested pod ports",)
    refused = ("NodePorts", UNSCHEDULABLE, words)
    assert verdict(lab, with_port("p", "", wanted)) == (None if passes else refused)


class TestFit:
    def test_collects_all_shortages(self) -> None:
        """A node short of several things names them all, in order; more than it has: hopeless."""
        lab = Lab(
            [node("a", "1", "1Gi", pods=1)], [pod("u", "a", {"cpu": "500m", "memory": "1Gi"})]
        )
        found = verdict(lab, pod("p", requests={"cpu": "600m", "memory": "1Mi"}))
        words = ("Too many pods", "Insufficient cpu", "Insufficient memory")
        assert found == ("NodeResourcesFit", UNSCHEDULABLE, words)
        found = verdict(lab, pod("p", requests={"cpu": "2"}))
        words = ("Too many pods", "Insufficient cpu")
        assert found == ("NodeResourcesFit", UNRESOLVABLE, words)

    def test_nothing_asked(self) -> None:
        """A pod that asks for nothing fits a node that is overcommitted."""
        lab = Lab([node("a", "1")], [pod("u", "a", {"cpu": "2"})])
        assert verdict(lab, pod("p")) is None

    def test_extended_resource(self) -> None:
        """A resource that the node does not have counts as 0, so nothing can help."""
        found = verdict(Lab([node("a")]), pod("p", requests={"x.io/gpu": "1"}))
        assert found == ("NodeResourcesFit", UNRESOLVABLE, ("Insufficient x.io/gpu",))

    def test_numbers(self) -> None:
        """The verdict carries what was compared."""
        lab = Lab([node("a")], [pod("u", "a", {"cpu": "2"})])
        status = dict(lab.decide(pod("p", requests={"cpu": "3"})).verdicts)["a"]
        assert status is not None
        assert status.detail["short"]["cpu"] == {"asks": 3000, "free": 2000, "of": 4000}

    @pytest.mark.parametrize(
        ("inits", "cpu"),
        [
            ([("s", "500m", True), ("i", "2", False)], 2500),
            ([("i", "2", False), ("s", "500m", True)], 2000),
        ],
    )
    def test_init_phase(self, inits: list[tuple[str, str, bool]], cpu: int) -> None:
        """A sidecar counts beside the init containers that come after it, not those before."""
        containers = [
            {
                "name": name, "image": "i", "resources": {"requests": {"cpu": amount}},
                **({"restartPolicy": "Always"} if sidecar else {}),
            }
            for name, amount, sidecar in inits
        ]  # fmt: skip
        incoming = pod("p", requests={"cpu": "1500m"}, initContainers=containers)
        assert Lab([]).pod_info(incoming).requests.cpu == cpu

    def test_pod_level_requests(self) -> None:
        """Requests of the pod as a whole replace the sum; a score sees only the containers."""
        incoming = pod("p", requests={"cpu": "1"}, resources={"requests": {"cpu": "3"}})
        info = Lab([]).pod_info(incoming)
        assert (info.requests.cpu, info.scored.cpu) == (3000, 1000)


def spread(skew: int, key: str = ZONE, **more: Any) -> dict[str, Any]:
    """A hard constraint for pods labelled app=x."""
    return {
        "maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "x"}}, **more,
    }  # fmt: skip


class TestSpread:
    def lab(self) -> Lab:
        """Two pods in zone 1, one in zone 2, a node without a zone."""
        nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"}), node("c")]
        return Lab(nodes, [pod(f"u{n}", on, labels={"app": "x"}) for n, on in enumerate("aab")])

    def incoming(self, **more: Any) -> Obj:
        return pod("p", labels={"app": "x"}, topologySpreadConstraints=[spread(1, **more)])

    def test_skew(self) -> None:
        """2 + 1 − 1 exceeds a skew of 1 in zone 1; zone 2 takes the pod; no zone, no place."""
        found = self.lab().reasons(self.incoming())
        words = "node(s) didn't match pod topology spread constraints"
        assert found == {
            "a": ("PodTopologySpread", words),
            "b": None,
            "c": ("PodTopologySpread", f"{words} (missing required label)"),
        }

    def test_min_domains(self) -> None:
        """With fewer zones than minDomains the smallest count is taken as 0."""
        found = self.lab().reasons(self.incoming(minDomains=3))
        assert found["b"] == (
            "PodTopologySpread", "node(s) didn't match pod topology spread constraints",
        )  # fmt: skip

    def test_tainted_zones_count(self) -> None:
        """A tainted node is a place too, unless nodeTaintsPolicy is Honor."""
        nodes = [
            node("a", labels={ZONE: "1"}),
            node("b", labels={ZONE: "2"}, taints=[("k", "", "NoSchedule")]),
        ]
        lab = Lab(nodes, [pod("u", "a", labels={"app": "x"})])
        assert lab.reasons(self.incoming())["a"] is not None
        assert lab.reasons(self.incoming(nodeTaintsPolicy="Honor"))["a"] is None

    def test_other_namespace(self) -> None:
        """Only pods of the same namespace count."""
        nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"})]
        lab = Lab(nodes, [pod("u", "a", labels={"app": "x"}, namespace="other")])
        assert lab.reasons(self.incoming())["a"] is None


def near(app: str, key: str = ZONE, **more: Any) -> dict[str, Any]:
    """A term for pods labelled app=…"""
    return {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key, **more}


class TestInterPod:
    nodes = [node("a", labels={ZONE: "1"}), node("b", labels={ZONE: "2"}), node("c")]

    def test_affinity(self) -> None:
        """Only the place that holds a matching pod will do."""
        lab = Lab(self.nodes, [pod("u", "a", labels={"app": "x"})])
        found = lab.reasons(pod("p", affinity={"podAffinity": {REQUIRED: [near("x")]}}))
        refused = ("InterPodAffinity", "node(s) didn't match pod affinity rules")
        assert found == {"a": None, "b": refused, "c": refused}

    def test_first_of_its_group(self) -> None:
        """A pod that matches its own term may be the first, on a node that has the key."""
        affinity = {"podAffinity": {REQUIRED: [near("x")]}}
        found = Lab(self.nodes).reasons(pod("p", labels={"app": "x"}, affinity=affinity))
        refused = ("InterPodAffinity", "node(s) didn't match pod affinity rules")
        assert found == {"a": None, "b": None, "c": refused}

    def test_all_terms_by_one_pod(self) -> None:
        """A pod must match all the terms at once; two pods with one each do not help."""
        pods = [pod("u", "a", labels={"app": "x"}), pod("v", "a", labels={"app": "y"})]
        affinity = {"podAffinity": {REQUIRED: [near("x"), near("y")]}}
        assert Lab(self.nodes, pods).reasons(pod("p", affinity=affinity))["a"] is not None

    def test_anti_affinity(self) -> None:
        """The place with a matching pod is ruled out; a node without the key passes."""
        lab = Lab(self.nodes, [pod("u", "a", labels={"app": "x"})])
        found = lab.reasons(pod("p", affinity={"podAntiAffinity": {REQUIRED: [near("x")]}}))
        words = "node(s) didn't match pod anti-affinity rules"
        assert found == {"a": ("InterPodAffinity", words), "b": None, "c": None}

    def test_anti_affinity_of_others(self) -> None:
        """A pod that is there already may want the incoming one far away."""
        repelling = pod("u", "a", affinity={"podAntiAffinity": {REQUIRED: [near("x")]}})
        found = Lab(self.nodes, [repelling]).reasons(pod("p", labels={"app": "x"}))
        words = "node(s) didn't satisfy existing pods anti-affinity rules"
        assert found == {"a": ("InterPodAffinity", words), "b": None, "c": None}

    def test_match_label_keys(self) -> None:
        """matchLabelKeys narrow a term to the pod's own values, mismatchLabelKeys to other ones."""
        there = pod("u", "a", labels={"app": "x", "v": "1"})
        lab = Lab(self.nodes, [there])

        def fits(version: str, field: str) -> bool:
            affinity = {"podAffinity": {REQUIRED: [near("x", **{field: ["v"]})]}}
            return lab.reasons(pod("p", labels={"v": version}, affinity=affinity))["a"] is None

        assert fits("1", "matchLabelKeys")
        assert not fits("2", "matchLabelKeys")
        assert fits("2", "mismatchLabelKeys")

    def test_namespaces(self) -> None:
        """A term is about the owner's namespace unless it names or selects others."""
        there = pod("u", "a", labels={"app": "x"}, namespace="shop")
        shop = freeze(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": "shop", "labels": {"t": "1"}},
            }
        )
        lab = Lab(self.nodes, [there], [shop])

        def fits(**more: Any) -> bool:
            affinity = {"podAffinity": {REQUIRED: [near("x", **more)]}}
            return lab.reasons(pod("p", affinity=affinity))["a"] is None

        assert not fits()
        assert fits(namespaces=["shop"])
        assert fits(namespaceSelector={"matchLabels": {"t": "1"}})
        assert fits(namespaceSelector={})
        assert not fits(namespaceSelector={"matchLabels": {"t": "2"}})


def test_message_counts_and_sorts() -> None:
    """Reasons are counted over nodes and sorted as texts, count first: `10 …` before `2 …`."""
    nodes = [node(f"n{n:02}", unschedulable=True) for n in range(10)]
    nodes += [node(f"m{n}", "1", "1Gi") for n in range(2)]
    outcome = Lab(nodes).decide(pod("p", requests={"cpu": "2", "memory": "2Gi"}))
    assert outcome.message() == (
        "0/12 nodes are available: 10 node(s) were unschedulable, "
        "2 Insufficient cpu, 2 Insufficient memory."
    )


def test_zones_take_turns() -> None:
    """Nodes are searched zone by zone in turn, zones in the order of first appearance."""
    names = ["a1", "a2", "a3", "b1", "c1", "c2"]
    lab = Lab([node(name, labels={ZONE: name[0]}) for name in names])
    assert [info.name for info in lab.cache.ordered()] == ["a1", "b1", "c1", "a2", "c2", "a3"]


@pytest.mark.parametrize(
    ("value", "fits"),
    [("11", True), ("10", False), ("1_1", False), ("+11", True), ("99999999999999999999", False)],
)
def test_more_than_reads_whole_numbers(value: str, fits: bool) -> None:
    """Gt compares integers of 64 bits, written with digits and a sign only."""
    assert holds(Requirement("n", "Gt", ("10",)), {"n": value}) == fits
