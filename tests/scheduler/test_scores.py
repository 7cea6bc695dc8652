"""Scores: each plugin's formula, with numbers worked out by hand or decided by a real scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.api.objects import Obj, freeze
from kubelab.scheduler import config
from kubelab.scheduler.plugins.noderesourcesfit import broken_line, weighted_mean
from tests.scheduler.lab import HOSTNAME, ZONE, Lab, container, node, pod

GI, MI = 1024**3, 1024**2


def configured(plugin: str, **args: Any) -> Any:
    """The default profile with arguments for one plugin."""
    manifest = {"profiles": [{"pluginConfig": [{"name": plugin, "args": args}]}]}
    return config.load(freeze(manifest)).profiles()["default-scheduler"]


def one_score(
    lab_nodes: list[Obj], pods: list[Obj], incoming: Obj, plugin: str, **args: Any
) -> int:
    """The raw score of node `a`; a second, distant node makes that there is a choice."""
    profile = configured(plugin, **args) if args else None
    scores = Lab([*lab_nodes, node("z")], pods, profile=profile).scores(incoming, plugin, raw=True)
    assert scores is not None
    return scores["a"]


class TestTaints:
    def test_fewer_soft_taints_are_better(self) -> None:
        """Raw counts of untolerated PreferNoSchedule taints 0, 1, 2, 3 become 100, 67, 34, 0."""
        nodes = [
            node(f"n{n}", taints=[(f"k{i}", "", "PreferNoSchedule") for i in range(n)])
            for n in range(4)
        ]
        lab = Lab(nodes)
        assert lab.scores(pod("p"), "TaintToleration", raw=True) == {
            "n0": 0,
            "n1": 1,
            "n2": 2,
            "n3": 3,
        }
        assert lab.scores(pod("p"), "TaintToleration") == {"n0": 100, "n1": 67, "n2": 34, "n3": 0}

    def test_without_taints_everybody_gets_100(self) -> None:
        """In a taint-free cluster the reversed scores are all 100."""
        assert Lab([node("a"), node("b")]).scores(pod("p"), "TaintToleration") == {
            "a": 100,
            "b": 100,
        }


class TestNodeAffinity:
    @pytest.mark.parametrize(
        ("raw", "final"), [((45, 30, 15, 0), (100, 66, 33, 0)), ((7, 4, 1), (100, 57, 14))]
    )
    def test_scaled_to_the_best(self, raw: tuple[int, ...], final: tuple[int, ...]) -> None:
        """The sum of matching weights is scaled so that the best node has 100."""
        nodes = [node(f"n{i}", labels={f"w{i}": "1"}) for i in range(len(raw))]
        terms = [
            {
                "weight": w,
                "preference": {"matchExpressions": [{"key": f"w{i}", "operator": "Exists"}]},
            }
            for i, w in enumerate(raw)
            if w
        ]
        affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
        lab = Lab(nodes)
        incoming = pod("p", affinity=affinity)
        found = [lab.scores(incoming, "NodeAffinity", raw=flag) or {} for flag in (True, False)]
        assert [tuple(scores.values()) for scores in found] == [raw, final]

    def test_skipped_without_preferences(self) -> None:
        """A pod without preferred terms has no NodeAffinity score at all."""
        assert Lab([node("a"), node("b")]).scores(pod("p"), "NodeAffinity") is None


class TestFit:
    def test_least_allocated(self) -> None:
        """4 cpu/8Gi with 1250m/3Gi used, pod 600m/700Mi: (53 + 53) // 2 = 53."""
        used = [pod("u", "a", {"cpu": "1250m", "memory": "3Gi"})]
        incoming = pod("p", requests={"cpu": "600m", "memory": "700Mi"})
        assert one_score([node("a")], used, incoming, "NodeResourcesFit") == 53

    def test_defaults_are_per_container(self) -> None:
        """A best-effort pod of two containers on an empty 2 cpu/2Gi: (90 + 80) // 2 = 85."""
        incoming = pod("p", containers=[container(), {**container(), "name": "d"}])
        assert one_score([node("a", "2", "2Gi")], [], incoming, "NodeResourcesFit") == 85

    def test_default_only_for_what_is_not_named(self) -> None:
        """A container with only cpu 250m there: (87 + 90) // 2 = 88."""
        incoming = pod("p", requests={"cpu": "250m"})
        assert one_score([node("a", "2", "2Gi")], [], incoming, "NodeResourcesFit") == 88

    def test_weights(self) -> None:
        """Weights cpu 3 and memory 1, empty 4 cpu/8Gi, pod 1 cpu/6Gi: 62."""
        strategy = {
            "type": "LeastAllocated",
            "resources": [{"name": "cpu", "weight": 3}, {"name": "memory", "weight": 1}],
        }
        incoming = pod("p", requests={"cpu": "1", "memory": "6Gi"})
        score = one_score([node("a")], [], incoming, "NodeResourcesFit", scoringStrategy=strategy)
        assert score == 62

    def test_most_allocated(self) -> None:
        """The first example with MostAllocated: (46 + 46) // 2 = 46."""
        used = [pod("u", "a", {"cpu": "1250m", "memory": "3Gi"})]
        incoming = pod("p", requests={"cpu": "600m", "memory": "700Mi"})
        strategy = {"type": "MostAllocated"}
        score = one_score([node("a")], used, incoming, "NodeResourcesFit", scoringStrategy=strategy)
        assert score == 46

    def test_requested_to_capacity_ratio(self) -> None:
        """Line 0→0, 100→10; 1700m of 4 cpu (42), 6 of 16Gi (37), weights 3 and 5: 38.875 → 39."""
        strategy = {
            "type": "RequestedToCapacityRatio",
            "resources": [{"name": "cpu", "weight": 3}, {"name": "memory", "weight": 5}],
            "requestedToCapacityRatio": {
                "shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]
            },
        }
        incoming = pod("p", requests={"cpu": "1700m", "memory": "6Gi"})
        score = one_score(
            [node("a", "4", "16Gi")], [], incoming, "NodeResourcesFit", scoringStrategy=strategy
        )
        assert score == 39

    def test_broken_line(self) -> None:
        """Line 0→10, 70→3, 100→0: use 33 gives 67, use 83 gives 17."""
        shape = ((0, 100), (70, 30), (100, 0))
        assert (broken_line(shape, 33), broken_line(shape, 83)) == (67, 17)

    def test_mean_rounds_half_up(self) -> None:
        """The weighted mean is rounded half away from zero."""
        assert (weighted_mean([(1, 1), (2, 1)]), weighted_mean([])) == (2, 0)


