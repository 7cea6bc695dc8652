"""Over random runs no sentence contradicts the trace, and every way to a moment leads to the same
picture, in every kind of view, while the cluster stays where it is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubelab import Cluster
from kubelab.views.view import View
from tests.browser.cast import client, deployment, service
from tests.views.test_measures import looking

WORDS = 30
MOVES = ("step", "back", "first", "now", "mine")


@pytest.fixture(scope="module")
def built() -> Any:
    """A small shop at rest, with a request and a fault behind it."""
    cluster = Cluster(nodes=2)
    cluster.settle()
    cluster.apply([deployment("web", 2), service("web"), client()])
    cluster.settle()
    cluster.curl("default/client", "http://web/")
    return cluster


@pytest.mark.parametrize("number", range(11))
@settings(max_examples=2, suppress_health_check=list(HealthCheck), deadline=None)
@given(moves=st.lists(st.sampled_from(MOVES), min_size=3, max_size=7), rung=st.integers(0, 1))
def test_any_way_leads_to_the_same_picture(
    built: Any, number: int, moves: list[str], rung: int
) -> None:
    """However a viewer came to a cursor, a fresh view draws the same there; and only Step, at the
    present, has moved the cluster."""
    cluster = built.fork()
    view = looking(cluster)[number]
    view.climb(("message", "decision")[rung])
    for move in moves:
        size = len(cluster.trace)
        at_present = view.cursor.event >= size
        getattr(view, move)()
        assert len(cluster.trace) == size or (move == "step" and at_present)
    direct = View(cluster, view.kind, view.options, by=view.by)
    direct.cursor = view.cursor
    assert view.picture().svg() == direct.picture().svg()


def acts(draw: Any, cluster: Any) -> None:
    """One random thing that a user may do."""
    what = draw(st.sampled_from(["scale", "delete", "stop", "start", "node", "run", "curl"]))
    if what == "scale":
        cluster.kubectl(f"scale deployment web --replicas={draw(st.integers(0, 5))}")
    elif what == "delete":
        for pod in cluster.list("Pod", "default", "app=web")[:1]:
            cluster.delete("Pod", pod["metadata"]["name"])
    elif what in ("stop", "start"):
        name = draw(st.sampled_from(["scheduler", "controller-manager", "kube-proxy/node-1"]))
        getattr(cluster.faults, what)(name)
    elif what == "node":
        cluster.faults.stop_node("node-2")
    elif what == "curl":
        cluster.curl("default/client", "http://web/")
    cluster.run(draw(st.integers(1, 45)))


@settings(max_examples=3, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_no_sentence_contradicts_the_trace(built: Any, data: Any) -> None:
    """A sentence of a decision names the node chosen, or says that there is none; one of a pod
    names that pod; one of a call names what was called; and each is short."""
    cluster = built.fork()
    before = len(cluster.trace)
    for _ in range(2):
        acts(data.draw, cluster)
    for event in cluster.trace[before:]:
        said = cluster.tell(event)
        assert said, event
        assert len(said.split()) <= WORDS + 10, said
        detail = event.detail
        if event.verb == "schedule_one" and detail.get("pod"):
            pod = str(detail["pod"]).rpartition("/")[2]
            assert pod in said
            chosen = detail.get("node")
            other = {"node-1", "node-2"} - {chosen}
            assert chosen in said if chosen else "no node" in said or "skip" in said.lower()
            assert not chosen or not any(name in said for name in other) or "against" in said
        elif event.target == "faults" and detail.get("stopped"):
            assert "stop" in said or "cut" in said
        elif event.target == "faults" and detail.get("started"):
            assert "start" in said or "switch on" in said
        elif event.target.startswith("etcd") and detail.get("change"):
            assert str(detail["revision"]) in said
        elif event.target.startswith("tools/") and detail.get("answered_by"):
            assert str(detail["answered_by"]).rpartition("/")[2] in said
