"""A learner's own plugin: it joins the others at once, and its errors are shown to its author."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.scheduler.cache import NodeInfo
from kubelab.scheduler.config import load
from kubelab.scheduler.framework import Cycle, Plugin, unschedulable
from tests.scheduler.lab import Scene, node, pod


class Favourite(Plugin):
    """Likes node b."""

    name = "Favourite"

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        return 100 if node.name == "b" else 0


class NotOnMonday(Plugin):
    """Refuses node a."""

    name = "NotOnMonday"

    def filter(self, cycle: Cycle, node: NodeInfo) -> Any:
        return unschedulable("node(s) had a bad start") if node.name == "a" else None


class Broken(Plugin):
    """Raises."""

    name = "Broken"

    def filter(self, cycle: Cycle, node: NodeInfo) -> Any:
        raise KeyError("colour")


class Nonsense(Plugin):
    """Answers with a text."""

    name = "Nonsense"

    def score(self, cycle: Cycle, node: NodeInfo) -> Any:
        return "much"


class TooMuch(Plugin):
    """Scores beyond 100."""

    name = "TooMuch"

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        return 1000


def scene(kind: type[Plugin], weight: int = 1) -> Scene:
    """Two nodes and a scheduler with one more plugin."""
    found = Scene(node("a"), node("b"))
    found.world.inject("scheduler", "add_plugin", (kind, weight))
    found.run(0.1)
    found.put(pod("p"))
    return found


def test_score_joins() -> None:
    """Its score stands in the record and decides, with its weight."""
    found = scene(Favourite, 5)
    decision = found.scheduler.explain("default/p")
    assert decision is not None
    assert found.node_of("p") == "b"
    assert decision.to_dict()["scores"]["b"]["Favourite"] == {
        "raw": 100, "normalized": 100, "weight": 5, "weighted": 500,
    }  # fmt: skip


def test_filter_joins() -> None:
    """Its verdict and its words count like the others'."""
    found = scene(NotOnMonday)
    decision = found.scheduler.explain("default/p")
    assert decision is not None
    assert decision.to_dict()["filters"]["a"]["NotOnMonday"] == ["node(s) had a bad start"]
    assert found.node_of("p") == "b"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Broken, "running \"Broken\" filter plugin: KeyError: 'colour'"),
        (
            Nonsense,
            'running Score plugins: plugin "Nonsense" failed with: score returned str, not an int',
        ),
        (
            TooMuch,
            'applying score defaultWeights on Score plugins: plugin "TooMuch" returns an invalid '
            "score 1000, it should in the range of [0, 100] after normalizing",
        ),
    ],
)
def test_errors_are_shown(kind: type[Plugin], message: str) -> None:
    """What a plugin does wrong is the pod's message; the scheduler goes on and tries again."""
    found = scene(kind)
    assert found.message("p") == message
    assert found.condition("p")["reason"] == "SchedulerError"
    tries = found.scheduler.attempts
    found.run(5)
    assert found.scheduler.attempts > tries


def test_survives_a_restart() -> None:
    """A scheduler that starts anew still has the plugin."""
    found = scene(NotOnMonday)
    found.world.halt("scheduler")
    found.world.begin("scheduler")
    found.put(pod("q"), seconds=1)
    assert found.node_of("q") == "b"


def test_refused() -> None:
    """A plugin without methods, or with a built-in's name, is refused in words."""
    with pytest.raises(ValueError, match="has none of the methods"):
        load(None).add_plugin(type("Empty", (Plugin,), {"name": "Empty"}))
    with pytest.raises(ValueError, match="a name of its own"):
        load(None).add_plugin(type("Mine", (Favourite,), {"name": "NodeName"}))