class TestBalance:
    def test_evens_out(self) -> None:
        """Before cpu 25 %, memory 75 % → 75; after 62.5 %, 81.25 % → 90; score 82."""
        used = [pod("u", "a", {"cpu": "1", "memory": "6Gi"})]
        incoming = pod("p", requests={"cpu": "1500m", "memory": "512Mi"})
        assert one_score([node("a")], used, incoming, "NodeResourcesBalancedAllocation") == 82

    def test_empty_node(self) -> None:
        """Empty node, pod 25 % cpu and 50 % memory: 100 → 87, score 68."""
        incoming = pod("p", requests={"cpu": "1", "memory": "4Gi"})
        assert one_score([node("a")], [], incoming, "NodeResourcesBalancedAllocation") == 68

    def test_three_resources(self) -> None:
        """(.25, .5, .125) = 84 → (.5, .5, .25) = 88, score 77."""
        nodes = [node("a", "4", "8Gi", extra={"x.io/gpu": "8"})]
        used = [pod("u", "a", {"cpu": "1", "memory": "4Gi", "x.io/gpu": "1"})]
        incoming = pod("p", requests={"cpu": "1", "x.io/gpu": "1"})
        wanted = [{"name": name, "weight": 1} for name in ("cpu", "memory", "x.io/gpu")]
        profile = configured("NodeResourcesBalancedAllocation", resources=wanted)
        lab = Lab([*nodes, node("z", extra={"x.io/gpu": "8"})], used, profile=profile)
        scores = lab.scores(incoming, "NodeResourcesBalancedAllocation")
        assert scores is not None
        assert scores["a"] == 77

    def test_best_effort_is_not_scored(self) -> None:
        """A pod that asks for nothing has no balance score."""
        lab = Lab([node("a"), node("b")])
        assert lab.scores(pod("p"), "NodeResourcesBalancedAllocation") is None


class TestImages:
    @pytest.mark.parametrize(("having", "count", "score"), [(2, 1, 21), (2, 2, 10), (5, 1, 56)])
    def test_share_of_nodes(self, having: int, count: int, score: int) -> None:
        """600000000 bytes on 2 of 5 nodes: 21; in a pod of two containers 10; on every node 56."""
        nodes = [
            node(f"n{i}", images={"app:latest": 600000000} if i < having else {}) for i in range(5)
        ]
        containers = [{"name": "c", "image": "app"}, {"name": "d", "image": "b"}][:count]
        scores = Lab(nodes).scores(pod("p", containers=containers), "ImageLocality")
        assert scores is not None
        assert scores["n0"] == score
        assert scores["n4"] == (score if having == 5 else 0)

    def test_port_is_no_tag(self) -> None:
        """A colon before the last slash is no tag, so `:latest` is added."""
        nodes = [node("a", images={"r:5000/app:latest": 10**9}), node("b")]
        containers = [{"name": "c", "image": "r:5000/app"}]
        scores = Lab(nodes).scores(pod("p", containers=containers), "ImageLocality")
        assert scores is not None
        assert scores["a"] > scores["b"] == 0


