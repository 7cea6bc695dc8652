"""The learner's own story: acts, the decisions that followed, and quiet time, as text."""

from __future__ import annotations

from kubelab import views
from tests.views.stand_in import StandIn


def told(lines: int = 8) -> list[str]:
    """The story of a small cluster in which a fault leads to decisions after a minute."""
    cluster = StandIn()
    cluster.will("kubeadm", "start", "kubeadm")
    act = cluster.will("you", "halt", "faults", stopped=["kubelet/node-1"])
    for _ in range(3):
        cluster.will("controller-manager", "sync", "controller-manager", cause=act, ms=60_000,
                     controller="node-lifecycle", act="doubt node-1")  # fmt: skip
    cluster.will(
        "controller-manager", "sync", "controller-manager", controller="deployment", act="—"
    )
    cluster.settle()
    return views.story(cluster, lines=lines).splitlines()


def test_decisions_stand_below_the_act_before_them() -> None:
    """A paragraph opens with the act; a sync that did nothing is left out."""
    lines = told()
    assert lines[0].startswith("1. t+00:00.001  ")
    assert sum("handles sync" in line for line in lines) == 3


def test_quiet_time_is_said() -> None:
    """A minute between two lines is a line of its own."""
    assert told()[1].strip() == "… 60 seconds pass …"


def test_what_is_left_out_is_counted() -> None:
    """With room for one decision the other two are told as a number."""
    assert told(lines=1)[-1].strip() == "… and 2 more decisions."


def test_a_story_without_acts_says_so() -> None:
    """Before the first act there is nothing to tell."""
    assert views.story(StandIn()) == "You have done nothing yet."
