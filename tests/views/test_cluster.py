"""The cluster view: what runs where, at a moment."""

from __future__ import annotations

import pytest

from kubelab import views
from kubelab.views.cluster import pod_state
from tests.views.stand_in import pod, story


def test_a_pod_waits_in_the_tray_until_it_is_bound() -> None:
    """Before the binding a pod is on no node; after it, it appears on its node."""
    cluster = story(fits=True, cpu="1")
    cluster.settle()
    view = views.cluster(cluster, by="message")
    assert not view.frame["tray"]
    assert [row["short"] for row in view.frame["nodes"][0]["pods"]] == ["old-1", "web"]
    view.back()
    assert [row["short"] for row in view.frame["tray"]] == ["web"]
    assert [row["short"] for row in view.frame["nodes"][0]["pods"]] == ["old-1"]


def test_bars_show_what_is_asked_for() -> None:
    """The cpu bar is the sum of the requests of the node's pods."""
    cluster = story(fits=True, cpu="1")
    cluster.settle()
    assert views.cluster(cluster).frame["nodes"][0]["bars"][0]["text"] == "3 of 4"


def test_stopped_parts_follow_from_the_faults_up_to_the_moment() -> None:
    """A stopped scheduler is hollow after the fault, and whole again in the past before it."""
    cluster = story()
    cluster.will("you", "halt", "faults", stopped=["scheduler"])
    cluster.settle()
    view = views.cluster(cluster)
    assert {p.name: p.state for p in view.picture().pieces}["scheduler"] == "stopped"
    assert "Stopped: Scheduler." in view.state()["words"].alt
    view.back()
    assert {p.name: p.state for p in view.picture().pieces}["scheduler"] == "ready"


@pytest.mark.parametrize("nodes", [0, 1, 3, 12, 13, 60, 61, 1000])
def test_any_number_of_nodes_is_drawn(nodes: int) -> None:
    """From none to a thousand nodes there is a picture of at most 3,000 pieces."""
    cluster = story(nodes=nodes)
    cluster.settle()
    picture = views.cluster(cluster).picture()
    drawn = [p.name for p in picture.pieces if p.kind == "Node"]
    assert len(drawn) == nodes
    assert len(picture.pieces) <= 3000
    assert picture.height > 50


def test_states_are_told_in_words_of_kubectl() -> None:
    """Waiting, leaving, crashing and ready pods have their own pattern and word."""
    waiting = pod("a")
    leaving = pod("b", where="node-1")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    crashing = pod("c", where="node-1", phase="Running", containerStatuses=[
        {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    ])  # fmt: skip
    ready = pod("d", where="node-1", phase="Running", conditions=[
        {"type": "Ready", "status": "True"}
    ])  # fmt: skip
    assert [pod_state(each) for each in (waiting, leaving, crashing, ready)] == [
        ("waiting", "Pending"), ("leaving", "Terminating"), ("failed", "CrashLoopBackOff"),
        ("ready", "Running"),
    ]  # fmt: skip


def test_the_message_is_an_arrow_between_its_ends() -> None:
    """The step's message goes from who sent it to who handled it, with its verb."""
    cluster = story()
    cluster.settle()
    view = views.cluster(cluster, by="message")
    view.jump(8)
    assert view.frame["message"]["from"] == "you"
    assert view.frame["message"]["to"] == "apiserver-1"
    assert any(p.key == "message" for p in view.picture().pieces)