class TestSpread:
    def test_hostname(self) -> None:
        """Hostname, skew 1, nodes with 2, 1, 0: raw 3, 2, 0 and final 0, 33, 100."""
        pods = [pod(f"u{i}", on, labels={"app": "x"}) for i, on in enumerate(("a", "a", "b"))]
        constraint = {
            "maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "x"}},
        }  # fmt: skip
        incoming = pod("p", labels={"app": "x"}, topologySpreadConstraints=[constraint])
        lab = Lab([node("a"), node("b"), node("c")], pods)
        assert lab.scores(incoming, "PodTopologySpread", raw=True) == {"a": 3, "b": 2, "c": 0}
        assert lab.scores(incoming, "PodTopologySpread") == {"a": 0, "b": 33, "c": 100}

    def test_system_defaults(self) -> None:
        """a1 (2 pods) and a2 (1) in zone a, b1 (1) in b: 13, 12, 9 become 69, 76, 100."""
        nodes = [node(n, labels={ZONE: n[0]}) for n in ("a1", "b1", "a2")]
        pods = [
            pod(f"u{i}", on, labels={"app": "x"}) for i, on in enumerate(("a1", "a1", "a2", "b1"))
        ]
        service = freeze(
            {
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "x", "namespace": "default"},
                "spec": {"selector": {"app": "x"}},
            }
        )  # fmt: skip
        lab = Lab(nodes, pods, [service])
        incoming = pod("p", labels={"app": "x"})
        raw = lab.scores(incoming, "PodTopologySpread", raw=True)
        assert raw == {"a1": 13, "b1": 9, "a2": 12}
        assert lab.scores(incoming, "PodTopologySpread") == {"a1": 69, "b1": 100, "a2": 76}

    def test_no_service_no_defaults(self) -> None:
        """A pod that no Service selects and no controller owns is not spread."""
        assert Lab([node("a"), node("b")]).scores(pod("p"), "PodTopologySpread") is None

    def test_terminating_pods_do_not_count(self) -> None:
        """A terminating pod occupies its node but is not counted for spreading."""
        meta = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
        constraint = {
            "maxSkew": 1, "topologyKey": HOSTNAME, "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app": "x"}},
        }  # fmt: skip
        lab = Lab([node("a"), node("b")], [pod("u", "a", labels={"app": "x"}, meta=meta)])
        incoming = pod("p", labels={"app": "x"}, topologySpreadConstraints=[constraint])
        assert lab.scores(incoming, "PodTopologySpread", raw=True) == {"a": 0, "b": 0}


def term(value: str, key: str = HOSTNAME, **more: Any) -> dict[str, Any]:
    """An affinity term for pods labelled app=value."""
    return {"labelSelector": {"matchLabels": {"app": value}}, "topologyKey": key, **more}


class TestInterPod:
    def test_min_max(self) -> None:
        """Raw 35, 10, −5 become 100, 37, 0."""
        pods = [
            pod("u1", "a", labels={"app": "x"}),
            pod("u2", "b", labels={"app": "y"}),
            pod("u3", "c", labels={"app": "z"}),
        ]
        preferred = "preferredDuringSchedulingIgnoredDuringExecution"
        affinity = {
            "podAffinity": {
                preferred: [
                    {"weight": 35, "podAffinityTerm": term("x")},
                    {"weight": 10, "podAffinityTerm": term("y")},
                ]
            },
            "podAntiAffinity": {preferred: [{"weight": 5, "podAffinityTerm": term("z")}]},
        }
        lab = Lab([node("a"), node("b"), node("c")], pods)
        incoming = pod("p", affinity=affinity)
        raw = lab.scores(incoming, "InterPodAffinity", raw=True)
        assert raw == {"a": 35, "b": 10, "c": -5}
        assert lab.scores(incoming, "InterPodAffinity") == {"a": 100, "b": 37, "c": 0}

    def test_required_affinity_of_others_attracts(self) -> None:
        """A pod there that requires pods like this one adds hardPodAffinityWeight (1)."""
        required = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("x")]}}
        lab = Lab([node("a"), node("b")], [pod("u", "a", affinity=required)])
        raw = lab.scores(pod("p", labels={"app": "x"}), "InterPodAffinity", raw=True)
        assert raw == {"a": 1, "b": 0}

    def test_skipped_where_nothing_matches(self) -> None:
        """Without any matching term the plugin adds nothing."""
        required = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term("x")]}}
        lab = Lab([node("a"), node("b")], [pod("u", "a", affinity=required)])
        assert lab.scores(pod("p"), "InterPodAffinity") is None


def test_total() -> None:
    """The total is the sum of weight times normalised score over the plugins that ran."""
    lab = Lab([node("a"), node("b", "8")])
    outcome = lab.decide(pod("p", requests={"cpu": "1", "memory": "1Gi"}))
    weights = {column.plugin: column.weight for column in outcome.scores}
    assert weights == {
        "TaintToleration": 3, "NodeResourcesFit": 1, "DynamicResources": 2,
        "NodeResourcesBalancedAllocation": 1, "ImageLocality": 1,
    }  # fmt: skip
    for index in (0, 1):
        parts = sum(column.weight * column.normalized[index] for column in outcome.scores)
        assert outcome.totals[index] == parts


def test_the_size_of_an_image_is_what_the_first_node_said() -> None:
    """Nodes that name another size for the same image get the same score."""
    image = "app:1"
    lab = Lab([node("a", images={image: 600_000_000}), node("b", images={image: 100_000_000})])
    scores = lab.scores(pod("p"), "ImageLocality")
    assert scores == {"a": 56, "b": 56}
