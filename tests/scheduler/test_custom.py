"""A learner's own plugin: it joins the others at once, and its errors are shown to its author."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.scheduler.asking import PluginWarning
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


def scene(kind: type, weight: int = 1) -> Scene:
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
    with pytest.warns(PluginWarning) as told:
        found = scene(kind)
    assert str(told[0].message).startswith(message)
    assert found.message("p") == message
    assert found.condition("p")["reason"] == "SchedulerError"
    assert ("p", "FailedScheduling", message) in found.events()
    tries = found.scheduler.attempts
    with pytest.warns(PluginWarning):
        found.run(5)
    assert found.scheduler.attempts > tries


class BrokenLater(Plugin):
    """Raises after the node is chosen."""

    name = "BrokenLater"

    def reserve(self, cycle: Cycle, node: NodeInfo) -> Any:
        raise RuntimeError("no")


def test_late_errors_are_shown() -> None:
    """An error after the choice undoes it: the pod holds no place and says why."""
    with pytest.warns(PluginWarning, match="line .* of .*test_custom.py: raise RuntimeError"):
        found = scene(BrokenLater)
    assert found.condition("p")["message"] == (
        'running Reserve plugin "BrokenLater": RuntimeError: no'
    )
    assert found.scheduler.cache.pods == {}


class Hint(NotOnMonday):
    """Refuses node a; cannot say what would help."""

    name = "Hint"
    events = (("Node", "UpdateNodeLabel"),)

    def filter(self, cycle: Cycle, node: NodeInfo) -> Any:
        return unschedulable("node(s) had a bad start")

    def hint(self, handle: Any, pod: Any, event: Any) -> bool:
        raise LookupError


def test_a_hint_that_fails_wakes() -> None:
    """A pod is tried rather than left waiting when its plugin's hint raises."""
    found = scene(Hint)
    tries = found.scheduler.attempts
    with pytest.warns(PluginWarning, match='running "Hint" hint: LookupError'):
        found.put(node("a", labels={"x": "1"}))
    assert found.scheduler.attempts == tries + 1


class Endless(Plugin):
    """Never answers."""

    name = "Endless"

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        while True:
            pass


class Silent(Plugin):
    """Forgets to answer."""

    name = "Silent"

    def score(self, cycle: Cycle, node: NodeInfo) -> Any:
        node.name.upper()


class Short(Plugin):
    """Normalises to too few numbers."""

    name = "Short"

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        return 1

    def normalize(self, cycle: Cycle, nodes: Any, raw: Any) -> Any:
        return raw[1:]


class Narrow(Plugin):
    """Answers PreFilter with a number."""

    name = "Narrow"

    def pre_filter(self, cycle: Cycle) -> Any:
        return 3


class Vague(Plugin):
    """Answers PreScore with a text."""

    name = "Vague"

    def pre_score(self, cycle: Cycle, nodes: Any) -> Any:
        return "yes"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Endless,
            'running Score plugins: plugin "Endless" failed with: '
            "it did not answer within 100,000 lines of code",
        ),
        (
            Silent,
            'running Score plugins: plugin "Silent" failed with: '
            "score returned NoneType, not an int",
        ),
        (
            Short,
            'running Normalize on Score plugins: plugin "Short" failed with: '
            "normalize did not return 2 ints, one for each node",
        ),
        (
            Narrow,
            'running PreFilter plugin "Narrow": '
            "pre_filter returned int, not a Status or names of nodes",
        ),
        (
            Vague,
            'running PreScore plugin "Vague": pre_score returned str, not None or a Status',
        ),
    ],
)
def test_the_queue_moves_on(kind: type[Plugin], message: str) -> None:
    """Whatever a plugin does, each pod has its turn, and says what went wrong."""
    with pytest.warns(PluginWarning):
        found = scene(kind)
        found.put(pod("q"))
    assert found.message("p") == found.message("q") == message


class Guard(Plugin):
    """Fails before the queue."""

    name = "Guard"

    def pre_enqueue(self, handle: Any, pod: Any) -> Any:
        raise OSError("shut")


def test_a_gate_that_fails_keeps_the_pod_out() -> None:
    """A PreEnqueue plugin that raises rejects the pod, and says so to its author."""
    with pytest.warns(PluginWarning, match='running "Guard" pre_enqueue: OSError: shut'):
        found = scene(Guard)
    assert found.scheduler.attempts == 0


class Plain:
    """A class of its own, without a base and without a name."""

    def score(self, cycle: Cycle, node: NodeInfo) -> int:
        return 100 if node.name == "a" else 0


def test_any_class_will_do() -> None:
    """A class that has only the method becomes a plugin under its own name."""
    found = scene(Plain, 5)
    decision = found.scheduler.explain("default/p")
    assert decision is not None
    assert decision.to_dict()["scores"]["a"]["Plain"]["weighted"] == 500


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
