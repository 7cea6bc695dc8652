"""What must hold on any cluster: capacity, determinism, and that remembering changes nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab.api.objects import Obj
from tests.scheduler.lab import HOSTNAME, ZONE, Lab, Scene, node, pod

CPUS = st.sampled_from(["0", "100m", "500m", "1", "2"])
LABELS = st.sampled_from([{}, {"app": "x"}, {"app": "y"}])
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@st.composite
def clusters(draw: Any) -> list[Obj]:
    """A few nodes in two zones, some tainted or cordoned."""
    count = draw(st.integers(1, 5))
    return [
        node(
            f"n{index}",
            draw(st.sampled_from(["1", "2", "4"])),
            pods=draw(st.integers(1, 4)),
            labels={ZONE: draw(st.sampled_from("ab"))},
            taints=draw(st.sampled_from([[], [("k", "", "NoSchedule")]])),
            unschedulable=draw(st.sampled_from([False, False, True])),
        )
        for index in range(count)
    ]


@st.composite
def pods(draw: Any) -> list[Obj]:
    """Pods with all kinds of wishes."""
    found = []
    for index in range(draw(st.integers(1, 8))):
        more: dict[str, Any] = {"labels": draw(LABELS), "priority": draw(st.integers(0, 2))}
        term = {"labelSelector": {"matchLabels": {"app": draw(st.sampled_from("xy"))}},
                "topologyKey": draw(st.sampled_from([HOSTNAME, ZONE]))}  # fmt: skip
        wish = draw(st.sampled_from(["", "podAffinity", "podAntiAffinity", "spread"]))
        if wish == "spread":
            more["topologySpreadConstraints"] = [
                {**term, "maxSkew": 1, "whenUnsatisfiable": draw(
                    st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]))}
            ]  # fmt: skip
        elif wish:
            more["affinity"] = {wish: {REQUIRED: [term]}}
        requests = {"cpu": draw(CPUS), "memory": draw(st.sampled_from(["0", "1Gi"]))}
        found.append(pod(f"p{index}", requests=requests, **more))
    return found


@given(clusters(), pods())
@settings(max_examples=60, deadline=None)
def test_never_over_capacity(nodes: list[Obj], waiting: list[Obj]) -> None:
    """No node ever holds more than it has, no pod stands where a filter says no, and none is bound
    twice."""
    scene = Scene(*nodes)
    scene.put(*waiting, seconds=20)
    for info in scene.scheduler.cache.ordered():
        assert len(info.pods) <= info.max_pods
        for name, amount in info.requested.items():
            asked = any(one.requests.amount(name) for one in info.pods)
            assert not asked or amount <= info.allocatable.amount(name)
    bindings = [one.path for one in scene.server.asked if one.path.endswith("/binding")]
    assert len(bindings) == len(dict.fromkeys(bindings))
    for decisions in scene.scheduler.decisions.values():
        for decision in decisions:
            if decision.node is not None:
                assert dict(decision.verdicts)[decision.node] is None


@given(clusters(), pods())
@settings(max_examples=60, deadline=None)
def test_remembering_changes_nothing(nodes: list[Obj], waiting: list[Obj]) -> None:
    """With and without remembered verdicts each pod gets the same verdicts, scores and totals."""
    quick, plain = Lab(nodes), Lab(nodes, memo=False)
    for obj in waiting + waiting:
        first, second = quick.decide(obj), plain.decide(obj)
        assert first == second._replace(feasible=first.feasible)
        assert [n.name for n in first.feasible] == [n.name for n in second.feasible]
        if first.feasible:
            name = first.feasible[0].name
            for lab in (quick, plain):
                info = lab.pod_info(obj)
                if info.key not in lab.cache.pods:
                    lab.cache.add_pod(info._replace(node=name))


@given(clusters(), pods())
@settings(max_examples=30, deadline=None)
def test_same_picture_same_decision(nodes: list[Obj], waiting: list[Obj]) -> None:
    """The same pod and the same nodes give the same outcome, however often it is asked for."""
    lab = Lab(nodes)
    for obj in waiting:
        first = lab.decide(obj)
        assert lab.decide(obj) == first
        if first.feasible:
            lab.cache.add_pod(lab.pod_info(obj)._replace(node=first.feasible[-1].name))


@given(clusters(), pods())
@settings(max_examples=20, deadline=None)
def test_same_seed_same_trace(nodes: list[Obj], waiting: list[Obj]) -> None:
    """The same objects and seed give the same events."""
    traces = []
    for _ in range(2):
        scene = Scene(*nodes, seed=7)
        scene.put(*waiting, seconds=5)
        traces.append(list(scene.world.trace))
    assert traces[0] == traces[1]


@given(clusters(), pods())
@settings(max_examples=40, deadline=None)
def test_victims_help(nodes: list[Obj], waiting: list[Obj]) -> None:
    """Each victim has lower priority than the pod it makes room for, and stands on its node."""
    scene = Scene(*nodes)
    scene.put(*[one for one in waiting if one["spec"]["priority"] == 0], seconds=5)
    placed = {key: info.node for key, info in scene.scheduler.cache.pods.items()}
    scene.put(*[one for one in waiting if one["spec"]["priority"]], seconds=1)
    for decisions in scene.scheduler.decisions.values():
        for decision in decisions:
            priority = scene.get(decision.pod)["spec"]["priority"] if decision.victims else 0
            for victim in decision.victims:
                assert placed.get(victim, decision.nominated_node) == decision.nominated_node
                found = scene.server.store["pods"].get(victim)
                assert found is None or found["spec"]["priority"] < priority
